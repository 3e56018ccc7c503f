//! What ends count as failures, and what the log hears of a storm.

use std::sync::atomic::AtomicUsize;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

fn at(after: Duration) -> Now {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    Now { instant: *START.get_or_init(Instant::now) + after, unix: 1_000 }
}

fn peer(from: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, from], 4_433))
}

/// Whether a source that has this end, again and again, is delayed.
fn costs(end: impl Fn(&Refusing)) -> bool {
    let refusing = Refusing::default();
    (0..20).for_each(|_| end(&refusing));
    !refusing.delay(at(Duration::ZERO).instant, Source::of(peer(1).ip())).is_zero()
}

fn not_taken(code: Code) -> bool {
    let refusal = Refusal { code, text: String::new() };
    costs(|refusing| {
        refusing.refuse(at(Duration::ZERO), peer(1), &Why::NotTaken(&refusal));
    })
}

#[test]
fn what_the_client_is_to_blame_for_costs_its_source_a_token() {
    let ends = |why: Disconnect, has_hello| {
        costs(|refusing| refusing.ended(at(Duration::ZERO), peer(1), &why, has_hello))
    };
    let closed = |code| Disconnect::Closed { code, text: String::new() };
    assert!(ends(Disconnect::HandshakeTimeout, false) && ends(Disconnect::HandshakeDropped, false));
    assert!(ends(Disconnect::Vanished, true) && !ends(Disconnect::Vanished, false));
    assert!(!ends(closed(Code::ShuttingDown), true) && !ends(closed(Code::Failed), true));
    let free = [Code::TooManyConnections, Code::ShuttingDown, Code::Failed, Code::own("on-holiday")];
    let refusals = Code::all().filter(|code| code.is_refusal());
    for code in refusals.chain(free) {
        assert_eq!(not_taken(code), !free.contains(&code), "{code}");
    }
    assert!(!costs(|refusing| refusing.admitted(at(Duration::ZERO).instant, peer(1))));
}

/// Counts what is logged for people to read.
struct Counting(Arc<AtomicUsize>);

impl Subscriber for Counting {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }
    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_storm_is_ten_lines_a_minute_and_one_that_counts_the_rest() {
    let (refusing, lines) = (Refusing::default(), Arc::new(AtomicUsize::new(0)));
    let refusal = Refusal { code: Code::UnfamiliarCertificate, text: String::new() };
    let storm = |after| {
        for _ in 0..1_000 {
            refusing.refuse(at(after), peer(1), &Why::NotTaken(&refusal));
            refusing.ended(at(after), peer(1), &Disconnect::HandshakeTimeout, false);
            refusing.penalised(at(after).instant, Source::of(peer(1).ip()), peer(1));
        }
        lines.swap(0, Ordering::Relaxed)
    };
    tracing::subscriber::with_default(Counting(Arc::clone(&lines)), || {
        assert_eq!(storm(Duration::ZERO), 10 + 1);
        assert_eq!(storm(Duration::from_secs(59)), 0);
        assert_eq!(storm(Duration::from_secs(60)), 2 + 10, "what was not logged, and the next ten");
        refusing.delay(at(Duration::from_secs(120)).instant, Source::of(peer(2).ip()));
        assert_eq!(lines.load(Ordering::Relaxed), 2, "another source comes, and the storm is over");
    });
}
