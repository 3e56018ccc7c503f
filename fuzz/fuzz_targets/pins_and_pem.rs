//! libFuzzer's way into `pinwire_fuzz::pins_and_pem`.
#![cfg_attr(fuzzing, no_main)]
pinwire_fuzz::entry!(pins_and_pem);
