//! Lines, and the values in them.

/// A line that says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    /// Whether it begins with blanks, as what belongs to a service does.
    pub(super) is_indented: bool,
    /// All of it, without the blanks and the comment.
    pub(super) text: &'a str,
    /// What stands ahead of the `=`; all of it when there is none.
    pub(super) name: &'a str,
    /// What stands behind, without quotes around it.
    pub(super) value: &'a str,
}

/// The lines that say something.
pub(super) fn read(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().enumerate().filter_map(|(index, line)| read_line(index + 1, line))
}

fn read_line(number: usize, line: &str) -> Option<Line<'_>> {
    let text = without_comment(line).trim();
    if text.is_empty() {
        return None;
    }
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let is_indented = line.starts_with([' ', '\t']);
    Some(Line { number, is_indented, text, name: name.trim(), value: unquoted(value.trim()) })
}

/// A `#` begins a comment at the beginning of a line and behind a blank, but for one within quotes.
fn without_comment(line: &str) -> &str {
    let mut is_quoted = false;
    let mut before = ' ';
    for (position, character) in line.char_indices() {
        match character {
            '"' if before != '\\' => is_quoted = !is_quoted,
            '#' if !is_quoted && before.is_whitespace() => return &line[..position],
            _ => {}
        }
        before = character;
    }
    line
}

/// The value without the quotes around it.
pub(super) fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_name_and_a_value() {
        let text = "# a comment\n\nlogfile=\"local0\"\n\trequest = \"a # b\"  # for all\nvirtual=1";
        let lines: Vec<_> = read(text).map(|line| (line.number, line.is_indented, line.name, line.value)).collect();
        assert_eq!(lines, [(3, false, "logfile", "local0"), (4, true, "request", "a # b"), (5, false, "virtual", "1")]);
    }
}
