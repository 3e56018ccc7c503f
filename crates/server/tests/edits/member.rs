//! One whom the versions take off the list and put on again. Knows at every moment what must hold for it, tries it
//! for itself, again and again, and says so when it was asked.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::crowd::Hall;
use crate::news::{HANG, News};
use crate::peer::{Code, Guest, Peer};

/// What holds for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) is: Is,
    /// Another one whenever `is` is.
    pub(crate) era: u64,
    /// It is to see for itself, and to say so with this number.
    pub(crate) call: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Is {
    /// The server has said that a list with it is in force.
    On,
    /// The server has said that a list without it is in force.
    Off,
    /// An edit that puts it on or takes it off is under way.
    Changing,
}

pub(crate) struct Member {
    pub(crate) number: usize,
    pub(crate) guest: Guest,
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) news: Sender<News>,
}

/// A member in its life.
struct Living {
    member: Member,
    hall: Hall,
    inside: Option<Peer>,
    cut: u64,
    visits: u64,
}

/// Until the story is over; how often it was cut.
pub(crate) async fn live(member: Member, hall: Hall) -> u64 {
    let mut living = Living { member, hall, inside: None, cut: 0, visits: 0 };
    loop {
        let standing = *living.member.standing.borrow_and_update();
        living.see(standing).await;
        living.visits += 1;
        if standing.is != Is::Changing && living.holds(standing) {
            let settled = News::Settled { member: living.member.number, call: standing.call };
            living.member.news.send(settled).unwrap();
        }
        if living.wait(standing).await {
            return living.cut;
        }
    }
}

impl Living {
    async fn see(&mut self, standing: Standing) {
        match standing.is {
            Is::Changing => {}
            Is::On => {
                self.go(standing).await;
                self.come(standing).await;
            }
            Is::Off => {
                if let Some(mut peer) = self.inside.take() {
                    let code = timeout(HANG, peer.cut()).await;
                    self.was_cut(&code.unwrap_or_else(|_| panic!("{} stays", self.name())));
                }
                self.come(standing).await;
            }
        }
    }

    /// Nothing else was said since then.
    fn holds(&self, standing: Standing) -> bool {
        self.member.standing.borrow().era == standing.era
    }

    async fn come(&mut self, standing: Standing) {
        let _permit = Arc::clone(&self.hall.door).acquire_owned().await.unwrap();
        match self.member.guest.come(self.hall.server).await {
            Ok(peer) => {
                let is_right = standing.is == Is::On || !self.holds(standing);
                assert!(is_right, "{} was removed and is let in", self.name());
                self.inside = Some(peer);
                self.ask(standing).await;
            }
            Err(code) => {
                assert_eq!(code, "unfamiliar-certificate", "{}", self.name());
                let is_right = standing.is == Is::Off || !self.holds(standing);
                assert!(is_right, "{} is on the list and refused", self.name());
            }
        }
    }

    async fn ask(&mut self, standing: Standing) {
        let Some(peer) = &mut self.inside else { return };
        if let Err(code) = peer.ask().await {
            self.inside = None;
            self.is_cut(&code, standing);
        }
    }

    /// Whoever is in asks once more and goes.
    async fn go(&mut self, standing: Standing) {
        self.ask(standing).await;
        if let Some(peer) = self.inside.take()
            && let Err(code) = peer.leave().await
        {
            self.is_cut(&code, standing);
        }
    }

    fn is_cut(&mut self, code: &Code, standing: Standing) {
        let is_right = standing.is != Is::On || !self.holds(standing);
        assert!(is_right, "{} is on the list and cut: {code}", self.name());
        self.was_cut(code);
    }

    fn was_cut(&mut self, code: &Code) {
        assert_eq!(code, "no-longer-trusted", "{}", self.name());
        self.cut += 1;
    }

    /// Waits for another standing, for a version or a few, or to be cut; says whether the story is over.
    async fn wait(&mut self, standing: Standing) -> bool {
        let versions = 1 + (self.member.number as u64 + self.visits) % PACE;
        let words = async {
            match &mut self.inside {
                Some(peer) => peer.words().await,
                None => std::future::pending().await,
            }
        };
        let words = tokio::select! {
            changed = self.member.standing.changed() => return changed.is_err(),
            is_over = self.hall.pass(versions) => return is_over,
            words = words => words,
        };
        if let Some(mut peer) = self.inside.take() {
            let code = peer.over(words).await;
            self.is_cut(&code, standing);
        }
        false
    }

    fn name(&self) -> &str {
        &self.member.guest.name
    }
}

/// A member that is not called tries again after so many versions at most.
const PACE: u64 = 8;
