//! What a process takes of the machine, as Linux tells.

use std::fs;

use anyhow::{Context, Result};

/// Memory and descriptors of one process at one time.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Memory that it has now.
    pub resident_bytes: u64,
    /// The most that it has had since its start, or since [`forget_peak`](Self::forget_peak).
    pub peak_bytes: u64,
    /// Open files and sockets.
    pub descriptors: usize,
}

impl Usage {
    /// That of the process with this id.
    pub fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).context(path)?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
            kib.map(|kib: u64| kib * 1024).with_context(|| format!("no {name} in {status}"))
        };
        Ok(Self {
            resident_bytes: bytes("VmRSS:")?,
            peak_bytes: bytes("VmHWM:")?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
        })
    }

    /// Lets the peak of a process begin anew at what it has now.
    pub fn forget_peak(pid: u32) -> Result<()> {
        let path = format!("/proc/{pid}/clear_refs");
        fs::write(&path, "5").context(path)
    }
}
