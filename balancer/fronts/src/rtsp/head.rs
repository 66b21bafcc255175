//! Finds the end of a head (RFC 2326 section 4).
//!
//! A head is found and parsed in two steps, so that a client that sends one byte at a time costs no more than any
//! other: [`HeadScanner`] reads each byte once until it finds the end, and the complete head is parsed once. Lines may
//! end in LF alone.

use super::header::without_cr;
use super::limits::Limits;
use super::request_error::RequestError;

/// A search for the end of a head that continues as bytes arrive.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeadScanner {
    /// The number of bytes that have been read.
    read: usize,
    /// The offset of the current line.
    line_start: usize,
    /// The number of complete lines.
    lines: usize,
}

impl HeadScanner {
    /// Searches `bytes`, which are *all* bytes of the head so far. Returns the length of the head, with its empty line.
    ///
    /// The result, errors included, does not depend on the fragments in which the bytes arrive.
    ///
    /// # Errors
    ///
    /// [`RequestError::RequestLineTooLong`], [`RequestError::HeaderLineTooLong`], [`RequestError::HeadTooLarge`] and
    /// [`RequestError::TooManyHeaders`].
    pub fn advance(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, RequestError> {
        let window = &bytes[..bytes.len().min(limits.head)];
        loop {
            // A line within its limit ends at most a CR and an LF later.
            let line_limit = self.line_start.saturating_add(limits.line).saturating_add(2);
            let line_window = &window[..window.len().min(line_limit)];
            let unread = &line_window[self.read..];
            let Some(offset) = unread.iter().position(|&byte| byte == b'\n') else {
                self.read = line_window.len();
                if self.read == line_limit {
                    return Err(self.line_too_long());
                }
                if self.read == limits.head {
                    return Err(RequestError::HeadTooLarge);
                }
                return Ok(None);
            };
            let line_end = self.read + offset;
            let line = without_cr(&window[self.line_start..line_end]);
            if line.len() > limits.line {
                return Err(self.line_too_long());
            }
            if line.is_empty() {
                return Ok(Some(line_end + 1));
            }
            self.lines += 1;
            if self.lines > limits.headers + 1 {
                return Err(RequestError::TooManyHeaders);
            }
            self.read = line_end + 1;
            self.line_start = self.read;
        }
    }

    /// The length of the complete lines, for the response to a head that is never completed.
    pub fn complete_lines(&self) -> usize {
        self.line_start
    }

    fn line_too_long(&self) -> RequestError {
        if self.lines == 0 { RequestError::RequestLineTooLong } else { RequestError::HeaderLineTooLong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_read_once_if_they_arrive_one_by_one() {
        let limits = Limits::default();
        let head = format!("PLAY * RTSP/1.0\n{}", "A: b\n".repeat(60));
        let mut scanner = HeadScanner::default();
        for end in 0..=head.len() {
            assert_eq!(scanner.advance(&head.as_bytes()[..end], &limits), Ok(None));
            // Reading starts at `read`, so the next call reads the new byte only.
            assert_eq!(scanner.read, end);
        }
    }
}
