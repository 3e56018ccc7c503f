//! Who may be in its handshake, and who waits in the lobby to begin it. Fair by source: whoever stalls keeps no
//! honest client out, and of a crowd behind one address nobody is lost. Whoever is delayed comes into the lobby
//! when its moment has come; for how long, `penalties` says. Knows no socket and no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use pinwire_proto::limits::Limits;

use crate::delays::Delays;
use crate::inbox::Address;

/// Where a connection comes from: an IPv4 address, or the 64 bits of an IPv6 address that one customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Source(IpAddr);

/// The places of those in their handshake (tenants), and the lobby, where `W` waits. Nothing is scanned: each
/// method takes a logarithm of how many there are, and no source is remembered without tenant or waiter.
#[derive(Debug)]
pub(crate) struct Handshakes<W> {
    rules: Rules,
    delays: Delays<W>,
    /// The last number given. Numbers tell who came, or began, earlier.
    number: u64,
    tenants: BTreeMap<Address, Tenant>,
    /// Tenants whose ClientHello is not complete, by number.
    silent: BTreeMap<u64, Silent>,
    /// Whoever waits, by number.
    waiting: BTreeMap<u64, Source>,
    sources: HashMap<Source, Crowd<W>>,
    /// Sources with somebody who waits and a place to spare, whose turn it is first.
    ready: BTreeMap<u64, Source>,
    /// Sources with somebody who waits and no place to spare, by their oldest silent tenant.
    stuck: BTreeSet<u64>,
    /// Sources with somebody who waits, by how many.
    crowds: BTreeSet<(usize, Source)>,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<W> {
    /// It begins its handshake: say [`began`](Handshakes::began). It was accepted at that moment.
    Begin(Source, W, Instant),
    /// This tenant has lost its place: its hello had its time, and others wait.
    Drop(Address),
    /// Its time was up before there was a place.
    Late(W),
    /// It was delayed, and there is no room for it, or for this one, in the lobby.
    Full(W),
}

#[derive(Debug)]
struct Rules {
    places: usize,
    places_a_source: usize,
    lobby: usize,
    lobby_a_source: usize,
    patience: Duration,
}

#[derive(Debug)]
struct Tenant {
    number: u64,
    source: Source,
}

#[derive(Debug)]
struct Silent {
    address: Address,
    since: Instant,
}

/// Those of one source.
#[derive(Debug)]
struct Crowd<W> {
    tenants: usize,
    silent: BTreeSet<u64>,
    waiting: VecDeque<Waiting<W>>,
    /// Its place among the ready.
    turn: Option<u64>,
}

#[derive(Debug)]
struct Waiting<W> {
    number: u64,
    since: Instant,
    who: W,
}

impl Source {
    /// Of an address that is unmapped already.
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Source(ip),
            IpAddr::V6(ip) => Source(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

impl<W> Handshakes<W> {
    pub(crate) fn new(limits: &Limits) -> Self {
        Handshakes {
            rules: Rules::of(limits),
            delays: Delays::new(limits.penalised, limits.lobby),
            number: 0,
            tenants: BTreeMap::new(),
            silent: BTreeMap::new(),
            waiting: BTreeMap::new(),
            sources: HashMap::new(),
            ready: BTreeMap::new(),
            stuck: BTreeSet::new(),
            crowds: BTreeSet::new(),
        }
    }

    /// Somebody was accepted, and waits for [`next`](Handshakes::next). Returns whom there is no room for, if
    /// the lobby is full: the newcomer, or the last of a source that has more there than the newcomer's.
    pub(crate) fn arrive(&mut self, now: Instant, source: Source, who: W) -> Option<W> {
        let own = self.sources.get(&source).map_or(0, |crowd| crowd.waiting.len());
        if own >= self.rules.lobby_a_source {
            return Some(who);
        }
        let mut displaced = None;
        if self.waiting.len() >= self.rules.lobby {
            match self.crowds.last() {
                Some(&(most, crowded)) if own + 1 < most => {
                    displaced = self.take_waiting(crowded, VecDeque::pop_back);
                }
                _ => return Some(who),
            }
        }
        let number = self.next_number();
        self.waiting.insert(number, source);
        self.change(source, |crowd| crowd.waiting.push_back(Waiting { number, since: now, who }));
        displaced.map(|waiting| waiting.who)
    }

    /// Somebody was accepted, and [arrives](Handshakes::arrive) later. Its time for the handshake runs from then.
    /// Returns whom there is no room for: the newcomer, or the last of a source that has more who are delayed.
    pub(crate) fn delay(&mut self, until: Instant, source: Source, who: W) -> Option<(Source, W)> {
        self.delays.wait(until, source, who)
    }

    /// Whoever is delayed and of a source that need not wait any more arrives at `now`.
    pub(crate) fn forgive(&mut self, now: Instant, is_forgiven: impl Fn(Source) -> bool) {
        self.delays.forgive(now, is_forgiven);
    }

    /// When the first of those who are delayed arrives.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.delays.earliest()
    }

    /// What is to be done at `now`; to be asked until there is nothing.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Step<W>> {
        loop {
            let step = self.step(now);
            if step.is_some() {
                return step;
            }
            let Some((source, who)) = self.delays.next(now) else { break };
            if let Some(closed) = self.arrive(now, source, who) {
                return Some(Step::Full(closed));
            }
        }
        self.drop_silent(now).map(Step::Drop)
    }

    /// Whom [`Step::Begin`] named has this address now.
    pub(crate) fn began(&mut self, now: Instant, source: Source, address: Address) {
        let number = self.next_number();
        self.tenants.insert(address, Tenant { number, source });
        self.silent.insert(number, Silent { address, since: now });
        self.change(source, |crowd| {
            crowd.tenants += 1;
            crowd.silent.insert(number);
        });
    }

