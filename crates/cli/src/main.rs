//! The program `pinwire`.
fn main() {}
