//! The process's signals: the first that stops stops a server, the second ends it at once. SIGHUP makes it look at
//! the files that it follows.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::Builder;

use crate::follow::Looker;
use crate::server::Stopper;

/// Returns once the signals are caught, so that none is missed afterwards. Without a `looker` SIGHUP is left to the
/// system.
pub(crate) fn catch(stopper: Stopper, looker: Option<Looker>) -> io::Result<()> {
    let (caught, is_caught) = mpsc::channel();
    let wait = move || {
        let runtime = match Builder::new_current_thread().enable_io().build() {
            Ok(runtime) => runtime,
            Err(error) => return caught.send(Err(error)).unwrap_or(()),
        };
        runtime.block_on(async {
            let mut signals = match Signals::catch(looker) {
                Ok(signals) => signals,
                Err(error) => return caught.send(Err(error)).unwrap_or(()),
            };
            // The caller waits for it; if it is gone, the signals still count.
            let _ = caught.send(Ok(()));
            signals.stop().await;
            tracing::info!("stopping: commands under way are answered while the drain lasts; a second signal ends at once");
            stopper.stop();
            loop {
                signals.stop().await;
                stopper.stop_now();
            }
        });
    };
    thread::Builder::new().name("pinwire-signals".to_owned()).spawn(wait)?;
    is_caught.recv().unwrap_or_else(|_| Err(io::Error::other("the thread for signals ended")))
}

#[cfg(unix)]
struct Signals {
    stops: [tokio::signal::unix::Signal; 2],
    hangup: Option<(tokio::signal::unix::Signal, Looker)>,
}

#[cfg(unix)]
impl Signals {
    fn catch(looker: Option<Looker>) -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let stops = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        let hangup = looker.map(|looker| signal(SignalKind::hangup()).map(|hangup| (hangup, looker)));
        Ok(Signals { stops, hangup: hangup.transpose()? })
    }

    /// Either of those that stop. Looks meanwhile.
    async fn stop(&mut self) {
        std::future::poll_fn(|cx| {
            if let Some((hangup, looker)) = &mut self.hangup {
                while hangup.poll_recv(cx).is_ready() {
                    tracing::info!("SIGHUP: looking at the trust file, the certificate and the key");
                    looker.look();
                }
            }
            let ready = self.stops.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn catch(_: Option<Looker>) -> io::Result<Signals> {
        tokio::signal::windows::ctrl_c().map(Signals)
    }

    async fn stop(&mut self) {
        self.0.recv().await;
    }
}
