//! `weir-balancer add-steering`.

use std::io::{ErrorKind, Write as _};

use clap::Args;
use weir_fronts::http::steering::playlist::{self, Steering};
use weir_program::{Failure, Outcome};

#[derive(Args, Debug)]
pub(super) struct AddSteering {
    /// URL of the steering server: /steering/hls on the balancer, such as https://lb.example.com/steering/hls.
    #[arg(long, value_name = "URL")]
    server_uri: String,
    /// GUID of the edge that serves the playlist [default: none, or an unknown edge].
    #[arg(long, value_name = "ID")]
    pathway: Option<String>,
}

/// Reads a playlist from standard input, and prints it with the tag.
pub(super) fn run(arguments: &AddSteering) -> Outcome {
    let AddSteering { server_uri, pathway } = arguments;
    let playlist = std::io::read_to_string(std::io::stdin()).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => Failure::configuration("the input is not a playlist: it is not UTF-8"),
        _ => Failure::unavailable(error),
    })?;
    let steering = Steering { server_uri, pathway: pathway.as_deref() };
    let playlist = playlist::add_steering(&playlist, steering).map_err(Failure::configuration)?;
    // Written unchanged, since the playlist has its own line ends.
    std::io::stdout().write_all(playlist.as_bytes()).map_err(Failure::unavailable)
}
