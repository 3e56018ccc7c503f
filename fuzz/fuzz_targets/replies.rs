//! libFuzzer's way into `pinwire_fuzz::replies`.
#![cfg_attr(fuzzing, no_main)]
pinwire_fuzz::entry!(replies);
