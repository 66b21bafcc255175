//! Statements: words and blocks.

use std::time::Duration;

use weir_program::units::parse_duration;

use super::super::Note;

/// Maximum depth of nested blocks. keepalived's own are at most four deep.
const MAX_DEPTH: usize = 8;
/// Reason for lines in a block that is too deep or has no statement.
const UNREAD: &str = "in a block that could not be read";

/// A statement with its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Number of its line, from 1.
    pub(super) line: usize,
    /// Its words, without quotes around them; at least one.
    pub(super) words: Vec<String>,
    /// The statements between its braces.
    pub(super) block: Vec<Statement>,
    /// Whether it has a block.
    pub(super) has_block: bool,
}

/// The statements of a file, and the errors in its braces, with their lines.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) statements: Vec<Statement>,
    pub(super) errors: Vec<(usize, &'static str)>,
}

impl Statement {
    /// The first word.
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// An argument; empty if there is none.
    pub(super) fn argument(&self, index: usize) -> &str {
        self.words.get(index + 1).map_or("", String::as_str)
    }

    /// The words of its line.
    pub(super) fn text(&self) -> String {
        self.words.join(" ")
    }

    /// The first argument as a number.
    pub(super) fn number(&self) -> Option<u32> {
        let text = self.argument(0);
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    }

    /// The first argument as a number of seconds, which may have a fraction.
    pub(super) fn duration(&self) -> Option<Duration> {
        let text = self.argument(0);
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        is_plain.then(|| parse_duration(&format!("{text}s")).ok()).flatten()
    }

    /// Returns whether the first argument switches the option off.
    pub(super) fn is_off(&self) -> bool {
        matches!(self.argument(0), "false" | "off" | "no")
    }

    /// The numbers of its lines, including its block.
    pub(super) fn lines(&self) -> Vec<usize> {
        let mut lines = vec![self.line];
        let mut stack: Vec<&Self> = self.block.iter().collect();
        while let Some(statement) = stack.pop() {
            lines.push(statement.line);
            stack.extend(&statement.block);
        }
        lines
    }

    /// A note about the whole statement.
    pub(super) fn note(&self, reason: &str) -> Note {
        let last = self.lines().into_iter().max().unwrap_or(self.line);
        Note { line: self.line, last, text: self.text(), reason: reason.to_owned() }
    }
}

/// Reads a file. A statement ends with its line, or at a brace.
pub(super) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    // Open blocks, the innermost last.
    let mut open: Vec<Vec<Statement>> = vec![Vec::new()];
    let mut too_deep = 0_usize;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let mut words = Vec::new();
        for token in tokens(line) {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open if open.len() > MAX_DEPTH || too_deep > 0 => {
                    parsed.errors.push((number, "blocks are nested too deeply"));
                    words.clear();
                    too_deep += 1;
                }
                Token::Open => {
                    push(&mut open, number, &mut words);
                    // A brace at the start of a line belongs to the line before.
                    match open.last_mut().and_then(|block| block.last_mut()).filter(|last| !last.has_block) {
                        Some(statement) => {
                            statement.has_block = true;
                            open.push(Vec::new());
                        }
                        None => {
                            parsed.errors.push((number, "opening brace without a statement"));
                            too_deep += 1;
                        }
                    }
                }
                Token::Close if too_deep > 0 => {
                    if !words.is_empty() {
                        parsed.errors.push((number, UNREAD));
                    }
                    words.clear();
                    too_deep -= 1;
                }
                Token::Close => {
                    push(&mut open, number, &mut words);
                    if !close(&mut open) {
                        parsed.errors.push((number, "unmatched closing brace"));
                    }
                }
            }
        }
        if too_deep == 0 {
            push(&mut open, number, &mut words);
        } else if !words.is_empty() {
            parsed.errors.push((number, UNREAD));
        }
    }
    if open.len() > 1 {
        parsed.errors.push((text.lines().count(), "missing closing brace"));
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

/// Closes the innermost block. Returns whether there was one.
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
    fn braces_may_be_on_any_line() {
        let text = "a 1 {\n b \"x y\" { c }\n}\nd\n{\n e # f\n ! g\n}";
        let Parsed { statements, errors } = parse(text);
        assert_eq!(errors, []);
        let [a, d] = &statements[..] else { panic!("{statements:?}") };
        assert_eq!((a.text().as_str(), a.block[0].words.as_slice()), ("a 1", &["b".to_owned(), "x y".to_owned()][..]));
        assert_eq!((a.block[0].block[0].name(), d.block[0].name(), d.block.len()), ("c", "e", 1));
        assert_eq!(a.lines(), [1, 2, 2]);
    }

    #[test]
    fn unmatched_braces_are_reported() {
        assert_eq!(parse("a {\n b\n").errors, [(2, "missing closing brace")]);
        assert_eq!(parse("}\na").errors, [(1, "unmatched closing brace")]);
        assert_eq!(parse("{ a }").errors, [(1, "opening brace without a statement"), (1, UNREAD)]);
        assert!(!parse(&"a {".repeat(10_000)).errors.is_empty());
    }
}
