//! Which server is the right one.

use pinwire_proto::certificate::{Certificate, Digests};
use pinwire_proto::trust::Pin;

use crate::{Address, Error, Known, KnownServers};

/// What a server is judged by, on every connection, a resumed one too.
#[derive(Clone, Debug)]
pub(crate) struct Right {
    pub(crate) address: Address,
    pub(crate) known: KnownServers,
    pub(crate) pins: Vec<Pin>,
}

impl Right {
    /// Judges what the server showed and proved, DER.
    pub(crate) fn judge(&self, shown: &[u8]) -> Result<Certificate, Error> {
        let certificate = Certificate::parse(shown)
            .map_err(|why| Error::NoHandshake { address: self.address.clone(), why: why.to_string() })?;
        self.judge_digests(&certificate.digests)?;
        Ok(certificate)
    }

    fn judge_digests(&self, digests: &Digests) -> Result<(), Error> {
        // SHA-1 can be forged: it proves no server.
        let is_pinned = |pin: &Pin| !matches!(pin, Pin::Sha1(_)) && pin.matches(digests);
        if self.pins.iter().any(is_pinned) {
            return Ok(());
        }
        let (address, shown) = (self.address.clone(), Box::new(*digests));
        match self.known.judge(&self.address, digests) {
            Known::Same => Ok(()),
            Known::Other(lines) => Err(Error::WrongServer { address, shown, lines }),
            Known::Nothing if self.pins.is_empty() => Err(Error::UnknownServer { address, shown }),
            Known::Nothing => Err(Error::WrongServer { address, shown, lines: Vec::new() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: Digests = Digests { spki: [1; 32], certificate: [2; 32], sha1: [3; 20] };

    fn judged(known: &str, pins: &[Pin]) -> Result<(), Error> {
        let known = KnownServers::parse(known).unwrap();
        Right { address: "a:1".parse().unwrap(), known, pins: pins.to_vec() }.judge_digests(&SHOWN)
    }

    #[test]
    fn any_pin_or_line_is_enough_and_no_sha_1() {
        let line = |byte: u8| KnownServers::line(&"a:1".parse().unwrap(), &Pin::Spki([byte; 32]));
        judged("", &[Pin::Spki([9; 32]), Pin::Certificate([2; 32])]).unwrap();
        judged(&line(1), &[]).unwrap();
        judged(&line(1), &[Pin::Spki([9; 32])]).unwrap();
        judged(&line(9), &[Pin::Spki([1; 32])]).unwrap();
        assert!(matches!(judged("", &[]), Err(Error::UnknownServer { .. })));
        assert!(
            matches!(judged("", &[Pin::Sha1([3; 20])]), Err(Error::WrongServer { lines, .. }) if lines.is_empty())
        );
        assert!(matches!(judged(&line(9), &[]), Err(Error::WrongServer { lines, .. }) if lines == [1]));
    }
}
