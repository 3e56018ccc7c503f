//! The document commands, typed.
//!
//! Reading commands are repeatable, and so go to the next connection when one is lost; changing ones are sent
//! again only if they were certainly not begun.

use pinwire_proto::code::Code;
use pinwire_proto::wire::Request;

use crate::{Answer, Client, Error};

/// A document as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The store's version when it was last written.
    pub version: u64,
    /// What was written.
    pub body: Vec<u8>,
}

/// Some ids of documents, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The ids.
    pub ids: Vec<String>,
    /// Behind which id the next page begins; none if this is the last.
    pub next: Option<String>,
}

impl Client {
    /// The newest document of this id; none if there is none.
    ///
    /// # Errors
    /// As [`call`](Client::call).
    pub async fn get(&self, id: &str) -> Result<Option<Document>, Error> {
        let answer = self.call(Request::new("GET").arg(id).repeatable()).await;
        found(answer)?
            .map(|answer| Ok(Document { version: version(&answer)?, body: answer.body }))
            .transpose()
    }

    /// Keeps `body` under this id, whatever was there; the version that this made. It is on the server's disk.
    ///
    /// # Errors
    /// As [`call`](Client::call).
    pub async fn put(&self, id: &str, body: impl Into<Vec<u8>>) -> Result<u64, Error> {
        version(&self.call(Request::new("PUT").arg(id).body(body)).await?)
    }

    /// The same if the document is at this version, 0 meaning that there must be none.
    ///
    /// ```
    /// use pinwire_client::{Client, Error};
    ///
    /// /// Counts, whoever else does at the same time.
    /// async fn count(client: &Client) -> Result<u64, Error> {
    ///     loop {
    ///         let old = client.get("count").await?;
    ///         let version = old.as_ref().map_or(0, |old| old.version);
    ///         let count = old.and_then(|old| String::from_utf8(old.body).ok()?.parse().ok()).unwrap_or(0) + 1;
    ///         match client.put_if("count", count.to_string(), version).await {
    ///             Err(error) if error.code() == Some("conflict") => {} // somebody was faster
    ///             result => return result.map(|_| count),
    ///         }
    ///     }
    /// }
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/running.rs"));
    /// # fn main() -> Result<(), Error> {
    /// #     let server = Running::start();
    /// #     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// #     runtime.block_on(async {
    /// #         let client = server.client().connect().await?;
    /// #         assert_eq!((count(&client).await?, count(&client).await?), (1, 2));
    /// #         Ok(())
    /// #     })
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`call`](Client::call); [`Error::conflict`] says the current version if it is another.
    pub async fn put_if(&self, id: &str, body: impl Into<Vec<u8>>, expected: u64) -> Result<u64, Error> {
        let request = Request::new("PUT").arg(id).header(IF_VERSION, expected.to_string()).body(body);
        version(&self.call(request).await?)
    }

    /// Takes the document away; the version that this made, none if there was no document.
    ///
    /// # Errors
    /// As [`call`](Client::call).
    pub async fn delete(&self, id: &str) -> Result<Option<u64>, Error> {
        let answer = self.call(Request::new("DELETE").arg(id)).await;
        found(answer)?.map(|answer| version(&answer)).transpose()
    }

    /// The same if the document is at this version.
    ///
    /// # Errors
    /// As [`call`](Client::call); [`Error::conflict`] says the current version if it is another, 0 if there
    /// is no document.
    pub async fn delete_if(&self, id: &str, expected: u64) -> Result<u64, Error> {
        let request = Request::new("DELETE").arg(id).header(IF_VERSION, expected.to_string());
        version(&self.call(request).await?)
    }

    /// The ids that begin with `prefix` and come behind `after`; a server gives some thousand at once.
    ///
    /// # Errors
    /// As [`call`](Client::call).
    pub async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Page, Error> {
        let mut request = Request::new("LIST").repeatable();
        if !prefix.is_empty() {
            request = request.arg(prefix);
        }
        if let Some(after) = after {
            request = request.header("After", after);
        }
        page(&self.call(request).await?)
    }
}

/// `not-found` is an answer, not an error.
fn found(answer: Result<Answer, Error>) -> Result<Option<Answer>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Reply { code, .. }) if code == Code::NotFound.as_str() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn version(answer: &Answer) -> Result<u64, Error> {
    let version = answer.header("Version").and_then(|version| version.parse().ok());
    version.ok_or_else(|| Error::Unfit { why: "the answer has no header Version with a number".to_owned() })
}

fn page(answer: &Answer) -> Result<Page, Error> {
    let text = std::str::from_utf8(&answer.body)
        .map_err(|_| Error::Unfit { why: "the list of ids is not UTF-8".to_owned() })?;
    let ids = text.lines().map(str::to_owned).collect();
    Ok(Page { ids, next: answer.header("Next").map(str::to_owned) })
}

const IF_VERSION: &str = "If-Version";
