//! Padding: lengthens short reports, so that every ack fits.
//!
//! An ack is never longer than the report that it acknowledges, so that the balancer cannot be used to amplify traffic
//! towards a forged source address. After a short report there would be no space for a command. QUIC pads its first
//! datagrams for the same reason (RFC 9000 section 8.1).

use super::TooLong;
use super::ack::MAX_ACK_BODY_LENGTH;
use super::report::key::PADDING;
use super::write::into_slice;

// A map with up to 23 entries has their number in its first byte (RFC 8949 section 3), and a report has one entry for
// each key up to that of the padding.
const _: () = assert!(PADDING < 23);

/// Appends padding to the report body in the first `length` bytes of `buffer`, unless [`MAX_ACK_BODY_LENGTH`] is
/// reached already, and returns the new length: that or, where no padding has this very length, one byte more.
///
/// # Errors
/// [`TooLong`] if `buffer` is shorter than that.
pub(crate) fn pad_report(buffer: &mut [u8], length: usize) -> Result<usize, TooLong> {
    let missing = MAX_ACK_BODY_LENGTH.saturating_sub(length);
    if missing == 0 {
        return Ok(length);
    }
    let (body, rest) = buffer.split_at_mut(length);
    let padding = &[0; MAX_ACK_BODY_LENGTH][..padding_length(missing)];
    let added = into_slice(rest, |e| e.u32(PADDING)?.bytes(padding)?.ok())?;
    // One more entry in the map.
    body[0] += 1;
    Ok(length + added)
}

