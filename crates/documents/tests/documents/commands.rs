//! What the commands say, word for word.

use pinwire_documents::{
    Asked, Changes, Document, Id, Listing, Memory, Page, Store, StoreError, Version, Wanted,
};
use tokio::sync::watch;

use crate::common::{Client, Told};

impl Client {
    pub(crate) fn put(&mut self, id: &str, body: &str, if_version: Option<&str>) -> Told {
        let headers: Vec<_> = if_version.map(|version| ("If-Version", version)).into_iter().collect();
        self.ask(&format!("PUT {id}"), &headers, Some(body.as_bytes()))
    }
}

fn ok(headers: &[&str], body: &str) -> Told {
    let headers = headers.iter().map(|&header| header.to_owned()).collect();
    Told { status: "OK".to_owned(), text: String::new(), headers, body: body.into() }
}

fn err(status: &str, text: &str, headers: &[&str]) -> Told {
    Told { status: status.to_owned(), text: text.to_owned(), ..ok(headers, "") }
}

/// A store whose every answer comes later.
pub(crate) struct Late<S>(pub(crate) S);

impl<S: Store> Store for Late<S> {
    fn get(&self, id: Id<'_>) -> Asked<Option<Document>> {
        late(self.0.get(id))
    }
    fn put(&self, id: Id<'_>, body: &[u8], expected: Option<Version>) -> Asked<Version> {
        late(self.0.put(id, body, expected))
    }
    fn delete(&self, id: Id<'_>, expected: Option<Version>) -> Asked<Version> {
        late(self.0.delete(id, expected))
    }
    fn list(&self, listing: &Listing<'_>) -> Asked<Page> {
        late(self.0.list(listing))
    }
    fn changes(&self, wanted: &Wanted<'_>) -> Asked<Changes> {
        late(self.0.changes(wanted))
    }
    fn newest(&self) -> watch::Receiver<Version> {
        self.0.newest()
    }
}

fn late<T: Send + 'static>(asked: Asked<T>) -> Asked<T> {
    let Asked::Now(answer) = asked else { panic!("memory answers at once") };
    Asked::Later(Box::pin(async move {
        tokio::task::yield_now().await;
        answer
    }))
}

#[test]
fn documents_come_and_go_now_and_later() {
    for mut client in [Client::of(Memory::new()), Client::of(Late(Memory::new()))] {
        assert_eq!(client.put("a", "one", None), ok(&["Id: a", "Version: 1"], ""));
        assert_eq!(client.put("b", "", None), ok(&["Id: b", "Version: 2"], ""));
        assert_eq!(client.ask("GET a", &[], None), ok(&["Id: a", "Version: 1"], "one"));
        assert_eq!(client.ask("LIST", &[], None), ok(&[], "a\nb\n"));
        assert_eq!(client.ask("DELETE a", &[], None), ok(&["Id: a", "Version: 3"], ""));
        assert_eq!(client.ask("GET a", &[], None), err("not-found", "there is no document a", &[]));
        assert_eq!(client.ask("DELETE a", &[], None), err("not-found", "there is no document a", &[]));
        assert_eq!(client.ask("LIST", &[], None), ok(&[], "b\n"));
        assert_eq!(client.put("a", "two", None), ok(&["Id: a", "Version: 4"], ""));
    }
}

#[test]
fn a_conflict_says_what_was_expected_and_found() {
    for mut client in [Client::of(Memory::new()), Client::of(Late(Memory::new()))] {
        let none = "a: version 6 was expected, there is none";
        assert_eq!(client.put("a", "x", Some("6")), err("conflict", none, &["Version: 0"]));
        let deleted = client.ask("DELETE a", &[("If-Version", "6")], None);
        assert_eq!(deleted, err("conflict", none, &["Version: 0"]));
        assert_eq!(client.put("a", "one", Some("0")), ok(&["Id: a", "Version: 1"], ""));
        let there = "a: no document was expected, version 1 was found";
        assert_eq!(client.put("a", "x", Some("0")), err("conflict", there, &["Version: 1"]));
        assert_eq!(client.put("a", "two", Some("1")), ok(&["Id: a", "Version: 2"], ""));
        let older = "a: version 1 was expected, version 2 was found";
        let deleted = client.ask("DELETE a", &[("if-version", "1")], None);
        assert_eq!(deleted, err("conflict", older, &["Version: 2"]));
        let deleted = client.ask("DELETE a", &[("If-Version", "2")], None);
        assert_eq!(deleted, ok(&["Id: a", "Version: 3"], ""));
    }
}

