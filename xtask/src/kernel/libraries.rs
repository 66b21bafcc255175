//! The libraries that a program is linked with.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step;

/// The files that the loader opens for this program, itself included.
pub(crate) fn of(program: &Path) -> Result<Vec<PathBuf>, String> {
    needed(&step::output(Command::new("ldd").arg(program))?)
}

/// What ldd(1) says: `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`,
/// `linux-vdso.so.1 (0x…)`, which is the kernel's.
fn needed(said: &str) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for line in said.lines() {
        let (name, found) = line.split_once(" => ").unwrap_or((line, line));
        if found.trim() == "not found" {
            return Err(format!("the library {} is missing", name.trim()));
        }
        files.extend(found.split_whitespace().next().filter(|file| file.starts_with('/')).map(PathBuf::from));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_and_the_libraries_are_files_and_the_kernels_own_is_not() {
        let said =
            "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/libm.so.6 (0x00007f)\n\t/lib64/ld.so.2 (0x00007f)\n";
        assert_eq!(needed(said), Ok(vec!["/lib/libm.so.6".into(), "/lib64/ld.so.2".into()]));
    }

    #[test]
    fn a_missing_library_is_named() {
        assert_eq!(needed("\tlibnl.so.3 => not found\n"), Err("the library libnl.so.3 is missing".to_owned()));
    }
}
