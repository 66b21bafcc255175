//! Dates in HTTP and RTSP headers (IMF-fixdate, RFC 9110 section 5.6.7; RFC 2326 section 12.18).

use std::cell::Cell;
use std::io::Write as _;
use std::ops::Deref;
use std::time::{SystemTime, UNIX_EPOCH};

/// The value of a `Date` header, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HttpDate([u8; 29]);

thread_local! {
    /// The latest date and its second: all responses within a second share it.
    static LAST: Cell<(u64, HttpDate)> = const { Cell::new((u64::MAX, HttpDate([b' '; 29]))) };
}

impl HttpDate {
    /// Formats a time.
    #[must_use]
    pub(crate) fn at(time: SystemTime) -> Self {
        let second = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (last, date) = LAST.get();
        if last == second {
            return date;
        }
        let mut date = Self([b' '; 29]);
        // A date of this form has 29 bytes, up to the year 9999.
        let _ = write!(&mut date.0[..], "{}", httpdate::HttpDate::from(time));
        LAST.set((second, date));
        date
    }
}

impl Deref for HttpDate {
    type Target = str;

    fn deref(&self) -> &str {
        // The bytes are ASCII.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cached_date_is_not_used_for_another_second() {
        for (seconds, date) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778, "Sun, 06 Nov 1994 08:49:38 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            assert_eq!(&*HttpDate::at(UNIX_EPOCH + Duration::from_secs(seconds)), date);
        }
    }
}
