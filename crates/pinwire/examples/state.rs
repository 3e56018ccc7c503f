//! State of a connection: CD enters a folder, PWD says which. Each connection has its own.
//!
//! The folder with the keys is made as `echo.rs` tells. A `pinwire call` is a connection of its own, which
//! would forget its folder at once; OpenSSL keeps one open. A command ends with an empty line:
//!
//!     cargo run -p pinwire --example state -- demo
//!     openssl s_client -quiet -no_ign_eof -crlf -connect 127.0.0.1:4433 -cert demo/client.crt -key demo/client.key
//!     CD employees
//!     Sequence: 1

use std::error::Error;
use std::path::{Path, PathBuf};

use pinwire::server::{
    Answered, Code, Command, Handler, Identity, Peer, Refusal, Responder, Server, ServerConfig, ServerTls,
    Sha1, Tickets, TrustList,
};

/// Answers the commands of all connections; it is shared, and so has nothing of any one of them.
struct Folders;

impl Handler for Folders {
    /// Lives in the connection: at most 64 bytes (this has 24), or it does not compile.
    type State = String;

    /// Somebody of the trust list has come: the state begins. A refusal here is the last word.
    fn connect(&self, peer: &Peer) -> Result<String, Refusal> {
        Ok(format!("/{}", peer.name().unwrap_or("nobody")))
    }

    fn command(&self, folder: &mut String, command: Command<'_>, to: Responder<'_>) -> Answered {
        let mut args = command.args();
        match (command.name().to_ascii_uppercase().as_str(), args.next(), args.next()) {
            ("PWD", None, None) => to.ok(format!("{folder}\n")),
            // Whatever a client can make grow has a limit.
            ("CD", Some(name), None) if folder.len() + name.len() < 200 => {
                *folder += &format!("/{name}");
                to.ok(format!("{folder}\n"))
            }
            ("PWD" | "CD", ..) => to.error(Code::BadArguments, "say PWD, or CD and a short name"),
            _ => to.error(Code::UnknownCommand, "there are PWD and CD"),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("say the folder, and perhaps ADDRESS:PORT")?);
    let listen = args.next().unwrap_or_else(|| "127.0.0.1:4433".to_owned()).parse()?;
    let identity = Identity::from_pem(&read(&folder, "server.crt")?, &read(&folder, "server.key")?)?;
    let trust =
        TrustList::parse(&read(&folder, "trusted")?, Sha1::Refuse).map_err(|bad| bad[0].to_string())?;
    let config = ServerConfig::new(listen, ServerTls::new(&identity, Tickets::new()?)?, trust);
    let server = Server::bind(config, Folders).map_err(|taken| taken.to_string())?;
    println!("listening on {}", server.local_addr());
    server.stop_on_signals()?;
    Ok(server.run()?)
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    std::fs::read(folder.join(name)).map_err(|error| format!("{name} in {}: {error}", folder.display()))
}
