//! Finds the shared libraries of a program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step;

/// Returns the files that the dynamic loader opens for this program, including the loader itself.
pub(crate) fn of(program: &Path) -> Result<Vec<PathBuf>, String> {
    parse(&step::output(Command::new("ldd").arg(program))?)
}

/// Parses the output of ldd(1): `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)`,
/// `/lib64/ld-linux-x86-64.so.2 (0x…)`, `linux-vdso.so.1 (0x…)`, which is part of the kernel.
fn parse(output: &str) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for line in output.lines() {
        let (name, found) = line.split_once(" => ").unwrap_or((line, line));
        if found.trim() == "not found" {
            return Err(format!("library {} not found", name.trim()));
        }
        files.extend(found.split_whitespace().next().filter(|file| file.starts_with('/')).map(PathBuf::from));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_and_the_libraries_are_files_and_the_vdso_is_not() {
        let output =
            "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/libm.so.6 (0x00007f)\n\t/lib64/ld.so.2 (0x00007f)\n";
        assert_eq!(parse(output), Ok(vec!["/lib/libm.so.6".into(), "/lib64/ld.so.2".into()]));
    }

    #[test]
    fn a_missing_library_is_named() {
        assert_eq!(parse("\tlibnl.so.3 => not found\n"), Err("library libnl.so.3 not found".to_owned()));
    }
}
