//! Parameters in the query of a URL.

/// Returns the parameters of a query as they were sent, such as `deadline=10m`. Empty ones are left out.
pub(crate) fn parameters(query: Option<&str>) -> impl Iterator<Item = &str> {
    query.unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty())
}
