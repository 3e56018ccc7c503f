//! docs/PROTOCOL.md's tables of limits (`| limit | value | …`) hold exactly the limits of the code.

use super::Problems;
use crate::markdown;
use crate::repo::Repo;
use pinwire_proto::limits::{self, Limits};

const PAGE: &str = "docs/PROTOCOL.md";

pub(super) fn check(repo: &Repo) -> Result<Problems, String> {
    let mut in_code = fixed();
    in_code.extend(fields(&format!("{:#?}", Limits::default()))?);
    Ok(compare(repo.text(PAGE)?, &in_code))
}

/// A limit's name and its value as the page writes it, but for the commas.
type Fact = (String, String);

fn compare(page: &str, in_code: &[Fact]) -> Problems {
    let tables = markdown::tables(page);
    let rows = tables.iter().filter(|table| table.header[0] == "limit").flat_map(|table| &table.rows);
    let mut in_page: Vec<&str> = Vec::new();
    let mut problems = Problems::new();
    for row in rows {
        let (name, value) = (row.cell(0), row.cell(1).replace(',', ""));
        in_page.push(name);
        match in_code.iter().find(|fact| fact.0 == name) {
            None => problems.push(format!("{PAGE}:{}: the code has no limit `{name}`", row.line)),
            Some(fact) if fact.1 != value => {
                problems
                    .push(format!("{PAGE}:{}: `{name}` is {} in the code, not {value}", row.line, fact.1));
            }
            Some(_) => {}
        }
    }
    let missing = in_code.iter().filter(|fact| !in_page.contains(&&*fact.0));
    problems.extend(missing.map(|fact| format!("{PAGE}: no table of limits has `{}` ({})", fact.0, fact.1)));
    problems
}

/// The limits that no setting changes.
fn fixed() -> Vec<Fact> {
    let named = [
        ("HEAD", limits::HEAD),
        ("GREETING", limits::GREETING),
        ("WORDS", limits::WORDS),
        ("HEADERS", limits::HEADERS),
        ("SEQUENCE", limits::SEQUENCE),
    ];
    named.map(|(name, value)| (name.to_owned(), value.to_string())).into()
}

/// The fields from the derived `Debug`: it names each, so a new limit cannot be forgotten here.
fn fields(debug: &str) -> Result<Vec<Fact>, String> {
    let lines = debug.lines().filter(|line| line.starts_with("    "));
    lines
        .map(|line| {
            let fact = line.trim().strip_suffix(',').and_then(|fact| fact.split_once(": "));
            let (name, value) = fact.ok_or_else(|| format!("{}: cannot read the limit `{line}`", file!()))?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "| limit | value | of what |\n| --- | --- | --- |\n";

    fn problems(rows: &str) -> Problems {
        let in_code = [("body", "1048576"), ("idle", "600s")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        compare(&format!("{HEADER}{rows}"), &in_code)
    }

    #[test]
    fn the_same_values_pass() {
        assert!(problems("| `body` | 1,048,576 | bytes |\n| `idle` | 600s | time |").is_empty());
    }

    #[test]
    fn another_value_fails() {
        let found = problems("| `body` | 1,048,577 | bytes |\n| `idle` | 600s | time |");
        assert_eq!(found, ["docs/PROTOCOL.md:3: `body` is 1048576 in the code, not 1048577"]);
    }

    #[test]
    fn a_limit_missing_on_either_side_fails() {
        assert_eq!(
            problems("| `body` | 1048576 |"),
            ["docs/PROTOCOL.md: no table of limits has `idle` (600s)"]
        );
        let found = problems("| `body` | 1048576 |\n| `idle` | 600s |\n| `new` | 1 |");
        assert_eq!(found, ["docs/PROTOCOL.md:5: the code has no limit `new`"]);
    }

    #[test]
    fn every_field_of_the_limits_is_read() {
        let fields = fields(&format!("{:#?}", Limits::default())).unwrap();
        assert!(fields.contains(&("handshake".to_owned(), "10s".to_owned())), "{fields:?}");
        assert!(super::fields("Limits {\n    a: Some(\n").is_err());
    }
}
