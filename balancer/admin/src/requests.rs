//! Requests and their responses.

use hyper::header::{ALLOW, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode};
use tokio::sync::oneshot;
use weir_fleet::Time;
use weir_program::metrics::TEXT_FORMAT;
use weir_program::random;
use weir_program::units::parse_duration;
use weir_protocol::{Action, EdgeId};

use crate::edges::Edges;
use crate::explain::{ExplainParameters, Explanation};
use crate::health;
use crate::kernel::KernelView;
use crate::query::parameters;
use crate::response::{Answer, ApiError, json, text, with_type};
use crate::routes::{self, Matched, Resource, Unmatched};
use crate::server::{Admin, CommandRequest};

/// The prefix of paths that require the token.
const API: &str = "/api/v1/";

impl Admin {
    /// Returns the response to a request.
    pub(crate) async fn respond<B>(&self, request: &Request<B>) -> Answer {
        let path = request.uri().path();
        let is_api = path.starts_with(API);
        // The token is required even on the loopback address: a page in a browser on this machine can send requests, too.
        if is_api && !self.token.is_shown(request.headers()) {
            return unauthorized();
        }
        match routes::find(request.method(), path) {
            Ok(Matched { resource, edge }) => match self.handle(resource, edge, request.uri().query()).await {
                Ok(answer) => answer,
                Err(error) => error.into(),
            },
            Err(unmatched) => reject(request.method(), unmatched, is_api),
        }
    }

    async fn handle(&self, resource: Resource, edge: &str, query: Option<&str>) -> Result<Answer, ApiError> {
        Ok(match resource {
            Resource::Health => self.health(),
            Resource::Readiness => match self.readiness() {
                Ok(report) => text(StatusCode::OK, report),
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
            },
            Resource::Metrics => with_type(StatusCode::OK, TEXT_FORMAT, self.metrics.text()),
            Resource::Edges => {
                json(StatusCode::OK, &Edges::new(&self.fleet.load(), &self.relayed.by_edge(), self.now()))
            }
            Resource::Explanation => json(StatusCode::OK, &self.explain(&ExplainParameters::parse(query)?)),
            Resource::Kernel => {
                json(StatusCode::OK, &self.kernel.as_ref().map_or_else(KernelView::off, |kernel| kernel.view()))
            }
            Resource::Command(action) => {
                let edge = edge.parse().map_err(|error| ApiError::bad_request(format!("{edge}: {error}")))?;
                self.command(edge, with_parameters(action, query)?).await?
            }
        })
    }

    /// Whether the balancer works. When kernel mode has failed, a balancer that also redirects is still healthy.
    fn health(&self) -> Answer {
        let Some(kernel) = &self.kernel else { return text(StatusCode::OK, "ok\n") };
        match kernel.health() {
            Ok(()) => text(StatusCode::OK, "ok\nkernel mode: ok\n"),
            Err(reason) if self.is_kernel_only => {
                text(StatusCode::SERVICE_UNAVAILABLE, format!("kernel mode: {reason}\n"))
            }
            Err(reason) => text(StatusCode::OK, format!("ok\nkernel mode: {reason}\n")),
        }
    }

    fn readiness(&self) -> Result<String, String> {
        if let Some(kernel) = self.kernel.as_ref().filter(|_| self.is_kernel_only) {
            return match kernel.readiness() {
                Ok(services) => Ok(format!("ready: {services} services in the kernel\n")),
                Err(reason) => Err(format!("not ready: {reason}\n")),
            };
        }
        health::readiness(&self.fleet.load(), self.now())
    }

    fn explain(&self, parameters: &ExplainParameters) -> Explanation {
        let (snapshot, zones) = (self.fleet.load(), self.zones.load());
        let random = u64::from_ne_bytes(random::bytes());
        Explanation::new(parameters, &self.selector, &snapshot, &zones, self.now(), random)
    }

    async fn command(&self, edge: EdgeId, action: Action) -> Result<Answer, ApiError> {
        let (reply, replied) = oneshot::channel();
        // Without a receiver, which drops the reply as well, the balancer is stopping.
        let _ = self.commands.send(CommandRequest { edge, action, reply }).await;
        match replied.await {
            Ok(Some(id)) => Ok(json(StatusCode::ACCEPTED, &serde_json::json!({ "command": format!("{id:016x}") }))),
            Ok(None) => Err(ApiError::new(StatusCode::NOT_FOUND, format!("unknown edge {edge}"))),
            Err(_) => Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the balancer is stopping")),
        }
    }

    fn now(&self) -> Time {
        Time::after_origin(self.clock.elapsed())
    }
}

/// Adds the parameters of a query to a command.
fn with_parameters(action: Action, query: Option<&str>) -> Result<Action, ApiError> {
    let Action::Drain { mut deadline } = action else { return Ok(action) };
    for parameter in parameters(query) {
        let value = parameter.strip_prefix("deadline=").ok_or_else(|| {
            ApiError::bad_request(format!("unknown parameter `{parameter}`; expected deadline=DURATION"))
        })?;
        deadline = Some(parse_duration(value).map_err(|error| ApiError::bad_request(format!("deadline: {error}")))?);
    }
    Ok(Action::Drain { deadline })
}

