//! The commands on a router: asks the store, and puts what it says into words.

use std::sync::Arc;

use pinwire_server::{Answered, Code, Command, Reply, Responder, Router};

use crate::{Asked, Document, Id, Page, Store, StoreError, Version};
use crate::{arguments, watching};

/// The store holds all that it may; nothing was changed.
pub const STORE_FULL: Code = Code::own("store-full");

/// The changes that a WATCH is to tell are not kept any more; the text names the oldest that is.
pub const HISTORY_GONE: Code = Code::own("history-gone");

/// Adds `PUT id` (with a body), `GET id`, `DELETE id`, `LIST [prefix]` and `WATCH [prefix]` to `router`, as section
/// 5 of `docs/PROTOCOL.md` describes them.
///
/// # Panics
/// If `router` has one of these commands already.
#[must_use]
pub fn commands(router: Router, store: impl Store) -> Router {
    let store: Arc<dyn Store> = Arc::new(store);
    let add = |router: Router, name: &str, act: fn(&dyn Store, &Command<'_>, Responder<'_>) -> Answered| {
        let store = Arc::clone(&store);
        router.command(name, move |command, to| act(&*store, &command, to))
    };
    let router = add(add(router, "PUT", put), "GET", get);
    let router = add(add(router, "DELETE", delete), "LIST", list);
    router.command("WATCH", move |command, to| watching::watch(&store, &command, to))
}

fn put(store: &dyn Store, command: &Command<'_>, to: Responder<'_>) -> Answered {
    match arguments::put(command) {
        Ok((id, expected)) => changed(to, id, expected, store.put(id, command.body(), expected)),
        Err(wrong) => to.error(Code::BadArguments, &wrong),
    }
}

fn delete(store: &dyn Store, command: &Command<'_>, to: Responder<'_>) -> Answered {
    match arguments::delete(command) {
        Ok((id, expected)) => changed(to, id, expected, store.delete(id, expected)),
        Err(wrong) => to.error(Code::BadArguments, &wrong),
    }
}

fn changed(to: Responder<'_>, id: Id<'_>, expected: Option<Version>, asked: Asked<Version>) -> Answered {
    let id: Box<str> = id.as_str().into();
    // No body: a head is always reserved.
    answer(to.at_most(0), asked, move |changed| match changed {
        Ok(version) => document(&id, version, Vec::new()),
        Err(error) => failure(&id, expected, &error),
    })
}

fn get(store: &dyn Store, command: &Command<'_>, to: Responder<'_>) -> Answered {
    let id = match arguments::get(command) {
        Ok(id) => id,
        Err(wrong) => return to.error(Code::BadArguments, &wrong),
    };
    match store.get(id) {
        Asked::Now(Ok(Some(document))) => found(to, id, &document),
        asked => {
            let id: Box<str> = id.as_str().into();
            answer(to, asked, move |found| match found {
                Ok(Some(found)) => document(&id, found.version, found.body.to_vec()),
                Ok(None) => failure(&id, None, &StoreError::NotFound),
                Err(error) => failure(&id, None, &error),
            })
        }
    }
}

/// The most frequent answer of a store in memory goes straight into the worker's buffer.
fn found(to: Responder<'_>, id: Id<'_>, document: &Document) -> Answered {
    to.write(|encoder| {
        encoder.header("Id", id.as_str())?;
        encoder.header("Version", &document.version.to_string())?;
        encoder.body(&document.body);
        Ok(())
    })
}

fn list(store: &dyn Store, command: &Command<'_>, to: Responder<'_>) -> Answered {
    match arguments::list(command) {
        Ok(listing) => answer(to, store.list(&listing), |listed| match listed {
            Ok(page) => ids(&page),
            Err(error) => failure("", None, &error),
        }),
        Err(wrong) => to.error(Code::BadArguments, &wrong),
    }
}

/// Answers with what `words` make of the store's answer, now or later.
fn answer<T: 'static>(
    to: Responder<'_>,
    asked: Asked<T>,
    words: impl FnOnce(Result<T, StoreError>) -> Reply + 'static,
) -> Answered {
    match asked {
        Asked::Now(answer) => to.reply(&words(answer)),
        Asked::Later(answer) => to.later(async move { words(answer.await) }),
    }
}

fn document(id: &str, version: Version, body: Vec<u8>) -> Reply {
    let headers = vec![("Id".to_owned(), id.to_owned()), ("Version".to_owned(), version.to_string())];
    Reply { status: Ok(()), headers, body }
}

fn ids(page: &Page) -> Reply {
    let body = page.ids.iter().fold(String::new(), |lines, id| lines + id + "\n");
    let last = page.ids.last().filter(|_| page.more);
    let headers = last.map(|last| ("Next".to_owned(), last.to_string())).into_iter().collect();
    Reply { status: Ok(()), headers, body: body.into_bytes() }
}

/// The store's trouble as the peer reads it.
pub(crate) fn failure(id: &str, expected: Option<Version>, error: &StoreError) -> Reply {
    match error {
        StoreError::Full { .. } => Reply::error(STORE_FULL, error.to_string()),
        StoreError::HistoryGone { .. } => Reply::error(HISTORY_GONE, error.to_string()),
        StoreError::Overloaded => Reply::error(Code::Overloaded, error.to_string()),
        StoreError::NotFound => Reply::error(Code::NotFound, format!("there is no document {id}")),
        StoreError::Conflict { current } => {
            let mut reply = Reply::error(Code::Conflict, conflict(id, expected, *current));
            reply.headers.push(("Version".to_owned(), current.to_string()));
            reply
        }
        StoreError::Broken(why) => {
            tracing::debug!(%why, "the store failed");
            Reply::error(Code::Failed, "the store failed; the server's log says how")
        }
    }
}

/// What was expected, and what was found.
fn conflict(id: &str, expected: Option<Version>, current: Version) -> String {
    let expected = match expected {
        Some(0) => "no document was expected".to_owned(),
        Some(version) => format!("version {version} was expected"),
        None => "another version was expected".to_owned(),
    };
    match current {
        0 => format!("{id}: {expected}, there is none"),
        _ => format!("{id}: {expected}, version {current} was found"),
    }
}
