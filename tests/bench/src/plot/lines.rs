//! How something grows: panels with lines, both axes logarithmic, so that what grows
//! in proportion has the slope of the diagonal and what does not grow has none.

use std::fmt::Write as _;

use super::{MARGIN, OTHER, OURS, escaped, head};

// Lengths are in pixels.
const PLOT: (f64, f64) = (200.0, 130.0);
const PANEL: (f64, f64) = (PLOT.0 + 80.0, PLOT.1 + 90.0);
const TOP: f64 = 44.0;
const ACROSS: usize = 3;

/// One picture of several.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// What goes to the right.
    pub(crate) of: &'static str,
    /// Two at the most: the first is the one to look at.
    pub(crate) lines: Vec<Line>,
}

/// One line, from left to right.
pub(crate) struct Line {
    pub(crate) label: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A drawing of all panels, in rows.
pub(crate) fn lines(title: &str, panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(ACROSS);
    let size = (MARGIN * 2.0 + PANEL.0 * ACROSS as f64, TOP + PANEL.1 * rows as f64);
    let mut text = String::new();
    head(&mut text, size, title);
    for (number, panel) in panels.iter().enumerate() {
        let (row, column) = (number / ACROSS, number % ACROSS);
        let (x, y) = (MARGIN + PANEL.0 * column as f64, TOP + PANEL.1 * row as f64);
        draw(&mut text, panel, (x, y));
    }
    text.push_str("</svg>\n");
    text
}

/// The whole decades that values lie in, at least one, and where a value is in them,
/// from 0 to 1.
fn decades(values: impl Iterator<Item = f64>) -> impl Fn(f64) -> f64 {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|value| *value > 0.0) {
        least = least.min(value.log10().floor());
        most = most.max(value.log10().ceil());
    }
    let span = (most - least).max(1.0);
    move |value| if value > 0.0 { (value.log10() - least) / span } else { 0.0 }
}

fn draw(text: &mut String, panel: &Panel, (x, y): (f64, f64)) {
    let points = || panel.lines.iter().flat_map(|line| line.points.iter().copied());
    let (across, up) = (decades(points().map(|(x, _)| x)), decades(points().map(|(_, y)| y)));
    let (left, top) = (x + 8.0, y + 22.0);
    let (right, bottom) = (left + PLOT.0, top + PLOT.1);
    let place = |(across_value, up_value): (f64, f64)| {
        (left + across(across_value) * PLOT.0, bottom - up(up_value) * PLOT.1)
    };
    // Writing into a string does not fail.
    let _ = writeln!(
        text,
        "<text x=\"{left}\" y=\"{:.1}\" font-weight=\"bold\">{}</text>\
         <path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#111827\"/>\
         <text x=\"{left}\" y=\"{:.1}\">{}</text>",
        y + 12.0,
        escaped(panel.title),
        bottom + 30.0,
        escaped(panel.of)
    );
    for (number, (line, color)) in panel.lines.iter().zip([OURS, OTHER]).enumerate() {
        let places: Vec<_> = line.points.iter().map(|&point| (point, place(point))).collect();
        let path: Vec<_> = places.iter().map(|(_, (x, y))| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\
             <text x=\"{left}\" y=\"{:.1}\" fill=\"{color}\">{}</text>",
            path.join(" "),
            bottom + 45.0 + 13.0 * number as f64,
            escaped(line.label)
        );
        // The values of the first stand above it, those of the other below.
        let offset = if number == 0 { -6.0 } else { 15.0 };
        for ((across, up), (x, y)) in places {
            let _ = writeln!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{color}\">{}</text>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" fill=\"#6b7280\">{across}</text>",
                y + offset,
                short(up),
                bottom + 14.0
            );
        }
    }
}

/// Two digits that count, or all before the point.
fn short(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_in_proportion_has_the_slope_of_the_diagonal() {
        let points = vec![(1.0, 10.0), (10.0, 100.0), (100.0, 1_000.0)];
        let panel = Panel { title: "a < b", of: "n", lines: vec![Line { label: "l", points }] };
        let drawing = lines("growth", &[panel]);
        let (left, bottom) = (MARGIN + 8.0, TOP + 22.0 + PLOT.1);
        let at = |part: f64| format!("{:.1},{:.1}", left + part * PLOT.0, bottom - part * PLOT.1);
        let line = [at(0.0), at(0.5), at(1.0)].join(" ");
        for part in [format!("points=\"{line}\""), "a &lt; b".to_owned(), ">1000<".to_owned()] {
            assert!(drawing.contains(&part), "no {part} in {drawing}");
        }
        assert!(drawing.ends_with("</svg>\n"));
    }
}
