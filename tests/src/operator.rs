//! What operators do: at a balancer over its API, on an edge with the agent's own commands.

use std::time::Duration;

use serde::Deserialize;

use crate::agent::Agent;
use crate::balancer::Balancer;
use crate::binaries;
use crate::http::{self, Answer};
use crate::json;
use crate::process::{self, Finished};
use crate::wait::{PATIENCE, eventually};

/// An edge as `GET /api/v1/edges` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Edge {
    /// The edge's GUID.
    pub id: String,
    /// What clients call it.
    pub redirect: String,
    /// `running`, `paused`, `draining`, …
    pub state: String,
    /// Why it is not running.
    pub reasons: Vec<String>,
    /// Whether it gets clients.
    pub available: bool,
    /// Whether it is within the limits of `[redirect]`.
    pub redirect_allowed: bool,
    /// Milliseconds until its drain deadline.
    #[serde(rename = "drain_deadline_ms")]
    pub drain_deadline: Option<u64>,
    /// Clients on the edge.
    pub connections: Option<u64>,
    /// Clients that this balancer gave it.
    pub assignments: Option<u64>,
    /// The id of the key that it reports under.
    pub key_id: String,
    /// Where another sender with its GUID is.
    pub duplicate: Option<String>,
}

/// What `weir-agent status --json` says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// The edge's GUID.
    pub edge: String,
    /// `running`, `paused`, `draining`, …
    pub status: String,
    /// Why it is not running.
    pub reasons: Vec<String>,
    /// Each balancer, in the order of the command line.
    pub targets: Vec<TargetStatus>,
}

/// How the agent stands with one balancer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TargetStatus {
    /// Where it is.
    pub target: String,
    /// What it calls itself.
    pub balancer: Option<String>,
    /// Milliseconds since its last ack.
    pub acked: Option<u64>,
    /// Microseconds from a report to its ack.
    pub round_trip: Option<u64>,
}

impl Balancer {
    /// A call of the API: `path` is what follows `/api/v1/`, `headers` are whole lines.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    #[must_use]
    pub fn call(&self, method: &str, path: &str, headers: &str) -> Answer {
        http::send(self.admin, method, &format!("/api/v1/{path}"), headers).expect("an answer of the API")
    }

    /// The header that shows the token.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token())
    }

    /// Gives an edge an order, such as `pause` or `drain?deadline=10m`.
    ///
    /// # Panics
    /// When it is not taken.
    #[track_caller]
    pub fn order(&self, edge: &str, order: &str) {
        let answer = self.call("POST", &format!("edges/{edge}/{order}"), &self.authorization());
        assert_eq!(answer.status, 202, "{answer:?}");
        let id = json::parse(&answer.body)["command"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty(), "a command has an id: {answer:?}");
    }

    /// Its edges now, as the API shows them.
    ///
    /// # Panics
    /// When there is no such answer.
    #[track_caller]
    #[must_use]
    pub fn edges(&self) -> Vec<Edge> {
        let answer = self.call("GET", "edges", &self.authorization());
        assert_eq!(answer.status, 200, "{answer:?}");
        #[derive(Deserialize)]
        struct Listing {
            edges: Vec<Edge>,
        }

        let listing: Listing =
            serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
        listing.edges
    }

    /// Waits until the edge with this GUID is as `accept` wants it.
    #[track_caller]
    pub fn await_edge(&self, within: Duration, what: &str, guid: &str, accept: impl Fn(&Edge) -> bool) -> Edge {
        eventually(what, within, || {
            let edges = self.edges();
            let found = edges.iter().find(|edge| edge.id == guid && accept(edge)).cloned();
            found.ok_or_else(|| format!("{edges:?}"))
        })
    }
}

impl Agent {
    /// Runs `weir-agent pause`, `unpause`, `drain …` or `status …` for this agent.
    #[track_caller]
    #[must_use]
    pub fn ask(&self, arguments: &[&str]) -> Finished {
        let mut command = process::command(binaries::agent());
        command.args(arguments).arg("--state").arg(self.state());
        process::run(command, PATIENCE)
    }

    /// What `weir-agent status --json` says.
    ///
    /// # Panics
    /// When it says nothing of the kind.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> Status {
        let text = self.ask(&["status", "--json"]).expect_success().stdout;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Waits until the agent is as `accept` wants it.
    #[track_caller]
    pub fn await_status(&self, what: &str, accept: impl Fn(&Status) -> bool) -> Status {
        eventually(what, PATIENCE, || {
            let status = self.status();
            if accept(&status) { Ok(status) } else { Err(format!("{status:?}")) }
        })
    }
}
