//! What a process takes of the machine, as Linux tells.

use std::fs;

use anyhow::{Context, Result};

/// Memory and descriptors of one process at one time.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Memory that it has now. A page that it has mapped in several places counts in
    /// each of them.
    pub resident_bytes: u64,
    /// The same without files such as its program, and with what is mapped in several
    /// places shared out between them.
    pub distinct_bytes: u64,
    /// The most that it has had since its start, or since [`forget_peak`](Self::forget_peak).
    pub peak_bytes: u64,
    /// Open files and sockets.
    pub descriptors: usize,
}

impl Usage {
    /// That of the process with this id.
    pub fn of(pid: u32) -> Result<Self> {
        let status = format!("/proc/{pid}/status");
        let shares = format!("/proc/{pid}/smaps_rollup");
        Ok(Self {
            resident_bytes: bytes(&status, "VmRSS:")?,
            distinct_bytes: bytes(&shares, "Pss_Anon:")? + bytes(&shares, "Pss_Shmem:")?,
            peak_bytes: bytes(&status, "VmHWM:")?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
        })
    }

    /// Lets the peak of a process begin anew at what it has now.
    pub fn forget_peak(pid: u32) -> Result<()> {
        let path = format!("/proc/{pid}/clear_refs");
        fs::write(&path, "5").context(path)
    }
}

/// What a file says under this name.
fn bytes(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.map(|kib: u64| kib * 1024).with_context(|| format!("no {name} in {path}: {text}"))
}
