//! docs/PROTOCOL.md's tables of codes hold exactly the codes of the code, and docs/trust.md's every code that
//! trust gives, with its exit status.

use super::Problems;
use crate::markdown;
use crate::repo::Repo;
use pinwire_proto::code::Code;

const PAGE: &str = "docs/PROTOCOL.md";
const TRUST: &str = "docs/trust.md";

pub(super) fn check(repo: &Repo) -> Result<Problems, String> {
    let protocol = protocol(repo)?;
    Ok(protocol.into_iter().chain(trust(repo)?).collect())
}

fn trust(repo: &Repo) -> Result<Problems, String> {
    let tables = markdown::tables(repo.text(TRUST)?);
    let rows = tables.iter().filter(|table| table.header[0] == "code").flat_map(|table| &table.rows);
    let rows: Vec<(&str, &str)> = rows.map(|row| (row.cell(0), row.cell(1))).collect();
    let has = |code: &Code| rows.contains(&(code.as_str(), &code.exit_status().to_string()));
    let lacks = Code::all().filter(of_trust).filter(|code| !has(code));
    let lacks =
        lacks.map(|code| format!("{TRUST}: no row has `{code}` with its status, {}", code.exit_status()));
    Ok(lacks.collect())
}

/// Whether trust gives this code, to a client or to the log.
fn of_trust(code: &Code) -> bool {
    code.is_refusal() || matches!(code, Code::NoLongerTrusted | Code::NotPermitted | Code::SourcePenalised)
}

fn protocol(repo: &Repo) -> Result<Problems, String> {
    let tables = markdown::tables(repo.text(PAGE)?);
    let rows = tables.iter().filter(|table| table.header[0] == "code").flat_map(|table| &table.rows);
    let rows: Vec<(usize, &str)> = rows.map(|row| (row.line, row.cell(0))).collect();
    let unknown = rows.iter().filter(|(_, word)| Code::parse(word).is_none());
    let unknown =
        unknown.map(|(line, word)| format!("{PAGE}:{line}: `{word}` is no code of the protocol's table"));
    let missing = Code::all().filter(|code| rows.iter().all(|(_, word)| *word != code.as_str()));
    let missing = missing.map(|code| format!("{PAGE}: no table of codes has `{code}`"));
    Ok(unknown.chain(missing).collect())
}

#[cfg(test)]
mod tests {
    use super::super::one_problem;
    use super::*;

    fn page(codes: impl Iterator<Item = String>) -> String {
        codes.fold("| code | when |\n| --- | --- |\n".to_owned(), |page, code| {
            page + &format!("| `{code}` | x |\n")
        })
    }

    /// A row with its status for each.
    fn trust(codes: impl Iterator<Item = Code>) -> String {
        codes.fold("| code | status |\n| --- | --- |\n".to_owned(), |page, code| {
            page + &format!("| `{code}` | {} |\n", code.exit_status())
        })
    }

    fn all() -> impl Iterator<Item = String> {
        Code::all().map(|code| code.to_string())
    }

    #[test]
    fn exactly_the_codes_pass() {
        assert_eq!(check(&Repo::of(&[(PAGE, &page(all())), (TRUST, &trust(Code::all()))])), Ok(vec![]));
    }

    #[test]
    fn a_code_left_out_fails() {
        let problem = one_problem(protocol, &[(PAGE, &page(all().filter(|code| code != "conflict")))]);
        assert_eq!(problem, "docs/PROTOCOL.md: no table of codes has `conflict`");
    }

    #[test]
    fn a_code_that_is_none_fails() {
        let problem =
            one_problem(protocol, &[(PAGE, &page(std::iter::once("made-up".to_owned()).chain(all())))]);
        assert_eq!(problem, "docs/PROTOCOL.md:3: `made-up` is no code of the protocol's table");
    }

    #[test]
    fn a_code_of_trust_left_out_or_with_another_status_fails() {
        let left_out = trust(Code::all().filter(|code| *code != Code::TrustExpired));
        let problem = "docs/trust.md: no row has `trust-expired` with its status, 3";
        assert_eq!(one_problem(super::trust, &[(TRUST, &left_out)]), problem);
        let other = trust(Code::all()).replace("| `trust-expired` | 3", "| `trust-expired` | 1");
        assert_eq!(one_problem(super::trust, &[(TRUST, &other)]), problem);
    }

    #[test]
    fn a_missing_page_fails() {
        assert_eq!(one_problem(check, &[]), "docs/PROTOCOL.md: is missing");
    }
}
