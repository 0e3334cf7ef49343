//! Who plays: plugins of good will, and one of each kind that has none.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use test_support::guest;

/// A plugin that does harm at a message.
pub(crate) struct Villain {
    /// Its component, which it is called after.
    pub(crate) name: &'static str,
    /// How many messages it gets at a time.
    pub(crate) messages: usize,
    /// What of its state grows when it has done its worst: one of these.
    pub(crate) signs: &'static [&'static str],
}

const fn villain(name: &'static str, signs: &'static [&'static str]) -> Villain {
    Villain { name, messages: 1, signs }
}

/// On a busy machine, the time is over before the processor time is.
const CUT: &[&str] = &["/counts/traps", "/counts/timeouts"];

pub(crate) const VILLAINS: [Villain; 16] = [
    villain("trap-in-start", &["/counts/failed_starts"]),
    villain("trap-in-message", &["/counts/traps"]),
    villain("spin-in-message", CUT),
    villain("memory-by-pages", &["/counts/limits_reached/memory-bytes"]),
    villain("publish-flood", CUT),
    villain("print-flood", &["/counts/limits_reached/log-lines-per-second"]),
    villain("wait-for-ever", &["/counts/timeouts"]),
    // It takes far less than it gets.
    Villain { name: "sleep", messages: 300, signs: &["/counts/dropped_messages"] },
    villain("event-loop", &["/counts/messages"]),
    villain("subscribe-flood", &["/counts/limits_reached/subscriptions"]),
    villain("subscribe-churn", &["/counts/messages"]),
    villain("timers-of-zero", &["/counts/limits_reached/timers"]),
    villain("connect-and-close", &["/counts/messages"]),
    villain("request-flood", &["/counts/limits_reached/requests"]),
    villain("breed", &["/counts/messages"]),
    villain("utf8-in-subject", &["/counts/traps"]),
];

/// The plugins of good will that can be reloaded, as they keep nothing.
pub(crate) const RELOADED: [&str; 3] = ["echo", "sum", "wasmcloud"];

/// How the plugins of good will are run. Their connections have their names.
const GOOD: [(&str, &str); 4] = [
    ("echo", "permissions.subscribe = ['echo']"),
    ("counter", "permissions.subscribe = ['counter.*']"),
    (
        "sum",
        "permissions = { subscribe = ['rpc.sum'], queue-groups = ['workers'], \
         publish = ['rpc.sum.done'] }\ninstances = 2",
    ),
    ("wasmcloud", "subscriptions = ['foreign.*']"),
];

/// Who can start at all.
pub(crate) fn who_starts() -> impl Iterator<Item = &'static str> {
    let villains = VILLAINS.iter().map(|villain| villain.name);
    GOOD.iter().map(|(name, _)| *name).chain(villains.filter(|name| *name != "trap-in-start"))
}

/// Where a villain listens.
pub(crate) fn subject(villain: usize) -> String {
    format!("attack.{villain:02}")
}

/// Writes components of the villains into a folder, and a manifest of all; gives
/// the latter's path.
pub(crate) fn write(folder: &Path) -> Result<String> {
    let mut text = String::new();
    for (name, rest) in GOOD {
        let component = guest(name)?;
        writeln!(
            text,
            "[plugin.{name}]\ncomponent = {component:?}\nclient-name = {name:?}\n{rest}\n"
        )?;
    }
    for (number, Villain { name, .. }) in VILLAINS.iter().enumerate() {
        let component = folder.join(name).with_extension("wasm");
        std::fs::write(&component, listening(&std::fs::read(guest(name)?)?, &subject(number))?)?;
        writeln!(
            text,
            "[plugin.{name}]\ncomponent = {component:?}\npermissions.allow-all = true\n\
             limits = {{ start-timeout = '20s', callback-timeout = '1s', \
             stop-callback-timeout = '1s', callback-cpu-time = '200ms', max-memory = '32 MiB', \
             max-subscriptions = 1000, max-requests = 1000, max-timers = 1000, \
             max-pending-messages = 100, max-failures = 5, failure-window = '10s' }}\n"
        )?;
    }
    let path = folder.join("plugins.toml");
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// An attacker that listens elsewhere, so that none provokes the others: the
/// subject is in its data, and another as long fits into its place.
fn listening(component: &[u8], subject: &str) -> Result<Vec<u8>> {
    const USUAL: &[u8] = b"attack.in";
    ensure!(subject.len() == USUAL.len(), "{subject} does not fit");
    let mut places = component.windows(USUAL.len());
    let place = places.position(|part| part == USUAL).context("it listens nowhere")?;
    let end = &component[place + USUAL.len()..];
    Ok([&component[..place], subject.as_bytes(), end].concat())
}
