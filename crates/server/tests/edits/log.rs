//! The process's log, of which the editor hears what the follower says, and the server's looks at the file.

use std::fmt::Debug;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::mpsc::Sender;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::news::{News, Word};

struct Log(Sender<News>);

/// From now on `news` hears what followers say, in this whole process.
pub(crate) fn hear(news: Sender<News>) {
    tracing::subscriber::set_global_default(Log(news)).unwrap();
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("pinwire_server::follow")
    }

    fn event(&self, event: &Event<'_>) {
        let mut word = Word::default();
        event.record(&mut word);
        // The story may be over.
        let _ = self.0.send(News::Said(word));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Word {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "errors" {
            value.clone_into(&mut self.errors);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

/// From now on `news` hears of every look at the file of this name in `folder`, which nobody else reads. The thread
/// lives as long as the process.
pub(crate) fn see_looks(folder: &Path, name: &'static str, news: Sender<News>) {
    let looks = inotify::init(CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&looks, folder, WatchFlags::CLOSE_NOWRITE).unwrap();
    std::thread::spawn(move || {
        let mut room = [MaybeUninit::uninit(); 4_096];
        let mut reader = Reader::new(looks, &mut room);
        while let Ok(look) = reader.next() {
            let is_it = look.file_name().is_some_and(|file| file.to_bytes() == name.as_bytes());
            if is_it && news.send(News::Looked).is_err() {
                break;
            }
        }
    });
}
