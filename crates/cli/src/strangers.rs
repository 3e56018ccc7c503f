//! A server that is not known: asks the user, as ssh does, or refuses where nobody can be asked.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use pinwire_client::{Address, KnownServers};
use pinwire_server::proto::certificate::Digests;
use pinwire_server::proto::trust::Pin;

use crate::exit::{Exit, Failure};
use crate::home::Home;
use crate::{files, output, setup};

/// What the user typed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    Wrong,
    Unclear,
}

/// Returns once the user has said that the server is the right one, and it stands in the home's file.
pub(crate) fn judge(address: &Address, digests: &Digests, home: &Home) -> Result<(), Failure> {
    let (file, shown) = (&home.known_servers(), &Pin::Spki(digests.spki));
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(refuse(address, shown, file));
    }
    output::remark(format_args!(
        "The server at {address} is not known. Its pin is\n  {shown}\nCompare it with what its operator says \
         (`pinwire pin --server` there).\nIs it the right one? Type yes, no, or the pin:"
    ));
    match ask(digests)? {
        true => {
            // The first thing that a new user keeps may be this line.
            home.create()?;
            setup::add_known_server(file, address, shown)?;
            output::remark(format_args!("{address} is known from now on, in {}", file.display()));
            Ok(())
        }
        false => Err(Failure::new(Exit::WrongServer, format!("{address} is not the right server"))),
    }
}

/// Another pin is known under this address.
pub(crate) fn wrong(address: &Address, shown: &Digests, file: &Path) -> Failure {
    let known = files::read_text(file).ok().flatten().unwrap_or_default();
    Failure::new(Exit::WrongServer, warning(address, shown, &known, &file.display().to_string()))
}

fn warning(address: &Address, shown: &Digests, known: &str, file: &str) -> String {
    let shown = Pin::Spki(shown.spki);
    let servers = KnownServers::parse(known).unwrap_or_default();
    let (mut pins, mut lines) = (String::new(), String::new());
    for (number, pin) in servers.pins(address) {
        pins += &format!("\n  you know   {pin} (line {number})");
        // A file that somebody else wrote must not write to the terminal.
        let line = output::visible(known.lines().nth(number - 1).unwrap_or_default());
        lines += &format!("\n  line {number}: {line}");
    }
    format!(
        "the server at {address} is not the one that you know; nothing was sent\n{FRAME}\n{WARNING}\n{FRAME}\n\
         Somebody may be between you and the server, to read what you send and to answer in its place.\n\
         Or its operator has given it another key: ask, and not over this connection, what\n\
         `pinwire pin --server` says there.\n  it showed  {shown}{pins}\n\
         Only if what it showed is right, take out of {file}:{lines}\nand put in:\n  {}",
        KnownServers::line(address, &shown)
    )
}

const FRAME: &str = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";
const WARNING: &str = "@   WARNING: THIS SERVER'S KEY IS NOT THE ONE THAT YOU KNOW   @";

fn refuse(address: &Address, shown: &Pin, file: &Path) -> Failure {
    let line = KnownServers::line(address, shown);
    let text = format!(
        "the server at {address} is not known, and nobody is at a terminal to be asked; nothing was sent\n\
         if this pin is the right one (compare it with `pinwire pin --server` there), add this line to {}:\n\
         {line}",
        file.display()
    );
    Failure::new(Exit::WrongServer, text)
}

fn ask(shown: &Digests) -> Result<bool, Failure> {
    loop {
        let mut typed = String::new();
        match io::stdin().read_line(&mut typed) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(Failure::new(Exit::Failed, format!("standard input: {error}"))),
        }
        match verdict(&typed, shown) {
            Verdict::Right => return Ok(true),
            Verdict::Wrong => return Ok(false),
            Verdict::Unclear => output::remark("Type yes, no, or the pin:"),
        }
    }
}

/// A pin is compared; whoever pastes another one has found a wrong server.
fn verdict(typed: &str, shown: &Digests) -> Verdict {
    let typed = typed.trim();
    match typed.parse::<Pin>() {
        // SHA-1 proves no server.
        Ok(pin) if pin.matches(shown) && !matches!(pin, Pin::Sha1(_)) => Verdict::Right,
        Ok(_) => Verdict::Wrong,
        Err(_) if typed.eq_ignore_ascii_case("yes") => Verdict::Right,
        Err(_) if typed.eq_ignore_ascii_case("no") => Verdict::Wrong,
        Err(_) => Verdict::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_and_the_very_pin_are_a_yes() {
        let shown = Digests { spki: [7; 32], certificate: [9; 32], sha1: [7; 20] };
        let verdict = |typed: &str| verdict(typed, &shown);
        assert_eq!(verdict("yes\n"), Verdict::Right);
        assert_eq!(
            verdict(&format!("  {}\n", Pin::Spki([7; 32]).to_string().to_uppercase())),
            Verdict::Right
        );
        assert_eq!(verdict(&Pin::Spki([8; 32]).to_string()), Verdict::Wrong);
        assert_eq!(verdict(&Pin::Certificate([9; 32]).to_string()), Verdict::Right);
        assert_eq!(verdict(&Pin::Sha1([7; 20]).to_string()), Verdict::Wrong);
        assert_eq!(verdict("no"), Verdict::Wrong);
        assert_eq!(verdict("y"), Verdict::Unclear, "as ssh: a slip of the finger is no yes");
        assert_eq!(verdict(""), Verdict::Unclear);
    }

    #[test]
    fn the_warning_names_every_pin_and_the_lines_to_take_out() {
        let (shown, address) = (Digests { spki: [7; 32], certificate: [9; 32], sha1: [7; 20] }, "a:1");
        let [one, two, other] = [Pin::Spki([1; 32]), Pin::Certificate([2; 32]), Pin::Spki([3; 32])];
        let known = format!("# mine\na:1 {one} # \u{1b}[2Jx\nb:1 {other}\na:1 {two}\n");
        let warning = warning(&address.parse().unwrap(), &shown, &known, "FILE");
        let shown = Pin::Spki(shown.spki);
        for words in [
            "WARNING: ".to_owned(),
            format!("it showed  {shown}\n  you know   {one} (line 2)\n  you know   {two} (line 4)\n"),
            format!(
                "take out of FILE:\n  line 2: a:1 {one} # \u{fffd}[2Jx\n  line 4: a:1 {two}\nand put in:\n"
            ),
        ] {
            assert!(warning.contains(&words), "{warning}");
        }
        assert!(warning.ends_with(&format!("\n  a:1 {shown}")) && !warning.contains(&other.to_string()));
    }
}
