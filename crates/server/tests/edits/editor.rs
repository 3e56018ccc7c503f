//! Who edits the file. After each edit it waits for the server's word, and for members who have seen for themselves
//! that it is so.

use std::collections::VecDeque;
use std::fs;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pinwire_server::{
    Code, Command, Identity, Limits, Responder, Router, Server, ServerConfig, ServerTls, Sha1, Stats,
    Stopper, Tickets, TrustFile,
};
use pinwire_testkit::certificates;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::crowd::{self, unix};
use crate::file::{NAME, TrustedFile};
use crate::log;
use crate::member::{self, Is, Member, Standing};
use crate::news::{HANG, News, Word};
use crate::peer::Guest;
use crate::roll::{Bad, Change, Roll};

pub(crate) struct Editor {
    folder: TempDir,
    file: TrustedFile,
    roll: Roll,
    news: Receiver<News>,
    words: VecDeque<Word>,
    looks: u64,
    /// What each member has seen last.
    settled: Vec<u64>,
    standings: Vec<watch::Sender<Standing>>,
    versions: watch::Sender<u64>,
    calls: u64,
    /// How much of the text in force stands in the file, if it is a half.
    half: Option<usize>,
    heard: Heard,
    crowds: Option<[JoinHandle<u64>; 2]>,
    server: (Stats, Stopper, JoinHandle<std::io::Result<()>>),
}

/// What the server said, in numbers.
#[derive(Default)]
struct Heard {
    edits: usize,
    replaced: u64,
    bad: u64,
    mended: u64,
}

impl Editor {
    /// The server, its file, and two hundred clients.
    pub(crate) fn begin() -> Editor {
        let folder = tempfile::tempdir().unwrap();
        let file = TrustedFile::in_folder(folder.path());
        let guests = |what: &str, first: usize, count: usize| -> Vec<Guest> {
            (0..count).map(|i| Guest::new(format!("{what}-{i}"), first + i)).collect()
        };
        let (steady, members) = (guests("steady", 0, STEADY), guests("member", STEADY, MEMBERS));
        let pins = |guests: &[Guest]| guests.iter().map(|guest| guest.pin).collect();
        let roll = Roll::new(pins(&steady), pins(&members));
        file.rename(roll.good().0.as_bytes());
        let (say, news) = mpsc::channel();
        log::hear(say.clone());
        let (address, server) = serve(&file);
        log::see_looks(folder.path(), NAME, say.clone());
        let versions = watch::Sender::new(0);
        let standing = |number| Standing {
            is: if roll.on().contains(&number) { Is::On } else { Is::Off },
            era: 0,
            call: 1,
        };
        let standings: Vec<_> = (0..MEMBERS).map(|number| watch::Sender::new(standing(number))).collect();
        let member = |(number, guest): (usize, Guest)| {
            let standing = standings[number].subscribe();
            Member { number, guest, standing, news: say.clone() }
        };
        let members = members.into_iter().enumerate().map(member).collect();
        let at = |versions: &watch::Sender<u64>| (address, versions.subscribe());
        let crowds = [
            crowd::begin(at(&versions), (0..).zip(steady).collect(), say.clone(), crowd::come_and_go),
            crowd::begin(at(&versions), members, say.clone(), member::live),
        ];
        let mut editor = Editor {
            folder,
            file,
            roll,
            news,
            words: VecDeque::new(),
            looks: 0,
            settled: vec![0; MEMBERS],
            standings,
            versions,
            calls: 1,
            half: None,
            heard: Heard::default(),
            crowds: Some(crowds),
            server,
        };
        editor.pump("everybody", |editor| editor.settled.iter().all(|call| *call == 1));
        editor
    }

    pub(crate) fn edits(&self) -> usize {
        self.heard.edits
    }

    /// A good version, as `pinwire trust` writes it.
    pub(crate) fn replace(&mut self) {
        self.good(|editor, text, _| editor.file.rename(text.as_bytes()));
    }

    /// A good version, as many editors write it.
    pub(crate) fn replace_in_place(&mut self) {
        self.good(|editor, text, _| editor.file.write_in_place(text.as_bytes()));
    }

    /// A good version whose first half is good by itself, and lacks who came last. The server looks at it, and the
    /// second half is there before it has settled.
    pub(crate) fn replace_in_halves(&mut self) {
        self.good(|editor, text, half| {
            editor.looked_after(|file| file.write_in_place(&text.as_bytes()[..half]));
            editor.file.append(&text.as_bytes()[half..]);
        });
    }

