//! Who the machine works for, as Linux tells: this test, or others.

use std::fs;

use anyhow::{Context, Result, bail};

/// Processor time up to now, in ticks of the system's clock.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    all: u64,
    idle: u64,
    /// Of this process and those that it has started.
    own: u64,
}

impl Machine {
    /// Looks at it.
    pub fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().context("no processors")?;
        // user, nice, system, idle, waiting, interrupts, soft interrupts, stolen
        let times: Vec<u64> = numbers(line).take(8).collect();
        let [_, _, _, idle, waiting, ..] = times[..] else { bail!("too few times: {line}") };
        Ok(Self { all: times.iter().sum(), idle: idle + waiting, own: own()? })
    }

    /// How it was used since.
    pub fn until_now(self) -> Result<Share> {
        let now = Self::now()?;
        let all = (now.all - self.all).max(1) as f64;
        let busy = (now.all - self.all).saturating_sub(now.idle - self.idle);
        let own = now.own.saturating_sub(self.own);
        Ok(Share { own: own as f64 / all, others: busy.saturating_sub(own) as f64 / all })
    }
}

/// Shares of the processors' time, between 0 and 1.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Of this process and those that it has started.
    pub own: f64,
    /// Of all others.
    pub others: f64,
}

/// On a machine that works for others too, each of them takes its turn: where they
/// use more than this share of the processors, times say nothing of the host.
const OTHERS: f64 = 0.05;

impl Share {
    /// Whether the machine was there for this process alone, so that times can be
    /// judged.
    pub fn is_quiet(self) -> bool {
        self.others <= OTHERS
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
