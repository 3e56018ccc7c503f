//! What a request, a handshake and an idle connection cost the server, beside what the prototype of its
//! design cost: `cargo xtask bench`. Under `cargo test` a few connections go the same way, so that it works
//! when it is needed.
//!
//! Client and server are two processes on one machine: this program starts itself again as the server.
//! What the client costs is not counted, nor what the kernel does outside the server's own time.

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod documents;
#[cfg(target_os = "linux")]
mod fairness;
#[cfg(target_os = "linux")]
mod fleet;
#[cfg(target_os = "linux")]
mod guards;
#[cfg(target_os = "linux")]
mod hog;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod layers;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod storm;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod trust;
#[cfg(target_os = "linux")]
mod turns;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [child::SERVE, trust, tuning, ref answers @ ..] => serve(trust, tuning, answers),
        [turns::TURNS, connections, depth, turns, ..] => turns::run_words([connections, depth, turns]),
        _ if words.contains(&"--bench") && words.contains(&"guards") => guards::guards(&words),
        ["documents", "--bench"] | ["--bench", "documents"] => documents::bench(),
        _ if words.contains(&"--bench") && words.contains(&"fairness") => fairness::bench(&words),
        ["idle", ..] | ["--bench", "idle", ..] => idle::bench(&words),
        _ if words.contains(&"--bench") && words.contains(&"layers") => layers::bench(&words),
        _ if words.contains(&"--bench") && words.contains(&"trust") => trust::bench(&words),
        _ if words.contains(&"--bench") && words.contains(&"storm") => storm::bench(&words),
        // Cargo says --bench where it benches, and not where it tests.
        _ if words.contains(&"--bench") => options::Options::read(&words).and_then(|options| bench(&options)),
        _ if words.contains(&"--list") => Ok(()),
        _ => smoke(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("bench: {text}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("bench: nothing is measured here: memory and processor time are read from Linux's /proc");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn serve(trust: &str, tuning: &str, answers: &[&str]) -> Result<(), String> {
    child::serve(trust, child::Tuning::read(tuning)?, &child::Answers::read(answers)?)
}

#[cfg(target_os = "linux")]
fn bench(options: &options::Options) -> Result<(), String> {
    machine::allow_files(options.scale.most_connections())?;
    print!("{}", machine::describe());
    println!("{}\n", options.scale);
    let mut figures = Vec::new();
    for column in options.columns() {
        eprintln!("bench: {} …", column.name);
        figures.push((column, measure::column(column, &options.scale)?));
    }
    print!("{}", table::table(&figures));
    println!("\n{}", machine::load());
    Ok(())
}

/// Every column at the smallest scale. What it measures means nothing; that it is measured does.
#[cfg(target_os = "linux")]
fn smoke() -> Result<(), String> {
    let scale = measure::Scale::smoke();
    let figures = table::COLUMNS.iter().map(|column| Ok((column, measure::column(column, &scale)?)));
    let figures = figures.collect::<Result<Vec<_>, String>>()?;
    let table = table::table(&figures);
    // Memory grows by whole pages: between so few connections perhaps by none.
    let measured = |what: &measure::What, min: f64| min > 0.0 || matches!(what, measure::What::Idle);
    match figures.iter().find(|(column, spread)| !measured(&column.what, spread.min)) {
        Some((column, _)) => Err(format!("{} cost nothing:\n{table}", column.name)),
        None if table.lines().count() < 4 => Err(format!("lines are missing:\n{table}")),
        None => {
            documents::smoke()?;
            fairness::smoke()?;
            layers::smoke()?;
            storm::smoke()?;
            println!("smoke test ... ok");
            Ok(())
        }
    }
}
