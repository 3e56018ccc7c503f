//! Fuzz targets: what any bytes at all must not break. Each target is a plain function of bytes, in a file
//! of its own, and panics when an invariant of `docs/PROTOCOL.md` does not hold. Finds no bytes itself:
//! libFuzzer does (`fuzz_targets`), and the tests here replay those that it found worth keeping (`corpus`).

mod choices;
pub mod client_session;
mod grammar;
pub mod heads;
pub mod pair;
pub mod pins_and_pem;
pub mod records;
pub mod replies;
pub mod server_session;
mod talk;
pub mod trust;

/// A target: panics at a finding.
pub type Target = fn(&[u8]);

/// Every target by its name, which is its binary's and its corpus's too.
pub const TARGETS: [(&str, Target); 8] = [
    ("heads", heads::run),
    ("replies", replies::run),
    ("trust", trust::run),
    ("pins_and_pem", pins_and_pem::run),
    ("client_session", client_session::run),
    ("server_session", server_session::run),
    ("pair", pair::run),
    ("records", records::run),
];

/// A binary's whole text: libFuzzer's loop where it is built for that, else the replay of files.
#[macro_export]
macro_rules! entry {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::$target::run(bytes));

        #[cfg(not(fuzzing))]
        fn main() {
            $crate::replay($crate::$target::run);
        }
    };
}

/// Runs a target on each file that the command line names: a finding, looked at without libFuzzer.
///
/// # Panics
/// If a file cannot be read, or is a finding.
pub fn replay(target: Target) {
    for path in std::env::args_os().skip(1) {
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        target(&bytes);
        println!("{}: no finding", path.display());
    }
}

#[cfg(test)]
mod tests;
