//! Bodies by their Size: kept whole in memory, or thrown away. Never looks into them.

/// Collects a body whose size was announced, and believes only what has arrived: memory follows the bytes
/// received (at most twice as many, never more than the size), whatever was announced.
#[derive(Debug)]
pub struct BodyReader {
    kept: Vec<u8>,
    size: u64,
}

impl BodyReader {
    /// Begins a body of `size` bytes. Allocates nothing; the caller has held `size` against its limit.
    pub fn new(size: u64) -> BodyReader {
        BodyReader { kept: Vec::new(), size }
    }

    /// Takes the body's part of `bytes` and says how long that was: never more than the body lacks.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let part = &bytes[..within(self.left(), bytes)];
        self.grow(part.len());
        self.kept.extend_from_slice(part);
        part.len()
    }

    /// Whether all of it is there.
    pub fn is_complete(&self) -> bool {
        self.left() == 0
    }

    /// Bytes still to come.
    pub fn left(&self) -> u64 {
        self.size - self.kept.len() as u64
    }

    /// Bytes that have come.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// The body. Only a complete one may be shown to a handler: ask [`BodyReader::is_complete`] first.
    pub fn into_vec(self) -> Vec<u8> {
        debug_assert!(self.is_complete(), "an incomplete body is not a body");
        self.kept
    }

    fn grow(&mut self, more: usize) {
        let needed = self.kept.len() + more;
        if needed > self.kept.capacity() {
            let doubled = needed.max(self.kept.capacity().saturating_mul(2));
            let target = usize::try_from(self.size).map_or(doubled, |size| doubled.min(size));
            self.kept.reserve_exact(target - self.kept.len());
        }
    }
}

/// Throws a body, or what a refused peer still sends, away.
#[derive(Clone, Copy, Debug)]
pub struct Discard {
    left: u64,
}

impl Discard {
    /// Begins with `left` bytes to throw away.
    pub fn new(left: u64) -> Discard {
        Discard { left }
    }

    /// Throws the beginning of `bytes` away and says how many: never more than are left.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let part = within(self.left, bytes);
        self.left -= part as u64;
        part
    }

    /// Bytes still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether all has been thrown away.
    pub fn is_done(&self) -> bool {
        self.left == 0
    }
}

fn within(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_the_same_at_every_cut() {
        let bytes = b"0123456789GET next";
        for cut in 0..=bytes.len() {
            let mut body = BodyReader::new(10);
            let first = body.take(&bytes[..cut]);
            assert_eq!(first, cut.min(10));
            assert_eq!(body.is_complete(), cut >= 10);
            assert_eq!(first + body.take(&bytes[first..]), 10);
            assert_eq!(body.into_vec(), b"0123456789");
        }
    }

    #[test]
    fn memory_follows_what_arrived_not_what_was_announced() {
        let mut body = BodyReader::new(9_999_999_999_999_999_999);
        assert_eq!(body.kept.capacity(), 0);
        for arrived in 1..=5_000 {
            body.take(b"x");
            assert!(body.kept.capacity() <= 2 * arrived, "{} for {arrived}", body.kept.capacity());
        }
    }

    #[test]
    fn memory_never_passes_the_size() {
        let mut body = BodyReader::new(1_000);
        while !body.is_complete() {
            body.take(&[0; 7]);
            assert!(body.kept.capacity() <= 1_000);
        }
        assert_eq!(body.take(b"next"), 0);
    }

    #[test]
    fn an_empty_body_is_complete_at_once() {
        let mut body = BodyReader::new(0);
        assert!(body.is_complete());
        assert_eq!(body.take(b"GET"), 0);
        assert!(body.into_vec().is_empty());
    }

    #[test]
    fn discard_takes_what_it_was_told_and_stops() {
        let mut discard = Discard::new(5);
        assert_eq!((discard.take(b"abc"), discard.left(), discard.is_done()), (3, 2, false));
        assert_eq!((discard.take(b"defg"), discard.left(), discard.is_done()), (2, 0, true));
        assert_eq!(discard.take(b"h"), 0);
    }
}
