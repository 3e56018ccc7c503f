//! Test peers, certificates and links for pinwire's own tests.

pub mod certificates;
pub mod pair;

pub use pair::Pair;
