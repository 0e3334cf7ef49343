//! What a process takes of the machine, as Linux tells.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

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

/// Processor time that each thread on which a host runs plugins has had, by its name. The
/// host is in the process with this id.
pub fn time_of_shards(pid: u32) -> Result<BTreeMap<String, Duration>> {
    let mut times = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let folder = thread?.path();
        // A thread may end meanwhile.
        let Ok(name) = fs::read_to_string(folder.join("comm")) else { continue };
        if name.starts_with("shard-") {
            let stat = fs::read_to_string(folder.join("stat"))?;
            let (_, fields) = stat.rsplit_once(')').context("no name")?;
            // User and system time are the 14th and 15th field of all, and begin two
            // later here; in hundredths of a second, on every Linux.
            let times_of = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
            let ticks: u64 = times_of.sum::<Result<_, _>>()?;
            times.insert(name.trim().to_owned(), Duration::from_millis(ticks * 10));
        }
    }
    Ok(times)
}

/// What a file says under this name.
fn bytes(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.map(|kib: u64| kib * 1024).with_context(|| format!("no {name} in {path}: {text}"))
}
