//! Messages: for each workload, one bar for each client, as long as
//! its processor time is beside that of the best native client.

use std::fmt::Write as _;

use super::{MARGIN, OTHER as NATIVE, OURS, escaped, head};
use crate::report::Outcome;

// Lengths are in pixels.
const WIDTH: f64 = 860.0;
const LABELS: f64 = 190.0;
const VALUES: f64 = 110.0;
const BAR: f64 = 13.0;
const HEADING: f64 = 24.0;
const TOP: f64 = 44.0;

/// Bars beyond this multiple are cut off.
const MOST: f64 = 2.5;

const ENGINE: &str = "#93c5fd";
const FLOOR: &str = "#d1d5db";

/// A drawing in SVG, of the workloads in the order in which they come.
pub(crate) fn bars(outcomes: &[Outcome]) -> String {
    let groups: Vec<_> = outcomes.chunk_by(|one, next| one.workload == next.workload).collect();
    let height = TOP + MARGIN + groups.len() as f64 * HEADING + outcomes.len() as f64 * (BAR + 2.0);
    let mut text = String::new();
    let title =
        "Processor time per message, as a multiple of the best native client's in the same run";
    head(&mut text, (WIDTH, height), title);
    let mut y = TOP;
    for group in groups {
        let name = group.first().map_or("", |outcome| outcome.workload);
        let baseline = y + 15.0;
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "<text x=\"{MARGIN}\" y=\"{baseline}\" font-weight=\"bold\">{}</text>",
            escaped(name)
        );
        y += HEADING - 2.0;
        for outcome in group {
            bar(&mut text, outcome, y);
            y += BAR + 2.0;
        }
        y += 2.0;
    }
    let one = LABELS + scale(1.0);
    let _ = writeln!(
        text,
        "<line x1=\"{one}\" x2=\"{one}\" y1=\"{TOP}\" y2=\"{y}\" stroke=\"#111827\" \
         stroke-dasharray=\"3 3\"/>\n</svg>"
    );
    text
}

fn bar(text: &mut String, outcome: &Outcome, y: f64) {
    let ratio = outcome.relative_to_best;
    let length = scale(ratio.min(MOST));
    let color = match outcome.client {
        client if client.starts_with("simple-nats") => OURS,
        "raw socket" => FLOOR,
        "engine without a plugin" => ENGINE,
        _ => NATIVE,
    };
    let (baseline, after) = (y + BAR - 3.0, LABELS + length + 5.0);
    let (end, client) = (LABELS - 6.0, escaped(outcome.client));
    let _ = writeln!(
        text,
        "<text x=\"{end}\" y=\"{baseline}\" text-anchor=\"end\">{client}</text>\
         <rect x=\"{LABELS}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{color}\"/>\
         <text x=\"{after:.1}\" y=\"{baseline}\">{ratio:.2} ({:.0} ns)</text>",
        outcome.cpu_ns_per_message,
    );
}

fn scale(ratio: f64) -> f64 {
    ratio * (WIDTH - LABELS - VALUES) / MOST
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clients::Client, measure::Sample, report::sum_up, workloads::WORKLOADS};

    #[test]
    fn bars_are_as_long_as_the_ratios() {
        let sample = |cpu_ns| Sample {
            messages: 1,
            wall_ns: 1,
            cpu_ns,
            server_cpu_ns: 0,
            load_cpu_ns: 0,
            latency: None,
        };
        let rounds = [(Client::Plugin, 100), (Client::NatsGo, 200)];
        let rounds = rounds.map(|(client, cpu)| (client, vec![sample(cpu)])).to_vec();
        let drawing = bars(&sum_up(WORKLOADS[0], rounds));
        for part in [
            format!("width=\"{:.1}\"", scale(0.5)),
            format!("width=\"{:.1}\"", scale(1.0)),
            ">0.50 (100 ns)<".to_owned(),
            format!(">{}<", WORKLOADS[0].name),
        ] {
            assert!(drawing.contains(&part), "no {part} in {drawing}");
        }
        assert!(drawing.ends_with("</svg>\n"));
    }
}
