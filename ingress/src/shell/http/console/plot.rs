//! Draws a wallet over time as SVG: above the balance, below what was consumed in each step.
//!
//! Colours are the stylesheet's: they are put in as variables, so that one drawing fits light and dark.

use angelia_shared::units::UnixMillis;
use plotters::coord::combinators::{BindKeyPoints as _, WithKeyPoints};
use plotters::coord::types::RangedCoordi64;
use plotters::prelude::*;

use super::history::Moment;
use super::visit::Manner;
use crate::domain::console::figure;

/// Stand-ins for the colours of the stylesheet: no two alike, and none that the library uses by itself.
const LINE: RGBColor = RGBColor(1, 2, 3);
const AREA: RGBColor = RGBColor(1, 2, 4);
const BAR: RGBColor = RGBColor(1, 2, 5);
const GRID: RGBColor = RGBColor(1, 2, 6);
const WORDS: RGBColor = RGBColor(1, 2, 7);
/// What they become.
const COLOURS: [(&str, &str); 5] = [
    ("#010203", "var(--plot-line)"),
    ("#010204", "var(--plot-area)"),
    ("#010205", "var(--plot-bar)"),
    ("#010206", "var(--plot-grid)"),
    ("#010207", "var(--muted)"),
];

type Failed = Box<dyn std::error::Error>;

/// The drawing, in so many pixels; none when there is nothing to draw.
pub(super) fn svg(moments: &[Moment], (width, height): (u32, u32), manner: Manner) -> Option<String> {
    let mut out = String::new();
    draw(&mut out, moments, (width, height), manner).ok()?;
    for (stand_in, colour) in COLOURS {
        out = out.replace(stand_in, colour);
    }
    // The page says what it shows; a reader need not hear its numbers one by one.
    Some(out.replacen("<svg ", "<svg aria-hidden=\"true\" focusable=\"false\" ", 1))
}

fn draw(out: &mut String, moments: &[Moment], size: (u32, u32), manner: Manner) -> Result<(), Failed> {
    let (first, last) = match moments {
        [first, .., last] => (first.at.0, last.at.0),
        _ => return Err("fewer than two moments".into()),
    };
    let root = SVGBackend::with_string(out, size).into_drawing_area();
    let (above, below) = root.split_vertically(size.1 * 64 / 100);
    let in_one_day = last - first <= 2 * 86_400_000;
    let day_or_hour = |at: &i64| {
        let text = figure::utc(UnixMillis(*at));
        let part = if in_one_day { text.get(11..16) } else { text.get(5..10) };
        part.unwrap_or_default().to_owned()
    };
    let number = |value: &i64| manner.number(u64::try_from(*value).unwrap_or(0));
    let times = times(first, last, if size.0 < 500 { 4 } else { 8 });
    let words = ("sans-serif", 12).into_font().color(&WORDS);

    let highest = moments.iter().map(|moment| whole(moment.available)).max().unwrap_or(0);
    let mut chart = ChartBuilder::on(&above)
        .margin_top(8)
        .margin_bottom(8)
        .margin_right(12)
        .x_label_area_size(0)
        .y_label_area_size(62)
        .build_cartesian_2d((first..last).with_key_points(times.clone()), axis(highest, 4))?;
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh().y_labels(4).y_max_light_lines(0).x_labels(0).bold_line_style(GRID).axis_style(GRID);
    mesh.y_label_formatter(&number).label_style(words.clone()).draw()?;
    let line = moments.iter().map(|moment| (moment.at.0, whole(moment.available)));
    chart.draw_series(AreaSeries::new(line.clone(), 0, AREA))?;
    chart.draw_series(LineSeries::new(line, LINE.stroke_width(2)))?;

    let steps: Vec<_> = moments.windows(2).map(|pair| (pair[0].at.0, pair[1].at.0, used(&pair[0], &pair[1]))).collect();
    let highest = steps.iter().map(|(_, _, used)| *used).max().unwrap_or(0);
    let mut chart = ChartBuilder::on(&below)
        .margin_top(10)
        .margin_right(12)
        .x_label_area_size(22)
        .y_label_area_size(62)
        .build_cartesian_2d((first..last).with_key_points(times), axis(highest, 2))?;
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh().y_labels(4).y_max_light_lines(0).x_labels(10).bold_line_style(GRID).axis_style(GRID);
    mesh.x_label_formatter(&day_or_hour).y_label_formatter(&number).label_style(words).draw()?;
    chart.draw_series(steps.iter().filter(|(_, _, used)| *used > 0).map(|(from, to, used)| {
        let gap = (to - from) / 8;
        Rectangle::new([(from + gap, 0), (to - gap, *used)], BAR.filled())
    }))?;
    root.present()?;
    drop(root);
    Ok(())
}

