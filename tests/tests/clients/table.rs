//! All rows, each performed once, and not too many at a time.

use std::any::Any;
use std::sync::{Condvar, LazyLock, Mutex, OnceLock, PoisonError};
use std::thread;

use crate::row::Row;
use crate::{http, rtmp, rtsp};

/// Rows that are performed at once: most of the time each waits for a picture.
const AT_ONCE: usize = 4;

/// A row that was performed.
pub(crate) struct Performed {
    pub(crate) row: Row,
    /// What reached the edge; or what went wrong.
    pub(crate) result: Result<String, String>,
}

struct Slot {
    row: Row,
    result: OnceLock<Result<String, String>>,
}

static SLOTS: LazyLock<Vec<Slot>> = LazyLock::new(|| {
    let rows = [rtmp::rows(), rtsp::rows(), http::rows()].concat();
    rows.into_iter().map(|row| Slot { row, result: OnceLock::new() }).collect()
});

static FREE_PLACES: Mutex<usize> = Mutex::new(AT_ONCE);
static PLACE_LEFT: Condvar = Condvar::new();

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

/// Each row is of one of these clients.
#[track_caller]
pub(crate) fn assert_clients(clients: &[&str]) {
    for slot in &*SLOTS {
        assert!(clients.contains(&slot.row.client.name), "{} is in no test", slot.row.name());
    }
}

/// Performs all rows that have not been performed yet; all of them, in the table's order.
pub(crate) fn all() -> Vec<Performed> {
    perform(|_| true)
}

fn perform(wanted: impl Fn(&Row) -> bool) -> Vec<Performed> {
    let slots: Vec<&Slot> = SLOTS.iter().filter(|slot| wanted(&slot.row)).collect();
    thread::scope(|scope| {
        // Each on a thread of its own, which keeps the processes that it starts and may panic.
        let threads: Vec<_> = slots.iter().map(|slot| scope.spawn(|| slot.perform())).collect();
        for thread in threads {
            // What it said is in the slot.
            let _ = thread.join();
        }
    });
    slots.iter().map(|slot| Performed { row: slot.row, result: slot.perform() }).collect()
}

impl Slot {
    fn perform(&self) -> Result<String, String> {
        let in_a_place = || {
            let _place = Place::take();
            // On one more thread: what panics in here is a row that failed.
            let result = thread::scope(|scope| scope.spawn(|| self.row.perform()).join());
            result.unwrap_or_else(|panic| Err(message(&*panic)))
        };
        self.result.get_or_init(in_a_place).clone()
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

/// One of the places for rows that are performed at once.
struct Place;

impl Place {
    fn take() -> Self {
        let free = FREE_PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = PLACE_LEFT.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *FREE_PLACES.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        PLACE_LEFT.notify_one();
    }
}
