//! `weir-balancer keygen`.

use std::path::PathBuf;

use clap::Args;
use weir_program::{Failure, Outcome, keys, say};
use weir_protocol::EdgeId;
use weir_protocol::key::ParsedKey;

#[derive(Args, Debug)]
pub(super) struct Keygen {
    /// Print a per-edge key for the edge with this GUID, which cannot be used to impersonate other edges.
    #[arg(long, value_name = "GUID")]
    edge: Option<EdgeId>,
    /// File with the key of the cluster, from which the per-edge key is derived [default: key in the state folder].
    #[arg(long, value_name = "FILE", requires = "edge")]
    key_file: Option<PathBuf>,
    /// State folder of the balancer.
    #[arg(long, value_name = "FOLDER", requires = "edge")]
    state: Option<PathBuf>,
}

impl Keygen {
    /// Returns the file with the key of the cluster.
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
    // Edges use the first key of the file.
    match written.first() {
        Some(ParsedKey::Secret(secret) | ParsedKey::Passphrase(secret)) => {
            say(secret.edge_key(edge).to_line(edge));
            Ok(())
        }
        _ => Err(Failure::configuration(format_args!(
            "{}: holds the key of an edge; name the file with the key of the cluster",
            file.display()
        ))),
    }
}
