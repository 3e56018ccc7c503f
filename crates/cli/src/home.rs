//! The home folder: where a user's keys and lists are.

use std::fs::DirBuilder;
use std::path::{Path, PathBuf};

use clap::Args;
use etcetera::BaseStrategy as _;

use crate::exit::{Exit, Failure};
use crate::identity::Files;

/// Where the home folder is.
#[derive(Args, Debug)]
pub(crate) struct HomeArgs {
    /// The folder of keys and lists [default: "pinwire" in the platform's configuration folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "PINWIRE_HOME", hide_env_values = true)]
    home: Option<PathBuf>,
}

/// The home folder. Its files need not be there.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    folder: PathBuf,
    /// Whether it is where it is without being told.
    pub(crate) is_default: bool,
}

impl HomeArgs {
    pub(crate) fn locate(&self) -> Result<Home, Failure> {
        // An empty variable is one that is not set.
        if let Some(folder) = self.home.as_ref().filter(|folder| !folder.as_os_str().is_empty()) {
            return Ok(Home { folder: folder.clone(), is_default: false });
        }
        let strategy = etcetera::choose_base_strategy().map_err(|_| {
            Failure::new(Exit::Failed, "this user has no home folder; say --home FOLDER or set PINWIRE_HOME")
        })?;
        Ok(Home { folder: strategy.config_dir().join("pinwire"), is_default: true })
    }
}

impl Home {
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Who the server is.
    pub(crate) fn server(&self) -> Files {
        Files { certificate: self.folder.join("server.crt"), key: self.folder.join("server.key") }
    }

    /// Who this user is.
    pub(crate) fn client(&self) -> Files {
        Files { certificate: self.folder.join("client.crt"), key: self.folder.join("client.key") }
    }

    /// Whom the server lets in.
    pub(crate) fn trusted(&self) -> PathBuf {
        self.folder.join("trusted")
    }

    /// Which servers are the right ones.
    pub(crate) fn known_servers(&self) -> PathBuf {
        self.folder.join("known_servers")
    }

    /// What the server keeps for its clients.
    pub(crate) fn documents(&self) -> PathBuf {
        self.folder.join("documents.redb")
    }

    /// Makes the folder, for its owner alone, if it is not there.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder).map_err(|error| Failure::file(&self.folder, error))
    }
}
