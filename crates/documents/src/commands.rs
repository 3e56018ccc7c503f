//! The commands on a router: what may be said, and the words for what may not.

use std::sync::Arc;

use pinwire_server::{Answered, Code, Command, Responder, Router};

use crate::{Id, Store, StoreError, Version};

/// The store holds all that it may; nothing was changed.
pub const STORE_FULL: Code = Code::own("store-full");

/// Adds `PUT id` (with a body) and `GET id` to `router`. Both answer with the headers `Id` and `Version`.
///
/// The store is asked on the worker's own thread: it answers from memory.
///
/// # Panics
/// If `router` has one of these commands already.
#[must_use]
pub fn commands(router: Router, store: impl Store) -> Router {
    let store = Arc::new(store);
    let same = Arc::clone(&store);
    router
        .command("PUT", move |command, to| put(&*store, &command, to))
        .command("GET", move |command, to| get(&*same, &command, to))
}

fn put(store: &dyn Store, command: &Command<'_>, to: Responder<'_>) -> Answered {
    let id = match only_id(command, "PUT") {
        Ok(id) => id,
        Err(text) => return to.error(Code::BadArguments, &text),
    };
    if !command.has_body() {
        return to.error(
            Code::BadArguments,
            "PUT takes the document as its body: send one (with `pinwire call`: --body), be it an empty one",
        );
    }
    match store.put(id, command.body()) {
        Ok(version) => answer(to, id, version, b""),
        Err(error) => fail(to, &error),
    }
}

fn get(store: &dyn Store, command: &Command<'_>, to: Responder<'_>) -> Answered {
    let id = match only_id(command, "GET") {
        Ok(id) => id,
        Err(text) => return to.error(Code::BadArguments, &text),
    };
    match store.get(id) {
        Ok(Some(document)) => answer(to, id, document.version, &document.body),
        Ok(None) => to.error(Code::NotFound, &format!("there is no document {id}")),
        Err(error) => fail(to, &error),
    }
}

/// The command's one argument.
fn only_id<'a>(command: &Command<'a>, name: &str) -> Result<Id<'a>, String> {
    let mut args = command.args();
    match (args.next(), args.count()) {
        (Some(id), 0) => Id::parse(id).map_err(|bad| bad.to_string()),
        (None, _) => Err(format!("{name} takes one argument, the document's id")),
        (Some(_), more) => Err(format!("{name} takes one argument, the document's id, not {}", more + 1)),
    }
}

fn answer(to: Responder<'_>, id: Id<'_>, version: Version, body: &[u8]) -> Answered {
    to.write(|encoder| {
        encoder.header("Id", id.as_str())?;
        encoder.header("Version", &version.to_string())?;
        encoder.body(body);
        Ok(())
    })
}

fn fail(to: Responder<'_>, error: &StoreError) -> Answered {
    match error {
        StoreError::Full { .. } => to.error(STORE_FULL, &error.to_string()),
        StoreError::Broken(why) => {
            tracing::error!(%why, "the store is broken");
            to.error(Code::Failed, "the store is broken")
        }
    }
}
