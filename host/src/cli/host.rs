//! Options of the host as a whole.

use clap::{Args, value_parser};

use crate::config::Size;
use crate::plugin::{CompileCache, HostOptions};

/// More would help nobody.
const MAX_THREADS: i64 = 1024;

#[derive(Debug, Default, Args)]
pub(super) struct HostArguments {
    /// Compile anew instead of using the cache for compiled components.
    #[arg(long)]
    no_compile_cache: bool,

    /// Threads that plugins run on. Default: one for each processor.
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=MAX_THREADS))]
    threads: Option<u16>,
}

impl HostArguments {
    pub(super) fn options(&self, max_stack: Option<Size>) -> HostOptions {
        let mut options = HostOptions::default();
        if self.no_compile_cache {
            options.compile_cache = CompileCache::Off;
        }
        options.shards = self.threads.map_or(0, usize::from);
        if let Some(Size(bytes)) = max_stack {
            options.max_stack_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        options
    }
}
