//! The table in `docs/clients.md`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::table::Performed;

/// What stands around the table in the page.
const BEGIN: &str =
    "<!-- Made by `cargo test -p weir-tests --test clients`: with WEIR_WRITE_DOCS=1 it writes this table. -->\n";
const END: &str = "<!-- The end of the table. -->\n";
const WRITE: &str = "WEIR_WRITE_DOCS";

/// Compares what happened with what the page says, or makes the page say it.
#[track_caller]
pub(crate) fn check(rows: &[Performed]) {
    let table = render(rows);
    let page = fs::read_to_string(page()).expect("docs/clients.md");
    let (before, rest) = page.split_once(BEGIN).expect("the page has a mark before the table");
    let (documented, after) = rest.split_once(END).expect("the page has a mark after the table");
    if env::var_os(WRITE).is_some_and(|value| value == "1") {
        fs::write(self::page(), format!("{before}{BEGIN}{table}{END}{after}")).expect("write docs/clients.md");
        return;
    }
    let difference = difference(documented, &table);
    assert!(
        difference.is_empty(),
        "docs/clients.md says what did not happen:\n{difference}\
         If this is what should happen, run `{WRITE}=1 cargo test -p weir-tests --test clients`."
    );
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clients.md")
}

#[track_caller]
fn render(rows: &[Performed]) -> String {
    let mut table = String::from(
        "| client | protocol | direction | mode | way | what reached the chosen edge |\n|---|---|---|---|---|---|\n",
    );
    for Performed { row, result } in rows {
        // The test of the client has more to say about it.
        let reached = result.as_deref().unwrap_or_else(|_| panic!("{} failed", row.name()));
        let (protocol, mode, way) = (row.protocol.name(), row.mode.name(), row.way());
        let _ =
            writeln!(table, "| {} | {protocol} | {} | {mode} | {way} | {reached} |", row.client.name, row.direction);
    }
    table
}

/// The lines that only one of the two has.
fn difference(documented: &str, happened: &str) -> String {
    let only = |mark: char, lines: &str, others: &str| -> String {
        let missing = lines.lines().filter(|line| !others.lines().any(|other| other == *line));
        missing.map(|line| format!("{mark} {line}\n")).collect()
    };
    let lines = only('-', documented, happened) + &only('+', happened, documented);
    // The same lines in another order differ, too.
    if lines.is_empty() && documented != happened { "the order of the lines\n".to_owned() } else { lines }
}
