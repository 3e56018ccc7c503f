//! One direction of a connection: bytes in order, delivered in pieces, held, or ended.

/// Bytes on their way.
#[derive(Debug)]
pub struct Link {
    bytes: Vec<u8>,
    /// The most that is delivered at once.
    pub cut: usize,
    /// Whether nothing is delivered for now.
    pub is_held: bool,
    /// Bytes that may still wait here before the sender's socket is full.
    pub room: usize,
    ended: bool,
    end_is_read: bool,
    log: Vec<u8>,
}

impl Default for Link {
    fn default() -> Self {
        Link {
            bytes: Vec::new(),
            cut: usize::MAX,
            is_held: false,
            room: usize::MAX,
            ended: false,
            end_is_read: false,
            log: Vec::new(),
        }
    }
}

impl Link {
    /// Takes what there is room for from the front of `bytes`; whether that was anything.
    pub fn put(&mut self, bytes: &mut Vec<u8>) -> bool {
        let length = bytes.len().min(self.room.saturating_sub(self.bytes.len()));
        if self.ended {
            // Nobody sends behind a FIN.
            bytes.clear();
            return false;
        }
        self.log.extend_from_slice(&bytes[..length]);
        self.bytes.extend(bytes.drain(..length));
        length > 0
    }

    /// The next piece, of at most `most` bytes.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        if self.is_held {
            return Vec::new();
        }
        let length = self.bytes.len().min(self.cut).min(most);
        self.bytes.drain(..length).collect()
    }

    /// What the next taking may bring at most; none holds even the end back.
    pub(super) fn let_through(&mut self, most: usize) {
        (self.is_held, self.cut) = (most == 0, most);
    }

    /// Bytes on their way that no sender here has sent.
    pub fn inject(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Everything that is on its way, which then never arrives.
    pub fn lose(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// A FIN, behind what is on its way.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the end has been reached; said once.
    pub fn take_end(&mut self) -> bool {
        let reached = self.is_over() && !self.is_held && !self.end_is_read;
        self.end_is_read |= reached;
        reached
    }

    /// Whether the FIN is all that is left.
    pub fn is_over(&self) -> bool {
        self.ended && self.bytes.is_empty()
    }

    /// Whether whoever reads here has something to read, the end among it.
    pub(super) fn is_readable(&self) -> bool {
        !self.is_held && (!self.bytes.is_empty() || self.ended && !self.end_is_read)
    }

    /// Whether whoever writes here may.
    pub(super) fn is_writable(&self) -> bool {
        self.ended || self.bytes.len() < self.room
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// Everything that was ever sent.
    pub fn log(&self) -> &[u8] {
        &self.log
    }

    /// The lengths of the records that were ever sent, in order, by their type.
    pub fn records(&self) -> Vec<(u8, usize)> {
        let mut records = Vec::new();
        let mut rest = &self.log[..];
        while let [kind, _, _, high, low, more @ ..] = rest {
            let length = usize::from(*high) << 8 | usize::from(*low);
            records.push((*kind, length));
            rest = &more[length.min(more.len())..];
        }
        records
    }
}
