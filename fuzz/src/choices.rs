//! Bytes of the fuzzer, read as choices. Once they are used up every choice is the first, so that cutting
//! an input's end never makes it another kind of input.

/// What is left to choose with.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// 0 up to, but not with, `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Up to 65,535.
    pub(crate) fn number(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    /// At most `most` bytes, as the input has them.
    pub(crate) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Up to 255 bytes as text; what is not UTF-8 becomes U+FFFD.
    pub(crate) fn text(&mut self) -> String {
        let length = usize::from(self.byte());
        String::from_utf8_lossy(self.bytes(length)).into_owned()
    }

    /// The same, or a long one: some limits are far from what a small input can say.
    pub(crate) fn long_text(&mut self) -> String {
        let times = [1, 1, 1, 2, 16, 64, 200][self.below(7)];
        self.text().repeat(times)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Makes long bytes of few, so that an input under 4 KiB reaches a limit of 8,064: 0xFF, which is in no
/// UTF-8, and a count n stand for 32 n more of the byte before them (n = 0: for 0xFF itself).
pub(crate) fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        match (byte, out.last().copied()) {
            (0xff, Some(last)) => match rest.next() {
                None | Some(0) => out.push(0xff),
                Some(&count) => out.resize(out.len() + 32 * usize::from(count), last),
            },
            _ => out.push(byte),
        }
    }
    out.truncate(MOST);
    out
}

/// Twice the longest head.
const MOST: usize = 16 * 1024;