fn whole(credits: u64) -> i64 {
    i64::try_from(credits).unwrap_or(i64::MAX)
}

fn used(from: &Moment, to: &Moment) -> i64 {
    whole(to.consumed.saturating_sub(from.consumed))
}

/// An axis from nothing to a round number above the highest value, with about so many marks. The library's own marks of
/// whole numbers overflow.
fn axis(highest: i64, marks: i64) -> WithKeyPoints<RangedCoordi64> {
    let step = round_step(highest, marks);
    let top = (highest / step).saturating_add(1).saturating_mul(step);
    let points = (0..=top / step).map(|mark| mark * step).collect();
    (0..top).with_key_points(points)
}

/// The smallest of 1, 2, 5, 10, 20, … of which `marks` reach `highest`.
fn round_step(highest: i64, marks: i64) -> i64 {
    let mut step = 1_i64;
    loop {
        for factor in [1, 2, 5] {
            let step = step.saturating_mul(factor);
            if step > highest / marks.max(1) {
                return step;
            }
        }
        step = step.saturating_mul(10);
    }
}

/// Round times between two, at most so many.
fn times(first: i64, last: i64, count: i64) -> Vec<i64> {
    const MINUTE: i64 = 60_000;
    const STEPS: [i64; 14] = [1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880, 7_200, 14_400];
    let span = last - first;
    let step = STEPS.iter().map(|step| step * MINUTE).find(|step| span / step <= count).unwrap_or(span.max(1));
    let begin = first.div_euclid(step) + 1;
    (begin..=last.div_euclid(step)).map(|mark| mark * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(at: i64, available: u64, consumed: u64) -> Moment {
        Moment { at: UnixMillis(at), available, consumed }
    }

    #[test]
    fn a_drawing_has_the_stylesheets_colours_and_nothing_that_a_page_may_not_hold() {
        let moments = [moment(0, 0, 0), moment(60_000, 1_000, 0), moment(120_000, 990, 10)];
        let svg = svg(&moments, (760, 260), Manner::default()).expect("three moments");
        assert!(svg.starts_with("<svg aria-hidden"), "{svg}");
        for colour in COLOURS {
            assert!(svg.contains(colour.1), "{} in {svg}", colour.1);
        }
        for banned in ["style=", "<script", "href", "#0102"] {
            assert!(!svg.contains(banned), "{banned} in {svg}");
        }
        assert!(svg.len() < 20_000, "{} bytes", svg.len());
    }

    #[test]
    fn marks_are_round_and_few() {
        assert_eq!([0, 7, 38, 1_000].map(|highest| round_step(highest, 4)), [1, 2, 10, 500]);
        let times = times(60_000 * 7, 60_000 * 67, 8);
        assert_eq!(times, [10, 20, 30, 40, 50, 60].map(|minute| minute * 60_000));
        assert!(times.len() <= 8);
    }

    #[test]
    fn an_empty_wallet_and_a_huge_one_can_be_drawn() {
        let empty = [moment(0, 0, 0), moment(1, 0, 0)];
        assert!(svg(&empty, (380, 260), Manner::default()).is_some());
        let huge = [moment(0, 1_000_000_000_000, 0), moment(86_400_000 * 30, 5, 1_000_000_000_000)];
        assert!(svg(&huge, (760, 260), Manner::default()).is_some());
        assert!(svg(&[], (760, 260), Manner::default()).is_none());
    }
}
