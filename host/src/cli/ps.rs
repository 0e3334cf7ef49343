//! `simple-nats ps`

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::admin::{AdminClient, Output};
use super::exit::Failure;

/// List the plugins of a running host.
///
/// The host must have been run with --admin.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  All plugins, and one of them with everything there is to know:
    simple-nats ps
    simple-nats ps orders --output json
  Of a host on another machine, with its token in SIMPLE_NATS_ADMIN_TOKEN:
    simple-nats ps --admin plugins.example.com:4280")]
pub(super) struct Ps {
    /// Only this plugin.
    name: Option<String>,

    /// How the list is shown. Default: a table on a terminal, else JSON.
    #[arg(long, value_enum)]
    output: Option<Output>,

    #[command(flatten)]
    admin: AdminClient,
}

impl Ps {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let answer = self.admin.plugins(self.name.as_deref())?;
        show(Output::or_suitable(self.output), &answer)
    }
}

/// Shows one plugin or a list of them.
#[expect(clippy::print_stdout, reason = "this is what the commands are for")]
pub(super) fn show(output: Output, answer: &Value) -> Result<ExitCode, Failure> {
    let text = match output {
        Output::Json => serde_json::to_string_pretty(answer).map_err(anyhow::Error::from)?,
        Output::Table => {
            table(answer.as_array().map_or(std::slice::from_ref(answer), Vec::as_slice))
        }
    };
    println!("{}", text.trim_end());
    Ok(ExitCode::SUCCESS)
}

const HEADINGS: [&str; 7] =
    ["NAME", "STATUS", "INSTANCES", "MESSAGES", "WAITING", "FAILURES", "REFUSALS"];

fn table(plugins: &[Value]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    rows.extend(plugins.iter().map(row));
    let width = |column: usize| {
        rows.iter().map(|row| row.get(column).map_or(0, |cell| width_of(cell))).max()
    };
    let widths: Vec<_> = (0..HEADINGS.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (row, reason) in rows.iter().zip(std::iter::once("").chain(plugins.iter().map(reason))) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - width_of(cell) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
        if !reason.is_empty() {
            text.push_str("  ");
            // A guest's words must not steer a terminal.
            text.extend(reason.chars().map(|c| if c.is_control() { ' ' } else { c }));
            text.push('\n');
        }
    }
    text
}

fn width_of(cell: &str) -> usize {
    cell.chars().count()
}

fn row(plugin: &Value) -> Vec<String> {
    let text = |pointer: &str| plugin.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    let number = |pointer: &str| plugin.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let instances = plugin.get("instances").and_then(Value::as_array);
    let instances = instances.map(Vec::as_slice).unwrap_or_default();
    let waiting = instances.iter().filter_map(|one| one.get("waiting_messages")?.as_u64());
    vec![
        text("/name").to_owned(),
        text("/status").to_owned(),
        format!("{} of {}", instances.len(), text("/instance_count")),
        number("/counts/messages").to_string(),
        waiting.sum::<u64>().to_string(),
        (number("/counts/traps") + number("/counts/timeouts")).to_string(),
        number("/counts/refusals").to_string(),
    ]
}

fn reason(plugin: &Value) -> &str {
    plugin.get("reason").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_aligned_and_a_reason_has_a_line_of_its_own() {
        let plugins = [
            json!({
                "name": "a-long-name", "status": "serving", "instance_count": "1..8",
                "instances": [{ "waiting_messages": 2 }, { "waiting_messages": 3 }],
                "counts": { "messages": 1_000_000, "traps": 1, "timeouts": 2, "refusals": 0 },
            }),
            json!({
                "name": "b", "status": "quarantined", "reason": "start failed: \u{1b}[2J",
                "instance_count": "1", "instances": [], "counts": {},
            }),
        ];
        assert_eq!(
            table(&plugins),
            "NAME         STATUS       INSTANCES  MESSAGES  WAITING  FAILURES  REFUSALS\n\
             a-long-name  serving      2 of 1..8  1000000   5        3         0\n\
             b            quarantined  0 of 1     0         0        0         0\n  \
               start failed:  [2J\n"
        );
    }
}
