//! Plots as SVG.

use std::collections::BTreeSet;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::{Axis, Drawing, Line, Plot, Strip};

/// Why a plot cannot be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the plot {name:?} cannot be drawn: {why}")]
pub struct DrawError {
    name: String,
    why: String,
}

const WIDTH: u32 = 1080;
const HEIGHT: u32 = 420;
const STRIP: u32 = 24;
/// Room for names at the left.
const NAMES: u32 = 540;
const MARGIN: u32 = 12;
const TEXT: (&str, i32) = ("sans-serif", 13);
const HEADING: (&str, i32) = ("sans-serif", 17);

/// Colours that are told apart without red and green (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

impl Plot {
    /// The plot as SVG.
    pub fn svg(&self) -> Result<String, DrawError> {
        let mut text = String::new();
        let height = match &self.drawing {
            Drawing::Strips { strips, .. } => 110 + STRIP * number(strips.len()),
            Drawing::Lines { .. } => HEIGHT,
        };
        let drawn = {
            let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
            self.draw(&area)
        };
        drawn.map_err(|why| DrawError {
            name: self.name.clone(),
            why: why.to_string(),
        })?;
        Ok(text)
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        area.fill(&WHITE)?;
        let area = area.titled(&self.title, HEADING)?;
        match &self.drawing {
            Drawing::Strips { axis, strips } => draw_strips(&area, axis, strips)?,
            Drawing::Lines { x, y, lines } => draw_lines(&area, [x, y], lines)?,
        }
        area.present()?;
        Ok(())
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

/// The smallest and the largest, with some room; what a logarithm cannot show is left out.
fn range(values: impl Iterator<Item = f64>, logarithmic: bool) -> std::ops::Range<f64> {
    let values = values.filter(|value| value.is_finite() && (!logarithmic || *value > 0.0));
    let (least, most) = values.fold(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(least, most), value| (least.min(value), most.max(value)),
    );
    match (least <= most, logarithmic) {
        (false, _) => 1.0..10.0,
        (true, true) => least / 1.3..most * 1.3,
        (true, false) => 0.0..(most * 1.05).max(1e-9),
    }
}

fn draw_strips(area: &Area<'_>, axis: &Axis, strips: &[Strip]) -> Drawn {
    let measured = strips
        .iter()
        .filter_map(|strip| strip.measured)
        .flat_map(|of| [of.low, of.high]);
    let marks = strips.iter().flat_map(|strip| &strip.marks);
    let values = measured.chain(marks.flat_map(|mark| [mark.low, mark.high]));
    let range = range(values, axis.logarithmic);
    if axis.logarithmic {
        strips_along(area, range.log_scale(), axis, strips)
    } else {
        strips_along(area, range, axis, strips)
    }
}

fn strips_along<X>(area: &Area<'_>, x: X, axis: &Axis, strips: &[Strip]) -> Drawn
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
{
    let rows = f64::from(number(strips.len()));
    let (names, chart_area) = area.split_horizontally(NAMES);
    let mut chart = ChartBuilder::on(&chart_area)
        .margin(MARGIN)
        .x_label_area_size(36)
        .build_cartesian_2d(x, rows..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_desc(axis.label.as_str())
        .x_label_formatter(&|value| short(*value))
        .label_style(TEXT)
        .draw()?;
    let series: BTreeSet<&str> = strips
        .iter()
        .flat_map(|strip| &strip.marks)
        .map(|mark| mark.series.as_str())
        .collect();
    let series: Vec<&str> = series.into_iter().collect();
    for (row, strip) in strips.iter().enumerate() {
        let middle = f64::from(number(row)) + 0.5;
        let (_, y) = chart.backend_coord(&(1.0, middle));
        let place = (
            MARGIN.cast_signed(),
            y - names.get_pixel_range().1.start - 7,
        );
        names.draw(&Text::new(strip.label.clone(), place, TEXT))?;
        for mark in &strip.marks {
            let index = series.iter().position(|known| *known == mark.series);
            let style = colour(index.map_or(0, |index| index + 1)).stroke_width(2);
            let up = |x: f64| vec![(x, middle - 0.35), (x, middle + 0.35)];
            let along = vec![(mark.low, middle), (mark.high, middle)];
            let lines = [up(mark.low), along, up(mark.high)];
            chart.draw_series(lines.map(|line| PathElement::new(line, style)))?;
        }
        if let Some(of) = strip.measured {
            let corners = [(of.low, middle - 0.2), (of.high, middle + 0.2)];
            let light = colour(0).mix(0.35).filled();
            chart.draw_series([Rectangle::new(corners, light)])?;
            let dot = Circle::new((of.median, middle), 4, colour(0).filled());
            chart.draw_series([dot])?;
        }
    }
    legend(&names, "measured: median, quartiles", &series)
}

/// Below the names: what the colours mean.
fn legend(names: &Area<'_>, measured: &str, series: &[&str]) -> Drawn {
    let (_, height) = names.dim_in_pixel();
    let mut x = MARGIN.cast_signed();
    let y = height.cast_signed() - 20;
    let words = std::iter::once(&measured).chain(series);
    for (index, words) in words.enumerate() {
        let style = colour(index).filled();
        names.draw(&Rectangle::new([(x, y), (x + 10, y + 10)], style))?;
        names.draw(&Text::new((*words).to_owned(), (x + 14, y - 1), TEXT))?;
        x += 28 + 7 * i32::try_from(words.len()).unwrap_or(0);
    }
    Ok(())
}

fn draw_lines(area: &Area<'_>, axes: [&Axis; 2], lines: &[Line]) -> Drawn {
    let points = || lines.iter().flat_map(|line| &line.points);
    let [x, y] = axes;
    let along = range(points().map(|point| point.0), x.logarithmic);
    let up = range(points().map(|point| point.1), y.logarithmic);
    match (x.logarithmic, y.logarithmic) {
        (true, true) => lines_along(area, along.log_scale(), up.log_scale(), axes, lines),
        (true, false) => lines_along(area, along.log_scale(), up, axes, lines),
        (false, true) => lines_along(area, along, up.log_scale(), axes, lines),
        (false, false) => lines_along(area, along, up, axes, lines),
    }
}

fn lines_along<X, Y>(area: &Area<'_>, x: X, y: Y, axes: [&Axis; 2], lines: &[Line]) -> Drawn
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .margin(MARGIN)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(axes[0].label.as_str())
        .y_desc(axes[1].label.as_str())
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .label_style(TEXT)
        .draw()?;
    for (index, line) in lines.iter().enumerate() {
        let colour = colour(index);
        chart
            .draw_series(LineSeries::new(
                line.points.iter().copied(),
                colour.stroke_width(2),
            ))?
            .label(line.label.as_str())
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], colour.filled()));
        let dots = line.points.iter();
        chart.draw_series(dots.map(|point| Circle::new(*point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font(TEXT)
        .draw()?;
    Ok(())
}

/// A number on an axis.
fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 1e6 => format!("{} M", trimmed(number / 1e6)),
        size if size >= 1e4 => format!("{} k", trimmed(number / 1e3)),
        _ => trimmed(number),
    }
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;
    use crate::stats::Summary;

    fn axis(logarithmic: bool) -> Axis {
        Axis {
            label: "ns".to_owned(),
            logarithmic,
        }
    }

    fn svg(drawing: Drawing) -> String {
        let plot = Plot {
            name: "test".to_owned(),
            title: "What it shows".to_owned(),
            drawing,
        };
        plot.svg().unwrap_or_default()
    }

    #[test]
    fn strips_have_names_figures_and_a_legend() {
        for logarithmic in [true, false] {
            let drawn = svg(Drawing::Strips {
                axis: axis(logarithmic),
                strips: vec![Strip {
                    label: "hot connection".to_owned(),
                    measured: Summary::of(&[9.0, 10.0, 11.0]),
                    marks: vec![Mark {
                        series: "the goal".to_owned(),
                        low: 10.0,
                        high: 10.0,
                    }],
                }],
            });
            for word in [
                "What it shows",
                "hot connection",
                "the goal",
                "ns",
                "<circle",
            ] {
                assert!(drawn.contains(word), "{word}: {drawn}");
            }
        }
    }

    #[test]
    fn lines_are_drawn_along_every_kind_of_axis() {
        for (x, y) in [(true, true), (true, false), (false, true), (false, false)] {
            let drawn = svg(Drawing::Lines {
                x: axis(x),
                y: axis(y),
                lines: vec![Line {
                    label: "cold start".to_owned(),
                    points: vec![(1.0, 10.0), (10.0, 100.0)],
                }],
            });
            assert!(drawn.contains("cold start") && drawn.contains("<polyline"));
        }
    }

    #[test]
    fn figures_that_a_logarithm_cannot_show_do_not_widen_the_axis() {
        let shown = range([-1.0, 0.0, 13.0].into_iter(), true);
        assert!((shown.start - 10.0).abs() < 1e-9, "{shown:?}");
        assert_eq!(range(std::iter::empty(), false), 1.0..10.0);
    }

    #[test]
    fn numbers_on_an_axis_are_short() {
        assert_eq!(
            [0.5, 10.0, 20_000.0, 1.5e6].map(short),
            ["0.5", "10", "20 k", "1.5 M"]
        );
    }
}
