//! One direction of a relayed session: from one end to the other.

use std::io;
use std::task::{Context, Poll, ready};

/// So many bytes go one way before everybody else on the worker has a turn.
const TURN: usize = 1024 * 1024;

/// What is on its way in one direction, and how it gets there.
pub(super) trait Transit {
    /// One of the two connections.
    type End;

    /// Whether nothing is on its way.
    fn is_empty(&self) -> bool;

    /// Takes in what `from` has sent; zero when it will send no more. RequestedUrl only while nothing is on its way.
    fn poll_fill(&mut self, cx: &mut Context<'_>, from: &mut Self::End) -> Poll<io::Result<usize>>;

    /// Passes on to `to` what it takes of what is on its way.
    fn poll_drain(&mut self, cx: &mut Context<'_>, to: &mut Self::End) -> Poll<io::Result<usize>>;

    /// Sees to it that what `to` has taken is sent.
    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Self::End) -> Poll<io::Result<()>>;

    /// Tells `to` that nothing more will come.
    fn poll_finish(&mut self, cx: &mut Context<'_>, to: &mut Self::End) -> Poll<io::Result<()>>;

    /// How a connection has failed, if it has since this was last asked.
    fn failure(end: &Self::End) -> Option<io::Error>;
}

/// One direction.
#[derive(Debug)]
pub(super) struct Direction<T> {
    transit: T,
    phase: Phase,
    awaits_source: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Flowing,
    /// All has come: the rest is passed on, and then the end.
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

    /// Whether it waits for what its source sends next, and so would hear if that failed.
    pub(super) fn awaits_source(&self) -> bool {
        self.awaits_source
    }

    /// Carries what can be carried now, and counts it in `moved`. Ready when the end has been passed on, or cannot be.
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
                    // It would be asked for ever.
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
                        // Nothing follows: what the other end has taken must not wait for more.
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

    /// A source that has always more, of which so much is taken at a time.
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
    fn a_source_that_never_ends_leaves_others_their_turn() {
        let mut direction = Direction::new(Flood { held: 0 });
        let mut moved = 0;
        let mut cx = Context::from_waker(Waker::noop());
        for turn in 1..=3 {
            assert!(direction.poll(&mut cx, &mut (), &mut (), &mut moved).is_pending());
            assert!(moved >= turn * TURN as u64 && moved <= turn * (TURN as u64 + 100_000), "{moved} in {turn} turns");
            assert!(!direction.awaits_source(), "there is more to come at once");
        }
    }

    /// A source and a sink that do what is written here, and the calls that they had.
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

    /// The outcome, what was moved, and the calls that it took.
    fn poll(direction: &mut Direction<Script>) -> (Poll<Result<(), io::ErrorKind>>, u64, Vec<&'static str>) {
        let mut moved = 0;
        let mut cx = Context::from_waker(Waker::noop());
        let outcome = direction.poll(&mut cx, &mut (), &mut (), &mut moved);
        let outcome = outcome.map_err(|error| error.kind());
        (outcome, moved, std::mem::take(&mut direction.transit.calls))
    }

    #[test]
    fn all_that_has_come_is_passed_on_before_the_end_is() {
        let mut direction = Script::new([some(5), some(0)], [some(3), Poll::Pending, some(2)]);
        assert_eq!(poll(&mut direction), (Poll::Pending, 3, vec!["fill", "drain", "drain"]));
        assert!(!direction.awaits_source(), "a slow reader is waited for, and nothing more is taken in");
        assert_eq!(poll(&mut direction), (Poll::Ready(Ok(())), 2, vec!["drain", "fill", "finish"]));
        assert!(direction.has_ended());
        assert_eq!(poll(&mut direction), (Poll::Ready(Ok(())), 0, vec![]), "the end is passed on once");
    }

    #[test]
    fn what_nothing_follows_is_flushed() {
        let mut direction = Script::new([some(5), Poll::Pending, Poll::Pending], [some(5)]);
        assert_eq!(poll(&mut direction), (Poll::Pending, 5, vec!["fill", "drain", "fill", "flush"]));
        assert!(direction.awaits_source());
    }

    #[test]
    fn a_failure_of_either_end_is_the_end() {
        for (fills, drains, kind) in [
            (vec![failed()], vec![], io::ErrorKind::ConnectionReset),
            (vec![some(1)], vec![failed()], io::ErrorKind::ConnectionReset),
            (vec![some(1)], vec![some(0)], io::ErrorKind::WriteZero),
        ] {
            let mut direction = Script::new(fills, drains);
            assert_eq!(poll(&mut direction).0, Poll::Ready(Err(kind)));
            assert!(direction.has_ended() && !direction.awaits_source());
            assert_eq!(poll(&mut direction).2, Vec::<&str>::new(), "nobody is asked again");
        }
    }
}
