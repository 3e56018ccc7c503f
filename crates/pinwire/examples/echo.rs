//! A server with a command of one's own: ECHO answers with the body that it was sent.
//!
//! It takes its keys and its list of clients from a folder that the program `pinwire` fills:
//!
//!     pinwire --home demo keygen --server
//!     pinwire --home demo keygen --client
//!     pinwire --home demo trust add demo/client.crt --name me
//!     cargo run -p pinwire --example echo -- demo
//!
//! From another terminal, after a look at the pin it shows (`pinwire --home demo pin --server` says the right one):
//!
//!     pinwire --home demo call ECHO --body hello

use std::error::Error;
use std::path::{Path, PathBuf};

use pinwire::server::{
    Command, Identity, Responder, Router, Server, ServerConfig, ServerTls, Sha1, Tickets, TrustList,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("say the folder, and perhaps ADDRESS:PORT")?);
    let listen = args.next().unwrap_or_else(|| "127.0.0.1:4433".to_owned()).parse()?;

    // Who the server is, and whom it lets in. Everybody else is told why not.
    let identity = Identity::from_pem(&read(&folder, "server.crt")?, &read(&folder, "server.key")?)?;
    let trust =
        TrustList::parse(&read(&folder, "trusted")?, Sha1::Refuse).map_err(|bad| bad[0].to_string())?;

    // What it answers. PING, HELP and WHOAMI come with the router.
    let router = Router::new().command("ECHO", echo);

    let config = ServerConfig::new(listen, ServerTls::new(&identity, Tickets::new()?)?, trust);
    let server = Server::bind(config, router).map_err(|taken| taken.to_string())?;
    println!("listening on {}", server.local_addr());
    // Ctrl-C ends it well: what is under way is answered first.
    server.stop_on_signals()?;
    Ok(server.run()?)
}

/// A command's answer is made with its responder, here at once. A path without one does not compile.
fn echo(command: Command<'_>, to: Responder<'_>) -> pinwire::server::Answered {
    to.ok(command.body())
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    std::fs::read(folder.join(name)).map_err(|error| format!("{name} in {}: {error}", folder.display()))
}
