//! Who the machine works for, as Linux tells: this test, or others.

use std::fs;

use anyhow::{Context, Result};

/// Processor time up to now, in ticks of the system's clock.
#[derive(Clone, Copy)]
pub(crate) struct Machine {
    all: u64,
    idle: u64,
    /// Of this process and those that it has started.
    own: u64,
}

impl Machine {
    /// Looks at it.
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().context("no processors")?;
        // user, nice, system, idle, waiting, interrupts, soft interrupts, stolen
        let times: Vec<u64> = numbers(line).take(8).collect();
        Ok(Self { all: times.iter().sum(), idle: times[3] + times[4], own: own()? })
    }

    /// The share of the processors that others have used since.
    pub(crate) fn used_by_others_since(self, before: Self) -> f64 {
        let busy = (self.all - before.all).saturating_sub(self.idle - before.idle);
        let others = busy.saturating_sub(self.own.saturating_sub(before.own));
        others as f64 / (self.all - before.all).max(1) as f64
    }
}

fn own() -> Result<u64> {
    let own_id = std::process::id();
    let mut own = 0;
    for entry in fs::read_dir("/proc")? {
        // One that ends just now is counted with its parent.
        let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
        // The name may have anything in it, and ends with the last parenthesis.
        let Some((head, tail)) = stat.rsplit_once(')') else { continue };
        let id = head.split(' ').next().and_then(|id| id.parse::<u32>().ok());
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let parent = fields.get(1).and_then(|parent| parent.parse::<u32>().ok());
        if id == Some(own_id) || parent == Some(own_id) {
            // In user and system mode, its own and that of children it has waited for.
            own += fields
                .iter()
                .skip(11)
                .take(4)
                .filter_map(|time| time.parse::<u64>().ok())
                .sum::<u64>();
        }
    }
    Ok(own)
}

fn numbers(line: &str) -> impl Iterator<Item = u64> {
    line.split_whitespace().filter_map(|word| word.parse().ok())
}
