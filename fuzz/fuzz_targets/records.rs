//! libFuzzer's way into `pinwire_fuzz::records`.
#![cfg_attr(fuzzing, no_main)]
pinwire_fuzz::entry!(records);
