//! One line of the table.

use weir_tests::clients::{Client, Protocol, Task};
use weir_tests::edges::Direction;

use crate::stage::Stage;
use crate::steering;

/// A client, what it does, and what is to come of it.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) client: Client,
    pub(crate) protocol: Protocol,
    pub(crate) direction: Direction,
    pub(crate) mode: Mode,
    pub(crate) expected: Expected,
}

/// What the balancer is told to do with clients.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// To redirect those that follow, and relay the rest: the default.
    Auto,
    /// The same, with the viewers of a stream kept together: RTMP clients have to say what they want before they are
    /// relayed.
    AutoWithAffinity,
    /// To name the edge, whether they follow or not.
    Redirect,
    /// To carry the bytes, even for those that would follow.
    Relay,
    /// To tell players again and again from which edge to play.
    Steering,
}

/// What is to come of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The stream reaches the free edge, with media, and nothing reaches the busy one.
    Arrives(Way),
    /// … and moves to the other one when its own is drained.
    Moves,
    /// The client fails, soon and visibly, and nothing reaches any edge.
    Fails(&'static str),
}

/// How a client gets to its edge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It connects to the edge itself.
    Redirect,
    /// The same, told only when it plays.
    LateRedirect,
    /// All that it says goes through the balancer.
    Relay,
    /// It asks for the edge that it was told, and does so on its connection to the balancer.
    RelayAfterRedirect,
}

/// A row for each of these clients.
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
    /// What people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::AutoWithAffinity => "auto, affinity",
            Self::Redirect => "redirect",
            Self::Relay => "relay",
            Self::Steering => "steering",
        }
    }

    /// The configuration that says so.
    pub(crate) fn config(self) -> &'static str {
        match self {
            Self::Auto => "",
            Self::AutoWithAffinity => "[selection]\naffinity = true\n",
            Self::Redirect => "[[application]]\nmode = \"redirect\"\n",
            Self::Relay => "[[application]]\nmode = \"relay\"\n",
            // So that a session is moved soon.
            Self::Steering => "[http]\nsteering_ttl = \"1s\"\n",
        }
    }
}

impl Row {
    /// How the client gets to the edge.
    pub(crate) fn way(&self) -> &'static str {
        match self.expected {
            Expected::Arrives(Way::Redirect) => "redirect",
            Expected::Arrives(Way::LateRedirect) => "late redirect",
            Expected::Arrives(Way::Relay) => "relay",
            Expected::Arrives(Way::RelayAfterRedirect) => "redirect, then relay",
            Expected::Moves => "steering",
            Expected::Fails(_) => "–",
        }
    }

    /// What tells it from the other rows.
    pub(crate) fn name(&self) -> String {
        format!("{}, {}, {}, {}", self.client.name, self.protocol.name(), self.direction, self.mode.name())
    }

    /// The stream, as edges call it.
    pub(crate) fn stream(&self) -> &'static str {
        match self.direction {
            Direction::Play => "live/camera",
            Direction::Publish => "live/studio",
        }
    }

    /// Sets the stage, lets the client do its task, and judges; what reached the edge, for the table.
    pub(crate) fn perform(&self) -> Result<String, String> {
        if self.expected == Expected::Moves {
            return steering::perform(self);
        }
        let stage = Stage::set(self.protocol, self.direction, self.mode.config());
        let met = stage.balancer.connections_accepted();
        let said = (self.client.run)(&self.task(&stage));
        assert!(stage.balancer.connections_accepted() > met, "the client never came to the balancer: {said:?}");
        match self.expected {
            Expected::Arrives(way) => {
                said.map_err(|error| format!("the client fails: {error}"))?;
                stage.assert_arrived(self.direction, self.stream(), way);
                Ok(format!("`{}`, with media", self.stream()))
            }
            Expected::Moves => Err("only sessions that are steered move".to_owned()),
            Expected::Fails(why) => {
                stage.assert_nobody_came();
                match said {
                    Ok(()) => Err("the client takes it for a success".to_owned()),
                    Err(_) => Ok(format!("nothing: {why}")),
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
