//! The paths of the administration and their methods. Status 404 and 405, and the header `Allow`, follow from one
//! table.

use hyper::Method;
use weir_protocol::Action;

/// A path, and what is found there.
#[derive(Debug)]
struct Route {
    /// The path; `{edge}` stands for one segment.
    path: &'static str,
    methods: Methods,
    resource: Resource,
}

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Whether the balancer works.
    Health,
    /// Whether the balancer can serve clients.
    Readiness,
    /// The metrics in Prometheus' text format.
    Metrics,
    /// Every edge.
    Edges,
    /// The edge that a client would get, and why. The query describes the client.
    Explanation,
    /// Kernel mode.
    Kernel,
    /// A command for an edge. The deadline of a drain is in the query, such as `?deadline=10m`.
    Command(Action),
}

/// The methods that a path supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Methods {
    /// GET and HEAD.
    Read,
    /// POST.
    Post,
}

/// Every path.
static ROUTES: &[Route] = &[
    Route { path: "/healthz", methods: Methods::Read, resource: Resource::Health },
    Route { path: "/readyz", methods: Methods::Read, resource: Resource::Readiness },
    Route { path: "/metrics", methods: Methods::Read, resource: Resource::Metrics },
    Route { path: "/api/v1/edges", methods: Methods::Read, resource: Resource::Edges },
    Route { path: "/api/v1/explain", methods: Methods::Read, resource: Resource::Explanation },
    Route { path: "/api/v1/kernel", methods: Methods::Read, resource: Resource::Kernel },
    Route { path: "/api/v1/edges/{edge}/pause", methods: Methods::Post, resource: Resource::Command(Action::Pause) },
    Route {
        path: "/api/v1/edges/{edge}/unpause",
        methods: Methods::Post,
        resource: Resource::Command(Action::Unpause),
    },
    Route {
        path: "/api/v1/edges/{edge}/drain",
        methods: Methods::Post,
        resource: Resource::Command(Action::Drain { deadline: None }),
    },
];

/// A request whose path and method are in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matched<'p> {
    pub(crate) resource: Resource,
    /// The segment of the path at `{edge}`; empty for other paths.
    pub(crate) edge: &'p str,
}

/// Why a request matches no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmatched {
    /// No such path.
    NotFound,
    /// The path does not support the method.
    MethodNotAllowed {
        /// The path as in the table.
        path: &'static str,
        /// Its methods.
        methods: Methods,
    },
}

impl Methods {
    /// Returns the value of the header `Allow` (RFC 9110, section 10.2.1).
    pub(crate) fn allow(self) -> &'static str {
        match self {
            Self::Read => "GET, HEAD",
            Self::Post => "POST",
        }
    }

    fn include(self, method: &Method) -> bool {
        match self {
            Self::Read => matches!(*method, Method::GET | Method::HEAD),
            Self::Post => *method == Method::POST,
        }
    }
}

/// Finds the route of a request.
pub(crate) fn find<'p>(method: &Method, path: &'p str) -> Result<Matched<'p>, Unmatched> {
    let (route, edge) =
        ROUTES.iter().find_map(|route| Some((route, capture(route.path, path)?))).ok_or(Unmatched::NotFound)?;
    if route.methods.include(method) {
        Ok(Matched { resource: route.resource, edge })
    } else {
        Err(Unmatched::MethodNotAllowed { path: route.path, methods: route.methods })
    }
}

/// Returns every path, for the response to a request for another one.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|route| route.path)
}

/// Returns the segment of `path` at `{edge}`, or an empty text if `pattern` has none; `None` if the path does not
/// match.
fn capture<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let (mut expected, mut actual) = (pattern.split('/'), path.split('/'));
    let mut captured = "";
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => return Some(captured),
            (Some("{edge}"), Some(segment)) => captured = segment,
            (Some(expected), Some(actual)) if expected == actual => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn found<'p>(method: &str, path: &'p str) -> Result<Matched<'p>, Unmatched> {
        find(&method.parse().unwrap(), path)
    }

    #[test]
    fn a_request_is_matched_by_path_and_method() {
        let matched = |resource, edge| Ok(Matched { resource, edge });
        assert_eq!(found("GET", "/healthz"), matched(Resource::Health, ""));
        assert_eq!(found("HEAD", "/api/v1/edges"), matched(Resource::Edges, ""));
        assert_eq!(found("POST", "/api/v1/edges/X/pause"), matched(Resource::Command(Action::Pause), "X"));
        let drain = Resource::Command(Action::Drain { deadline: None });
        assert_eq!(found("POST", "/api/v1/edges//drain"), matched(drain, ""));
    }

    #[test]
    fn an_unknown_path_is_not_found_whatever_the_method() {
        for path in ["/", "", "/healthz/", "/api/v1", "/api/v1/", "/api/v1/edges/X", "/api/v1/edges/X/explode"] {
            for method in ["GET", "POST", "DELETE"] {
                assert_eq!(found(method, path), Err(Unmatched::NotFound), "{method} {path}");
            }
        }
    }

    #[test]
    fn another_method_is_rejected_with_exactly_those_that_the_path_supports() {
        for (method, path, allow) in [
            ("POST", "/healthz", "GET, HEAD"),
            ("DELETE", "/api/v1/edges", "GET, HEAD"),
            ("GET", "/api/v1/edges/X/pause", "POST"),
            ("PUT", "/api/v1/edges/X/drain", "POST"),
        ] {
            let Err(Unmatched::MethodNotAllowed { methods, .. }) = found(method, path) else {
                panic!("{method} {path}");
            };
            assert_eq!(methods.allow(), allow, "{method} {path}");
            for allowed in allow.split(", ") {
                assert!(found(allowed, path).is_ok(), "{allowed} {path}");
            }
        }
    }

    #[test]
    fn every_path_is_documented() {
        let read = |page: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
            std::fs::read_to_string(path).unwrap()
        };
        let pages = ["balancer.md", "kernel.md"].map(read).concat();
        for path in paths().map(|path| path.replace("{edge}", "GUID")) {
            let is_whole =
                |(at, _)| !pages[at + path.len()..].starts_with(|next: char| next == '/' || next.is_alphanumeric());
            assert!(pages.match_indices(&path).any(is_whole), "{path}");
        }
    }

    #[test]
    fn every_path_of_the_table_finds_its_own_route() {
        for route in ROUTES {
            let method = route.methods.allow().split(',').next().unwrap();
            assert_eq!(found(method, route.path).unwrap().resource, route.resource, "{}", route.path);
        }
    }
}
