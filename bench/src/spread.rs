//! Every scenario of the simulator: a table, figures for programs, and pictures.

use std::fs;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use weir_bench::selection::{Contender, Row, Scenario, catalogue, plot, simulate, table};
use weir_program::say;

use crate::outcome::Outcome;

/// The seed of the table and the pictures in the documentation.
const SEED: u64 = 1;

/// What is simulated.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Another gives clients, reports and balancers another luck. Pictures go to target/bench/selection then.
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Only the scenario of this name; several times for several.
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
}

/// Simulates all, and shows what comes of it.
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
        let message = format!("no scenario is called `{unknown}`; there are {}", known.join(", "));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(all.into_iter().filter(|scenario| names.is_empty() || names.iter().any(|name| name == scenario.name)).collect())
}

/// On all processors. A line for each that is finished, so that one sees that something happens.
fn simulate_all(scenarios: &[Scenario], seed: u64) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut rows: Vec<(usize, Row)> = thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((place, scenario)) = take(next, scenarios) {
                    // Who receives does so until all senders are gone.
                    let _ = sender.send((place, simulate(scenario, seed)));
                }
            });
        }
        drop(sender);
        receiver.iter().inspect(|(_, row)| say(progress(row))).collect()
    });
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn take<'s>(next: &AtomicUsize, scenarios: &'s [Scenario]) -> Option<(usize, &'s Scenario)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    scenarios.get(place).map(|scenario| (place, scenario))
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
    say(format_args!("pictures are in {folder}/"));
    Ok(())
}

/// Every figure of every contender; the bounds are Weir's.
fn outcomes(row: &Row) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (contender, trace) in Contender::ALL.into_iter().zip(&row.traces) {
        for figure in row.figures() {
            let bound = row.scenario.bounds.iter().find(|(other, _)| *other == figure).map(|(_, bound)| *bound);
            let bound = bound.filter(|_| contender == Contender::Weir);
            let name = format!("{}, {}: {}", row.scenario.name, contender.name(), figure.name());
            outcomes.push(Outcome::in_table(name, trace.figure(figure), figure.unit(), bound));
        }
    }
    outcomes
}
