//! Every bound of the embedded store, with its default and its reason. Nothing here measures or waits.

/// What the embedded store allows; `Limits::default()` is documented in `docs/STORE.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Changes that are kept after they were made; the newest one always is. What watches a store can be away
    /// for so many changes and still learn of each.
    pub history: u64,
    /// Bytes of the ids and bodies of those changes, so that large documents do not fill the disk with their
    /// past.
    pub history_bytes: u64,
    /// Old changes that one commit takes out at most: a history that was made shorter goes bit by bit, and
    /// no commit takes long.
    pub trim: u64,
    /// Changes that wait for the writer; more are `overloaded`. At 5,000 changes a second, one commit for
    /// each, a second's wait.
    pub writer_queue: usize,
    /// Bytes of the bodies that wait for the writer; more are `overloaded`. They are in memory.
    pub writer_queue_bytes: usize,
    /// Changes in one commit: where batches no longer gain much (measured: 128 are twelve times as fast as
    /// one by one), and an answer still comes in milliseconds.
    pub batch: usize,
    /// Bytes of ids and bodies in one commit, for the same reason. A single change may have more.
    pub batch_bytes: usize,
    /// GETs and LISTs that wait for a reader; more are `overloaded`.
    pub reader_queue: usize,
    /// Threads that read: so many reads wait for the disk at once.
    pub readers: usize,
    /// Bytes of the bodies that one LIST passes over, for they lie beside the ids: its page ends there, be it
    /// a short one.
    pub list_bytes: usize,
    /// Bytes of memory for parts of the file that were read or written lately.
    pub cache: usize,
    /// The newest changes that are in memory too, for those that watch: whoever is no further behind than this
    /// waits for no reader. Eight full commits.
    pub recent: u64,
    /// Bytes of the ids and bodies of those: four full commits. A single change may have more.
    pub recent_bytes: u64,
    /// Bytes of older changes that are in memory for those that are further behind, all of them together, however
    /// slow they are. With less, many of them have the same changes read again and again.
    pub reread_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            history: 100_000,
            history_bytes: 256 * 1024 * 1024,
            trim: 1_024,
            writer_queue: 4_096,
            writer_queue_bytes: 64 * 1024 * 1024,
            batch: 128,
            batch_bytes: 4 * 1024 * 1024,
            reader_queue: 4_096,
            readers: 4,
            list_bytes: 16 * 1024 * 1024,
            cache: 64 * 1024 * 1024,
            recent: 1_024,
            recent_bytes: 16 * 1024 * 1024,
            reread_bytes: 16 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The derived `Debug` names each field, so a new limit cannot be forgotten in the page.
    #[test]
    fn the_page_for_operators_has_the_same_limits() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/STORE.md");
        let page = std::fs::read_to_string(page).unwrap();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let in_page = rows.map(|(name, rest)| (name, rest.split(" |").next().unwrap().replace(',', "")));
        let in_page: Vec<_> = in_page.map(|(name, value)| format!("{name}: {value}")).collect();
        let debug = format!("{:#?}", Limits::default());
        let in_code: Vec<_> =
            debug.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(',')).collect();
        assert_eq!(in_page, in_code);
    }
}
