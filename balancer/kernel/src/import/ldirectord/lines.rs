//! Lines and their values.

/// A line that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Number, from 1.
    pub(super) number: usize,
    /// Whether it is indented, like the lines of a service.
    pub(super) is_indented: bool,
    /// The line without indentation and comment.
    pub(super) text: &'a str,
    /// The part before `=`; the whole text without one.
    pub(super) name: &'a str,
    /// The part after `=`, without quotes around it.
    pub(super) value: &'a str,
}

/// The lines that are not empty.
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

/// A `#` starts a comment at the start of a line or after a blank, except within quotes.
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

/// The value without quotes around it.
pub(super) fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_into_name_and_value() {
        let text = "# a comment\n\nlogfile=\"local0\"\n\trequest = \"a # b\"  # for all\nvirtual=1";
        let lines: Vec<_> = read(text).map(|line| (line.number, line.is_indented, line.name, line.value)).collect();
        assert_eq!(lines, [(3, false, "logfile", "local0"), (4, true, "request", "a # b"), (5, false, "virtual", "1")]);
    }
}
