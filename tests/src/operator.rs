//! What operators do: at a balancer over its API, on an edge with the agent's own commands.

use std::time::Duration;

use crate::agent::Agent;
use crate::balancer::Balancer;
use crate::binaries;
use crate::http::{self, Answer};
use crate::json;
use crate::process::{self, Finished};
use crate::wait::{PATIENCE, eventually};

/// An edge as `GET /api/v1/edges` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Milliseconds until its drain ends.
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
        let id = json::member(&answer.body, "command").unwrap_or_default();
        assert!(!id.is_empty(), "an order has an id: {answer:?}");
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
        let list = json::member(&answer.body, "edges").expect("a list of edges");
        json::objects(list).map(|text| Edge::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
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

impl Edge {
    fn parse(text: &str) -> Result<Self, String> {
        let member = |name| json::member(text, name).map(str::to_owned);
        let needed = |name| member(name).ok_or_else(|| format!("no {name}"));
        Ok(Self {
            id: needed("id")?,
            redirect: needed("redirect")?,
            state: needed("state")?,
            reasons: json::texts(&needed("reasons")?),
            available: needed("available")? == "true",
            redirect_allowed: needed("redirect_allowed")? == "true",
            drain_deadline: json::number(text, "drain_deadline_ms")?,
            connections: json::number(text, "connections")?,
            assignments: json::number(text, "assignments")?,
            key_id: needed("key_id")?,
            duplicate: member("duplicate"),
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
        Status::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
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

impl Status {
    fn parse(text: &str) -> Result<Self, String> {
        let needed = |name| json::member(text, name).map(str::to_owned).ok_or_else(|| format!("no {name}"));
        let targets = needed("targets")?;
        Ok(Self {
            edge: needed("edge")?,
            status: needed("status")?,
            reasons: json::texts(&needed("reasons")?),
            targets: json::objects(&targets).map(TargetStatus::parse).collect::<Result<_, _>>()?,
        })
    }
}

impl TargetStatus {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self {
            target: json::member(text, "target").ok_or("no target")?.to_owned(),
            balancer: json::member(text, "balancer").filter(|name| *name != "null").map(str::to_owned),
            acked: json::number(text, "acked")?,
            round_trip: json::number(text, "round_trip")?,
        })
    }
}