/// Length of the shortest byte string that takes at least `missing` bytes together with its key and its head.
fn padding_length(missing: usize) -> usize {
    match missing {
        // A key, and a head of one byte for up to 23 bytes.
        0..=25 => missing.saturating_sub(2),
        // A key, and a head of two bytes for 24 to 255 bytes.
        _ => (missing - 3).max(24),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::ack::{Ack, Action, Command};
    use crate::arrival::Arrival;
    use crate::codec::{decode_report, encode_ack, encode_report};
    use crate::datagram::{MAX_BODY_LENGTH, MAX_LENGTH, OVERHEAD};
    use crate::edge_id::EdgeId;
    use crate::key::{SALT_LENGTH, Secret};
    use crate::name::Name;
    use crate::receiver::{Limits, Receiver};
    use crate::report::{Report, Status};
    use crate::sender::Sender;

    const NOW: u64 = 1_790_000_000_000;

    fn shortest() -> Report<'static> {
        Report::new(0, 0, Duration::from_millis(100))
    }

    /// The body of [`shortest`] with a private key, whose value of `extra` bytes makes it longer.
    fn body(extra: u8) -> Vec<u8> {
        let mut body = vec![0; 100];
        let length = encode_report(&shortest(), &mut body).unwrap();
        body.truncate(length);
        body[0] += 1;
        body.extend([0x18, 64, 0x58, extra]);
        body.resize(body.len() + usize::from(extra), 0xff);
        body
    }

    #[test]
    fn every_short_body_is_padded_to_the_longest_ack_and_keeps_its_meaning() {
        for length in 14..200 {
            let plain = body(length - 14);
            assert_eq!(plain.len(), usize::from(length));
            let mut buffer = [0xff; MAX_BODY_LENGTH];
            buffer[..plain.len()].copy_from_slice(&plain);
            let padded = pad_report(&mut buffer, plain.len()).unwrap();
            // No padding takes 1 byte, nor 26: from 24 bytes on its head has two.
            let unreachable = [116, 91].contains(&length);
            assert_eq!(padded, plain.len().max(117 + usize::from(unreachable)));
            assert_eq!(decode_report(&buffer[..padded]).unwrap(), shortest());
            if length >= 117 {
                assert_eq!(buffer[..padded], plain, "a long body is left unchanged");
            }
        }
    }

    #[test]
    fn padding_never_exceeds_its_space() {
        let mut body = [0; MAX_ACK_BODY_LENGTH - 1];
        let length = encode_report(&shortest(), &mut body).unwrap();
        assert_eq!(pad_report(&mut body, length), Err(TooLong));
    }

    prop_compose! {
        fn any_ack()(
            counter in any::<u64>(), salt in any::<[u8; SALT_LENGTH]>(), name in proptest::option::of("[ -~]{1,64}"),
            command in proptest::option::of((1..=u64::MAX, 0..4, any::<u64>())),
        ) -> (u64, [u8; SALT_LENGTH], Option<String>, Option<Command>) {
            let command = command.map(|(id, kind, deadline)| {
                let action = match kind {
                    0 => Action::Pause,
                    1 => Action::Unpause,
                    2 => Action::Drain { deadline: None },
                    _ => Action::Drain { deadline: Some(Duration::from_millis(deadline)) },
                };
                Command { id, action }
            });
            (counter, salt, name, command)
        }
    }

    fn any_short_report() -> impl Strategy<Value = Report<'static>> {
        let times = (any::<u64>(), any::<u64>(), 100_u64..=3_600_000);
        let figures = (any::<Option<u64>>(), any::<Option<u64>>(), proptest::option::of(0.0_f32..=1.0));
        let state = (0_u8..4, any::<Option<u64>>(), any::<Option<u64>>());
        (times, figures, state).prop_map(
            |((boot, send, interval), (connections, limit, cpu), (status, command, left))| {
                Report::new(boot, send, Duration::from_millis(interval)).with(|report| {
                    report.status = Status::try_from(status).unwrap();
                    report.load.connections = connections;
                    report.load.cpu = cpu;
                    report.capacity.connections = limit;
                    report.last_command = command;
                    report.drain_deadline = left.map(Duration::from_millis);
                })
            },
        )
    }

    proptest! {
        #[test]
        fn every_ack_fits_after_every_report(
            (counter, salt, name, command) in any_ack(), report in any_short_report(),
        ) {
            let secret = Secret::from_random([1; 32]);
            let edge = EdgeId([7; 16]);
            let mut sender = Sender::new(secret.edge_key(edge), edge, salt);
            let sealed = sender.seal(&report).unwrap().len();

            let mut ack = Ack::new(counter, salt);
            ack.balancer = name.as_deref().and_then(|name| Name::new(name).ok());
            ack.command = command;
            let body = encode_ack(&ack, &mut [0; MAX_BODY_LENGTH]).unwrap();
            prop_assert!(OVERHEAD + body <= sealed, "an ack of {} bytes after a report of {}", OVERHEAD + body, sealed);
        }

        #[test]
        fn a_balancer_sends_its_name_and_every_command_after_every_report(
            (_, salt, name, command) in any_ack(), report in any_short_report(),
        ) {
            let secret = Secret::from_random([1; 32]);
            let edge = EdgeId([7; 16]);
            let mut sender = Sender::new(secret.edge_key(edge), edge, salt);
            let limits = Limits { max_clock_skew: None, ..Limits::default() };
            let mut receiver = Receiver::new([secret].into_iter().collect(), limits, [9; SALT_LENGTH]);
            let source = "192.0.2.1:5000".parse().unwrap();
            let arrival = Arrival { source, monotonic: Duration::ZERO, unix: NOW };
            let _ = receiver.open(&mut sender.seal(&report).unwrap().to_vec(), &arrival);
            let mut second = sender.seal(&report).unwrap().to_vec();
            let length = second.len();
            prop_assert_eq!(receiver.open(&mut second, &arrival).unwrap().report, report);

            let balancer = name.as_deref().and_then(|name| Name::new(name).ok());
            let mut output = [0; MAX_LENGTH];
            let sealed = receiver.acknowledge(edge, balancer, command, length, &mut output).unwrap();
            prop_assert!(sealed.len() <= length);
            let mut sealed = sealed.to_vec();
            let ack = sender.open_ack(&mut sealed).unwrap();
            prop_assert_eq!((ack.balancer, ack.command), (balancer, command));
        }
    }
}
