//! A command whose answer takes long: FACTOR finds the prime factors of a number, on a thread beside the
//! worker. Several can be in flight; each is answered when it is ready, whatever was asked first.
//!
//! The folder is made as `echo.rs` tells. Then:
//!
//!     cargo run -p pinwire --example query -- demo
//!     pinwire --home demo call FACTOR 1001
//!     pinwire --home demo call FACTOR 18446744030759878681 --timeout 1

use std::error::Error;
use std::path::{Path, PathBuf};

use pinwire::server::{
    Code, Identity, OwnedCommand, Reply, Router, Server, ServerConfig, ServerTls, Sha1, Tickets, TrustList,
};
use tokio::sync::oneshot;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("say the folder, and perhaps ADDRESS:PORT")?);
    let listen = args.next().unwrap_or_else(|| "127.0.0.1:4433".to_owned()).parse()?;
    let identity = Identity::from_pem(&read(&folder, "server.crt")?, &read(&folder, "server.key")?)?;
    let trust =
        TrustList::parse(&read(&folder, "trusted")?, Sha1::Refuse).map_err(|bad| bad[0].to_string())?;
    let config = ServerConfig::new(listen, ServerTls::new(&identity, Tickets::new()?)?, trust);
    let router = Router::new().command_async("FACTOR", factor);
    let server = Server::bind(config, router).map_err(|taken| taken.to_string())?;
    println!("listening on {}", server.local_addr());
    server.stop_on_signals()?;
    Ok(server.run()?)
}

/// Runs on a worker, which serves others while this waits; what computes or blocks belongs on a thread. When the
/// client takes the command back, or its time is up, this future is dropped, and `told` with it.
async fn factor(command: OwnedCommand) -> Reply {
    let Some(Ok(number)) = command.command().args().next().map(str::parse::<u64>) else {
        return Reply::error(Code::BadArguments, "FACTOR takes one number below 2^64");
    };
    let (tell, told) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let found = factors(number, || tell.is_closed());
        let _ = tell.send(found);
    });
    told.await.map_or_else(|_| Reply::error(Code::Failed, ""), Reply::ok)
}

/// One a line; unfinished once nobody wants them.
fn factors(mut number: u64, is_unwanted: impl Fn() -> bool) -> String {
    let (mut found, mut factor) = (String::new(), 2);
    while factor <= number / factor && !is_unwanted() {
        if number.is_multiple_of(factor) {
            number /= factor;
            found += &format!("{factor}\n");
        } else {
            factor += 1;
        }
    }
    found + &format!("{number}\n")
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    std::fs::read(folder.join(name)).map_err(|error| format!("{name} in {}: {error}", folder.display()))
}
