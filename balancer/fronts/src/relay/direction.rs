//! One direction of a relayed session.

use std::io;
use std::task::{Context, Poll, ready};

/// Bytes that are forwarded before other tasks of the worker get their turn.
const TURN: usize = 1024 * 1024;

/// Moves the bytes of one direction.
pub(super) trait Transit {
    /// A connection.
    type End;

    /// Whether no bytes are in transit.
    fn is_empty(&self) -> bool;

    /// Receives bytes of `from`; zero at the end of the stream. Called only while no bytes are in transit.
    fn poll_fill(&mut self, cx: &mut Context<'_>, from: &mut Self::End) -> Poll<io::Result<usize>>;

    /// Sends bytes in transit to `to`, as many as it accepts.
    fn poll_drain(&mut self, cx: &mut Context<'_>, to: &mut Self::End) -> Poll<io::Result<usize>>;

    /// Flushes bytes that `to` has accepted but not sent.
    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Self::End) -> Poll<io::Result<()>>;

    /// Closes the sending direction of `to`.
    fn poll_finish(&mut self, cx: &mut Context<'_>, to: &mut Self::End) -> Poll<io::Result<()>>;

    /// Takes the error of a connection, if it has failed since the last call.
    fn failure(end: &Self::End) -> Option<io::Error>;
}

/// One direction of a session.
#[derive(Debug)]
pub(super) struct Direction<T> {
    transit: T,
    phase: Phase,
    awaits_source: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Flowing,
    /// The source has ended; bytes in transit and then the end are forwarded.
    Ending,
    Ended,
}

impl<T: Transit> Direction<T> {
    pub(super) fn new(transit: T) -> Self {
        Self { transit, phase: Phase::Flowing, awaits_source: false }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether it is waiting for its source, and so would notice a failure of the source.
    pub(super) fn awaits_source(&self) -> bool {
        self.awaits_source
    }

    /// Forwards as much as possible, and adds the number of bytes to `moved`. Ready once the end has been forwarded, or
    /// forwarding has failed.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut T::End,
        to: &mut T::End,
        moved: &mut u64,
    ) -> Poll<io::Result<()>> {
        if self.has_ended() {
            return Poll::Ready(Ok(()));
        }
        self.awaits_source = false;
        let outcome = ready!(self.advance(cx, from, to, moved));
        self.phase = Phase::Ended;
        Poll::Ready(outcome)
    }

    fn advance(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut T::End,
        to: &mut T::End,
        moved: &mut u64,
    ) -> Poll<io::Result<()>> {
        let mut turn = 0;
        loop {
            while !self.transit.is_empty() {
                let length = ready!(self.transit.poll_drain(cx, to))?;
                if length == 0 {
                    // It would be retried for ever.
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                *moved += length as u64;
                turn += length;
            }
            match self.phase {
                Phase::Flowing if turn >= TURN => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Phase::Flowing => match self.transit.poll_fill(cx, from)? {
                    Poll::Ready(0) => self.phase = Phase::Ending,
                    Poll::Ready(_) => {}
                    Poll::Pending => {
                        self.awaits_source = true;
                        // No bytes follow for now, so that buffered ones must not wait.
                        let _ = self.transit.poll_flush(cx, to)?;
                        return Poll::Pending;
                    }
                },
                Phase::Ending | Phase::Ended => return self.transit.poll_finish(cx, to),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;

    /// A source that always has more bytes.
    struct Flood {
        held: usize,
    }

    impl Transit for Flood {
        type End = ();

        fn is_empty(&self) -> bool {
            self.held == 0
        }

        fn poll_fill(&mut self, _cx: &mut Context<'_>, _from: &mut ()) -> Poll<io::Result<usize>> {
            self.held = 100_000;
            Poll::Ready(Ok(self.held))
        }

        fn poll_drain(&mut self, _cx: &mut Context<'_>, _to: &mut ()) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(std::mem::take(&mut self.held)))
        }

        fn poll_flush(&mut self, _cx: &mut Context<'_>, _to: &mut ()) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_finish(&mut self, _cx: &mut Context<'_>, _to: &mut ()) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn failure(_end: &()) -> Option<io::Error> {
            None
        }
    }

    #[test]
    fn a_source_that_never_pauses_yields_to_other_tasks() {
        let mut direction = Direction::new(Flood { held: 0 });
        let mut moved = 0;
        let mut cx = Context::from_waker(Waker::noop());
        for turn in 1..=3 {
            assert!(direction.poll(&mut cx, &mut (), &mut (), &mut moved).is_pending());
            assert!(moved >= turn * TURN as u64 && moved <= turn * (TURN as u64 + 100_000), "{moved} in {turn} turns");
            assert!(!direction.awaits_source(), "the source has more bytes");
        }
    }

    /// A source and a sink that follow a script and record the calls.
    #[derive(Default)]
    struct Script {
        fills: VecDeque<Poll<io::Result<usize>>>,
        drains: VecDeque<Poll<io::Result<usize>>>,
        held: usize,
        calls: Vec<&'static str>,
    }

    impl Script {
        fn new(
            fills: impl IntoIterator<Item = Poll<io::Result<usize>>>,
            drains: impl IntoIterator<Item = Poll<io::Result<usize>>>,
        ) -> Direction<Self> {
            let (fills, drains) = (fills.into_iter().collect(), drains.into_iter().collect());
            Direction::new(Self { fills, drains, ..Self::default() })
        }
    }

    impl Transit for Script {
        type End = ();

        fn is_empty(&self) -> bool {
            self.held == 0
        }

        fn poll_fill(&mut self, _cx: &mut Context<'_>, _from: &mut ()) -> Poll<io::Result<usize>> {
            self.calls.push("fill");
            let outcome = self.fills.pop_front().unwrap();
            if let Poll::Ready(Ok(length)) = outcome {
                self.held = length;
            }
            outcome
        }

        fn poll_drain(&mut self, _cx: &mut Context<'_>, _to: &mut ()) -> Poll<io::Result<usize>> {
            self.calls.push("drain");
            let outcome = self.drains.pop_front().unwrap();
            if let Poll::Ready(Ok(length)) = outcome {
                self.held -= length;
            }
            outcome
        }

        fn poll_flush(&mut self, _cx: &mut Context<'_>, _to: &mut ()) -> Poll<io::Result<()>> {
            self.calls.push("flush");
            Poll::Ready(Ok(()))
        }

        fn poll_finish(&mut self, _cx: &mut Context<'_>, _to: &mut ()) -> Poll<io::Result<()>> {
            self.calls.push("finish");
            Poll::Ready(Ok(()))
        }

        fn failure(_end: &()) -> Option<io::Error> {
            None
        }
    }

    fn some(length: usize) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(length))
    }

    fn failed() -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }

    /// The outcome, the number of bytes moved, and the calls made.
    fn poll(direction: &mut Direction<Script>) -> (Poll<Result<(), io::ErrorKind>>, u64, Vec<&'static str>) {
        let mut moved = 0;
        let mut cx = Context::from_waker(Waker::noop());
        let outcome = direction.poll(&mut cx, &mut (), &mut (), &mut moved);
        let outcome = outcome.map_err(|error| error.kind());
        (outcome, moved, std::mem::take(&mut direction.transit.calls))
    }

    #[test]
    fn bytes_in_transit_are_forwarded_before_the_end() {
        let mut direction = Script::new([some(5), some(0)], [some(3), Poll::Pending, some(2)]);
        assert_eq!(poll(&mut direction), (Poll::Pending, 3, vec!["fill", "drain", "drain"]));
        assert!(!direction.awaits_source(), "a slow reader holds up the source");
        assert_eq!(poll(&mut direction), (Poll::Ready(Ok(())), 2, vec!["drain", "fill", "finish"]));
        assert!(direction.has_ended());
        assert_eq!(poll(&mut direction), (Poll::Ready(Ok(())), 0, vec![]), "the end is forwarded once");
    }

    #[test]
    fn bytes_are_flushed_when_none_follow() {
        let mut direction = Script::new([some(5), Poll::Pending, Poll::Pending], [some(5)]);
        assert_eq!(poll(&mut direction), (Poll::Pending, 5, vec!["fill", "drain", "fill", "flush"]));
        assert!(direction.awaits_source());
    }

    #[test]
    fn a_failure_of_either_connection_ends_the_direction() {
        for (fills, drains, kind) in [
            (vec![failed()], vec![], io::ErrorKind::ConnectionReset),
            (vec![some(1)], vec![failed()], io::ErrorKind::ConnectionReset),
            (vec![some(1)], vec![some(0)], io::ErrorKind::WriteZero),
        ] {
            let mut direction = Script::new(fills, drains);
            assert_eq!(poll(&mut direction).0, Poll::Ready(Err(kind)));
            assert!(direction.has_ended() && !direction.awaits_source());
            assert_eq!(poll(&mut direction).2, Vec::<&str>::new(), "no further calls");
        }
    }
}
