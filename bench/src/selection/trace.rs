//! Samples of the loads, every 100 ms, and the figures computed from them.

use std::fmt::{self, Display, Formatter};

use weir_fleet::Time;

/// The mean with which the highest load is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mean {
    /// The total load of all edges ÷ their total capacity.
    OfFleet,
    /// The average of the utilisations of all edges.
    OverEdges,
}

/// The loads at one moment. Utilisation is load ÷ capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The time.
    pub at: Time,
    /// The mean utilisation; see [`Mean`].
    pub mean: f64,
    /// The highest utilisation of any edge.
    pub highest: f64,
    /// The lowest utilisation of any edge.
    pub lowest: f64,
    /// Assignments since the previous sample.
    pub assigned: u64,
    /// Those of them to the edge that the incident is about.
    pub assigned_to_subject: u64,
    /// The average number of edges that have a stream, over all watched streams.
    pub copies: f64,
}

impl Sample {
    /// Returns the highest utilisation ÷ the mean. 1 is even.
    #[must_use]
    pub fn imbalance(&self) -> f64 {
        if self.mean > 0.0 { self.highest / self.mean } else { 1.0 }
    }
}

/// The result of a simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The samples in order of time.
    pub samples: Vec<Sample>,
    /// The start of the measurement.
    pub measured_from: Time,
    /// The share of the total capacity of the edge that the incident is about.
    pub fair_share: f64,
    /// Clients that were assigned to a dead edge.
    pub lost: u64,
    /// Clients that got no edge.
    pub refused: u64,
}

/// One figure of a result. Lower is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// The highest utilisation ÷ the mean, averaged over time.
    Mean,
    /// The same at the worst moment.
    Worst,
    /// The largest share of clients that a new edge gets in any second ÷ its share of the total capacity.
    PeakShare,
    /// The average number of edges that have a stream, over streams and time.
    Copies,
    /// Clients that were assigned to a dead edge.
    Lost,
}

/// The number of samples per second.
const SECOND: usize = 10;

impl Trace {
    /// Returns the samples of the measurement.
    pub fn measured(&self) -> impl Iterator<Item = &Sample> + Clone {
        self.samples.iter().filter(|sample| sample.at >= self.measured_from)
    }

    /// Returns a figure.
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
            sum(|sample| sample.assigned_to_subject) as f64 / sum(|sample| sample.assigned).max(1) as f64
        });
        shares.fold(0.0, f64::max)
    }
}

impl Figure {
    /// Returns its name.
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

    /// Returns its unit.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Mean | Self::Worst | Self::PeakShare => "times",
            Self::Copies => "edges",
            Self::Lost => "clients",
        }
    }

    /// Formats a value of it, with the significant digits.
    #[must_use]
    pub fn show(self, value: f64) -> impl Display {
        Formatted(self, value)
    }
}

struct Formatted(Figure, f64);

impl Display for Formatted {
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
