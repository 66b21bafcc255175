//! Searches a response that arrives in pieces for a text.

/// Number of bytes of a response that are searched, since a server may send an endless one.
pub const MAX_SEARCHED: usize = 65_536;

/// Searches a response for a text.
#[derive(Clone, Debug)]
pub struct Search<'t> {
    text: &'t [u8],
    /// End of the previous pieces, in which the text may begin; shorter than the text.
    tail: Vec<u8>,
    /// Number of bytes searched so far.
    seen: usize,
    found: bool,
}

impl<'t> Search<'t> {
    /// Starts a search for `text`. An empty text is found at once.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        Self { text: text.as_bytes(), tail: Vec::new(), seen: 0, found: text.is_empty() }
    }

    /// Searches the next piece, up to [`MAX_SEARCHED`] bytes in total. Returns whether the text has been found so far.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        let piece = &piece[..piece.len().min(MAX_SEARCHED - self.seen)];
        self.seen += piece.len();
        if !self.found {
            self.tail.extend_from_slice(piece);
            self.found = self.tail.windows(self.text.len()).any(|window| window == self.text);
            let keep = self.text.len().saturating_sub(1).min(self.tail.len());
            self.tail.drain(..self.tail.len() - keep);
        }
        self.found
    }

    /// Returns whether further pieces make no difference.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.found || self.seen == MAX_SEARCHED
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_first_bytes_are_searched() {
        let mut search = Search::new("end");
        assert!(!search.push(&vec![b' '; MAX_SEARCHED - 2]));
        assert!(!search.is_over());
        assert!(!search.push(b"end"), "its last byte is beyond the limit");
        assert!(search.is_over());
        assert!(!search.push(b"end"));
        let mut search = Search::new("end");
        search.push(&vec![b' '; MAX_SEARCHED - 3]);
        assert!(search.push(b"end"));
    }

    proptest! {
        #[test]
        fn the_pieces_make_no_difference(text in "[ab]{0,4}", answer in "[ab]{0,30}", sizes in proptest::collection::vec(1_usize..5, 1..5)) {
            let mut search = Search::new(&text);
            let mut sizes = sizes.iter().cycle();
            let mut rest = answer.as_bytes();
            let mut found = search.push(b"");
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                found = search.push(piece);
                rest = after;
            }
            prop_assert_eq!(found, answer.contains(&text));
        }
    }
}
