//! The handler that most people use: a command's name leads to a closure. `PING`, `HELP` and `WHOAMI` are
//! built in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use pinwire_proto::code::Code;
use pinwire_proto::wire::{Head, Reply};

use crate::command::{Command, OwnedCommand};
use crate::handler::{Body, Handler, Peer, Refusal, Registered};
use crate::responder::{Answered, Responder};

/// Commands by name; names match without regard to ASCII case.
///
/// ```
/// use pinwire_server::{Command, OwnedCommand, Reply, Responder, Router};
///
/// let router = Router::new()
///     .command("ECHO", |command: Command<'_>, to: Responder<'_>| to.ok(command.body()))
///     .command_async("SLOW", async |command: OwnedCommand| -> Reply { Reply::ok(command.into_body()) });
/// ```
#[derive(Default)]
pub struct Router {
    commands: BTreeMap<String, Registration>,
}

struct Registration {
    act: Box<Act>,
    is_admin: bool,
}

type Act = dyn Fn(Command<'_>, Responder<'_>) -> Answered + Send + Sync;

impl Router {
    /// A router that knows the protocol's own commands.
    pub fn new() -> Self {
        Router::default()
    }

    /// Adds a command that answers at once, or defers: it must not block, because the worker's other
    /// connections wait meanwhile.
    ///
    /// # Panics
    /// If `name` is not one word, or is taken.
    #[must_use]
    pub fn command<F>(mut self, name: &str, act: F) -> Self
    where
        F: Fn(Command<'_>, Responder<'_>) -> Answered + Send + Sync + 'static,
    {
        let name = name.to_ascii_uppercase();
        let is_word = !name.is_empty() && !name.contains(|c: char| c == ' ' || c.is_control());
        assert!(is_word, "{name:?} is not one word");
        let is_free = !OWN.contains(&name.as_str()) && !self.commands.contains_key(&name);
        assert!(is_free, "the command {name} is there already");
        self.commands.insert(name, Registration { act: Box::new(act), is_admin: false });
        self
    }

    /// The command of this name is administration: only clients whose entry says `admin` may run it.
    ///
    /// # Panics
    /// If there is no such command.
    #[must_use]
    pub fn admin(mut self, name: &str) -> Self {
        let registration = self.commands.get_mut(&name.to_ascii_uppercase());
        registration.unwrap_or_else(|| panic!("there is no command {name}")).is_admin = true;
        self
    }

    /// Adds a command that waits. It runs on the connection's worker, between turns; what blocks belongs on
    /// a thread of its own.
    ///
    /// # Panics
    /// If `name` is not one word, or is taken.
    #[must_use]
    pub fn command_async<F>(self, name: &str, act: F) -> Self
    where
        F: AsyncFn(OwnedCommand) -> Reply + Send + Sync + 'static,
    {
        let act = Arc::new(act);
        self.command(name, move |command, to| {
            let (act, command) = (Arc::clone(&act), command.to_owned());
            to.later(async move { act(command).await })
        })
    }

    /// The names of all commands that `peer` may run, or of all, sorted.
    fn names(&self, peer: Option<&Peer>) -> Vec<&str> {
        let may = |(name, registration): &(&String, &Registration)| {
            peer.is_none_or(|peer| peer.entry().permits(name, registration.is_admin))
        };
        let permitted = self.commands.iter().filter(may).map(|(name, _)| name.as_str());
        let mut names: Vec<_> = OWN.into_iter().chain(permitted).collect();
        names.sort_unstable();
        names
    }

    fn find(&self, name: &str) -> Option<(&String, &Registration)> {
        if let Some(found) = self.commands.get_key_value(name) {
            return Some(found);
        }
        // Upper case already: nothing to convert, PING for one costs no allocation.
        let is_other = name.bytes().any(|byte| byte.is_ascii_lowercase());
        is_other.then(|| self.commands.get_key_value(&name.to_ascii_uppercase())).flatten()
    }

    fn own(&self, command: &Command<'_>, to: Responder<'_>) -> Answered {
        let name = command.name();
        if name.eq_ignore_ascii_case("PING") {
            return to.ok("");
        }
        if name.eq_ignore_ascii_case("HELP") {
            return to.ok(self.names(Some(command.peer())).join("\n") + "\n");
        }
        if name.eq_ignore_ascii_case("WHOAMI") {
            return to.ok(who(command.peer(), &self.names(Some(command.peer()))));
        }
        to.error(Code::UnknownCommand, &unknown(name))
    }
}

impl Handler for Router {
    type State = ();

    fn connect(&self, _: &Peer) -> Result<(), Refusal> {
        Ok(())
    }

    fn registered(&self, name: &str) -> Option<Registered<'_>> {
        self.find(name).map(|(name, registration)| Registered { name, is_admin: registration.is_admin })
    }

    fn body(&self, (): &mut (), head: &Head<'_>) -> Body {
        let name = head.name();
        let is_known = self.find(name).is_some() || OWN.iter().any(|own| own.eq_ignore_ascii_case(name));
        if is_known { Body::Whole } else { Body::Refused(Code::UnknownCommand, unknown(name)) }
    }

    fn command(&self, (): &mut (), command: Command<'_>, to: Responder<'_>) -> Answered {
        match self.find(command.name()) {
            Some((_, registration)) => (registration.act)(command, to),
            None => self.own(&command, to),
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names(None)).finish()
    }
}

fn who(peer: &Peer, commands: &[&str]) -> String {
    let (name, commands) = (peer.name().unwrap_or("-"), commands.join(" "));
    format!("name: {name}\npin: {}\naddress: {}\ncommands: {commands}\n", peer.pin(), peer.address())
}

fn unknown(name: &str) -> String {
    format!("{name} is not a command here; HELP lists them")
}

/// The protocol's own commands; CANCEL is the session's.
const OWN: [&str; 4] = ["CANCEL", "HELP", "PING", "WHOAMI"];