#[test]
fn a_list_is_walked_in_pages() {
    let store = Memory::new();
    for number in 0..2_500 {
        let name = format!("n/{number:04}");
        store.put(Id::parse(&name).unwrap(), b"", None);
    }
    store.put(Id::parse("m").unwrap(), b"", None);
    store.put(Id::parse("o").unwrap(), b"", None);
    let mut client = Client::of(store);
    let (mut walked, mut after, mut pages) = (String::new(), None::<String>, 0);
    loop {
        let headers: Vec<_> = after.iter().map(|after| ("After", after.as_str())).collect();
        let told = client.ask("LIST n", &headers, None);
        pages += 1;
        walked += &String::from_utf8(told.body).unwrap();
        match told.headers.first().and_then(|next| next.strip_prefix("Next: ")) {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(walked, (0..2_500).map(|number| format!("n/{number:04}\n")).collect::<String>());
    let list = |client: &mut Client, line: &str, after| client.ask(line, &[("After", after)], None);
    assert_eq!(list(&mut client, "LIST n", "n/2498"), ok(&[], "n/2499\n"));
    assert_eq!(list(&mut client, "LIST o", "a"), ok(&[], "o\n"), "before the prefix begins");
    assert_eq!(list(&mut client, "LIST m", "n"), ok(&[], ""), "after the prefix has ended");
}

#[test]
fn wrong_arguments_are_named() {
    let mut client = Client::of(Memory::new());
    let mut wrong = |line: &str, headers: &[(&str, &str)], body: Option<&[u8]>, words: &str| {
        let told = client.ask(line, headers, body);
        assert_eq!(told.status, "bad-arguments", "{line}");
        assert!(told.text.contains(words), "{line}: {}", told.text);
    };
    for name in ["GET", "DELETE"] {
        wrong(name, &[], None, "takes one argument, the document's id");
        wrong(&format!("{name} a b"), &[], None, "the document's id, not 2");
        wrong(&format!("{name} a"), &[], Some(b"12"), "takes no body; 2 bytes came");
    }
    wrong("PUT", &[], Some(b""), "takes one argument");
    wrong("PUT a", &[], None, "takes the document as its body");
    wrong(&format!("PUT {}", "x".repeat(513)), &[], Some(b""), "has 513 bytes");
    wrong("LIST a b c", &[], None, "at most one argument, the beginning of the ids, not 3");
    wrong("LIST", &[], Some(b"1"), "LIST takes no body; 1 bytes came");
    wrong("WATCH a b", &[], None, "WATCH takes at most one argument, the beginning of the ids, not 2");
    wrong("WATCH", &[], Some(b"1"), "WATCH takes no body; 1 bytes came");
    wrong("WATCH", &[("From", "1"), ("from", "1")], None, "From comes 2 times");
    wrong("LIST", &[("After", "a b")], None, "byte 1 of the id is a space");
    wrong("LIST", &[("After", "a"), ("after", "b")], None, "After comes 2 times");
    for version in ["", "+1", "-1", "1.0", "x", "12345678901234567890"] {
        wrong("PUT a", &[("If-Version", version)], Some(b""), "1 to 19 digits");
        wrong("DELETE a", &[("If-Version", version)], None, "1 to 19 digits");
        wrong("WATCH", &[("From", version)], None, "From takes a version, 1 to 19 digits, not");
    }
    wrong("PUT a", &[("If-Version", "1"), ("IF-VERSION", "1")], Some(b""), "If-Version comes 2 times");
    wrong("DELETE a", &[("If-Version", "0")], None, "DELETE takes the version of one");
    assert_eq!(client.ask("GET a", &[], Some(b"")).status, "not-found", "a Size of 0 is no body");
    assert_eq!(client.put("a", "", Some("9999999999999999999")).status, "conflict");
}

#[test]
fn a_stores_troubles_are_told_without_its_insides() {
    struct Troubled(StoreError);
    impl Store for Troubled {
        fn get(&self, _: Id<'_>) -> Asked<Option<Document>> {
            Asked::Now(Err(self.0.clone()))
        }
        fn put(&self, _: Id<'_>, _: &[u8], _: Option<Version>) -> Asked<Version> {
            Asked::Now(Err(self.0.clone()))
        }
        fn delete(&self, _: Id<'_>, _: Option<Version>) -> Asked<Version> {
            Asked::Now(Err(self.0.clone()))
        }
        fn list(&self, _: &Listing<'_>) -> Asked<Page> {
            Asked::Now(Err(self.0.clone()))
        }
        fn changes(&self, _: &Wanted<'_>) -> Asked<Changes> {
            Asked::Now(Err(self.0.clone()))
        }
        fn newest(&self) -> watch::Receiver<Version> {
            watch::channel(7).1
        }
    }
    let cases = [
        (StoreError::Broken("secret".to_owned()), "failed"),
        (StoreError::Overloaded, "overloaded"),
        (StoreError::Full { limit: 9 }, "store-full"),
    ];
    for (error, code) in cases {
        let mut client = Client::of(Troubled(error));
        for line in ["GET a", "DELETE a", "LIST"] {
            let told = client.ask(line, &[], None);
            assert_eq!(told.status, code);
            assert!(!told.text.contains("secret") && !told.text.is_empty());
        }
        assert_eq!(client.put("a", "", None).status, code);
    }
}
