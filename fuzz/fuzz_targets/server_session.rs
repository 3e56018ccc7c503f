//! libFuzzer's way into `pinwire_fuzz::server_session`.
#![cfg_attr(fuzzing, no_main)]
pinwire_fuzz::entry!(server_session);
