//! The body of an ack.

use std::time::Duration;

use minicbor::Decoder;

use super::read::{decode_body, decode_name};
use super::write::{EncodeResult, Output, count, into_slice, milliseconds};
use super::{DecodeError, TooLong};
use crate::ack::{Ack, Action, Command};
use crate::key::SALT_LENGTH;
use crate::name::Name;

/// Keys of the ack map.
mod key {
    pub(super) const COUNTER: u32 = 0;
    pub(super) const SALT: u32 = 1;
    pub(super) const BALANCER: u32 = 2;
    pub(super) const COMMAND: u32 = 3;
}

/// Length of the longest ack body, in bytes: 117.
///
/// | part                                                                   | bytes |
/// |------------------------------------------------------------------------|-------|
/// | head of the map                                                        | 1     |
/// | acknowledged counter: key, integer of 64 bits                          | 10    |
/// | acknowledged salt: key, head, [`SALT_LENGTH`]                          | 18    |
/// | balancer's name: key, head of 2 bytes, [`Name::MAX_LENGTH`]            | 67    |
/// | drain with a deadline: key, head, id of 64 bits, kind, deadline of 64 bits | 21 |
///
/// An ack is never longer than the report that it acknowledges, so a sender pads every report body to at least this
/// length.
pub const MAX_ACK_BODY_LENGTH: usize =
    HEAD + (HEAD + UINT64) + (HEAD + HEAD + SALT_LENGTH) + (HEAD + HEAD + 1 + Name::MAX_LENGTH) + MAX_COMMAND_LENGTH;
const MAX_COMMAND_LENGTH: usize = HEAD + HEAD + UINT64 + HEAD + UINT64;
/// The head of a data item with an argument up to 23: a key, a kind, or the length of a short item (RFC 8949 section
/// 3).
const HEAD: usize = 1;
/// The longest unsigned integer.
const UINT64: usize = HEAD + 8;

/// Writes `ack` into `output` and returns its length in bytes.
///
/// # Errors
/// [`TooLong`] if `output` is too short; it then holds a part of the ack. [`MAX_ACK_BODY_LENGTH`] bytes always suffice.
pub fn encode_ack(ack: &Ack<'_>, output: &mut [u8]) -> Result<usize, TooLong> {
    into_slice(output, |e| write_ack(e, ack))
}

fn write_ack(e: &mut Output<'_>, ack: &Ack<'_>) -> EncodeResult {
    e.map(2 + count(&[ack.balancer.is_some(), ack.command.is_some()]))?;
    e.u32(key::COUNTER)?.u64(ack.counter)?;
    e.u32(key::SALT)?.bytes(&ack.salt)?;
    if let Some(balancer) = ack.balancer {
        e.u32(key::BALANCER)?.str(balancer.as_str())?;
    }
    if let Some(command) = ack.command {
        let (kind, deadline) = match command.action {
            Action::Pause => (1, None),
            Action::Unpause => (2, None),
            Action::Drain { deadline } => (3, deadline),
        };
        e.u32(key::COMMAND)?.array(2 + count(&[deadline.is_some()]))?.u64(command.id)?.u8(kind)?;
        if let Some(deadline) = deadline {
            e.u64(milliseconds(deadline))?;
        }
    }
    Ok(())
}

/// Reads an ack.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode_ack(body: &[u8]) -> Result<Ack<'_>, DecodeError> {
    let mut ack = Ack::new(0, [0; SALT_LENGTH]);
    decode_body(body, &[key::COUNTER, key::SALT], |d, key| {
        match key {
            key::COUNTER => ack.counter = d.u64()?,
            key::SALT => ack.salt = d.bytes()?.try_into().map_err(|_| DecodeError::Range("acknowledged salt"))?,
            key::BALANCER => ack.balancer = Some(decode_name(d, "balancer")?),
            key::COMMAND => ack.command = Some(decode_command(d)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(ack)
}

fn decode_command(d: &mut Decoder<'_>) -> Result<Command, DecodeError> {
    let fields = d.array()?.ok_or(DecodeError::Indefinite)?;
    if fields < 2 {
        return Err(DecodeError::Range("command"));
    }
    let (id, kind) = (d.u64()?, d.u8()?);
    let mut read = 2;
    let action = match kind {
        1 => Action::Pause,
        2 => Action::Unpause,
        3 if fields > 2 => {
            read = 3;
            Action::Drain { deadline: Some(Duration::from_millis(d.u64()?)) }
        }
        3 => Action::Drain { deadline: None },
        _ => return Err(DecodeError::Range("command")),
    };
    for _ in read..fields {
        d.skip()?;
    }
    if id == 0 { Err(DecodeError::Range("command")) } else { Ok(Command { id, action }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn acks() -> Vec<Ack<'static>> {
        let actions = [
            None,
            Some(Action::Pause),
            Some(Action::Unpause),
            Some(Action::Drain { deadline: None }),
            Some(Action::Drain { deadline: Some(Duration::from_secs(600)) }),
        ];
        let ack = |action: Option<Action>| Ack {
            counter: 1000,
            salt: [3; SALT_LENGTH],
            balancer: action.map(|_| Name::from_static("lb1")),
            command: action.map(|action| Command { id: 9, action }),
        };
        actions.map(ack).to_vec()
    }

    #[test]
    fn an_ack_survives_a_round_trip() {
        for ack in acks() {
            let mut body = [0; 200];
            let length = encode_ack(&ack, &mut body).unwrap();
            assert_eq!(decode_ack(&body[..length]).unwrap(), ack);
        }
    }

    #[test]
    fn the_longest_ack_has_the_length_of_the_constant() {
        let name = "n".repeat(Name::MAX_LENGTH);
        let mut ack = Ack::new(u64::MAX, [3; SALT_LENGTH]);
        ack.balancer = Name::new(&name).ok();
        let deadline = Some(Duration::from_millis(u64::MAX));
        ack.command = Some(Command { id: u64::MAX, action: Action::Drain { deadline } });
        assert_eq!(encode_ack(&ack, &mut [0; 200]), Ok(MAX_ACK_BODY_LENGTH));
        assert_eq!(MAX_ACK_BODY_LENGTH, 117, "docs/protocol.md has the figure, too");
    }

    #[test]
    fn malformed_acks_are_rejected_each_for_its_reason() {
        let base = [&[0xa3, 0, 1, 1, 0x50][..], &[3; 16][..], &[3][..]].concat();
        let with = |command: &[u8]| decode_ack(&[&base, command].concat()).unwrap_err().to_string();
        assert_eq!(with(&[0x82, 0, 1]), "command: out of range", "an id of 0");
        assert_eq!(with(&[0x82, 1, 4]), "command: out of range", "an unknown kind");
        assert_eq!(with(&[0x81, 1]), "command: out of range", "no kind");
        assert_eq!(decode_ack(&[0xa1, 0, 1]).unwrap_err().to_string(), "key 1 is missing");
        assert_eq!(decode_ack(&[0xa1, 1, 0x41, 0]).unwrap_err().to_string(), "acknowledged salt: out of range");
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_ack_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode_ack(&body);
        }
    }
}
