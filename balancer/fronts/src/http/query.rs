//! The parameters of a query.

use std::borrow::Cow;

/// The value of the first parameter with this name, decoded.
pub(super) fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(found, _)| found == name).map(|(_, value)| value)
}

/// Returns the parameters of a query as they were sent, such as `type=m3u8`. Empty ones are left out.
pub(super) fn parameters(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|parameter| !parameter.is_empty())
}

/// Whether there is a parameter with this name, which must not need encoding.
pub(super) fn has(query: Option<&str>, name: &str) -> bool {
    parameters(query.unwrap_or_default()).any(|parameter| parameter.split('=').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_by_name_and_decoded() {
        let query = Some("a=1&b=x%2Fy+z&b=2&c&=d");
        assert_eq!(parameter(query, "a").as_deref(), Some("1"));
        assert_eq!(parameter(query, "b").as_deref(), Some("x/y z"));
        assert_eq!(parameter(query, "c").as_deref(), Some(""));
        assert_eq!((parameter(query, "d"), parameter(None, "a")), (None, None));
        assert!(has(query, "c") && has(query, "b") && !has(query, "d") && !has(None, "a"));
    }
}
