//! libFuzzer's way into `pinwire_fuzz::heads`.
#![cfg_attr(fuzzing, no_main)]
pinwire_fuzz::entry!(heads);
