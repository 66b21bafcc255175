//! One line of the table.

use weir_tests::clients::{Client, Protocol, Task};
use weir_tests::edges::Direction;

use crate::stage::Stage;

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
    /// To name the edge, whether they follow or not.
    Redirect,
}

/// What is to come of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The stream reaches the free edge, with media, and nothing reaches the busy one.
    Arrives,
    /// The client fails, soon and visibly, and nothing reaches any edge.
    Fails(&'static str),
}

impl Mode {
    /// What people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Redirect => "redirect",
        }
    }

    /// The configuration that says so.
    pub(crate) fn config(self) -> &'static str {
        match self {
            Self::Auto => "",
            Self::Redirect => "[[application]]\nmode = \"redirect\"\n",
        }
    }
}

impl Row {
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
        let stage = Stage::set(self.protocol, self.direction, self.mode.config());
        let met = stage.balancer.clients_met();
        let said = (self.client.run)(&self.task(&stage));
        assert!(stage.balancer.clients_met() > met, "the client never came to the balancer: {said:?}");
        match self.expected {
            Expected::Arrives => {
                said.map_err(|error| format!("the client fails: {error}"))?;
                stage.assert_arrived(self.direction, self.stream());
                Ok(format!("`{}`, with media", self.stream()))
            }
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
