//! What fuzzing needs of the compact layer and nothing else does: keys of its choice, worn ones, new ones at once.

use super::{Compact, Fault, Slot};
use crate::tls::TlsFailure;

impl Compact {
    /// As if the sealing key had sealed `sequence` records.
    pub(in crate::tls) fn wear(&mut self, sequence: u64) {
        self.sealing.set_sequence(sequence);
    }

    /// A KeyUpdate of this side at the end of `sealed`, as when its key is worn out.
    pub(in crate::tls) fn refresh(&mut self, slot: &mut Slot, sealed: &mut Vec<u8>) -> Result<(), TlsFailure> {
        self.check()?;
        self.update(slot, sealed).map_err(|fault: Fault| self.fail(fault))
    }
}
