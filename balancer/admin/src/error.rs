//! Why a call of the API is refused.

use hyper::StatusCode;

/// Why a call is refused: the status of the answer, and a sentence that says what is wrong.
pub(crate) type ApiError = (StatusCode, String);

/// The parameters of a query, such as `deadline=10m`.
pub(crate) fn parameters(query: Option<&str>) -> impl Iterator<Item = &str> {
    query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty())
}
