//! The loads over time, as a picture.

use std::ops::Range;

use plotters::prelude::*;

use crate::selection::algorithms::Algorithm;
use crate::selection::table::Row;
use crate::selection::trace::Sample;

/// A picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the picture: {0}")]
pub struct Error(String);

/// Width and height, in pixels.
const SIZE: (u32, u32) = (900, 620);
/// The height of the upper part.
const UPPER: u32 = 330;
/// A font of the reader's system. Drawing needs none.
const FONT: (&str, u32) = ("sans-serif", 16);
/// The maximum number of points of a line.
const MAX_POINTS: usize = 300;
/// The range of load ÷ mean in the lower part.
const AROUND_MEAN: Range<f64> = 0.9..1.1;
/// The algorithms that are drawn. The most important is drawn last, and so above the others.
const DRAWN: [(Algorithm, RGBColor); 3] = [
    (Algorithm::Original, RGBColor(214, 112, 24)),
    (Algorithm::Oracle, RGBColor(70, 160, 70)),
    (Algorithm::Weir, RGBColor(30, 90, 190)),
];

/// Returns the picture of a row, as SVG. The upper part shows the highest and the lowest utilisation of any edge, the
/// lower part the same divided by the mean. The same row gives the same text.
///
/// # Errors
/// [`Error`] when there is nothing to draw.
pub fn svg(row: &Row) -> Result<String, Error> {
    let mut text = String::new();
    draw(row, &mut text).map_err(|error| Error(error.to_string()))?;
    Ok(text)
}

fn draw(row: &Row, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let title = format!("{}: {}", row.scenario.name, row.scenario.title);
    let (upper, lower) = area.titled(&title, ("sans-serif", 22))?.split_vertically(UPPER);
    let seconds = 0.0..row.scenario.end.as_micros() as f64 / 1e6;
    let percent = percent(row);

    let mut chart = ChartBuilder::on(&upper)
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(64)
        .build_cartesian_2d(seconds.clone(), percent.clone().log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .label_style(FONT)
        .axis_desc_style(FONT)
        .y_desc("load ÷ capacity, %")
        .draw()?;
    for line in lines(row, |sample, utilisation| (100.0 * utilisation(sample)).clamp(percent.start, percent.end)) {
        let Line { points, colour, name } = line;
        let drawn = chart.draw_series(LineSeries::new(points, colour))?;
        if let Some(name) = name {
            drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
        }
    }
    let labels = chart.configure_series_labels();
    { labels }
        .position(SeriesLabelPosition::LowerRight)
        .label_font(FONT)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;

    let mut chart = ChartBuilder::on(&lower)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(seconds, AROUND_MEAN)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .label_style(FONT)
        .axis_desc_style(FONT)
        .x_desc("seconds")
        .y_desc("load ÷ mean")
        .draw()?;
    let relative = |sample: &Sample, utilisation: Utilisation| {
        let relative = if sample.mean > 0.0 { utilisation(sample) / sample.mean } else { 1.0 };
        relative.clamp(AROUND_MEAN.start, AROUND_MEAN.end)
    };
    for Line { points, colour, .. } in lines(row, relative) {
        chart.draw_series(LineSeries::new(points, colour))?;
    }
    drop(chart);
    area.present()?;
    Ok(())
}

/// Returns the range from a tenth of the lowest mean to the highest load. Values outside are drawn at its bounds.
fn percent(row: &Row) -> Range<f64> {
    let samples = || DRAWN.iter().filter_map(|(algorithm, _)| row.trace(*algorithm)).flat_map(|trace| &trace.samples);
    let highest = samples().map(|sample| sample.highest).fold(0.0, f64::max).max(1e-6);
    let lowest = samples().map(|sample| sample.mean / 10.0).filter(|mean| *mean > 0.0).fold(highest, f64::min);
    100.0 * lowest.max(highest / 1000.0)..110.0 * highest
}

struct Line {
    /// The name in the legend, for one of the lines of an algorithm.
    name: Option<&'static str>,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

type Utilisation = fn(&Sample) -> f64;

/// Returns the highest and the lowest load of each algorithm, and the mean.
fn lines(row: &Row, value: impl Fn(&Sample, Utilisation) -> f64) -> Vec<Line> {
    let mut lines = Vec::new();
    for (algorithm, colour) in DRAWN {
        let Some(trace) = row.trace(algorithm) else { continue };
        let line = |name, utilisation: Utilisation, keep: fn(f64, f64) -> f64| {
            let step = trace.samples.len().div_ceil(MAX_POINTS).max(1);
            let point = |samples: &[Sample]| {
                let values = samples.iter().map(|sample| value(sample, utilisation));
                Some((samples.first()?.at.as_micros() as f64 / 1e6, values.reduce(keep)?))
            };
            Line { name, colour, points: trace.samples.chunks(step).filter_map(point).collect() }
        };
        lines.push(line(Some(algorithm.name()), |sample| sample.highest, f64::max));
        lines.push(line(None, |sample| sample.lowest, f64::min));
        if algorithm == Algorithm::Weir {
            lines.push(Line { colour: BLACK, ..line(Some("mean"), |sample| sample.mean, f64::max) });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::{catalogue, simulate};

    #[test]
    fn a_picture_is_small_and_reproducible() {
        let scenario = &catalogue::all()[0];
        let picture = svg(&simulate(scenario, 1)).unwrap();
        assert!(picture.starts_with("<svg") && picture.contains(scenario.title));
        assert!(picture.len() < 100_000, "{}", picture.len());
        assert_eq!(picture, svg(&simulate(scenario, 1)).unwrap());
    }
}
