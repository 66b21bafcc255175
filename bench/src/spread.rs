//! The simulation of all scenarios: a table, results for programs, and pictures.

use std::fs;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use weir_bench::selection::{Algorithm, Row, Scenario, catalogue, plot, simulate, table};
use weir_program::say;

use crate::outcome::Outcome;

/// The seed of the table and the pictures in the documentation.
const SEED: u64 = 1;

/// Options of the simulation.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Seed of all random numbers. With another seed than the default, pictures go to target/bench/selection.
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Simulate only this scenario. May be repeated.
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
}

/// Simulates the scenarios, prints the table, and draws the pictures.
pub(crate) fn run(options: &Options) -> io::Result<Vec<Outcome>> {
    let scenarios = chosen(&options.scenarios)?;
    say(format_args!("{} scenarios, seed {}:", scenarios.len(), options.seed));
    let rows = simulate_all(&scenarios, options.seed);
    say(format_args!("\nhighest load ÷ mean load, on average (at worst):\n\n{}", table::table(&rows)));
    let folder = if options.seed == SEED { "docs/selection" } else { "target/bench/selection" };
    draw(&rows, folder)?;
    Ok(rows.iter().flat_map(outcomes).collect())
}

fn chosen(names: &[String]) -> io::Result<Vec<Scenario>> {
    let all = catalogue::all();
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|scenario| scenario.name != **name)) {
        let known: Vec<&str> = all.iter().map(|scenario| scenario.name).collect();
        let message = format!("unknown scenario `{unknown}`; expected one of {}", known.join(", "));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(all.into_iter().filter(|scenario| names.is_empty() || names.iter().any(|name| name == scenario.name)).collect())
}

/// Simulates the scenarios on all processors. Prints a line for each that is finished, as a sign of progress.
fn simulate_all(scenarios: &[Scenario], seed: u64) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut rows: Vec<(usize, Row)> = thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((index, scenario)) = take(next, scenarios) {
                    // The receiver lives until all senders are dropped.
                    let _ = sender.send((index, simulate(scenario, seed)));
                }
            });
        }
        drop(sender);
        receiver.iter().inspect(|(_, row)| say(progress(row))).collect()
    });
    rows.sort_by_key(|(index, _)| *index);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn take<'s>(next: &AtomicUsize, scenarios: &'s [Scenario]) -> Option<(usize, &'s Scenario)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    scenarios.get(index).map(|scenario| (index, scenario))
}

fn progress(row: &Row) -> String {
    let missed =
        row.missed().into_iter().map(|(figure, bound)| format!("  MISSED: {} {}", figure.name(), figure.show(bound)));
    format!("  {:<12} {}{}", row.scenario.name, row.scenario.title, missed.collect::<String>())
}

fn draw(rows: &[Row], folder: &str) -> io::Result<()> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    fs::create_dir_all(&path)?;
    for row in rows {
        let picture = plot::svg(row).map_err(io::Error::other)?;
        fs::write(path.join(format!("{}.svg", row.scenario.name)), picture)?;
    }
    say(format_args!("pictures written to {folder}/"));
    Ok(())
}

/// Returns every figure of every algorithm. The bounds apply to Weir only.
fn outcomes(row: &Row) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (algorithm, trace) in Algorithm::ALL.into_iter().zip(&row.traces) {
        for figure in row.figures() {
            let bound = row.scenario.bounds.iter().find(|(other, _)| *other == figure).map(|(_, bound)| *bound);
            let bound = bound.filter(|_| algorithm == Algorithm::Weir);
            let name = format!("{}, {}: {}", row.scenario.name, algorithm.name(), figure.name());
            outcomes.push(Outcome::silent(name, trace.figure(figure), figure.unit(), bound));
        }
    }
    outcomes
}
