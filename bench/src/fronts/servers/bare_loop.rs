//! A loop in C that only accepts, reads, writes and closes: the cost in the kernel, which any server has.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::Server;
use crate::fronts::exchange::Exchange;
use crate::machine::Cores;
use crate::program::{Program, empty_folder, installed};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fronts/bare_loop.c");

/// Starts a loop that sends `answers`, the responses of Weir, in the same turns.
///
/// # Errors
/// When there is no C compiler, or the loop does not start.
pub(in crate::fronts) fn answering(cores: &Cores, exchange: Exchange, answers: &[Vec<u8>]) -> io::Result<Server> {
    let folder = empty_folder("fronts/bare-loop")?;
    let program = compile(folder.join("bare_loop"))?;
    let mode = match exchange {
        Exchange::HttpClose | Exchange::Rtsp => "close",
        Exchange::HttpKeepAlive => "keep-alive",
        // If the client still sends after its rejection, closing at once would reset the connection before it has read
        // that.
        Exchange::Rtmp => "finish",
    };
    let mut arguments = vec![OsString::from(mode)];
    for (turn, (bytes, answer)) in exchange.turns().iter().zip(answers).enumerate() {
        let file = folder.join(format!("answer-{turn}"));
        fs::write(&file, answer)?;
        arguments.extend([bytes.len().to_string().into(), file.into()]);
    }
    let mut program = Program::start(Some(cores), &folder, &program, arguments)?;
    let address = program.address_after("listening on ")?;
    Ok(Server { name: "bare loop", address, program })
}

fn compile(program: PathBuf) -> io::Result<PathBuf> {
    let output =
        Command::new(installed("cc", "gcc libc6-dev")?).args(["-O2", "-o"]).arg(&program).arg(SOURCE).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("cc: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    Ok(program)
}
