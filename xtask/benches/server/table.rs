//! The table: what was measured just now, beside what the prototype measured before the design was settled.

use crate::measure::{Spread, What};

/// One figure of the table.
pub(crate) struct Column {
    /// As `--only` calls it.
    pub(crate) name: &'static str,
    heading: &'static str,
    pub(crate) what: What,
    /// The figures of [`PROTOTYPES`].
    prototypes: [Option<f64>; 2],
}

/// The prototype's two stages that matter here.
const PROTOTYPES: [&str; 2] = ["prototype, rustls's records", "prototype, only keys kept"];

pub(crate) const COLUMNS: [Column; 5] = [
    load("64x1", "64×1 µs", (64, 1, 100_000), [7.0, 7.1]),
    load("64x16", "64×16 µs", (64, 16, 60_000), [0.54, 0.55]),
    load("1000x1", "1000×1 µs", (1_000, 1, 100_000), [11.4, 8.5]),
    Column {
        name: "idle",
        heading: "idle bytes",
        what: What::Idle,
        prototypes: [Some(5_276.0), Some(1_152.0)],
    },
    Column {
        name: "handshake",
        heading: "handshake µs",
        what: What::Handshake,
        prototypes: [Some(330.0), None],
    },
];

const fn load(
    name: &'static str,
    heading: &'static str,
    (connections, depth, batches): (usize, usize, usize),
    [rustls, keys]: [f64; 2],
) -> Column {
    let what = What::Load { connections, depth, batches };
    Column { name, heading, what, prototypes: [Some(rustls), Some(keys)] }
}

/// The table as Markdown, so that it can be shown to others as it is.
pub(crate) fn table(figures: &[(&Column, Spread)]) -> String {
    let row = |name: &str, cell: &dyn Fn(&(&Column, Spread)) -> String| {
        let cells: String = figures.iter().map(|figure| format!(" {:>14} |", cell(figure))).collect();
        format!("| {name:<28} |{cells}\n")
    };
    let mut rows = vec![
        row("", &|(column, _)| column.heading.to_owned()),
        format!("| {:-<28} |{}\n", "", format!(" {:->13}: |", "").repeat(figures.len())),
        row("now, median", &|(_, spread)| number(spread.median)),
        row("now, least to most", &|(_, spread)| format!("{} to {}", number(spread.min), number(spread.max))),
    ];
    for (at, name) in PROTOTYPES.into_iter().enumerate() {
        rows.push(row(name, &|(column, _)| column.prototypes[at].map_or("–".to_owned(), number)));
    }
    rows.push(row("now against rustls's records", &|(column, spread)| {
        column.prototypes[0].map_or("–".to_owned(), |then| format!("{:.2}", spread.median / then))
    }));
    rows.concat()
}

/// Two or three digits that count; thousands are set apart.
pub(crate) fn number(figure: f64) -> String {
    match figure.abs() {
        small if small < 2.0 => format!("{figure:.2}"),
        small if small < 100.0 => format!("{figure:.1}"),
        large if large < 1_000.0 => format!("{figure:.0}"),
        _ => {
            let whole = format!("{figure:.0}");
            let groups = whole.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
            groups.collect::<Vec<_>>().join(",")
        }
    }
}
