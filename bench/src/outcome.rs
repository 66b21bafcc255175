//! Results, for people and for programs.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use weir_program::say;

/// One result.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The bound that it should keep, if any.
    pub(crate) bound: Option<f64>,
    /// Whether `higher` or `lower` is better.
    pub(crate) better: &'static str,
    /// The lowest and the highest value of several rounds, if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spread: Option<[f64; 2]>,
}

impl Outcome {
    /// Returns and prints a result of which higher is better.
    pub(crate) fn higher(name: &str, value: f64, unit: &'static str, bound: Option<f64>) -> Self {
        Self { name: name.to_owned(), value, unit, bound, better: "higher", spread: None }.print()
    }

    /// Returns and prints a result of which lower is better.
    pub(crate) fn lower(name: &str, value: f64, unit: &'static str, bound: Option<f64>) -> Self {
        Self { name: name.to_owned(), value, unit, bound, better: "lower", spread: None }.print()
    }

    /// Returns and prints the median of several rounds, and the lowest and the highest value. Lower is better.
    pub(crate) fn of_rounds(
        name: &str,
        median: f64,
        spread: Option<[f64; 2]>,
        unit: &'static str,
        bound: Option<f64>,
    ) -> Self {
        Self { name: name.to_owned(), value: median, unit, bound, better: "lower", spread }.print()
    }

    /// Returns a result of which lower is better, without printing it.
    pub(crate) fn silent(name: String, value: f64, unit: &'static str, bound: Option<f64>) -> Self {
        Self { name, value, unit, bound, better: "lower", spread: None }
    }

    /// Prints the result at once, as a sign of progress: a benchmark takes minutes.
    fn print(self) -> Self {
        let verdict = match (self.bound, self.better) {
            (None, _) => String::new(),
            (Some(bound), "higher") if self.value >= bound => format!("at least {bound}"),
            (Some(bound), "lower") if self.value <= bound => format!("at most {bound}"),
            (Some(bound), _) => format!("MISSED: the bound is {bound}"),
        };
        let digits = if self.value < 100.0 { 2 } else { 0 };
        let spread = self.spread.map(|[lowest, highest]| format!("{lowest:.digits$} to {highest:.digits$}"));
        let unit = match spread {
            Some(spread) => format!("{:<6} {spread:<18}", self.unit),
            None => format!("{:<18}", self.unit),
        };
        let line = format!("{:<46} {:>12.digits$} {unit} {verdict}", self.name, self.value);
        say(line.trim_end());
        self
    }
}

/// Writes the results to `target/bench/NAME.json`.
pub(crate) fn write(name: &str, results: &[Outcome]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.json"));
    let results = serde_json::json!({ "results": results });
    fs::write(&file, serde_json::to_vec_pretty(&results)?)?;
    say(format_args!("\nwritten to target/bench/{name}.json"));
    Ok(())
}
