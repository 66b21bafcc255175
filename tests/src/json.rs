//! Reads JSON as the simplest of its readers do: by the names of the members, wherever they stand.

/// The value of the first member with this name: a text without its quotes, anything else as it is written.
///
/// Enough for what the programs print, where no text has a quote or a bracket in it that is not one of a pair.
#[must_use]
pub fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\"{name}\":"))?;
    let rest = rest.trim_start();
    if let Some(quoted) = rest.strip_prefix('"') {
        return quoted.split('"').next();
    }
    let mut depth = 0_u32;
    let end = rest.char_indices().find_map(|(index, character)| match character {
        '[' | '{' => {
            depth += 1;
            None
        }
        ']' | '}' if depth > 1 => {
            depth -= 1;
            None
        }
        ']' | '}' if depth == 1 => Some(index + 1),
        ',' | ']' | '}' if depth == 0 => Some(index),
        _ => None,
    });
    Some(rest[..end.unwrap_or(rest.len())].trim_end())
}

/// A number that may be missing, or `null`.
///
/// # Errors
/// When it is there and something else.
pub fn number(text: &str, name: &str) -> Result<Option<u64>, String> {
    let value = member(text, name).filter(|value| *value != "null");
    value.map(|value| value.parse().map_err(|_| format!("{name} is no number: {value}"))).transpose()
}

/// The texts of an array.
#[must_use]
pub fn texts(array: &str) -> Vec<String> {
    array.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The objects of an array, each without its first brace; no object in another.
pub fn objects(array: &str) -> impl Iterator<Item = &str> {
    array.split('{').skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
      "a": "one, two", "b": 7, "c": ["x", "y"], "d": null,
      "e": {"f": [1, {"g": 2}], "h": true}, "i": -3}"#;

    #[test]
    fn members_are_found_by_name() {
        let member = |name| member(TEXT, name).unwrap_or("missing");
        let values = ["a", "b", "c", "d", "e", "g", "h", "i", "j"].map(member);
        let expected = [
            "one, two",
            "7",
            r#"["x", "y"]"#,
            "null",
            r#"{"f": [1, {"g": 2}], "h": true}"#,
            "2",
            "true",
            "-3",
            "missing",
        ];
        assert_eq!(values, expected);
        assert_eq!(texts(member("c")), ["x", "y"]);
        let numbers = ["b", "d", "j", "a"].map(|name| number(TEXT, name).ok());
        assert_eq!(numbers, [Some(Some(7)), Some(None), Some(None), None]);
        assert_eq!(objects(r#"[{"a": 1}, {"a": 2}]"#).count(), 2);
    }
}