    /// Its ClientHello is complete: it keeps its place until its handshake ends.
    pub(crate) fn heard(&mut self, address: Address) {
        let Some(&Tenant { number, source }) = self.tenants.get(&address) else { return };
        self.silent.remove(&number);
        self.change(source, |crowd| crowd.silent.remove(&number));
    }

    /// Its handshake has ended, one way or another. Whoever has no place any more may be named again.
    pub(crate) fn leave(&mut self, address: Address) {
        let Some(Tenant { number, source }) = self.tenants.remove(&address) else { return };
        self.silent.remove(&number);
        self.change(source, |crowd| {
            crowd.tenants -= 1;
            crowd.silent.remove(&number);
        });
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || self.delays.earliest().is_some()
    }

    /// Sends everybody home who is delayed.
    pub(crate) fn clear_delayed(&mut self) -> Vec<W> {
        self.delays.clear()
    }

    /// Sends everybody home who waits.
    pub(crate) fn clear_lobby(&mut self) -> Vec<W> {
        let mut all = self.delays.clear();
        all.extend(std::iter::from_fn(|| self.take_oldest()).map(|waiting| waiting.who));
        all
    }

    /// What is to be done with those in the lobby, while nobody needs to lose a place for it.
    fn step(&mut self, now: Instant) -> Option<Step<W>> {
        if let Some(late) = self.take_late(now) {
            return Some(Step::Late(late));
        }
        if self.tenants.len() < self.rules.places
            && let Some((_, &source)) = self.ready.first_key_value()
        {
            self.change(source, |crowd| crowd.turn = None); // the other sources first, then it again
            let waiting = self.take_waiting(source, VecDeque::pop_front)?;
            return Some(Step::Begin(source, waiting.who, waiting.since));
        }
        None
    }

    fn take_late(&mut self, now: Instant) -> Option<W> {
        let (_, source) = self.waiting.first_key_value()?;
        // The oldest of all is the oldest of its source.
        let oldest = self.sources.get(source)?.waiting.front()?;
        let is_late = now >= oldest.since + self.rules.patience;
        if is_late { self.take_oldest().map(|waiting| waiting.who) } else { None }
    }

    fn take_oldest(&mut self) -> Option<Waiting<W>> {
        let (_, &source) = self.waiting.first_key_value()?;
        self.take_waiting(source, VecDeque::pop_front)
    }

    /// Takes the place of a tenant that had its time, if somebody who waits could have it: of one of its own
    /// source; of anybody, the oldest, when all places are taken.
    fn drop_silent(&mut self, now: Instant) -> Option<Address> {
        let for_anybody = self.tenants.len() >= self.rules.places && !self.ready.is_empty();
        let of_all = if for_anybody { self.silent.keys().next() } else { None };
        let number = [of_all, self.stuck.first()].into_iter().flatten().min()?;
        let &Silent { address, since } = self.silent.get(number)?;
        if now < since + HELLO {
            return None;
        }
        self.leave(address);
        Some(address)
    }

    fn take_waiting(
        &mut self,
        source: Source,
        take: impl FnOnce(&mut VecDeque<Waiting<W>>) -> Option<Waiting<W>>,
    ) -> Option<Waiting<W>> {
        let waiting = self.change(source, |crowd| take(&mut crowd.waiting))?;
        self.waiting.remove(&waiting.number);
        Some(waiting)
    }

    /// Changes what is known of a source, and where it stands by it.
    fn change<R>(&mut self, source: Source, act: impl FnOnce(&mut Crowd<W>) -> R) -> R {
        let mut crowd = self.sources.remove(&source).unwrap_or_default();
        self.crowds.remove(&(crowd.waiting.len(), source));
        if let Some(turn) = crowd.turn {
            self.ready.remove(&turn);
        }
        if let Some(oldest) = crowd.silent.first() {
            self.stuck.remove(oldest);
        }
        let result = act(&mut crowd);
        self.place(source, &mut crowd);
        if !crowd.waiting.is_empty() || crowd.tenants > 0 {
            self.sources.insert(source, crowd);
        }
        result
    }

    fn place(&mut self, source: Source, crowd: &mut Crowd<W>) {
        let turn = crowd.turn.take();
        if crowd.waiting.is_empty() {
            return;
        }
        self.crowds.insert((crowd.waiting.len(), source));
        if crowd.tenants < self.rules.places_a_source {
            let turn = turn.unwrap_or_else(|| self.next_number());
            crowd.turn = Some(turn);
            self.ready.insert(turn, source);
        } else if let Some(oldest) = crowd.silent.first() {
            self.stuck.insert(*oldest);
        }
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

impl Rules {
    fn of(limits: &Limits) -> Self {
        let (places, lobby) = (limits.handshakes.max(1), limits.lobby.max(1));
        Rules {
            places,
            places_a_source: (places / 8).max(1),
            lobby,
            lobby_a_source: (lobby / 4).max(1),
            patience: limits.handshake,
        }
    }
}

impl<W> Default for Crowd<W> {
    fn default() -> Self {
        Crowd { tenants: 0, silent: BTreeSet::new(), waiting: VecDeque::new(), turn: None }
    }
}

/// What a ClientHello has to come while others wait. It follows the last packet of TCP's own handshake; lost, it
/// is sent again within a second (RFC 6298 2.1: the first timeout is one, and shorter once a round trip is known).
const HELLO: Duration = Duration::from_secs(1);

#[cfg(test)]
#[path = "handshakes_tests.rs"]
mod tests;
