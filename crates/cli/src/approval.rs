//! A client that its server does not know: says the pin that two sides compare, and waits until the operator
//! there has approved it. Connecting is the caller's.

use std::thread;
use std::time::Duration;

use pinwire_client::{Address, Error, Pin};
use pinwire_server::proto::code::Code;

use crate::exit::Failure;
use crate::{output, said};

/// Tries again for as long as the server says that it does not know this client. Once it waits, a server that
/// is away for a while is waited for too; any other refusal ends it.
pub(crate) fn wait<T>(
    first: Result<T, Error>,
    server: &Address,
    pin: &Pin,
    mut again: impl FnMut() -> Result<Result<T, Error>, Failure>,
) -> Result<Result<T, Error>, Failure> {
    let Err(Error::Refused { code, text }) = &first else { return Ok(first) };
    if !is_unfamiliar(code) {
        return Ok(first);
    }
    said::error_line(code, text);
    output::remark(format_args!(
        "waiting until {server} lets this client in; Ctrl-C ends it\n{}\n\
         whoever runs it lets this client in with `pinwire trust approve {} --name NAME`",
        compare(pin),
        beginning(pin)
    ));
    loop {
        // Nothing wakes this thread but the time.
        thread::park_timeout(pause(fastrand::f64()));
        match again()? {
            Err(error) if goes_on(&error) => {}
            ended => return Ok(ended),
        }
    }
}

/// What a client that is not known is told, beside the server's own words.
pub(crate) fn hint(pin: &Pin) -> String {
    format!("\n{}\n--wait keeps trying until it is let in", compare(pin))
}

pub(crate) fn is_unfamiliar(code: &str) -> bool {
    code == Code::UnfamiliarCertificate.as_str()
}

fn compare(pin: &Pin) -> String {
    format!("your pin is {pin}; compare it with what its operator sees in `pinwire trust pending`")
}

/// As many digits as `trust approve` asks for.
fn beginning(pin: &Pin) -> String {
    let pin = pin.to_string();
    let digits = pin.rsplit(':').next().unwrap_or_default();
    digits.chars().take(crate::trust::FEWEST_DIGITS).collect()
}

fn goes_on(error: &Error) -> bool {
    match error {
        // The last two are a server that restarts, and one that is full for a while.
        Error::Refused { code, .. } => {
            is_unfamiliar(code)
                || [Code::ShuttingDown, Code::TooManyConnections]
                    .iter()
                    .any(|passing| passing.as_str() == code)
        }
        Error::NotReachable { .. } | Error::NoHandshake { .. } | Error::TimedOut { .. } => true,
        Error::Lost { .. } => true,
        _ => false,
    }
}

/// About a second, which no server makes a newcomer pay for; not all at the same moment. `lot` is from 0 to 1.
fn pause(lot: f64) -> Duration {
    Duration::from_millis(500) + Duration::from_secs(1).mul_f64(lot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: Code) -> Error {
        Error::Refused { code: code.to_string(), text: String::new() }
    }

    fn away(address: &Address) -> Error {
        Error::NoHandshake { address: address.clone(), why: "it ended".to_owned() }
    }

    #[test]
    fn it_waits_for_approval_and_for_nothing_else() {
        let (address, pin) = ("a:1".parse().unwrap(), Pin::Spki([7; 32]));
        let never = || -> Result<Result<u8, Error>, Failure> { panic!("it does not wait") };
        assert!(matches!(wait(Ok(1), &address, &pin, never), Ok(Ok(1))));
        for first in [refused(Code::TrustExpired), away(&address)] {
            assert!(wait(Err(first), &address, &pin, never).unwrap().is_err());
        }
        let mut answers = vec![
            Err(refused(Code::TrustExpired)),
            Err(away(&address)),
            Err(refused(Code::UnfamiliarCertificate)),
        ];
        let unfamiliar = refused(Code::UnfamiliarCertificate);
        let ended = wait::<u8>(Err(unfamiliar), &address, &pin, || Ok(answers.pop().unwrap()));
        assert_eq!(ended.unwrap().unwrap_err().code(), Some("trust-expired"));
        assert!(answers.is_empty());
    }

    #[test]
    fn pauses_are_from_half_a_second_to_one_and_a_half() {
        assert_eq!(pause(0.0), Duration::from_millis(500));
        assert_eq!(pause(1.0), Duration::from_millis(1_500));
        assert_eq!(beginning(&Pin::Spki([0xab; 32])), "ab".repeat(8));
    }
}
