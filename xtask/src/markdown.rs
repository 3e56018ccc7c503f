//! As much of Markdown as the checks need: tables, fenced blocks, links. Knows nothing of what they say.

/// A table, with its header's cells and its rows.
pub(crate) struct Table<'a> {
    pub(crate) header: Vec<&'a str>,
    pub(crate) rows: Vec<Row<'a>>,
}

/// One row of a table.
pub(crate) struct Row<'a> {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    /// The cell, without the backticks round all of it; empty if the row is shorter.
    pub(crate) fn cell(&self, place: usize) -> &'a str {
        self.cells.get(place).map_or("", |cell| cell.trim_matches('`'))
    }
}

/// The tables outside fenced blocks.
pub(crate) fn tables(text: &str) -> Vec<Table<'_>> {
    let mut tables = Vec::new();
    let mut last = 0;
    for (line, text) in lines(text).filter(|line| !line.fenced).map(|line| (line.number, line.text)) {
        let Some(cells) = cells(text) else { continue };
        if line != last + 1 || tables.is_empty() {
            tables.push(Table { header: cells, rows: Vec::new() });
        } else if let Some(table) = tables.last_mut().filter(|_| !is_rule(&cells)) {
            table.rows.push(Row { line, cells });
        }
        last = line;
    }
    tables
}

/// The lines inside fenced blocks.
pub(crate) fn fenced(text: &str) -> impl Iterator<Item = &str> {
    lines(text).filter(|line| line.fenced).map(|line| line.text)
}

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// Where its fence is, counted from 1.
    pub(crate) line: usize,
    /// What the fence says it holds; empty if nothing.
    pub(crate) language: &'a str,
    pub(crate) lines: Vec<&'a str>,
}

/// The fenced blocks.
pub(crate) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut is_open = false;
    for (at, text) in text.lines().enumerate() {
        match (text.trim_start().strip_prefix("```"), blocks.last_mut()) {
            (Some(_), _) if is_open => is_open = false,
            (Some(language), _) => {
                blocks.push(Block { line: at + 1, language: language.trim(), lines: Vec::new() });
                is_open = true;
            }
            (None, Some(block)) if is_open => block.lines.push(text),
            _ => {}
        }
    }
    blocks
}

/// Where blocks begin that are blocks by their indentation: they cannot say what they hold.
pub(crate) fn indented(text: &str) -> impl Iterator<Item = usize> {
    let mut before = (0, "");
    lines(text).filter(|line| !line.fenced).filter_map(move |line| {
        let is_first = before.0 + 1 < line.number || before.1.trim().is_empty();
        before = (line.number, line.text);
        let is_code = line.text.starts_with("    ") && !line.text.trim().is_empty();
        (is_first && is_code).then_some(line.number)
    })
}

/// The targets of the links outside fenced blocks, with their lines.
pub(crate) fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    lines(text).filter(|line| !line.fenced).flat_map(|line| {
        let ends = line.text.split("](").skip(1);
        ends.filter_map(move |end| Some((line.number, end.split_once(')')?.0)))
    })
}

struct Line<'a> {
    number: usize,
    text: &'a str,
    fenced: bool,
}

/// Every line but the fences themselves.
fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(at, text)| {
        let is_fence = text.trim_start().starts_with("```");
        fenced ^= is_fence;
        (!is_fence).then_some(Line { number: at + 1, text, fenced })
    })
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

/// The row of dashes under a header.
fn is_rule(cells: &[&str]) -> bool {
    cells.iter().all(|cell| cell.contains('-') && cell.chars().all(|c| matches!(c, '-' | ':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A\n[one](a.md) [two](b.md)\n| h | i |\n| - | - |\n| `x` | 1 |\n\n\
                        | j |\n| :-: |\n```sh\n| no |\n[no](no.md)\n```\n";

    #[test]
    fn tables_are_read_with_their_lines() {
        let tables = tables(PAGE);
        assert_eq!(tables.len(), 2);
        assert_eq!(tables[0].header, ["h", "i"]);
        assert_eq!((tables[0].rows[0].line, tables[0].rows[0].cell(0)), (5, "x"));
        assert_eq!(tables[0].rows[0].cell(7), "");
        assert!(tables[1].rows.is_empty());
    }

    #[test]
    fn fences_hide_links_and_tables() {
        assert_eq!(links(PAGE).collect::<Vec<_>>(), [(2, "a.md"), (2, "b.md")]);
        assert_eq!(fenced(PAGE).collect::<Vec<_>>(), ["| no |", "[no](no.md)"]);
    }

    #[test]
    fn blocks_say_what_they_hold() {
        let page = "```\na\n```\n  ```rust,no_run\n\n```\n";
        let bare = Block { line: 1, language: "", lines: vec!["a"] };
        assert_eq!(blocks(page), [bare, Block { line: 4, language: "rust,no_run", lines: vec![""] }]);
        let page = "a\n    goes on\n\n    code\n    code\n```\n\n    fenced\n```\n    code";
        assert_eq!(indented(page).collect::<Vec<_>>(), [4, 10]);
    }
}