    /// What is in force again, behind a bad version; behind its first half, by writing the second.
    pub(crate) fn mend(&mut self) {
        let (text, half) = (self.roll.good().0, self.half.take());
        let is_slow = self.edit(|editor| match half {
            Some(half) => editor.file.append(&text.as_bytes()[half..]),
            None => editor.file.rename(text.as_bytes()),
        });
        let entries = self.roll.len();
        let said = format!(
            "the trust file is in order again: the list of {entries} entries was in use all the time"
        );
        self.hear(&said, "", is_slow);
        self.heard.mended += 1;
        self.try_both();
    }

    /// A bad version. It is told of once, with its line; who is on is let in, and who is off is not.
    pub(crate) fn spoil(&mut self, kind: Bad) {
        let (bytes, told) = self.roll.bad(kind);
        let is_slow = self.edit(|editor| match kind {
            Bad::Half => editor.file.write_in_place(&bytes),
            Bad::Open => editor.file.rename_with(&bytes, 0o666),
            Bad::Folder => editor.file.become_folder(),
            Bad::Itself => editor.file.link_to(NAME),
            Bad::Dangling => editor.file.link_to("nowhere"),
            Bad::Missing => editor.file.remove(),
            Bad::Cut(_) | Bad::Empty | Bad::Garbage | Bad::Words => editor.file.rename(&bytes),
        });
        let entries = self.roll.len();
        let said =
            format!("the trust file is not in order and not used: the list of {entries} entries stays");
        self.hear(&said, &told, is_slow);
        self.heard.bad += 1;
        self.half = (kind == Bad::Half).then_some(bytes.len());
        if kind.is_file() {
            self.looked_after(TrustedFile::touch);
        }
        self.try_both();
    }

    /// Stays until the follower has been through turns a second apart, which its writing beside the file shows; who
    /// is off and tries again gives it something to write.
    pub(crate) fn linger(&mut self) {
        let pending = self.file.path().with_extension("pending");
        let read = || fs::read(&pending).unwrap_or_default();
        let (mut last, mut changes, began) = (read(), 0, Instant::now());
        while changes < 2 {
            assert!(began.elapsed() < HANG, "nothing is written beside the file");
            self.try_both();
            let now = read();
            changes += u32::from(now != last);
            last = now;
        }
        assert!(self.words.is_empty(), "said again: {:?}", self.words);
    }

    /// Everybody goes, and the server ends. The figures.
    pub(crate) fn end(mut self) -> String {
        let on: u64 = self.roll.on().len() as u64;
        let (stats, stopper, thread) = self.server;
        drop((self.versions, self.standings));
        let [visits, cut] = self.crowds.take().unwrap().map(|crowd| crowd.join().expect("no panic"));
        stopper.stop_now();
        thread.join().expect("no panic").unwrap();
        let (snapshot, heard) = (stats.snapshot(), self.heard);
        assert!(!self.news.try_iter().any(|news| matches!(news, News::Said(_) | News::Lost)));
        assert_eq!((snapshot.trust_lists, snapshot.bad_trust_lists), (heard.replaced, heard.bad));
        assert!(snapshot.closed.iter().all(|(code, _)| *code == Code::NoLongerTrusted), "{snapshot}");
        assert!(snapshot.refused.iter().all(|(code, _)| *code == Code::UnfamiliarCertificate), "{snapshot}");
        assert!(cut >= heard.replaced, "{cut} were cut by {} lists, {on} are on", heard.replaced);
        drop(self.folder);
        format!(
            "{} edits: {} lists in force, {} bad versions, {} mended; {visits} visits of {STEADY} who are always on, none \
             refused or cut; {MEMBERS} others: {cut} cut, {} refused; {snapshot}",
            heard.edits,
            heard.replaced,
            heard.bad,
            heard.mended,
            snapshot.refused(Code::UnfamiliarCertificate),
        )
    }

    fn good(&mut self, write: impl FnOnce(&mut Editor, &str, usize)) {
        let Change { came, went, changed } = self.roll.turn();
        let those = [&came[..], &went[..]].concat();
        self.stand(&those, Is::Changing);
        let (text, half) = self.roll.good();
        let is_slow = self.edit(|editor| write(editor, &text, half));
        let (entries, came_in, went_out) = (self.roll.len(), came.len(), went.len());
        let said = format!(
            "trust list replaced: {entries} entries; {came_in} came, {went_out} went, {changed} changed"
        );
        self.hear(&said, "", is_slow);
        self.heard.replaced += 1;
        self.stand(&came, Is::On);
        self.stand(&went, Is::Off);
        self.settle(&those);
    }

