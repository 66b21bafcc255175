//! A figure that is measured in several rounds.

/// One value for each round. The rounds of all series of a benchmark are measured in turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Series(Vec<f64>);

impl Series {
    /// Adds the value of a round.
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Returns the median. NaN when a round was invalid, or there was none.
    pub(super) fn median(&self) -> f64 {
        if self.0.is_empty() || self.0.iter().any(|value| value.is_nan()) {
            return f64::NAN;
        }
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
    }

    /// Returns the lowest and the highest value, if there was a round.
    pub(super) fn spread(&self) -> Option<[f64; 2]> {
        let lowest = self.0.iter().copied().reduce(f64::min)?;
        let highest = self.0.iter().copied().reduce(f64::max)?;
        Some([lowest, highest])
    }

    /// Combines each round with the same round of another series.
    pub(super) fn combined(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(&one, &other)| combine(one, other)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_rounds_or_with_an_invalid_one_there_is_no_median() {
        let mut series = Series(vec![3.0, 1.0, 2.0]);
        assert_eq!((series.median(), series.spread()), (2.0, Some([1.0, 3.0])));
        series.push(4.0);
        assert_eq!(series.median().to_bits(), 2.5_f64.to_bits());
        series.push(f64::NAN);
        assert!(series.median().is_nan());
        assert!(Series::default().median().is_nan());
        assert_eq!(Series::default().spread(), None);
    }
}