fn unauthorized() -> Answer {
    let message = "missing or wrong token; send it as `Authorization: Bearer TOKEN`";
    let mut answer = Answer::from(ApiError::new(StatusCode::UNAUTHORIZED, message));
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

/// Responds 404 or 405: as JSON below [`API`], as plain text otherwise.
fn reject(method: &Method, unmatched: Unmatched, is_api: bool) -> Answer {
    let (status, message) = match unmatched {
        Unmatched::NotFound => {
            let paths: Vec<&str> = routes::paths().collect();
            (StatusCode::NOT_FOUND, format!("no such path; expected one of {}", paths.join(", ")))
        }
        Unmatched::MethodNotAllowed { path, methods } => {
            let message = format!("{path} does not support {method}; expected {}", methods.allow());
            (StatusCode::METHOD_NOT_ALLOWED, message)
        }
    };
    let mut answer = if is_api { ApiError::new(status, message).into() } else { text(status, format!("{message}\n")) };
    if let Unmatched::MethodNotAllowed { methods, .. } = unmatched {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods.allow()));
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use http_body_util::{BodyExt as _, Empty};
    use hyper::body::Bytes;
    use tokio::sync::mpsc;
    use weir_fleet::relay_counters::RelayCounters;
    use weir_fleet::{FleetSettings, Selector};
    use weir_program::clock::Clock;
    use weir_program::metrics::Registry;

    use super::*;
    use crate::server::RelaySource;
    use crate::token::Token;

    const GUID: &str = "01010101-0101-0101-0101-010101010101";
    const TOKEN: &str = "0123456789abcdef";

    #[derive(Debug)]
    struct NothingRelayed;

    impl RelaySource for NothingRelayed {
        fn by_edge(&self) -> HashMap<EdgeId, RelayCounters> {
            HashMap::new()
        }
    }

    /// An administration whose commands are received by the returned channel.
    fn admin() -> (Admin, mpsc::Receiver<CommandRequest>) {
        let (commands, receiver) = mpsc::channel(1);
        let admin = Admin {
            fleet: Arc::default(),
            selector: Arc::new(Selector::new(FleetSettings::default(), [])),
            zones: Arc::default(),
            clock: Clock::start(),
            connections: 1,
            metrics: Registry::default(),
            relayed: Arc::new(NothingRelayed),
            kernel: None,
            is_kernel_only: false,
            token: Token::parse(TOKEN).unwrap(),
            commands,
        };
        (admin, receiver)
    }

    async fn respond(admin: &Admin, method: &str, path: &str) -> (u16, Option<String>, String) {
        let authorization = format!("Bearer {TOKEN}");
        let request = Request::builder().method(method).uri(path).header("Authorization", authorization);
        let answer = admin.respond(&request.body(Empty::<Bytes>::new()).unwrap()).await;
        let allow = answer.headers().get(ALLOW).map(|value| value.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, allow, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_command_is_passed_on_and_answered_with_its_id() {
        let deadline = Some(Duration::from_secs(600));
        for (command, expected) in [
            ("pause", Action::Pause),
            ("unpause", Action::Unpause),
            ("drain", Action::Drain { deadline: None }),
            ("drain?deadline=10m", Action::Drain { deadline }),
        ] {
            let (admin, mut commands) = admin();
            let path = format!("/api/v1/edges/{GUID}/{command}");
            let receive = async {
                let request = commands.recv().await.unwrap();
                assert_eq!((request.edge, request.action), (EdgeId([1; 16]), expected));
                request.reply.send(Some(0xab)).unwrap();
            };
            let (answer, ()) = tokio::join!(respond(&admin, "POST", &path), receive);
            assert_eq!((answer.0, answer.2.contains("\"00000000000000ab\"")), (202, true), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn a_wrong_request_is_rejected_with_what_was_expected() {
        let (admin, _commands) = admin();
        for (method, path, status, allow, message) in [
            ("POST", format!("/api/v1/edges/{GUID}/drain?deadline=soon"), 400, None, "deadline: `soon` is not"),
            ("POST", format!("/api/v1/edges/{GUID}/drain?dedline=10m"), 400, None, "expected deadline=DURATION"),
            ("POST", "/api/v1/edges/edge1/pause".to_owned(), 400, None, "edge1: "),
            ("POST", format!("/api/v1/edges/{GUID}/explode"), 404, None, "no such path; expected one of /healthz, "),
            ("GET", "/api/v1/".to_owned(), 404, None, "no such path"),
            ("POST", "/".to_owned(), 404, None, "no such path"),
            (
                "GET",
                format!("/api/v1/edges/{GUID}/pause"),
                405,
                Some("POST"),
                "/api/v1/edges/{edge}/pause does not support GET; expected POST",
            ),
            (
                "DELETE",
                "/api/v1/edges".to_owned(),
                405,
                Some("GET, HEAD"),
                "/api/v1/edges does not support DELETE; expected GET, HEAD",
            ),
            (
                "POST",
                "/healthz".to_owned(),
                405,
                Some("GET, HEAD"),
                "/healthz does not support POST; expected GET, HEAD",
            ),
        ] {
            let answer = respond(&admin, method, &path).await;
            assert_eq!((answer.0, answer.1.as_deref()), (status, allow), "{method} {path}: {answer:?}");
            assert!(answer.2.contains(message), "{method} {path}: {answer:?}");
        }
    }
}
