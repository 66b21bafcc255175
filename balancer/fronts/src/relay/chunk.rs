//! Bytes that were read, and are written bit by bit.

/// A buffer, and which part of it has not been written yet.
#[derive(Debug)]
pub(super) struct Chunk {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Chunk {
    /// The first `length` bytes of the buffer.
    pub(super) fn new(buffer: Box<[u8]>, length: usize) -> Self {
        Self { start: 0, end: length.min(buffer.len()), buffer }
    }

    /// What has not been written.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// So many bytes of the rest were written.
    pub(super) fn advance(&mut self, length: usize) {
        self.start = self.end.min(self.start + length);
    }

    pub(super) fn into_buffer(self) -> Box<[u8]> {
        self.buffer
    }
}

/// What was read before a session began.
impl From<&[u8]> for Chunk {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes.into(), bytes.len())
    }
}
