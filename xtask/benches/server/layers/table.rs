//! What was measured of the record layers, as Markdown, and whether it is more than noise.

use std::fmt;

use super::profile::{CLASSES, Profile};
use super::{Column, Figures, ORDER};
use crate::measure::Spread;
use crate::table::number;

/// What the median of a ratio is known to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Above,
    Below,
    /// The same, or the difference is lost in the noise.
    Neither,
    TooFew,
}

/// Ratios of neighbouring runs.
struct Ratios {
    spread: Spread,
    /// Where the median lies, 95 of 100 times, whatever the noise is distributed like.
    median: Option<(f64, f64)>,
}

type Row<'a> = (&'a str, &'a dyn Fn(&Figures) -> Result<String, String>);

/// Costs and ratios, a column a load.
pub(super) fn table(columns: &[(&Column, Figures)]) -> Result<String, String> {
    let mut table = heading("server CPU µs a request", columns);
    let rows: [Row<'_>; 10] = [
        ("compact, median", &|of| median(&of.compact)),
        ("compact, least to most", &|of| least_to_most(&of.compact)),
        ("rustls, median", &|of| median(&of.rustls)),
        ("rustls, least to most", &|of| least_to_most(&of.rustls)),
        ("clear, median", &|of| median(&of.clear)),
        ("clear, least to most", &|of| least_to_most(&of.clear)),
        ("compact/rustls, median of the rounds", &|of| {
            Ok(format!("{:.3}", against_rustls(of)?.spread.median))
        }),
        ("compact/rustls, 95 % sure", &|of| Ok(against_rustls(of)?.to_string())),
        ("compact/clear, median of the rounds", &|of| Ok(format!("{:.3}", against_clear(of)?.spread.median))),
        ("compact/clear, 95 % sure", &|of| Ok(against_clear(of)?.to_string())),
    ];
    for (name, cell) in rows {
        let cells = columns.iter().map(|(_, figures)| Ok(format!(" {} |", cell(figures)?)));
        table += &format!("| {name} |{}\n", cells.collect::<Result<String, String>>()?);
    }
    Ok(table)
}

/// A table a load, if there are profiles: where the processor's time of each server went, as parts
/// of its median cost.
pub(super) fn profiles(columns: &[(&Column, Figures)]) -> Result<String, String> {
    columns.iter().filter(|(_, figures)| !figures.profiles.is_empty()).map(profile).collect()
}

fn profile((column, figures): &(&Column, Figures)) -> Result<String, String> {
    let profiles = figures.profiles.iter().map(Result::as_ref).collect::<Result<Vec<&Profile>, _>>();
    let profiles = match profiles {
        Ok(profiles) => profiles,
        Err(why) => return Ok(format!("\nno profile of {}: {why}\n", column.name)),
    };
    let costs =
        [&figures.rustls, &figures.compact, &figures.clear].map(|figures| Spread::from(figures.clone()));
    let [rustls, compact, clear] = costs;
    let costs = [rustls?.median, compact?.median, clear?.median];
    let names = ORDER.map(|records| format!(" {} |", records.name())).concat();
    let mut table =
        format!("\n| {}: ns a request, share |{names}\n| --- |{}\n", column.name, " ---: |".repeat(3));
    for (class, name) in CLASSES.iter().enumerate() {
        let cell = |(profile, cost): (&&Profile, &f64)| {
            let share = profile.share(class);
            format!(" {} ({:.1} %) |", number(share * cost * 1_000.0), share * 100.0)
        };
        table += &format!("| {name} |{}\n", profiles.iter().zip(&costs).map(cell).collect::<String>());
    }
    let samples: Vec<String> = profiles.iter().map(|profile| profile.samples().to_string()).collect();
    Ok(format!("{table}| samples | {} |\n", samples.join(" | ")))
}

/// The last line: whether compact is above rustls anywhere.
pub(super) fn verdict(columns: &[(&Column, Figures)]) -> Result<String, String> {
    let known = columns.iter().map(|(column, figures)| Ok((column.name, against_rustls(figures)?.known())));
    let known = known.collect::<Result<Vec<_>, String>>()?;
    let each: Vec<String> = known.iter().map(|(name, known)| format!("{name} {known}")).collect();
    let above = known.iter().filter(|(_, known)| *known == Known::Above).map(|(name, _)| *name);
    let above = above.collect::<Vec<_>>().join(", ");
    let above = match () {
        () if known.iter().any(|(_, known)| *known == Known::TooFew) => "not known".to_owned(),
        () if above.is_empty() => "nowhere".to_owned(),
        () => above,
    };
    Ok(format!("compact against rustls: {}. Above rustls beyond noise: {above}.", each.join(", ")))
}

fn heading(name: &str, columns: &[(&Column, Figures)]) -> String {
    let names: String = columns.iter().map(|(column, _)| format!(" {} |", column.name)).collect();
    format!("| {name} |{names}\n| --- |{}\n", " ---: |".repeat(columns.len()))
}

fn median(figures: &[f64]) -> Result<String, String> {
    Ok(number(Spread::from(figures.to_vec())?.median))
}

fn least_to_most(figures: &[f64]) -> Result<String, String> {
    let Spread { min, max, .. } = Spread::from(figures.to_vec())?;
    Ok(format!("{} to {}", number(min), number(max)))
}

fn against_rustls(figures: &Figures) -> Result<Ratios, String> {
    Ratios::of(&figures.compact, &figures.rustls)
}

fn against_clear(figures: &Figures) -> Result<Ratios, String> {
    Ratios::of(&figures.compact, &figures.clear)
}

impl Ratios {
    /// Of each round.
    fn of(upper: &[f64], lower: &[f64]) -> Result<Ratios, String> {
        let mut ratios: Vec<f64> = upper.iter().zip(lower).map(|(upper, lower)| upper / lower).collect();
        ratios.sort_by(f64::total_cmp);
        let median = left_off(ratios.len()).map(|off| (ratios[off], ratios[ratios.len() - 1 - off]));
        Ok(Ratios { spread: Spread::from(ratios)?, median })
    }

    fn known(&self) -> Known {
        match self.median {
            None => Known::TooFew,
            Some((least, _)) if least > 1.0 => Known::Above,
            Some((_, most)) if most < 1.0 => Known::Below,
            Some(_) => Known::Neither,
        }
    }
}

impl fmt::Display for Ratios {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.median {
            Some((least, most)) => write!(f, "{least:.3} to {most:.3}"),
            None => f.write_str("–"),
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Known::Above => "above",
            Known::Below => "below",
            Known::Neither => "no difference beyond noise",
            Known::TooFew => "too few rounds to say",
        })
    }
}

/// How many of `count` figures, least and most, may be left off so that the true median still lies between the others 95
/// of 100 times: each figure is above it as a coin falls, so that the number above is binomial. None of fewer than six.
pub(super) fn left_off(count: usize) -> Option<usize> {
    let (mut off, mut tail) = (0, 0.0);
    let mut term = 0.5_f64.powi(i32::try_from(count).ok()?);
    loop {
        tail += term;
        if tail > 0.025 {
            return usize::checked_sub(off, 1);
        }
        off += 1;
        term *= (count + 1 - off) as f64 / off as f64;
    }
}
