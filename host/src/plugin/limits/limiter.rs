//! Bounds what one instance takes of the host's memory.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::plugin::limits::Limits;
use crate::plugin::reporting::event::PluginEvent;
use crate::plugin::reporting::reporter::Reporter;

/// Memories and tables of one component. What they hold is limited besides.
pub(super) const MAX_MEMORIES: usize = 100;
pub(super) const MAX_TABLES: usize = 200;

/// Counts over all memories and tables of an instance: a component may have many.
#[derive(Debug)]
pub(in crate::plugin) struct Limiter {
    reporter: Arc<Reporter>,
    memory: Budget,
    table: Budget,
    max_core_instances: usize,
}

/// What may grow, and how far it has.
#[derive(Debug)]
struct Budget {
    limit: &'static str,
    used: usize,
    maximum: usize,
}

impl Budget {
    fn new(limit: &'static str, maximum: usize) -> Self {
        Self { limit, used: 0, maximum }
    }

    /// Takes what a growth needs; false if that is more than there is.
    fn grow(&mut self, current: usize, desired: usize, reporter: &Reporter) -> bool {
        let total = self.used.saturating_add(desired.saturating_sub(current));
        let fits = total <= self.maximum;
        if fits {
            self.used = total;
        } else {
            reporter.report(&PluginEvent::LimitReached {
                limit: self.limit,
                current: self.used as u64,
                desired: total as u64,
                maximum: self.maximum as u64,
            });
        }
        fits
    }
}

impl Limiter {
    pub(in crate::plugin) fn new(reporter: Arc<Reporter>, limits: &Limits) -> Self {
        Self {
            reporter,
            memory: Budget::new("memory-bytes", limits.max_memory_bytes),
            table: Budget::new("table-elements", limits.max_table_elements),
            max_core_instances: limits.max_core_instances,
        }
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.reporter.memory_given_back(self.memory.used);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let before = self.memory.used;
        let fits = self.memory.grow(current, desired, &self.reporter);
        self.reporter.memory_taken(self.memory.used.saturating_sub(before));
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.table.grow(current, desired, &self.reporter))
    }

    fn instances(&self) -> usize {
        self.max_core_instances
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_share_one_budget() {
        let limits = Limits { max_memory_bytes: 100, ..Limits::default() };
        let reporter = Arc::new(Reporter::new("test", None));
        let mut limiter = Limiter::new(Arc::clone(&reporter), &limits);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(60, 100, None).unwrap());
        assert!(!limiter.memory_growing(0, 1, None).unwrap());
        assert_eq!(reporter.counts().limits_reached.get("memory-bytes"), Some(&2));
    }
}
