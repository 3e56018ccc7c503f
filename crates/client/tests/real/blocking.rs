//! The blocking face.

use std::time::Duration;

use pinwire_client::{Error, Request, blocking};

use crate::running::Running;

fn builder(server: &Running) -> blocking::Builder {
    let builder = blocking::Client::builder(server.address.clone());
    builder.identity(server.identity.clone()).server_pin(server.pin)
}

#[test]
fn threads_share_a_client() {
    let server = Running::start();
    let client = builder(&server).connect().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let client = client.clone();
            scope.spawn(move || {
                for call in 0..50 {
                    let body = format!("{thread}/{call}");
                    let answer = client.call(Request::new("ECHO").body(body.as_str())).unwrap();
                    assert_eq!(answer.body, body.as_bytes());
                }
            });
        }
    });
    let version = client.put("a", "x").unwrap();
    assert_eq!(client.get("a").unwrap().map(|document| document.version), Some(version));
    assert_eq!(client.list("", None).unwrap().ids, ["a"]);
    assert!(client.delete("a").unwrap().is_some());
    assert!(client.certificate().is_some() && !client.is_resumed());
    client.close();
    assert!(client.get("a").is_err());
}

#[test]
fn errors_are_the_same() {
    let server = Running::start();
    let error = blocking::Client::builder(server.address.clone()).connect().unwrap_err();
    assert!(matches!(error, Error::UnknownServer { .. }), "{error}");
    let client = builder(&server).timeout(Duration::from_millis(300)).connect_lazy().unwrap();
    client.call(Request::new("PING").repeatable()).unwrap();
    drop(server);
    assert!(client.call(Request::new("PING")).is_err());
}
