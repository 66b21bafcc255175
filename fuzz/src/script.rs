//! An input as numbers and pieces.

/// How many bytes [`pieces`] takes for itself.
const SIZES: usize = 8;

/// An input that is read from its front. Past its end there are zeros, so that no input is too short.
#[derive(Debug)]
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// The next two bytes, as a number.
    pub fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// The next `length` bytes, or fewer at the end.
    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Whether nothing is left.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// A stream of bytes, and the pieces in which it arrives.
///
/// The first eight bytes are the sizes of the pieces, over and over; 0 is all that is left.
pub fn pieces(input: &[u8]) -> Option<(&[u8], impl Iterator<Item = &[u8]> + Clone)> {
    let (sizes, stream) = input.split_first_chunk::<SIZES>()?;
    let mut rest = stream;
    let pieces = sizes.iter().cycle().map_while(move |size| {
        let end = if *size == 0 { rest.len() } else { rest.len().min((*size).into()) };
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    Some((stream, pieces))
}
