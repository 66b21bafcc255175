//! What is seen of a run every 100 ms, and the figures that are made of it.

use std::fmt::{self, Display, Formatter};

use weir_fleet::Time;

/// What the highest load is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mean {
    /// The load of all edges together ÷ their capacity together.
    OfFleet,
    /// The plain average of the utilisations of the edges.
    OverEdges,
}

/// The edges at one moment. Utilisation is load ÷ capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When.
    pub at: Time,
    /// See [`Mean`].
    pub mean: f64,
    /// The highest utilisation of any edge.
    pub highest: f64,
    /// The lowest.
    pub lowest: f64,
    /// Clients that were given an edge since the sample before …
    pub handed_out: u64,
    /// … and of them to the edge that the incident is about.
    pub to_subject: u64,
    /// On how many edges a stream is, on average over the streams that anybody watches.
    pub copies: f64,
}

impl Sample {
    /// The highest utilisation ÷ the mean: 1 is even.
    #[must_use]
    pub fn imbalance(&self) -> f64 {
        if self.mean > 0.0 { self.highest / self.mean } else { 1.0 }
    }
}

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// In order of time.
    pub samples: Vec<Sample>,
    /// From when on it counts.
    pub measured_from: Time,
    /// The share of the whole capacity that the edge has which the incident is about.
    pub fair_share: f64,
    /// Clients that were sent to a dead edge.
    pub lost: u64,
    /// Clients that got no edge.
    pub refused: u64,
}

/// One number that says how good it was; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Highest utilisation ÷ mean, on average over time.
    Mean,
    /// … at the worst moment.
    Worst,
    /// The share of clients that a new edge gets in its worst second ÷ the share that its capacity has of all.
    PeakShare,
    /// On how many edges a stream is, on average over streams and time.
    Copies,
    /// Clients that were sent to a dead edge.
    Lost,
}

/// Samples in a second.
const SECOND: usize = 10;

impl Trace {
    /// The samples that count.
    pub fn measured(&self) -> impl Iterator<Item = &Sample> + Clone {
        self.samples.iter().filter(|sample| sample.at >= self.measured_from)
    }

    /// How good it was.
    #[must_use]
    pub fn figure(&self, figure: Figure) -> f64 {
        match figure {
            Figure::Mean => mean(self.measured().map(Sample::imbalance)),
            Figure::Worst => self.measured().map(Sample::imbalance).fold(0.0, f64::max),
            Figure::PeakShare => self.peak_share() / self.fair_share,
            Figure::Copies => mean(self.measured().map(|sample| sample.copies)),
            Figure::Lost => self.lost as f64,
        }
    }

    fn peak_share(&self) -> f64 {
        let samples: Vec<&Sample> = self.measured().collect();
        let shares = samples.windows(SECOND).map(|second| {
            let sum = |of: fn(&Sample) -> u64| second.iter().map(|sample| of(sample)).sum::<u64>();
            sum(|sample| sample.to_subject) as f64 / sum(|sample| sample.handed_out).max(1) as f64
        });
        shares.fold(0.0, f64::max)
    }
}

impl Figure {
    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "max ÷ mean",
            Self::Worst => "max ÷ mean, worst",
            Self::PeakShare => "peak share ÷ fair share",
            Self::Copies => "copies of a stream",
            Self::Lost => "clients sent to a dead edge",
        }
    }

    /// What it is counted in.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Mean | Self::Worst | Self::PeakShare => "times",
            Self::Copies => "edges",
            Self::Lost => "clients",
        }
    }

    /// A value of it, in as many digits as tell anything.
    #[must_use]
    pub fn show(self, value: f64) -> impl Display {
        Shown(self, value)
    }
}

struct Shown(Figure, f64);

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(figure, value) = self;
        match figure {
            Figure::Lost => write!(f, "{value:.0} lost"),
            Figure::PeakShare => write!(f, "{value:.1}×"),
            Figure::Copies => write!(f, "{value:.1} copies"),
            Figure::Mean | Figure::Worst if *value >= 10.0 => write!(f, "{value:.0}"),
            Figure::Mean => write!(f, "{value:.4}"),
            Figure::Worst => write!(f, "{value:.3}"),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    sum / f64::from(count.max(1))
}
