//! What the host has of the machine, look after look.

use std::fmt;

use anyhow::{Context, Result, ensure};
use test_support::{HostProcess, Usage};

/// What the host may have more at the end than after the first quarter.
const MORE_MEMORY: u64 = 64 << 20;
const MORE_FILES: usize = 16;

/// Memory and files of a host.
#[derive(Default)]
pub(crate) struct HostUse(Vec<Usage>);

impl HostUse {
    /// Looks at it.
    pub(crate) fn note(&mut self, host: &HostProcess) -> Result<()> {
        self.0.push(Usage::of(host.pid()?)?);
        Ok(())
    }

    /// Neither grows.
    pub(crate) fn check(&self) -> Result<()> {
        let (first, last) = self.ends().context("too short to tell whether memory grows")?;
        ensure!(last.0 <= first.0 + MORE_MEMORY, "memory grew: {self}");
        ensure!(last.1 <= first.1 + MORE_FILES, "files are left open: {self}");
        Ok(())
    }

    /// The least of the second and of the last quarter: what comes and goes with a
    /// single instance or a connection is not in it. The first quarter is not
    /// compared: all that is done once is done then, and the allocator takes what it
    /// keeps for the worst that it has seen.
    fn ends(&self) -> Option<((u64, usize), (u64, usize))> {
        let quarter = self.0.len() / 4;
        let least = |looks: &[Usage]| {
            let memory = looks.iter().map(|usage| usage.resident_bytes).min()?;
            Some((memory, looks.iter().map(|usage| usage.descriptors).min()?))
        };
        let begin = least(&self.0[quarter..2 * quarter])?;
        Some((begin, least(&self.0[self.0.len() - quarter..])?))
    }
}

impl fmt::Display for HostUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, last)) = self.ends() else { return f.write_str("not looked at") };
        let mebibytes = |bytes: u64| bytes >> 20;
        let most = self.0.iter().map(|usage| usage.resident_bytes).max().unwrap_or_default();
        write!(
            f,
            "{} MiB and {} files, then {} MiB and {} files, {} MiB at the most",
            mebibytes(first.0),
            first.1,
            mebibytes(last.0),
            last.1,
            mebibytes(most),
        )
    }
}
