//! `weir-balancer import-ldirectord` and `import-keepalived`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use weir_kernel::import::{Imported, iptables};
use weir_program::{Failure, Outcome};

#[derive(Args, Debug)]
pub(super) struct Import {
    /// File to import, such as /etc/ha.d/ldirectord.cf or /etc/keepalived/keepalived.conf.
    file: PathBuf,
    /// File with the iptables rules that set the marks, as commands or as printed by iptables-save.
    #[arg(long, value_name = "FILE")]
    marks: Option<PathBuf>,
}

/// Prints the services of the file as sections of `weir.toml`, and on standard error the number of lines that could not
/// be imported as they are.
pub(super) fn run(arguments: &Import, read: fn(&str) -> Imported) -> Outcome {
    let mut imported = read(&text_of(&arguments.file)?);
    if let Some(rules) = &arguments.marks {
        iptables::apply(&mut imported, &text_of(rules)?);
    }
    let source = arguments.file.display().to_string();
    let mut out = std::io::stdout();
    out.write_all(imported.to_toml(&source).as_bytes()).map_err(Failure::unavailable)?;
    // The output is complete. A closed standard error is not a reason to fail.
    let _ = writeln!(
        std::io::stderr(),
        "{source}: services imported: {}; lines that could not be imported as they are: {} (see the comments)",
        imported.services.len(),
        imported.noted_lines()
    );
    if !imported.is_complete() {
        let _ = writeln!(std::io::stderr(), "{source}: some services have no addresses or no servers; add them");
    }
    Ok(())
}

/// The text of a file, without a byte order mark. Old configurations have any encoding; text that is not UTF-8 is mostly
/// in comments.
fn text_of(file: &Path) -> Result<String, Failure> {
    let bytes = fs::read(file)
        .map_err(|error| Failure::configuration(format_args!("{}: cannot be read: {error}", file.display())))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}
