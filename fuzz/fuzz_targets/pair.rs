//! libFuzzer's way into `pinwire_fuzz::pair`.
#![cfg_attr(fuzzing, no_main)]
pinwire_fuzz::entry!(pair);
