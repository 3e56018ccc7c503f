//! Where a server is: a host name or address, and a port. Knows nothing of what answers there.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A server's place, `host:port` or `[::1]:port`, in one spelling: names in lower case, addresses as Rust
/// prints them, so that two spellings of one place are one place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

/// Why a text is not an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAddress {
    text: String,
    problem: &'static str,
}

impl Address {
    /// The host's name or address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Address, BadAddress> {
        let bad = |problem| BadAddress { text: text.escape_debug().take(SHOWN).collect(), problem };
        if text.contains("://") {
            return Err(bad("a server is named without a scheme, which is what stands before \"://\""));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| bad("the port is missing"))?;
        let port = decimal(port).ok_or_else(|| bad("the port is not a number from 1 to 65535"))?;
        let host = canonical(host).map_err(bad)?;
        Ok(Address { host, port })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadAddress { text, problem } = self;
        write!(f, "\"{text}\" is not HOST:PORT: {problem}; write it like 127.0.0.1:4433 or [::1]:4433")
    }
}

impl std::error::Error for BadAddress {}

/// Characters of a bad address that an error repeats.
const SHOWN: usize = 80;
/// RFC 1035 2.3.4: a name has "255 octets or less", 253 of them visible.
const HOST: usize = 253;

fn canonical(host: &str) -> Result<String, &'static str> {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or("a \"[\" without its \"]\"")?;
        let address: Ipv6Addr =
            inner.parse().map_err(|_| "what stands in the brackets is no IPv6 address")?;
        return Ok(address.to_string());
    }
    if host.contains(':') {
        return Err("an IPv6 address needs brackets");
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    if host.is_empty() || host.len() > HOST || !host.bytes().all(is_name) {
        return Err("the host is not a name of letters, digits, \"-\", \"_\" and \".\"");
    }
    Ok(host.to_ascii_lowercase())
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Digits only: `u16::from_str` alone would take "+1".
fn decimal(port: &str) -> Option<u16> {
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| port.parse().ok()).flatten().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, &'static str> {
        text.parse::<Address>().map(|address| address.to_string()).map_err(|bad| bad.problem)
    }

    #[test]
    fn two_spellings_of_one_place_are_one_place() {
        assert_eq!(read("Example.ORG:4433").as_deref(), Ok("example.org:4433"));
        assert_eq!(read("[0:0::1]:04433").as_deref(), Ok("[::1]:4433"));
        assert_eq!(read("127.0.0.1:1").as_deref(), Ok("127.0.0.1:1"));
        let bound: SocketAddr = "[::1]:4433".parse().unwrap();
        assert_eq!(Address::from(bound).to_string(), "[::1]:4433");
    }

    #[test]
    fn a_bad_address_says_what_is_wrong() {
        for bad in
            ["example.org", "::1:4433", "[::1:4433", "[x]:1", ":1", "a:0", "a:65536", "a:+1", "a b:1", "a:"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(
            "example.org".parse::<Address>().unwrap_err().to_string(),
            "\"example.org\" is not HOST:PORT: the port is missing; write it like 127.0.0.1:4433 or [::1]:4433"
        );
        for url in ["http://x:4433", "https://x", "pinwire://[::1]:4433/"] {
            assert!(read(url).unwrap_err().contains("without a scheme"), "{url}");
        }
    }
}
