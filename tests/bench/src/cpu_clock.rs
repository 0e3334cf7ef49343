//! The processor time of another process, in nanoseconds.
//!
//! Straight from the C library: the crates that wrap it switch on features of
//! `libc`, and the WebAssembly engine would be built a second time for that.

use std::io;
use std::time::Duration;

use anyhow::{Context, Result};

/// Counts the processor time of all threads of one process, ended ones included.
#[derive(Clone, Copy)]
pub(crate) struct CpuClock(libc::clockid_t);

impl CpuClock {
    /// # Errors
    /// If there is no such process.
    pub(crate) fn of(process: u32) -> Result<Self> {
        let (pid, mut clock) = (libc::pid_t::try_from(process)?, 0);
        #[expect(unsafe_code, reason = "a plain call; `clock` outlives it")]
        let code = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
        if code != 0 {
            let error = io::Error::from_raw_os_error(code);
            return Err(error).with_context(|| format!("no processor clock of {process}"));
        }
        Ok(Self(clock))
    }

    /// # Errors
    /// If the process has ended.
    pub(crate) fn now(self) -> Result<Duration> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        #[expect(unsafe_code, reason = "a plain call; `time` outlives it")]
        let code = unsafe { libc::clock_gettime(self.0, &raw mut time) };
        if code != 0 {
            return Err(io::Error::last_os_error()).context("read a processor clock");
        }
        Ok(Duration::new(time.tv_sec.try_into()?, time.tv_nsec.try_into()?))
    }
}
