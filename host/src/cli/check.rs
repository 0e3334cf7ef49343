//! `simple-nats check`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit::Failure;
use crate::config::{Manifest, PlannedPlugin};
use crate::plugin::{Host, HostOptions, Interfaces, Kind};
use crate::policy::Policy;

/// Check a manifest and its components without connecting.
///
/// Tells all mistakes with their lines, what each plugin uses of what it may, and
/// permissions that allow nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  simple-nats check
  simple-nats check staging.toml

Exit codes: 0 if it can run, 2 if the manifest makes no sense, 3 if a component
does not run here. Warnings change nothing.")]
pub(super) struct Check {
    /// The manifest.
    #[arg(value_name = "MANIFEST", default_value = "plugins.toml")]
    manifest: PathBuf,
}

impl Check {
    #[expect(clippy::print_stdout, reason = "its output is what the command is for")]
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let manifest = Manifest::read(&self.manifest)?;
        let host = Host::new(&HostOptions::default())?;
        let mut code = ExitCode::SUCCESS;
        for plugin in manifest.plugins() {
            let name = &plugin.settings.name;
            match examine(&host, plugin).await {
                Ok(report) => {
                    println!("{name}: ok; uses {}", report.uses.join(", "));
                    for warning in report.warnings {
                        println!("{name}: warning: {warning}");
                    }
                }
                Err(problem) => {
                    println!("{name}: does not run here: {problem}");
                    code = ExitCode::from(3);
                }
            }
        }
        Ok(code)
    }
}

struct Report {
    uses: Vec<&'static str>,
    warnings: Vec<String>,
}

async fn examine(host: &Host, plugin: &PlannedPlugin) -> Result<Report, String> {
    let program = host.load(plugin.settings.clone()).await.map_err(|error| error.to_string())?;
    if program.kind() == Kind::Command {
        return Err("it is a command, not a plugin; run it with `simple-nats run`".to_owned());
    }
    let interfaces = program.interfaces();
    Ok(Report { uses: uses(&interfaces), warnings: warnings(&interfaces, &plugin.settings.policy) })
}

/// Interfaces of ours that matter to permissions, in a fixed order.
fn uses(interfaces: &Interfaces) -> Vec<&'static str> {
    let names = ["publisher", "subscriber", "requester", "timers"];
    let others = ["consumer", "producer", "request-reply"];
    let own = names.into_iter().filter(|name| imports(interfaces, name));
    let others = others.into_iter().filter(|name| imports_of_others(interfaces, name));
    let used: Vec<_> = own.chain(others).collect();
    if used.is_empty() { vec!["nothing of NATS"] } else { used }
}

fn imports(interfaces: &Interfaces, name: &str) -> bool {
    let start = format!("simple-nats:client/{name}@");
    interfaces.imports.iter().any(|import| import.starts_with(&start))
}

/// Whether it imports an interface of `wasi:messaging` or `wasmcloud:messaging`.
fn imports_of_others(interfaces: &Interfaces, name: &str) -> bool {
    let part = format!(":messaging/{name}@");
    interfaces.imports.iter().any(|import| import.contains(&part))
}

/// Permissions that can't be used, since the component has nothing to use them
/// with, or allow what others allow already.
fn warnings(interfaces: &Interfaces, policy: &Policy) -> Vec<String> {
    let mut warnings = Vec::new();
    let publishes = imports(interfaces, "publisher")
        || imports_of_others(interfaces, "consumer")
        || imports_of_others(interfaces, "producer");
    let requests = imports(interfaces, "requester")
        || imports_of_others(interfaces, "consumer")
        || imports_of_others(interfaces, "request-reply");
    let subscribes = imports(interfaces, "subscriber");
    let unused = [
        ("publish", policy.publish.is_listed(), publishes || requests, "publisher or requester"),
        ("subscribe", policy.subscribe.is_listed(), subscribes, "subscriber"),
        ("request", policy.request.is_listed(), requests, "requester"),
        ("queue-groups", policy.queue_groups.is_listed(), subscribes, "subscriber"),
    ];
    for (key, is_listed, is_used, interface) in unused {
        if is_listed && !is_used {
            warnings.push(format!(
                "permissions.{key} allows nothing: the component does not import {interface}"
            ));
        }
    }
    for (key, rules) in [
        ("publish", &policy.publish),
        ("subscribe", &policy.subscribe),
        ("request", &policy.request),
    ] {
        for (rule, wider) in rules.redundant() {
            warnings.push(format!("permissions.{key}: {rule:?} is allowed by {wider:?} already"));
        }
    }
    if policy.queue_groups.is_listed() && !policy.subscribe.is_any() {
        warnings.push(
            "permissions.queue-groups allows nothing: there is nothing to subscribe to".to_owned(),
        );
    }
    warnings
}
