//! Bytes that are written in several steps.

/// A buffer, and the part of it that is still to be written.
#[derive(Debug)]
pub(super) struct WriteBuffer {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl WriteBuffer {
    /// Holds the first `length` bytes of `buffer`.
    pub(super) fn new(buffer: Box<[u8]>, length: usize) -> Self {
        Self { start: 0, end: length.min(buffer.len()), buffer }
    }

    /// The bytes that are still to be written.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Marks `length` bytes as written.
    pub(super) fn advance(&mut self, length: usize) {
        self.start = self.end.min(self.start + length);
    }

    pub(super) fn into_buffer(self) -> Box<[u8]> {
        self.buffer
    }
}

/// Bytes that were received before the session began.
impl From<&[u8]> for WriteBuffer {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes.into(), bytes.len())
    }
}
