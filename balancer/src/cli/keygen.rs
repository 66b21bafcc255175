//! `weir-balancer keygen`.

use std::path::PathBuf;

use clap::Args;
use weir_program::{Failure, Outcome, keys, say};
use weir_protocol::EdgeId;
use weir_protocol::key::WrittenKey;

#[derive(Args, Debug)]
pub(super) struct Keygen {
    /// Print the key of the edge with this GUID: with it the edge cannot speak for another.
    #[arg(long, value_name = "GUID")]
    edge: Option<EdgeId>,
    /// The file with the cluster's key that it follows from. Default: key in the state folder.
    #[arg(long, value_name = "FILE", requires = "edge")]
    key_file: Option<PathBuf>,
    /// The balancer's state folder.
    #[arg(long, value_name = "FOLDER", requires = "edge")]
    state: Option<PathBuf>,
}

impl Keygen {
    /// The file with the cluster's key.
    fn key_file(&self) -> PathBuf {
        let in_state = || self.state.clone().unwrap_or_else(weir_program::state::default_folder).join("key");
        self.key_file.clone().unwrap_or_else(in_state)
    }
}

/// Prints a new key for a cluster, or the key of one edge.
pub(super) fn run(keygen: &Keygen) -> Outcome {
    let Some(edge) = keygen.edge else {
        say(keys::generate().to_base64());
        return Ok(());
    };
    let file = keygen.key_file();
    let written = keys::read(&file).map_err(Failure::configuration)?;
    // The first key of the file is the one that edges are to use.
    match written.first() {
        Some(WrittenKey::Secret(secret) | WrittenKey::Passphrase(secret)) => {
            say(secret.edge_key(edge).to_line(edge));
            Ok(())
        }
        _ => Err(Failure::configuration(format_args!(
            "{}: the key of an edge is made of the cluster's, and this is one of an edge",
            file.display()
        ))),
    }
}
