//! The process's signals: the first stops a server, the second ends it at once.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::Builder;

use crate::server::Stopper;

/// Returns once the signals are caught, so that none is missed afterwards.
pub(crate) fn stop_on_signals(stopper: Stopper) -> io::Result<()> {
    let (caught, is_caught) = mpsc::channel();
    let wait = move || {
        let runtime = match Builder::new_current_thread().enable_io().build() {
            Ok(runtime) => runtime,
            Err(error) => return caught.send(Err(error)).unwrap_or(()),
        };
        runtime.block_on(async {
            let mut signals = match Signals::catch() {
                Ok(signals) => signals,
                Err(error) => return caught.send(Err(error)).unwrap_or(()),
            };
            // The caller waits for it; if it is gone, the signals still count.
            let _ = caught.send(Ok(()));
            signals.next().await;
            tracing::info!("stopping: commands under way are answered while the drain lasts; a second signal ends at once");
            stopper.stop();
            loop {
                signals.next().await;
                stopper.stop_now();
            }
        });
    };
    thread::Builder::new().name("pinwire-signals".to_owned()).spawn(wait)?;
    is_caught.recv().unwrap_or_else(|_| Err(io::Error::other("the thread for signals ended")))
}

#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 2]);

#[cfg(unix)]
impl Signals {
    fn catch() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?]))
    }

    /// Either of them.
    async fn next(&mut self) {
        std::future::poll_fn(|cx| {
            let ready = self.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn catch() -> io::Result<Signals> {
        tokio::signal::windows::ctrl_c().map(Signals)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
