//! What fuzzing needs of the compact layer and nothing else does: keys of its choice, worn ones, new ones at once.

use aws_lc_rs::error::Unspecified;

use super::{Compact, Direction, Fault, Keys, Slot};
use crate::tls::TlsFailure;

impl Compact {
    /// As if a handshake had just left these secrets; of the old connection only its way with tickets stays.
    pub(in crate::tls) fn restart(&mut self, opening: &[u8], sealing: &[u8]) -> Result<(), Unspecified> {
        let suite = self.suite;
        let (opening, sealing) = (Direction::new(suite, opening)?, Direction::new(suite, sealing)?);
        let (is_resumed, tickets) = (self.is_resumed, self.tickets.take());
        *self = Compact::new(Keys { suite, opening, sealing, is_resumed, tickets });
        Ok(())
    }

    /// As if the sealing key had sealed `sequence` records.
    pub(in crate::tls) fn wear(&mut self, sequence: u64) {
        self.sealing.set_sequence(sequence);
    }

    /// A KeyUpdate of this side at the end of `sealed`, as when its key is worn out.
    pub(in crate::tls) fn refresh(
        &mut self,
        slot: &mut Slot,
        sealed: &mut Vec<u8>,
    ) -> Result<(), TlsFailure> {
        self.check()?;
        self.update(slot, sealed).map_err(|fault: Fault| self.fail(fault))
    }
}
