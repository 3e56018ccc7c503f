//! Those who are on every version of the list, and what all clients share. They come, ask, stay for a version or a
//! few, ask again and go: whatever is done to the file, they are let in, answered and not cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};

use crate::news::News;
use crate::peer::Guest;

/// What a task of a crowd has of it.
#[derive(Clone)]
pub(crate) struct Hall {
    pub(crate) server: SocketAddr,
    /// Whoever comes holds a permit meanwhile: a queue of handshakes at the server would only make the test slow.
    pub(crate) door: Arc<Semaphore>,
    /// How many versions there were. Without a sender the story is over.
    pub(crate) versions: watch::Receiver<u64>,
}

impl Hall {
    /// Waits for so many versions, or for the end; says whether it was the end.
    pub(crate) async fn pass(&mut self, versions: u64) -> bool {
        for _ in 0..versions {
            if self.versions.changed().await.is_err() {
                return true;
            }
        }
        self.versions.has_changed().is_err()
    }
}

/// Begins a thread with these tasks; what they count, added up.
pub(crate) fn begin<T, F>(
    (server, versions): (SocketAddr, watch::Receiver<u64>),
    those: Vec<T>,
    news: Sender<News>,
    live: impl Fn(T, Hall) -> F + Send + 'static,
) -> JoinHandle<u64>
where
    T: Send + 'static,
    F: Future<Output = u64> + 'static,
{
    let run = async move || {
        let hall = Hall { server, door: Arc::new(Semaphore::new(AT_THE_DOOR)), versions };
        let mut tasks = JoinSet::new();
        for one in those {
            tasks.spawn_local(live(one, hall.clone()));
        }
        let mut sum = 0;
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(count) => sum += count,
                Err(_) => news.send(News::Lost).unwrap(),
            }
        }
        sum
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, run())
    })
}

/// Comes and goes until the story is over; how often it was in.
pub(crate) async fn come_and_go((number, guest): (u64, Guest), mut hall: Hall) -> u64 {
    let (mut visits, mut is_over) = (0, false);
    let right = |done: Result<(), String>, what: &str| {
        done.unwrap_or_else(|code| panic!("{} is on the list and {what}: {code}", guest.name));
    };
    while !is_over {
        let permit = Arc::clone(&hall.door).acquire_owned().await.unwrap();
        let come = guest.come(hall.server).await;
        let mut peer =
            come.unwrap_or_else(|code| panic!("{} is on the list and refused: {code}", guest.name));
        right(peer.ask().await, "not answered");
        drop(permit);
        is_over = hall.pass((number + visits) % STAYS).await;
        right(peer.ask().await, "cut");
        right(peer.leave().await, "cut while it left");
        visits += 1;
    }
    visits
}

pub(crate) fn unix() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Some go at once, others stay for so many versions but one.
const STAYS: u64 = 8;

/// Handshakes at one time, of each crowd.
const AT_THE_DOOR: usize = 4;
