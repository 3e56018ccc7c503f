//! Says, once a list and an entry, that further lines match the certificate that the entry lets in: they do not
//! count, and whoever takes the first line out may believe that its client is out.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use pinwire_proto::certificate::Digests;
use pinwire_proto::trust::{Pin, TrustList};
use tracing::warn;

/// Of which entries it was said.
#[derive(Debug, Default)]
pub(crate) struct Doubles(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    /// Of the list.
    generation: u32,
    of: HashSet<Pin>,
}

impl Doubles {
    /// A client with these digests is in.
    pub(crate) fn mention(&self, (list, generation): (&TrustList, u32), digests: &Digests) {
        let mut matching = list.matching(digests);
        let (Some(first), Some(other)) = (matching.next(), matching.next()) else { return };
        if self.is_news(generation, &first.pin) {
            warn!(
                name = first.name.as_deref(),
                line = first.line,
                other = other.line,
                "several lines of the trust list match one certificate: the first alone counts"
            );
        }
    }

    fn is_news(&self, generation: u32, pin: &Pin) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.generation != generation {
            *said = Said { generation, of: HashSet::new() };
        }
        said.of.insert(*pin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_a_list_and_an_entry() {
        let doubles = Doubles::default();
        let (one, other) = (Pin::Spki([1; 32]), Pin::Spki([2; 32]));
        assert!(doubles.is_news(0, &one) && doubles.is_news(0, &other));
        assert!(!doubles.is_news(0, &one) && !doubles.is_news(0, &other));
        assert!(doubles.is_news(1, &one), "another list");
    }
}
