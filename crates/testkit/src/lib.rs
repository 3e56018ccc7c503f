//! Test peers, certificates and links for pinwire's own tests.

pub mod certificates;
pub mod pair;
pub mod simulator;
pub mod table;

pub use pair::{Pair, record_layer};
