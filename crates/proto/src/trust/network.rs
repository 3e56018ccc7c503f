//! Where an entry's client may come from: an address, or a network in CIDR. Looks up no names.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::entry::{Wrong, wrong};

/// Reads `192.168.1.7`, `10.0.0.0/8` or their like of IPv6. What IPv6 says of IPv4 (::ffff:0:0/96) is taken as
/// IPv4, as the addresses are with which it is compared. The error's place counts from the first byte.
pub(super) fn parse(text: &str) -> Result<IpNet, Wrong> {
    let (address, length) =
        text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let behind = address.len() + 1;
    let address = address.parse::<IpAddr>().map_err(|_| no_address(address))?;
    let Some(length) = length else { return Ok(unmapped(address.into())) };
    let most = IpNet::from(address).max_prefix_len();
    let length = prefix_length(length, most).map_err(|wrong| wrong.behind(behind))?;
    let network = IpNet::new(address, length).map_err(|_| too_long(most).behind(behind))?;
    if network.trunc() != network {
        return Err(wrong(0, has_more(text, network)));
    }
    Ok(unmapped(network))
}

/// As the file takes it: a single address without a prefix.
pub(super) fn write(network: &IpNet) -> String {
    let is_one = network.prefix_len() == network.max_prefix_len();
    if is_one { network.addr().to_string() } else { network.to_string() }
}

fn has_more(text: &str, network: IpNet) -> String {
    let right = write(&unmapped(network.trunc()));
    let alone = network.addr().to_canonical();
    format!("{text} has bits behind its prefix; expected \"{right}\", or \"{alone}\" alone")
}

fn prefix_length(text: &str, most: u8) -> Result<u8, Wrong> {
    match text.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        Some((at, c)) => Err(wrong(at, format!("{c:?} in a prefix's length; expected 0 to {most}"))),
        None if text.is_empty() => Err(wrong(0, format!("no prefix's length; expected 0 to {most}"))),
        // Some read "010" as eight.
        None if text.len() > 1 && text.starts_with('0') => {
            Err(wrong(0, format!("a prefix's length that begins with 0; expected 0 to {most}")))
        }
        None => text.parse().map_err(|_| too_long(most)),
    }
}

fn too_long(most: u8) -> Wrong {
    wrong(0, format!("a prefix that is too long; expected 0 to {most}"))
}

fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(six) = network else { return network };
    let four = six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(MAPPED));
    four.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(network, IpNet::V4)
}

fn no_address(text: &str) -> Wrong {
    const EXPECTED: &str = "expected one like \"192.168.1.7\", \"10.0.0.0/8\" or \"fd00::/8\"";
    match text.char_indices().find(|(_, c)| !c.is_ascii_hexdigit() && !matches!(c, '.' | ':')) {
        Some((at, c)) => wrong(at, format!("{c:?} in an address; {EXPECTED}")),
        None if text.is_empty() => wrong(0, format!("an empty address; {EXPECTED}")),
        None => wrong(0, format!("{text:?} is not an address; {EXPECTED}")),
    }
}

/// The length of ::ffff:0:0/96, RFC 4291 2.5.5.2.
const MAPPED: u8 = 96;