    /// Says whether it took so long that what was there meanwhile may have settled, on a machine that stood still:
    /// then the server may tell of it too.
    fn edit(&mut self, write: impl FnOnce(&mut Editor)) -> bool {
        assert!(self.words.is_empty(), "said again: {:?}", self.words);
        let began = Instant::now();
        write(self);
        self.heard.edits += 1;
        let is_slow = began.elapsed() >= SETTLE;
        self.versions.send_modify(|version| *version += 1);
        is_slow
    }

    /// The server's next word must be this one.
    fn hear(&mut self, said: &str, told: &str, is_slow: bool) {
        loop {
            self.pump(said, |editor| !editor.words.is_empty());
            let word = self.words.pop_front().unwrap();
            if is_it(&word, (said, told), is_slow) {
                return;
            }
            assert!(is_slow, "edit {}: {said:?} {told:?} was expected, not {word:?}", self.heard.edits);
            self.count(&word);
        }
    }

    /// A word about what was there for a moment.
    fn count(&mut self, word: &Word) {
        self.heard.replaced += u64::from(word.message.starts_with("trust list replaced"));
        self.heard.bad += u64::from(!word.errors.is_empty());
    }

    /// Does it and waits for a look of the server.
    fn looked_after(&mut self, act: impl FnOnce(&TrustedFile)) {
        while let Ok(news) = self.news.try_recv() {
            self.take(news);
        }
        let looks = self.looks;
        act(&self.file);
        self.pump("a look", |editor| editor.looks > looks);
    }

    /// One who is on and one who is off try for themselves, and nothing has changed for them.
    fn try_both(&mut self) {
        let turn = usize::try_from(self.calls).unwrap();
        let one_of = |those: &VecDeque<usize>| those[turn % those.len()];
        let both = [one_of(self.roll.on()), one_of(self.roll.off())];
        self.calls += 1;
        for member in both {
            self.standings[member].send_modify(|standing| standing.call = self.calls);
        }
        self.settle(&both);
    }

    fn stand(&mut self, those: &[usize], is: Is) {
        self.calls += 1;
        for member in those {
            self.standings[*member].send_modify(|standing| {
                *standing = Standing { is, era: standing.era + 1, call: self.calls };
            });
        }
    }

    /// Waits until they have seen what they were called for last.
    fn settle(&mut self, those: &[usize]) {
        for member in those {
            let call = self.standings[*member].borrow().call;
            self.pump("a member's word", |editor| editor.settled[*member] == call);
        }
    }

    fn pump(&mut self, what: &str, is_there: impl Fn(&Editor) -> bool) {
        let end = Instant::now() + HANG;
        while !is_there(self) {
            let news = self.news.recv_timeout(end.saturating_duration_since(Instant::now()));
            self.take(news.unwrap_or_else(|_| panic!("edit {}: never: {what}", self.heard.edits)));
        }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Said(word) => self.words.push_back(word),
            News::Looked => self.looks += 1,
            News::Settled { member, call } => self.settled[member] = call,
            News::Lost => panic!("edit {}: a client was wronged, see above", self.heard.edits),
        }
    }
}

/// Whether it is the word that was expected. What came since the last word is not known if there was one between.
fn is_it(word: &Word, (said, told): (&str, &str), is_slow: bool) -> bool {
    let known = |message: &str| {
        if is_slow { message.split(';').next().map(str::to_owned) } else { Some(message.to_owned()) }
    };
    known(&word.message) == known(said)
        && word.errors.starts_with(told)
        && word.errors.is_empty() == told.is_empty()
}

fn serve(file: &TrustedFile) -> (std::net::SocketAddr, (Stats, Stopper, JoinHandle<std::io::Result<()>>)) {
    let (certificate, key) = certificates::good(unix());
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let tls = ServerTls::new(&identity, Tickets::new().unwrap())
        .unwrap()
        .record_layer(pinwire_testkit::record_layer());
    let trusted = TrustFile::new(file.path(), Sha1::Refuse);
    // Who was removed and tries again and again is delayed; here it is asked what it is told, not when.
    let limits = Limits { failures: u32::MAX, ..Limits::default() };
    let config = ServerConfig::new("127.0.0.1:0".parse().unwrap(), tls, trusted.read().unwrap());
    let router =
        Router::new().command("ECHO", |command: Command<'_>, to: Responder<'_>| to.ok(command.body()));
    let mut server = Server::bind(config.workers(2).limits(limits), router).unwrap();
    server.follow(trusted, None).unwrap();
    let (address, stats, stopper) = (server.local_addr(), server.stats(), server.stopper());
    (address, (stats, stopper, std::thread::spawn(move || server.run())))
}

/// Clients that are on every list.
const STEADY: usize = 150;
/// Clients that are on every other.
const MEMBERS: usize = 50;

/// What is written in place is used once it was seen twice, so far apart.
const SETTLE: Duration = Duration::from_millis(200);
