//! libFuzzer's way into `pinwire_fuzz::trust`.
#![cfg_attr(fuzzing, no_main)]
pinwire_fuzz::entry!(trust);
