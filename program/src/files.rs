//! Files that must survive a crash: each is written as a whole, or not at all.
//!
//! The contents go to a temporary file in the same folder, which is synced and then takes its final name. Finally the
//! folder is synced, so that the name survives a power failure as well. After a crash or on a full disk the file is the
//! old one, the new one or absent, never empty or cut short.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::io::Errno;
use tempfile::NamedTempFile;

/// Read permission of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner only: for secrets. Missing folders are created with the same restriction.
    Owner,
    /// Every user, as far as the umask allows.
    Everyone,
}

impl Access {
    fn file_mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everyone => 0o644,
        }
    }

    fn folder_mode(self) -> u32 {
        match self {
            Self::Owner => 0o700,
            Self::Everyone => 0o755,
        }
    }
}

/// Writes a new file, and creates its folder where that is missing.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] when the file exists; it stays as it is. Otherwise the error of the failed system call;
/// the file does not exist then, unless only the final sync of the folder failed.
pub fn create(file: &Path, contents: &[u8], access: Access) -> io::Result<()> {
    write_temporary(file, contents, access)?.persist_noclobber(file)?;
    sync_folder(folder_of(file))
}

/// Writes a file, and replaces the one of this name if there is one. Creates its folder where that is missing.
///
/// # Errors
/// The error of the failed system call; the previous file is still there then, unless only the final sync of the folder
/// failed.
pub fn replace(file: &Path, contents: &[u8], access: Access) -> io::Result<()> {
    write_temporary(file, contents, access)?.persist(file)?;
    sync_folder(folder_of(file))
}

/// Reads a text file that people edit. A byte order mark, with which some editors on Windows begin a file, is removed.
///
/// # Errors
/// The error of the failed system call; [`ErrorKind::InvalidData`] when the file is not UTF-8.
pub fn read_text(file: &Path) -> io::Result<String> {
    let mut text = std::fs::read_to_string(file)?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len_utf8());
    }
    Ok(text)
}

/// U+FEFF at the start of a text (Unicode 16.0 section 23.8).
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Creates a folder, and its parents, where they are missing.
///
/// # Errors
/// The error of the failed system call, such as [`ErrorKind::NotADirectory`].
pub fn create_folder(folder: &Path, access: Access) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder_of(folder);
    create_folder(parent, access)?;
    match DirBuilder::new().mode(access.folder_mode()).create(folder) {
        // Another program was faster, unless it is no folder.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if folder.is_dir() {
                Ok(())
            } else {
                Err(ErrorKind::NotADirectory.into())
            }
        }
        Err(error) => Err(error),
        Ok(()) => sync_folder(parent),
    }
}

/// The synced contents under a random name beside `file`. The temporary file is removed when it is dropped.
fn write_temporary(file: &Path, contents: &[u8], access: Access) -> io::Result<NamedTempFile> {
    let folder = folder_of(file);
    create_folder(folder, access)?;
    let mut builder = tempfile::Builder::new();
    let permissions = Permissions::from_mode(access.file_mode());
    let mut temporary = builder.prefix(".weir-").suffix(".tmp").permissions(permissions).tempfile_in(folder)?;
    temporary.write_all(contents)?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    match synced {
        // A folder that may be written but not read, or a file system that syncs no folders, such as some in user space.
        Err(error) if error.kind() == ErrorKind::PermissionDenied || is_unsupported(&error) => Ok(()),
        outcome => outcome,
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::INVAL | Errno::NOTSUP))
}

/// The folder of a path; the current one for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_secret_is_for_its_owner_only_and_so_are_the_folders_made_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/deeper/key");
        create(&file, b"secret\n", Access::Owner).unwrap();
        assert_eq!(mode(&file), 0o600);
        assert_eq!([mode(file.parent().unwrap()), mode(&folder.path().join("deep"))], [0o700, 0o700]);
        assert_eq!(fs::read(&file).unwrap(), b"secret\n");
    }

    #[test]
    fn a_text_is_read_without_a_byte_order_mark() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("targets.txt");
        for (contents, text) in [("\u{feff}# balancers\r\n", "# balancers\r\n"), ("lb1,1934", "lb1,1934"), ("", "")] {
            fs::write(&file, contents).unwrap();
            assert_eq!(read_text(&file).unwrap(), text);
        }
    }

    #[test]
    fn an_existing_file_is_never_overwritten_by_create() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        create(&file, b"first", Access::Owner).unwrap();
        assert_eq!(create(&file, b"second", Access::Owner).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["key"], "no temporary file is left");
    }

    #[test]
    fn replace_writes_the_file_as_a_whole_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        for contents in ["a long first version", "short"] {
            replace(&file, contents.as_bytes(), Access::Everyone).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), contents);
        }
        assert_eq!(names(folder.path()), ["state"]);
        // The umask can only take rights away.
        assert_eq!(mode(&file) & !0o644, 0);
    }

    #[test]
    fn temporary_files_of_a_crash_are_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        for leftover in [".weir-aaaaaa.tmp", "state.new", "state.tmp"] {
            fs::write(folder.path().join(leftover), "cut sho").unwrap();
        }
        replace(&file, b"whole", Access::Everyone).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"whole");
    }

    #[test]
    fn a_failed_replacement_leaves_the_previous_state_and_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let occupied = folder.path().join("state");
        fs::create_dir(&occupied).unwrap();
        fs::write(occupied.join("file"), "").unwrap();
        assert!(replace(&occupied, b"new", Access::Everyone).is_err());
        assert_eq!((names(folder.path()), names(&occupied)), (vec!["state".to_owned()], vec!["file".to_owned()]));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        // Not even root can write there.
        let read_only = Path::new("/proc/self/weir-state");
        assert!(create(read_only, b"", Access::Owner).is_err() && replace(read_only, b"", Access::Owner).is_err());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(create(&file.join("key"), b"", Access::Owner).unwrap_err().kind(), ErrorKind::NotADirectory);
    }
}
