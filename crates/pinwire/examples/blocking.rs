//! A client for programs without tokio: keeps a document, changes it, lists what there is.
//!
//! It needs a server of documents, and the files that the server's first start makes in its folder:
//!
//!     pinwire --home demo serve
//!
//! and, from another terminal:
//!
//!     cargo run -p pinwire --example blocking -- demo

use std::path::{Path, PathBuf};

use pinwire::client::blocking::Client;
use pinwire::client::{Address, Error, Identity, KnownServers};

fn talk(address: Address, identity: Identity, known: KnownServers) -> Result<(), Error> {
    let client = Client::builder(address).identity(identity).known_servers(known).connect()?;
    let version = client.put("employees/1-A", "Ada")?;
    // If somebody else has changed it meanwhile, this is an error, and `error.conflict()` says the version.
    client.put_if("employees/1-A", "Ada Lovelace", version)?;
    let page = client.list("employees/", None)?;
    // At most 1,000 ids come at once; `page.next`, if there is one, goes on behind them.
    println!("{}", page.ids.join("\n"));
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("say the folder, and perhaps HOST:PORT")?);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:4433".to_owned()).parse()?;

    // Who this client is, and which server is the right one: no other is told anything.
    let identity = Identity::from_pem(&read(&folder, "client.crt")?, &read(&folder, "client.key")?)?;
    let known = KnownServers::parse(&String::from_utf8(read(&folder, "known_servers")?)?)?;

    // Errors say what happened, and what became of the command.
    Ok(talk(address, identity, known).map_err(|error| error.to_string())?)
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    std::fs::read(folder.join(name)).map_err(|error| format!("{name} in {}: {error}", folder.display()))
}
