//! WATCH, typed: every change of the documents as it is made, on one connection after the other, none left out
//! and none twice.

use std::fmt;

use pinwire_proto::code::Code;
use pinwire_proto::wire::Request;

use crate::documents::version;
use crate::{Answer, Answers, Client, Error};

/// What was done to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The store's version that it made. Later changes have higher ones.
    pub version: u64,
    /// Which document.
    pub id: String,
    /// What was put; none if the document was deleted.
    pub body: Option<Vec<u8>>,
}

/// The changes of the documents, one by one: [`Client::watch`] makes it. Dropped, it ends.
///
/// When its connection is lost, or its reader falls so far behind that [`Limits::untaken`] is reached, it begins
/// again behind the last change that was taken, as long as the client [reconnects](crate::Builder::reconnect).
///
/// [`Limits::untaken`]: crate::Limits::untaken
#[must_use = "dropped, it ends"]
pub struct Watch {
    client: Client,
    prefix: String,
    version: u64,
    stage: Stage,
    tell: Option<Box<Tell>>,
}

/// Who is told why it has to begin again.
type Tell = dyn FnMut(&Error) + Send + Sync;

enum Stage {
    /// Asked for, and the server has not said where it begins.
    Asked {
        from: Option<u64>,
        parts: Answers,
    },
    Stands(Answers),
    /// To be asked for again.
    Lost,
    Over(Error),
}

/// What a part of the answer is.
enum Step {
    Change(Change),
    /// How far it is; nothing changed.
    Nothing,
}

impl Client {
    /// Watches the documents whose ids begin with `prefix`, from the version `from` on, inclusive, or from now on.
    /// Returns when the watch stands, within the client's timeout: no change that is made after that is missed.
    ///
    /// ```
    /// use pinwire_client::{Client, Error};
    ///
    /// async fn follow(client: &Client) -> Result<(), Error> {
    ///     let mut watch = client.watch("employees/", None).await?;
    ///     loop {
    ///         let change = watch.next().await?;
    ///         println!("{} {}", change.id, if change.body.is_some() { "is new" } else { "is gone" });
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`call`](Client::call); the code is `history-gone` if the server does not keep changes so old, and
    /// `bad-arguments` if `from` is beyond the next version.
    pub async fn watch(&self, prefix: &str, from: Option<u64>) -> Result<Watch, Error> {
        let stage = Stage::Asked { from, parts: self.stream_soon(request(prefix, from)).await? };
        let (client, prefix) = (self.clone(), prefix.to_owned());
        let mut watch = Watch { client, prefix, version: 0, stage, tell: None };
        watch.step().await?;
        Ok(watch)
    }
}

impl Watch {
    /// The next change, when it is made. Dropped, the future has taken nothing.
    ///
    /// # Errors
    /// Why the watch is over, and the same from then on. The code is `history-gone` if the reader, or the
    /// connection, was away for so long that the server does not keep what came next.
    pub async fn next(&mut self) -> Result<Change, Error> {
        loop {
            match self.step().await {
                Ok(Step::Change(change)) => return Ok(change),
                Ok(Step::Nothing) => {}
                Err(error) => self.ended(error)?,
            }
        }
    }

    /// How far it is: every change up to this version was taken, or does not concern its prefix.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whom to tell, each time, why the watch has to begin again.
    pub fn on_lost(mut self, tell: impl FnMut(&Error) + Send + Sync + 'static) -> Watch {
        self.tell = Some(Box::new(tell));
        self
    }

    async fn step(&mut self) -> Result<Step, Error> {
        let part = match &mut self.stage {
            Stage::Asked { parts, .. } | Stage::Stands(parts) => parts.next().await?,
            Stage::Lost => return self.begin_again().await,
            Stage::Over(error) => return Err(error.clone()),
        };
        self.take(part.ok_or_else(|| unfit("the watch ended without a reason"))?)
    }

    /// It waits for a server as long as it takes.
    async fn begin_again(&mut self) -> Result<Step, Error> {
        let from = Some(self.version.saturating_add(1));
        self.stage = match self.client.stream(request(&self.prefix, from)).await {
            Ok(parts) => Stage::Asked { from, parts },
            // The client itself has ended.
            Err(error) => Stage::Over(error),
        };
        Ok(Step::Nothing)
    }

    fn take(&mut self, part: Answer) -> Result<Step, Error> {
        let version = version(&part)?;
        match std::mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Asked { from, parts } => {
                begins(from, version)?;
                (self.version, self.stage) = (version, Stage::Stands(parts));
                Ok(Step::Nothing)
            }
            stage => {
                self.stage = stage;
                let step = change(part, self.version, version)?;
                self.version = self.version.max(version);
                Ok(step)
            }
        }
    }

    /// Whether that was the end of it.
    fn ended(&mut self, error: Error) -> Result<(), Error> {
        let is_over = matches!(self.stage, Stage::Over(_));
        if is_over || !self.client.reconnects() || !passes(&error) {
            self.stage = Stage::Over(error.clone());
            return Err(error);
        }
        if let Some(tell) = &mut self.tell {
            tell(&error);
        }
        self.stage = Stage::Lost;
        Ok(())
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Watch { prefix, version, .. } = self;
        f.debug_struct("Watch").field("prefix", prefix).field("version", version).finish_non_exhaustive()
    }
}

fn request(prefix: &str, from: Option<u64>) -> Request {
    let request = Request::new("WATCH").repeatable();
    let request = if prefix.is_empty() { request } else { request.arg(prefix) };
    match from {
        Some(from) => request.header("From", from.to_string()),
        None => request,
    }
}

/// The first part says behind which version the changes come.
fn begins(from: Option<u64>, version: u64) -> Result<(), Error> {
    match from {
        Some(from) if from.saturating_sub(1) != version => {
            Err(unfit(&format!("asked for changes from version {from} on, it gives those behind {version}")))
        }
        _ => Ok(()),
    }
}

fn change(part: Answer, before: u64, version: u64) -> Result<Step, Error> {
    let Some(id) = part.header("Id") else {
        // Not part of version 1 of the protocol, and harmless: the server says how far it is.
        return Ok(Step::Nothing);
    };
    if version <= before {
        return Err(unfit(&format!("version {version} came behind version {before}")));
    }
    let (id, kind) = (id.to_owned(), part.header("Change").unwrap_or_default());
    let body = match kind.to_ascii_lowercase().as_str() {
        "put" => Some(part.body),
        "delete" => None,
        _ => return Err(unfit(&format!("a change is put or delete, not \"{kind}\""))),
    };
    Ok(Step::Change(Change { version, id, body }))
}

/// Whether the reason says nothing against going on from where it was, over another connection or this one.
fn passes(error: &Error) -> bool {
    let passing = [Code::Idle, Code::ShuttingDown, Code::TooManyConnections, Code::TimedOut];
    match error {
        Error::Lost { .. } | Error::Behind { .. } => true,
        // It asks for no deadline; a server that has one for everybody only wants to be asked again.
        Error::Reply { code, .. } | Error::Closed { code, .. } | Error::Refused { code, .. } => {
            Code::parse(code).is_some_and(|code| passing.contains(&code))
        }
        _ => false,
    }
}

fn unfit(why: &str) -> Error {
    Error::Unfit { why: why.to_owned() }
}
