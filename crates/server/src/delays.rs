//! Those whose source failed too often, until the moment at which they may wait for a place as others do.
//! Fair by source: one that crowds keeps no other out. Knows no socket and no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::time::Instant;

use crate::handshakes::Source;

/// `W` waits here. Nothing is scanned, and no source is remembered of which nobody waits.
#[derive(Debug)]
pub(crate) struct Delays<W> {
    /// The most that wait, of one source and of all.
    a_source: usize,
    most: usize,
    number: u64,
    moments: BTreeMap<Moment, Source>,
    sources: HashMap<Source, BTreeMap<Moment, W>>,
    /// Sources by how many of them wait.
    crowds: BTreeSet<(usize, Source)>,
}

/// When somebody's time comes; the number tells apart those of one instant.
type Moment = (Instant, u64);

impl<W> Delays<W> {
    pub(crate) fn new(a_source: usize, most: usize) -> Self {
        Delays {
            a_source: a_source.max(1),
            most: most.max(1),
            number: 0,
            moments: BTreeMap::new(),
            sources: HashMap::new(),
            crowds: BTreeSet::new(),
        }
    }

    /// Waits until then. Returns whom there is no room for: the newcomer, or the last of a source that has more
    /// here than the newcomer's.
    pub(crate) fn wait(&mut self, until: Instant, source: Source, who: W) -> Option<(Source, W)> {
        let own = self.sources.get(&source).map_or(0, BTreeMap::len);
        if own >= self.a_source {
            return Some((source, who));
        }
        let mut displaced = None;
        if self.moments.len() >= self.most {
            match self.crowds.last() {
                Some(&(most, crowded)) if own + 1 < most => {
                    displaced = self.take(crowded, BTreeMap::pop_last);
                }
                _ => return Some((source, who)),
            }
        }
        self.number += 1;
        let moment = (until, self.number);
        self.moments.insert(moment, source);
        self.change(source, |crowd| crowd.insert(moment, who));
        displaced
    }

    /// Whose time has come, the earliest first.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(Source, W)> {
        let (_, &source) = self.moments.first_key_value().filter(|((until, _), _)| now >= *until)?;
        // The earliest of all is the earliest of its source.
        self.take(source, BTreeMap::pop_first)
    }

    /// Of sources that need not wait any more everybody's time has come, in the order in which it would have.
    pub(crate) fn forgive(&mut self, now: Instant, is_forgiven: impl Fn(Source) -> bool) {
        let forgiven: Vec<_> = self.sources.keys().copied().filter(|source| is_forgiven(*source)).collect();
        for source in forgiven {
            let crowd = self.change(source, mem::take);
            crowd.keys().for_each(|moment| _ = self.moments.remove(moment));
            for who in crowd.into_values() {
                let displaced = self.wait(now, source, who);
                debug_assert!(displaced.is_none(), "they had their room");
            }
        }
    }

    /// When the earliest's time comes.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.moments.first_key_value().map(|((until, _), _)| *until)
    }

    /// Sends everybody home.
    pub(crate) fn clear(&mut self) -> Vec<W> {
        (self.moments, self.crowds) = (BTreeMap::new(), BTreeSet::new());
        self.sources.drain().flat_map(|(_, crowd)| crowd.into_values()).collect()
    }

    fn take(
        &mut self,
        source: Source,
        take: impl FnOnce(&mut BTreeMap<Moment, W>) -> Option<(Moment, W)>,
    ) -> Option<(Source, W)> {
        let (moment, who) = self.change(source, take)?;
        self.moments.remove(&moment);
        Some((source, who))
    }

    fn change<R>(&mut self, source: Source, act: impl FnOnce(&mut BTreeMap<Moment, W>) -> R) -> R {
        let mut crowd = self.sources.remove(&source).unwrap_or_default();
        self.crowds.remove(&(crowd.len(), source));
        let result = act(&mut crowd);
        if !crowd.is_empty() {
            self.crowds.insert((crowd.len(), source));
            self.sources.insert(source, crowd);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use std::time::Duration;

    fn source(number: u8) -> Source {
        Source::of(IpAddr::from([192, 0, 2, number]))
    }

    #[test]
    fn each_comes_at_its_moment_and_nobody_is_remembered_then() {
        let (mut delays, now) = (Delays::new(4, 8), Instant::now());
        for (who, (after, from)) in [(3, 1), (1, 2), (2, 1), (1, 1)].into_iter().enumerate() {
            assert_eq!(delays.wait(now + after * SECOND, source(from), who), None);
        }
        assert_eq!((delays.earliest(), delays.next(now)), (Some(now + SECOND), None));
        let mut due = |after| std::iter::from_fn(|| delays.next(now + after * SECOND)).collect::<Vec<_>>();
        assert_eq!(due(1), [(source(2), 1), (source(1), 3)]);
        assert_eq!(due(9), [(source(1), 2), (source(1), 0)]);
        assert!(delays.moments.is_empty() && delays.sources.is_empty() && delays.crowds.is_empty());
    }

    #[test]
    fn a_source_that_is_forgiven_comes_at_once_and_others_at_their_moments() {
        let (mut delays, now) = (Delays::new(4, 8), Instant::now());
        for (who, (after, from)) in [(5, 1), (3, 1), (4, 2)].into_iter().enumerate() {
            assert_eq!(delays.wait(now + after * SECOND, source(from), who), None);
        }
        delays.forgive(now, |forgiven| forgiven == source(1));
        let mut due = |after| std::iter::from_fn(|| delays.next(now + after * SECOND)).collect::<Vec<_>>();
        assert_eq!(due(0), [(source(1), 1), (source(1), 0)]);
        assert_eq!((due(3), due(4)), (vec![], vec![(source(2), 2)]));
        assert!(delays.moments.is_empty() && delays.sources.is_empty() && delays.crowds.is_empty());
    }

    #[test]
    fn what_does_not_fit_goes_and_the_largest_crowd_makes_way() {
        let (mut delays, now) = (Delays::new(4, 8), Instant::now());
        for who in 0..4 {
            assert_eq!(delays.wait(now, source(1), who), None);
            assert_eq!(delays.wait(now, source(2), 10 + who), None);
        }
        assert_eq!(delays.wait(now, source(1), 4), Some((source(1), 4)));
        assert_eq!(delays.wait(now, source(3), 20), Some((source(2), 13)), "its last");
        assert_eq!(delays.wait(now, source(4), 30), Some((source(1), 3)));
        assert_eq!(delays.moments.len(), 8);
        assert_eq!(delays.clear().len(), 8);
        assert_eq!((delays.earliest(), delays.clear()), (None, vec![]));
    }

    const SECOND: Duration = Duration::from_secs(1);
}
