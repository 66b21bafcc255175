//! Words, and the blocks that they stand in.

use std::time::Duration;

use weir_program::units::parse_duration;

use super::super::Note;

/// How deep blocks may stand in blocks; keepalived's own stand four deep.
const DEEPEST: usize = 8;
/// What is said of a line within one that is too deep, or that nothing stands ahead of.
const UNREAD: &str = "stands in a block that could not be read";

/// A line that says something, with the block that follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Its line, counted from 1.
    pub(super) line: usize,
    /// Its words, without the quotes around them; never none.
    pub(super) words: Vec<String>,
    /// What stands between its braces.
    pub(super) block: Vec<Statement>,
    /// Whether it has braces.
    pub(super) has_block: bool,
}

/// What a file holds, and the lines where its braces do not fit, with what is wrong there.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) statements: Vec<Statement>,
    pub(super) wrong: Vec<(usize, &'static str)>,
}

impl Statement {
    /// What it is about.
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// What stands behind that, one by one.
    pub(super) fn argument(&self, index: usize) -> &str {
        self.words.get(index + 1).map_or("", String::as_str)
    }

    /// All of its line.
    pub(super) fn text(&self) -> String {
        self.words.join(" ")
    }

    /// The first argument as a number.
    pub(super) fn number(&self) -> Option<u32> {
        let text = self.argument(0);
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    }

    /// The first argument as a time: seconds, which may have a fraction.
    pub(super) fn duration(&self) -> Option<Duration> {
        let text = self.argument(0);
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        is_plain.then(|| parse_duration(&format!("{text}s")).ok()).flatten()
    }

    /// Whether the first argument says that this does not hold.
    pub(super) fn is_off(&self) -> bool {
        matches!(self.argument(0), "false" | "off" | "no")
    }

    /// The lines of it and of all in its block.
    pub(super) fn lines(&self) -> Vec<usize> {
        let mut lines = vec![self.line];
        let mut waiting: Vec<&Self> = self.block.iter().collect();
        while let Some(statement) = waiting.pop() {
            lines.push(statement.line);
            waiting.extend(&statement.block);
        }
        lines
    }

    /// A note about all of it.
    pub(super) fn note(&self, why: &str) -> Note {
        let last = self.lines().into_iter().max().unwrap_or(self.line);
        Note { line: self.line, last, what: self.text(), why: why.to_owned() }
    }
}

/// Reads a file. A statement ends with its line, and at a brace.
pub(super) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    // Blocks that are open, the innermost last.
    let mut open: Vec<Vec<Statement>> = vec![Vec::new()];
    let mut too_deep = 0_usize;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let mut words = Vec::new();
        for token in tokens(line) {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open if open.len() > DEEPEST || too_deep > 0 => {
                    parsed.wrong.push((number, "blocks stand too deep in blocks"));
                    words.clear();
                    too_deep += 1;
                }
                Token::Open => {
                    push(&mut open, number, &mut words);
                    // A brace on a line of its own belongs to the line before.
                    match open.last_mut().and_then(|block| block.last_mut()).filter(|last| !last.has_block) {
                        Some(statement) => {
                            statement.has_block = true;
                            open.push(Vec::new());
                        }
                        None => {
                            parsed.wrong.push((number, "a brace that nothing stands ahead of"));
                            too_deep += 1;
                        }
                    }
                }
                Token::Close if too_deep > 0 => {
                    if !words.is_empty() {
                        parsed.wrong.push((number, UNREAD));
                    }
                    words.clear();
                    too_deep -= 1;
                }
                Token::Close => {
                    push(&mut open, number, &mut words);
                    if !close(&mut open) {
                        parsed.wrong.push((number, "a closing brace too many"));
                    }
                }
            }
        }
        if too_deep == 0 {
            push(&mut open, number, &mut words);
        } else if !words.is_empty() {
            parsed.wrong.push((number, UNREAD));
        }
    }
    if open.len() > 1 {
        parsed.wrong.push((text.lines().count(), "a closing brace is missing"));
    }
    while close(&mut open) {}
    parsed.statements = open.pop().unwrap_or_default();
    parsed
}

fn push(open: &mut [Vec<Statement>], line: usize, words: &mut Vec<String>) {
    if let Some(block) = open.last_mut().filter(|_| !words.is_empty()) {
        block.push(Statement { line, words: std::mem::take(words), block: Vec::new(), has_block: false });
    }
}

/// Gives the innermost block to its statement; whether there was one.
fn close(open: &mut Vec<Vec<Statement>>) -> bool {
    if open.len() < 2 {
        return false;
    }
    let block = open.pop().unwrap_or_default();
    if let Some(statement) = open.last_mut().and_then(|outer| outer.last_mut()) {
        statement.block = block;
    }
    true
}

enum Token {
    Word(String),
    Open,
    Close,
}

/// The words and braces of a line, up to a comment.
fn tokens(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            _ if is_quoted => word.get_or_insert_default().push(character),
            '#' | '!' if word.is_none() => break,
            '{' | '}' => {
                tokens.extend(word.take().map(Token::Word));
                tokens.push(if character == '{' { Token::Open } else { Token::Close });
            }
            _ if character.is_whitespace() => tokens.extend(word.take().map(Token::Word)),
            _ => word.get_or_insert_default().push(character),
        }
    }
    tokens.extend(word.map(Token::Word));
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_may_stand_where_they_like() {
        let text = "a 1 {\n b \"x y\" { c }\n}\nd\n{\n e # f\n ! g\n}";
        let Parsed { statements, wrong } = parse(text);
        assert_eq!(wrong, []);
        let [a, d] = &statements[..] else { panic!("{statements:?}") };
        assert_eq!((a.text().as_str(), a.block[0].words.as_slice()), ("a 1", &["b".to_owned(), "x y".to_owned()][..]));
        assert_eq!((a.block[0].block[0].name(), d.block[0].name(), d.block.len()), ("c", "e", 1));
        assert_eq!(a.lines(), [1, 2, 2]);
    }

    #[test]
    fn braces_that_do_not_fit_are_named() {
        assert_eq!(parse("a {\n b\n").wrong, [(2, "a closing brace is missing")]);
        assert_eq!(parse("}\na").wrong, [(1, "a closing brace too many")]);
        assert_eq!(parse("{ a }").wrong, [(1, "a brace that nothing stands ahead of"), (1, UNREAD)]);
        assert!(!parse(&"a {".repeat(10_000)).wrong.is_empty());
    }
}
