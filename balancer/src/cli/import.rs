//! `weir-balancer import-ldirectord` and `import-keepalived`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use weir_kernel::import::{Imported, marking};
use weir_program::{Failure, Outcome};

#[derive(Args, Debug)]
pub(super) struct Import {
    /// The file, such as /etc/ha.d/ldirectord.cf or /etc/keepalived/keepalived.conf.
    file: PathBuf,
    /// A file with the rules of iptables that set the marks, as commands or as iptables-save prints them.
    #[arg(long, value_name = "FILE")]
    marks: Option<PathBuf>,
}

/// Prints what the file says as sections of `weir.toml`, and on standard error how much of it could not be carried over.
pub(super) fn run(arguments: &Import, read: fn(&str) -> Imported) -> Outcome {
    let mut imported = read(&text_of(&arguments.file)?);
    if let Some(rules) = &arguments.marks {
        marking::apply(&mut imported, &text_of(rules)?);
    }
    let source = arguments.file.display().to_string();
    let mut out = std::io::stdout();
    out.write_all(imported.to_toml(&source).as_bytes()).map_err(Failure::unavailable)?;
    // Nobody may be reading this.
    let _ = writeln!(
        std::io::stderr(),
        "{source}: {} services; {} lines could not be carried over as they stand: see the comments",
        imported.services.len(),
        imported.noted()
    );
    if !imported.is_whole() {
        let _ = writeln!(std::io::stderr(), "{source}: some services have no addresses or no servers: fill those in");
    }
    Ok(())
}

/// A file's text. Old configurations are in any encoding: what is not UTF-8 stands in comments mostly.
fn text_of(file: &Path) -> Result<String, Failure> {
    let bytes = fs::read(file)
        .map_err(|error| Failure::configuration(format_args!("{}: cannot be read: {error}", file.display())))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
