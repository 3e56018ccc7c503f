//! Tables of bytes by field in ARCHITECTURE.md, held against the code.

use std::fmt::Write as _;

/// Bytes of the field that `_of` leads to.
pub fn field<C, T>(_of: impl Fn(&C) -> &T) -> usize {
    size_of::<T>()
}

/// Asserts that ARCHITECTURE.md has the table of this type: its fields with their bytes, padding, the whole.
pub fn says(name: &str, fields: &[(&str, usize)], whole: usize) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ARCHITECTURE.md");
    let page = std::fs::read_to_string(page).expect("the page is in the repository");
    let table = table(name, fields, whole);
    assert!(page.contains(&table), "ARCHITECTURE.md should say:\n\n{table}");
}

fn table(name: &str, fields: &[(&str, usize)], whole: usize) -> String {
    let listed: usize = fields.iter().map(|(_, bytes)| bytes).sum();
    let mut table = format!("| `{name}` | bytes |\n| --- | ---: |\n");
    for (field, bytes) in fields.iter().copied().chain([("padding", whole - listed)]) {
        if bytes > 0 {
            writeln!(table, "| {field} | {bytes} |").expect("a String takes all");
        }
    }
    writeln!(table, "| **together** | **{whole}** |").expect("a String takes all");
    table
}
