//! Reads an input as numbers and fragments.

/// The number of bytes at the start of the input of [`fragments`].
const SIZES: usize = 8;

/// An input that is read from the front. Zeros follow its end, so that no input is too short.
#[derive(Debug)]
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    /// Reads the next byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// Reads the next two bytes as a number.
    pub fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// Reads the next `length` bytes, or fewer at the end.
    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Returns whether all bytes have been read.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// Splits an input into a stream of bytes and the fragments in which it arrives.
///
/// The first eight bytes are the sizes of the fragments, used in a cycle. The size 0 stands for all remaining bytes.
pub fn fragments(input: &[u8]) -> Option<(&[u8], impl Iterator<Item = &[u8]> + Clone)> {
    let (sizes, stream) = input.split_first_chunk::<SIZES>()?;
    let mut rest = stream;
    let fragments = sizes.iter().cycle().map_while(move |size| {
        let end = if *size == 0 { rest.len() } else { rest.len().min((*size).into()) };
        let (fragment, after) = rest.split_at(end);
        rest = after;
        (!fragment.is_empty()).then_some(fragment)
    });
    Some((stream, fragments))
}
