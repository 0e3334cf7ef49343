//! The results as pictures, in SVG.

mod bars;
mod lines;

use std::fmt::Write as _;

pub(crate) use self::{
    bars::bars,
    lines::{Line, Panel, lines},
};

/// In pixels.
const MARGIN: f64 = 16.0;

const OURS: &str = "#2563eb";
const OTHER: &str = "#9ca3af";

/// The begin of a drawing of this width and height.
fn head(text: &mut String, (width, height): (f64, f64), title: &str) {
    // Writing into a string does not fail.
    let _ = writeln!(
        text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#111827\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"14\">{}</text>",
        escaped(title)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
