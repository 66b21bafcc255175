//! A row of the table.

use weir_tests::clients::{Client, Protocol, Task};
use weir_tests::edges::Direction;

use crate::stage::Stage;
use crate::steering;

/// A client, its task, and the expected result.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) client: Client,
    pub(crate) protocol: Protocol,
    pub(crate) direction: Direction,
    pub(crate) mode: Mode,
    pub(crate) expected: Expected,
}

/// The configuration of the balancer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Redirects clients that follow, and relays the rest: the default.
    Auto,
    /// The same with affinity: RTMP clients have to name their stream before they are relayed.
    AutoWithAffinity,
    /// Redirects all clients, whether they follow or not.
    Redirect,
    /// Relays all clients, even those that would follow a redirect.
    Relay,
    /// Content steering.
    Steering,
}

/// The expected result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The stream reaches the idle edge with media, and nothing reaches the busy one.
    Arrives(Method),
    /// … and moves to the other edge when its own is drained.
    Moves,
    /// The client fails soon and visibly, and nothing reaches any edge.
    Fails(&'static str),
}

/// How a client reaches its edge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// It connects to the edge itself after a redirect.
    Redirect,
    /// The same, with the redirect at play.
    LateRedirect,
    /// The balancer relays the session.
    Relay,
    /// It requests the redirect's URL on its connection to the balancer, which then relays the session.
    RelayAfterRedirect,
}

/// One row per client.
pub(crate) fn group(
    clients: &[Client],
    protocol: Protocol,
    direction: Direction,
    mode: Mode,
    expected: Expected,
) -> impl Iterator<Item = Row> {
    clients.iter().map(move |&client| Row { client, protocol, direction, mode, expected })
}

impl Mode {
    /// The name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::AutoWithAffinity => "auto, affinity",
            Self::Redirect => "redirect",
            Self::Relay => "relay",
            Self::Steering => "steering",
        }
    }

    /// The configuration for it.
    pub(crate) fn config(self) -> &'static str {
        match self {
            Self::Auto => "",
            Self::AutoWithAffinity => "[selection]\naffinity = true\n",
            Self::Redirect => "[[application]]\nmode = \"redirect\"\n",
            Self::Relay => "[[application]]\nmode = \"relay\"\n",
            // A short interval, so that a session moves soon.
            Self::Steering => "[http]\nsteering_ttl = \"1s\"\n",
        }
    }
}

impl Row {
    /// The method column of the table.
    pub(crate) fn method(&self) -> &'static str {
        match self.expected {
            Expected::Arrives(Method::Redirect) => "redirect",
            Expected::Arrives(Method::LateRedirect) => "late redirect",
            Expected::Arrives(Method::Relay) => "relay",
            Expected::Arrives(Method::RelayAfterRedirect) => "redirect, then relay",
            Expected::Moves => "steering",
            Expected::Fails(_) => "–",
        }
    }

    /// A name that is unique in the table.
    pub(crate) fn name(&self) -> String {
        format!("{}, {}, {}, {}", self.client.name, self.protocol.name(), self.direction, self.mode.name())
    }

    /// The name of the stream at the edges.
    pub(crate) fn stream(&self) -> &'static str {
        match self.direction {
            Direction::Play => "live/camera",
            Direction::Publish => "live/studio",
        }
    }

    /// Sets the stage, runs the client, and checks the result; returns the result column of the table.
    pub(crate) fn perform(&self) -> Result<String, String> {
        if self.expected == Expected::Moves {
            return steering::perform(self);
        }
        let stage = Stage::set(self.protocol, self.direction, self.mode.config());
        let before = stage.balancer.connections_accepted();
        let outcome = (self.client.run)(&self.task(&stage));
        assert!(
            stage.balancer.connections_accepted() > before,
            "the client did not connect to the balancer: {outcome:?}"
        );
        match self.expected {
            Expected::Arrives(method) => {
                outcome.map_err(|error| format!("the client failed: {error}"))?;
                stage.assert_arrived(self.direction, self.stream(), method);
                Ok(format!("`{}` with media", self.stream()))
            }
            Expected::Moves => Err("only steered sessions move".to_owned()),
            Expected::Fails(reason) => {
                stage.assert_no_visits();
                match outcome {
                    Ok(()) => Err("the client reports success".to_owned()),
                    Err(_) => Ok(format!("nothing: {reason}")),
                }
            }
        }
    }

    fn task(&self, stage: &Stage) -> Task {
        let path = match self.protocol {
            Protocol::Hls | Protocol::HlsOverTls => format!("/redirect/{}/master.m3u8", self.stream()),
            Protocol::Whip => format!("/redirect/{}/whip", self.stream()),
            _ => format!("/{}", self.stream()),
        };
        let url = stage.balancer.url(self.protocol.scheme(), &path);
        Task { protocol: self.protocol, direction: self.direction, url, certificate: stage.certificate() }
    }
}
