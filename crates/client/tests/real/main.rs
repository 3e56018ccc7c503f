//! The client against a real server in this process.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod blocking;
mod calls;
mod coming_back;
mod running;
mod streams;

/// Runs a story on two threads.
fn play<T>(story: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(story)
}
