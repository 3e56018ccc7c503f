//! What is done with each decision: the list or the identity in use is replaced, counted and told of.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use pinwire_proto::identity::Identity;
use pinwire_proto::tls::ServerTls;
use pinwire_proto::trust::{Entry, Pin, TrustList};

use super::settle::{Decision, Settling};
use super::{IdentityFiles, TrustFile, now_unix, words};
use crate::beside::{Bad, IdentityStatus, TrustStatus};
use crate::server::{Shown, Trust};
use crate::stats::Versions;

/// The trust file, and the list that judges.
pub(super) struct FollowedTrust {
    file: TrustFile,
    trust: Trust,
    settling: Settling<1>,
    versions: Arc<Versions>,
    since: i64,
    bad: Option<Bad>,
}

impl FollowedTrust {
    pub(super) fn new(file: TrustFile, trust: Trust, versions: Arc<Versions>, since: i64) -> Self {
        FollowedTrust { file, trust, settling: Settling::new(), versions, since, bad: None }
    }

    /// Gives the moment of the next look, if it is to be soon.
    pub(super) fn turn(&mut self, was_renamed: bool) -> Option<Instant> {
        let mut seen = self.file.look();
        // After it: two looks are apart by what lies between them.
        let now = Instant::now();
        if let Ok(content) = &mut seen {
            content.renamed = was_renamed;
        }
        match self.settling.look([seen], now, |version| self.file.judge(version)) {
            Decision::Nothing => {}
            Decision::LookAgain(at) => return Some(at),
            Decision::Use(list) => self.take(list),
            Decision::Mended => self.mended(),
            Decision::Bad(error) => self.stays(error.words()),
        }
        self.versions.is_trust_file_bad.store(self.bad.is_some(), Ordering::Relaxed);
        None
    }

    pub(super) fn status(&self) -> TrustStatus {
        TrustStatus {
            file: self.file.path().to_owned(),
            entries: self.trust.list().len(),
            since: self.since,
            bad: self.bad.clone(),
        }
    }

    fn take(&mut self, list: TrustList) {
        let before = self.trust.list();
        if before.entries() == list.entries() {
            // The list that the server began with, or a comment behind its last line.
            return self.mended();
        }
        let Difference { came, went, changed } = Difference::between(&before, &list);
        let entries = list.len();
        self.trust.replace(list);
        self.since = now_unix();
        self.bad = None;
        self.versions.trust_lists.one();
        let file = self.file.path().display();
        tracing::info!(%file, "trust list replaced: {entries} entries; {came} came, {went} went, {changed} changed");
    }

    fn mended(&mut self) {
        if self.bad.take().is_some() {
            let (file, entries) = (self.file.path().display(), self.trust.list().len());
            tracing::info!(%file, "the trust file is in order again: the list of {entries} entries was in use all the time");
        }
    }

    fn stays(&mut self, errors: Vec<String>) {
        self.versions.bad_trust_lists.one();
        let (file, entries) = (self.file.path().display(), self.trust.list().len());
        tracing::warn!(%file, errors = errors.join("; "), "the trust file is not in order and not used: the list of {entries} entries stays");
        self.bad = Some(Bad { since: now_unix(), errors });
    }
}

/// What one list has and another has not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    came: usize,
    went: usize,
    changed: usize,
}

impl Difference {
    fn between(before: &TrustList, after: &TrustList) -> Difference {
        let mut left: HashMap<Pin, &Arc<Entry>> =
            before.entries().iter().map(|entry| (entry.pin, entry)).collect();
        let mut difference = Difference::default();
        for entry in after.entries() {
            match left.remove(&entry.pin) {
                None => difference.came += 1,
                Some(before) if says_the_same(before, entry) => {}
                Some(_) => difference.changed += 1,
            }
        }
        difference.went = left.len();
        difference
    }
}

/// Whether two entries of one pin differ in nothing but their comment and their line.
fn says_the_same(before: &Entry, after: &Entry) -> bool {
    let bare = |entry: &Entry| Entry { comment: None, line: 0, ..entry.clone() };
    bare(before) == bare(after)
}

/// Certificate and key, and what is shown.
pub(super) struct FollowedIdentity {
    files: IdentityFiles,
    shown: Shown,
    settling: Settling<2>,
    versions: Arc<Versions>,
    since: i64,
    bad: Option<Bad>,
}

impl FollowedIdentity {
    pub(super) fn new(files: IdentityFiles, shown: Shown, versions: Arc<Versions>, since: i64) -> Self {
        FollowedIdentity { files, shown, settling: Settling::new(), versions, since, bad: None }
    }

    /// Gives the moment of the next look, if it is to be soon.
    pub(super) fn turn(&mut self) -> Option<Instant> {
        let seen = self.files.look();
        let now = Instant::now();
        match self.settling.look(seen, now, |version| self.files.judge(version)) {
            Decision::Nothing => {}
            Decision::LookAgain(at) => return Some(at),
            Decision::Use(identity) => self.take(&identity),
            Decision::Mended => self.mended(),
            Decision::Bad(error) => self.stays(words(error.words().iter())),
        }
        self.versions.are_identity_files_bad.store(self.bad.is_some(), Ordering::Relaxed);
        None
    }

    /// `None`: what is shown cannot be read, which a server's never is.
    pub(super) fn status(&self) -> Option<IdentityStatus> {
        let tls = self.shown.tls();
        let certificate = tls.identity().certificate().ok()?;
        let pin = Pin::Spki(certificate.digests.spki);
        let (since, bad) = (self.since, self.bad.clone());
        Some(IdentityStatus { pin, not_after: certificate.not_after, since, bad })
    }

    fn take(&mut self, identity: &Identity) {
        let before = self.shown.tls();
        if before.identity().chain() == identity.chain() {
            return self.mended();
        }
        match before.showing(identity) {
            Ok(tls) => self.show(tls),
            Err(error) => self.stays(vec![error.to_string()]),
        }
    }

    fn show(&mut self, tls: ServerTls) {
        self.shown.replace(tls);
        self.since = now_unix();
        self.bad = None;
        self.versions.identities.one();
        tracing::info!(certificate = %self.certificate(), pin = self.pin(), "the server shows another certificate");
    }

    fn mended(&mut self) {
        if self.bad.take().is_some() {
            tracing::info!(certificate = %self.certificate(), pin = self.pin(), "the server's certificate and key are in order again: they were in use all the time");
        }
    }

    fn stays(&mut self, errors: Vec<String>) {
        self.versions.bad_identities.one();
        tracing::warn!(certificate = %self.certificate(), pin = self.pin(), errors = errors.join("; "), "the server's certificate and key are not in order and not used: the old ones are shown");
        self.bad = Some(Bad { since: now_unix(), errors });
    }

    fn certificate(&self) -> std::path::Display<'_> {
        self.files.paths()[0].display()
    }

    /// Of what is shown.
    fn pin(&self) -> String {
        self.status().map_or_else(String::new, |status| status.pin.to_string())
    }
}
