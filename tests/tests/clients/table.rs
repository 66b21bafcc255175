//! All rows: each is performed once, a few of them concurrently.

use std::any::Any;
use std::sync::{Condvar, LazyLock, Mutex, OnceLock, PoisonError};
use std::thread;

use crate::row::Row;
use crate::{http, rtmp, rtsp};

/// Maximum number of rows performed concurrently: most of the time each waits for video frames.
const MAX_CONCURRENT: usize = 4;

/// A row that was performed.
pub(crate) struct Performed {
    pub(crate) row: Row,
    /// The result column of the table, or the error.
    pub(crate) result: Result<String, String>,
}

struct Entry {
    row: Row,
    result: OnceLock<Result<String, String>>,
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let rows = [rtmp::rows(), rtsp::rows(), http::rows()].concat();
    rows.into_iter().map(|row| Entry { row, result: OnceLock::new() }).collect()
});

static FREE_PERMITS: Mutex<usize> = Mutex::new(MAX_CONCURRENT);
static PERMIT_RETURNED: Condvar = Condvar::new();

/// Performs the rows of these clients.
#[track_caller]
pub(crate) fn check(clients: &[&str]) {
    let performed = perform(|row| clients.contains(&row.client.name));
    assert!(!performed.is_empty(), "no row of {clients:?}");
    let failed: Vec<String> = performed
        .iter()
        .filter_map(|Performed { row, result }| result.as_ref().err().map(|error| format!("{}: {error}\n", row.name())))
        .collect();
    assert!(failed.is_empty(), "{}", failed.concat());
}

/// Asserts that each row belongs to one of these clients.
#[track_caller]
pub(crate) fn assert_clients(clients: &[&str]) {
    for entry in &*ENTRIES {
        assert!(clients.contains(&entry.row.client.name), "no test covers {}", entry.row.name());
    }
}

/// All rows in the order of the table; performs those that have not been performed yet.
pub(crate) fn all() -> Vec<Performed> {
    perform(|_| true)
}

fn perform(is_selected: impl Fn(&Row) -> bool) -> Vec<Performed> {
    let entries: Vec<&Entry> = ENTRIES.iter().filter(|entry| is_selected(&entry.row)).collect();
    thread::scope(|scope| {
        // One thread per row: it owns the processes that it starts, and may panic.
        let threads: Vec<_> = entries.iter().map(|entry| scope.spawn(|| entry.perform())).collect();
        for thread in threads {
            // The result is in the entry.
            let _ = thread.join();
        }
    });
    entries.iter().map(|entry| Performed { row: entry.row, result: entry.perform() }).collect()
}

impl Entry {
    fn perform(&self) -> Result<String, String> {
        let perform = || {
            let _permit = Permit::take();
            // On one more thread, so that a panic is the failure of this row.
            let result = thread::scope(|scope| scope.spawn(|| self.row.perform()).join());
            result.unwrap_or_else(|panic| Err(message(&*panic)))
        };
        self.result.get_or_init(perform).clone()
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

/// Permission to perform a row; returned when dropped.
struct Permit;

impl Permit {
    fn take() -> Self {
        let free = FREE_PERMITS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = PERMIT_RETURNED.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *FREE_PERMITS.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        PERMIT_RETURNED.notify_one();
    }
}
