//! Counters and gauges in the text form of Prometheus.

use std::fmt::Write;

use crate::plugin::{InstanceStatus, PluginInfo, PluginStatus};

/// Name, help and type of a metric, and its value for a plugin.
struct Metric {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    value: fn(&PluginInfo) -> u64,
}

const fn counter(name: &'static str, help: &'static str, value: fn(&PluginInfo) -> u64) -> Metric {
    Metric { name, help, kind: "counter", value }
}

const fn gauge(name: &'static str, help: &'static str, value: fn(&PluginInfo) -> u64) -> Metric {
    Metric { name, help, kind: "gauge", value }
}

const METRICS: &[Metric] = &[
    gauge("up", "Whether the plugin serves", |plugin| {
        (plugin.status == PluginStatus::Serving).into()
    }),
    gauge("version", "Number of the version that serves, 0 if none does", |plugin| {
        plugin.version.into()
    }),
    gauge("instances", "Instances that serve", |plugin| {
        let serving = |status| status == InstanceStatus::Serving;
        plugin.instances.iter().filter(|one| serving(one.status)).count() as u64
    }),
    gauge("waiting_messages", "Deliveries that wait for an instance", |plugin| {
        plugin.instances.iter().map(|one| one.waiting_messages).sum()
    }),
    gauge("waiting_bytes", "Bytes of these deliveries", |plugin| {
        plugin.instances.iter().map(|one| one.waiting_bytes).sum()
    }),
    gauge("connections", "Connections that stand", |plugin| {
        plugin.connections.iter().filter(|one| one.status == "connected").count() as u64
    }),
    counter("messages_total", "Messages handed to a callback", |plugin| plugin.counts.messages),
    counter("dropped_messages_total", "Messages that a full mailbox dropped", |plugin| {
        plugin.counts.dropped_messages
    }),
    counter("failed_callbacks_total", "Callbacks that answered an error", |plugin| {
        plugin.counts.failed_callbacks
    }),
    counter("traps_total", "Instances that trapped", |plugin| plugin.counts.traps),
    counter("timeouts_total", "Instances whose call took too long", |plugin| {
        plugin.counts.timeouts
    }),
    counter("failed_starts_total", "Starts that failed", |plugin| plugin.counts.failed_starts),
    counter("started_instances_total", "Instances started", |plugin| {
        plugin.counts.started_instances
    }),
    counter("quarantines_total", "Times the plugin was quarantined", |plugin| {
        plugin.counts.quarantines
    }),
    counter("refusals_total", "What the policy refused", |plugin| plugin.counts.refusals),
    counter("reloads_total", "Versions that took over", |plugin| plugin.counts.reloads),
    counter("failed_reloads_total", "Versions that could not take over", |plugin| {
        plugin.counts.failed_reloads
    }),
];

/// The metrics of these plugins.
pub(super) fn text(plugins: &[PluginInfo]) -> String {
    let mut text = String::new();
    for Metric { name, help, kind, value } in METRICS {
        head(&mut text, name, help, kind);
        for plugin in plugins {
            let label = Label(&plugin.name);
            // Writing to a string does not fail.
            let _ =
                writeln!(text, "simple_nats_plugin_{name}{{plugin=\"{label}\"}} {}", value(plugin));
        }
    }
    let name = "limits_reached_total";
    head(&mut text, name, "How often a limit refused something", "counter");
    for plugin in plugins {
        let label = Label(&plugin.name);
        for (limit, count) in &plugin.counts.limits_reached {
            let _ = writeln!(
                text,
                "simple_nats_plugin_{name}{{plugin=\"{label}\",limit=\"{limit}\"}} {count}"
            );
        }
    }
    text
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP simple_nats_plugin_{name} {help}.");
    let _ = writeln!(text, "# TYPE simple_nats_plugin_{name} {kind}");
}

/// A value as it stands between quotes.
struct Label<'a>(&'a str);

impl std::fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_forge_a_label() {
        assert_eq!(Label("a\"} 1\nb\\").to_string(), r#"a\"} 1\nb\\"#);
    }
}
