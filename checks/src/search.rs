//! A text in an answer that comes in pieces.

/// So much of an answer is looked at, in bytes: a server may send one without end.
pub const MOST: usize = 65_536;

/// Looks for a text in an answer.
#[derive(Clone, Debug)]
pub struct Search<'t> {
    text: &'t [u8],
    /// The end of what came before, in which the text may begin; shorter than the text.
    tail: Vec<u8>,
    /// So many bytes have come.
    seen: usize,
    found: bool,
}

impl<'t> Search<'t> {
    /// Looks for this text; an empty one is found at once.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        Self { text: text.as_bytes(), tail: Vec::new(), seen: 0, found: text.is_empty() }
    }

    /// Looks at the next piece, as far as it is within [`MOST`]; whether the text has been found, now or before.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        let piece = &piece[..piece.len().min(MOST - self.seen)];
        self.seen += piece.len();
        if !self.found {
            self.tail.extend_from_slice(piece);
            self.found = self.tail.windows(self.text.len()).any(|window| window == self.text);
            let keep = self.text.len().saturating_sub(1).min(self.tail.len());
            self.tail.drain(..self.tail.len() - keep);
        }
        self.found
    }

    /// Whether no more is looked at.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.found || self.seen == MOST
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_more_is_looked_at_than_there_may_be() {
        let mut search = Search::new("end");
        assert!(!search.push(&vec![b' '; MOST - 2]));
        assert!(!search.is_over());
        assert!(!search.push(b"end"), "its last byte is beyond");
        assert!(search.is_over());
        assert!(!search.push(b"end"));
        let mut search = Search::new("end");
        search.push(&vec![b' '; MOST - 3]);
        assert!(search.push(b"end"));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[ab]{0,4}", answer in "[ab]{0,30}", sizes in proptest::collection::vec(1_usize..5, 1..5)) {
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
