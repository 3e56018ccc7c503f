//! docs/PROTOCOL.md's tables of codes hold exactly the codes of the code.

use super::Problems;
use crate::markdown;
use crate::repo::Repo;
use pinwire_proto::code::Code;

const PAGE: &str = "docs/PROTOCOL.md";

pub(super) fn check(repo: &Repo) -> Result<Problems, String> {
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

    fn all() -> impl Iterator<Item = String> {
        Code::all().map(|code| code.to_string())
    }

    #[test]
    fn exactly_the_codes_pass() {
        assert_eq!(check(&Repo::of(&[(PAGE, &page(all()))])), Ok(vec![]));
    }

    #[test]
    fn a_code_left_out_fails() {
        let problem = one_problem(check, &[(PAGE, &page(all().filter(|code| code != "conflict")))]);
        assert_eq!(problem, "docs/PROTOCOL.md: no table of codes has `conflict`");
    }

    #[test]
    fn a_code_that_is_none_fails() {
        let problem =
            one_problem(check, &[(PAGE, &page(std::iter::once("made-up".to_owned()).chain(all())))]);
        assert_eq!(problem, "docs/PROTOCOL.md:3: `made-up` is no code of the protocol's table");
    }

    #[test]
    fn a_missing_page_fails() {
        assert_eq!(one_problem(check, &[]), "docs/PROTOCOL.md: is missing");
    }
}
