//! A file under redb that is never written: what redb writes when it opens and closes stays in memory.
//!
//! So a file is looked at before it is known to be a store's, and read while the disk takes nothing. No
//! transaction writes through it, so that it stays small.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::{PoisonError, RwLock};

use redb::StorageBackend;

/// Locks nothing: the store's own lock file does.
#[derive(Debug)]
pub(super) struct Overlay<B> {
    file: B,
    over: RwLock<Over>,
}

#[derive(Debug)]
struct Over {
    /// The pages that were written, by their number.
    pages: HashMap<u64, Box<[u8]>>,
    length: u64,
}

impl<B: StorageBackend> Overlay<B> {
    pub(super) fn new(file: B) -> io::Result<Overlay<B>> {
        let length = file.len()?;
        Ok(Overlay { file, over: RwLock::new(Over { pages: HashMap::new(), length }) })
    }

    /// As the file has it; behind its end, if redb has made it longer, are zeros.
    fn read_file(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = self.file.len()?.saturating_sub(offset).min(out.len() as u64) as usize;
        let (in_file, behind) = out.split_at_mut(there);
        behind.fill(0);
        if in_file.is_empty() { Ok(()) } else { self.file.read(offset, in_file) }
    }
}

impl<B: StorageBackend> StorageBackend for Overlay<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over.read().unwrap_or_else(PoisonError::into_inner).length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over.read().unwrap_or_else(PoisonError::into_inner);
        if offset + out.len() as u64 > over.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_file(offset, out)?;
        for (page, in_page, piece) in pieces(offset, out.len()) {
            if let Some(written) = over.pages.get(&page) {
                let length = piece.len();
                out[piece].copy_from_slice(&written[in_page..in_page + length]);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.over.write().unwrap_or_else(PoisonError::into_inner).length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut over = self.over.write().unwrap_or_else(PoisonError::into_inner);
        for (page, in_page, piece) in pieces(offset, bytes.len()) {
            let written = match over.pages.entry(page) {
                Entry::Occupied(written) => written.into_mut(),
                Entry::Vacant(place) => {
                    let mut before = vec![0; PAGE].into_boxed_slice();
                    self.read_file(page * PAGE as u64, &mut before)?;
                    place.insert(before)
                }
            };
            written[in_page..in_page + piece.len()].copy_from_slice(&bytes[piece]);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// The pages that so many bytes from an offset on touch: the page, where in it, and which of the bytes.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let in_page = (at % PAGE as u64) as usize;
        let piece = done..length.min(done + PAGE - in_page);
        done = piece.end;
        (!piece.is_empty()).then_some((at / PAGE as u64, in_page, piece))
    })
}

/// redb's own page: it writes whole ones, and the file's first bytes.
const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn it_reads_like_the_file_and_what_was_written_over_it() {
        let file = InMemoryBackend::new();
        file.set_len(10_000).unwrap();
        file.write(0, &[1; 10_000]).unwrap();
        let overlay = Overlay::new(file).unwrap();
        let mut expected = vec![1; 10_000];
        for (at, length, byte) in
            [(0, 320, 2), (100, 9_000, 3), (4_096, 4_096, 4), (50, 100, 5), (9_999, 1, 6)]
        {
            overlay.write(at as u64, &vec![byte; length]).unwrap();
            expected[at..at + length].fill(byte);
        }
        overlay.set_len(20_000).unwrap();
        expected.resize(20_000, 0);
        overlay.write(19_000, &[7; 500]).unwrap();
        expected[19_000..19_500].fill(7);
        for (at, length) in [(0, 20_000), (99, 2), (4_095, 2), (9_990, 20), (19_499, 2)] {
            let mut read = vec![9; length];
            overlay.read(at as u64, &mut read).unwrap();
            assert_eq!(read, expected[at..at + length], "{length} bytes at {at}");
        }
        assert!(overlay.read(20_000, &mut [0]).is_err());
        let mut file = vec![9; 10_000];
        overlay.file.read(0, &mut file).unwrap();
        assert_eq!((file, overlay.file.len().unwrap()), (vec![1; 10_000], 10_000), "the file is as it was");
    }
}
