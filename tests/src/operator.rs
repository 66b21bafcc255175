//! Operator commands: over a balancer's API, and on an edge with `weir-agent`.

use std::time::Duration;

use serde::Deserialize;

use crate::agent::Agent;
use crate::balancer::Balancer;
use crate::binaries;
use crate::http::{self, Answer};
use crate::json;
use crate::process::{self, Finished};
use crate::wait::{PATIENCE, eventually};

/// An edge in the response of `GET /api/v1/edges`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Edge {
    /// The edge's GUID.
    pub id: String,
    /// Redirect address.
    pub redirect: String,
    /// `running`, `paused`, `draining`, …
    pub state: String,
    /// Reasons for not running.
    pub reasons: Vec<String>,
    /// Whether it takes clients.
    pub available: bool,
    /// Whether it is within the limits of `[redirect]`.
    pub redirect_allowed: bool,
    /// Milliseconds until its drain deadline.
    #[serde(rename = "drain_deadline_ms")]
    pub drain_deadline: Option<u64>,
    /// Client connections on the edge.
    pub connections: Option<u64>,
    /// Assignments by this balancer.
    pub assignments: Option<u64>,
    /// Id of the key that it uses.
    pub key_id: String,
    /// Address of another sender with the same GUID.
    pub duplicate: Option<String>,
}

/// The output of `weir-agent status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// The edge's GUID.
    pub edge: String,
    /// `running`, `paused`, `draining`, …
    pub status: String,
    /// Reasons for not running.
    pub reasons: Vec<String>,
    /// Each balancer, in the order of the command line.
    pub targets: Vec<TargetStatus>,
}

/// The agent's status with one balancer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TargetStatus {
    /// Address of the balancer.
    pub target: String,
    /// Name of the balancer.
    pub balancer: Option<String>,
    /// Milliseconds since its last ack.
    #[serde(rename = "last_ack_ms")]
    pub acked: Option<u64>,
    /// Microseconds from a report to its ack.
    #[serde(rename = "round_trip_us")]
    pub round_trip: Option<u64>,
}

impl Balancer {
    /// Sends an API request. `path` is relative to `/api/v1/`; `headers` are complete lines with CRLF.
    ///
    /// # Panics
    /// If there is no response.
    #[track_caller]
    #[must_use]
    pub fn api(&self, method: &str, path: &str, headers: &str) -> Answer {
        http::send(self.admin, method, &format!("/api/v1/{path}"), headers).expect("a response from the API")
    }

    /// Returns the header line with the operator token.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token())
    }

    /// Queues a command for an edge, such as `pause` or `drain?deadline=10m`.
    ///
    /// # Panics
    /// If it is not accepted.
    #[track_caller]
    pub fn command(&self, edge: &str, command: &str) {
        let answer = self.api("POST", &format!("edges/{edge}/{command}"), &self.authorization());
        assert_eq!(answer.status, 202, "{answer:?}");
        let id = json::parse(&answer.body)["command"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty(), "no command id: {answer:?}");
    }

    /// Returns its edges from the API.
    ///
    /// # Panics
    /// If there is no valid response.
    #[track_caller]
    #[must_use]
    pub fn edges(&self) -> Vec<Edge> {
        let answer = self.api("GET", "edges", &self.authorization());
        assert_eq!(answer.status, 200, "{answer:?}");
        #[derive(Deserialize)]
        struct Listing {
            edges: Vec<Edge>,
        }

        let listing: Listing =
            serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
        listing.edges
    }

    /// Waits until the edge with this GUID satisfies `condition`.
    #[track_caller]
    pub fn await_edge(
        &self,
        within: Duration,
        description: &str,
        guid: &str,
        condition: impl Fn(&Edge) -> bool,
    ) -> Edge {
        eventually(description, within, || {
            let edges = self.edges();
            let found = edges.iter().find(|edge| edge.id == guid && condition(edge)).cloned();
            found.ok_or_else(|| format!("{edges:?}"))
        })
    }
}

impl Agent {
    /// Runs `weir-agent` with a command for this agent: `pause`, `unpause`, `drain …` or `status …`.
    #[track_caller]
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> Finished {
        let mut command = process::command(binaries::agent());
        command.args(arguments).arg("--state").arg(self.state());
        process::run(command, PATIENCE)
    }

    /// Returns the output of `weir-agent status --json`.
    ///
    /// # Panics
    /// If it fails or its output is not valid.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> Status {
        let text = self.cli(&["status", "--json"]).expect_success().stdout;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Waits until the agent's status satisfies `condition`.
    #[track_caller]
    pub fn await_status(&self, description: &str, condition: impl Fn(&Status) -> bool) -> Status {
        eventually(description, PATIENCE, || {
            let status = self.status();
            if condition(&status) { Ok(status) } else { Err(format!("{status:?}")) }
        })
    }
}
