//! libFuzzer's way into `pinwire_fuzz::client_session`.
#![cfg_attr(fuzzing, no_main)]
pinwire_fuzz::entry!(client_session);
