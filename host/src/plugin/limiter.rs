//! Bounds what one instance takes of the host's memory.

use wasmtime::ResourceLimiter;

use super::settings::Limits;

/// Core instances, memories and tables of one component. A component from Rust
/// has three instances, one from Python some twenty.
const MAX_CORE_INSTANCES: usize = 100;
const MAX_MEMORIES: usize = 100;
const MAX_TABLES: usize = 200;

/// Counts over all memories and tables of an instance: a component may have many.
#[derive(Debug)]
pub(super) struct Limiter {
    plugin: String,
    memory: Budget,
    table: Budget,
}

#[derive(Debug)]
struct Budget {
    used: usize,
    limit: usize,
}

impl Budget {
    /// Takes what a growth needs; false if that is more than there is.
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let total = self.used.saturating_add(desired.saturating_sub(current));
        let fits = total <= self.limit;
        if fits {
            self.used = total;
        }
        fits
    }
}

impl Limiter {
    pub(super) fn new(plugin: &str, limits: &Limits) -> Self {
        Self {
            plugin: plugin.to_owned(),
            memory: Budget { used: 0, limit: limits.max_memory_bytes },
            table: Budget { used: 0, limit: limits.max_table_elements },
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = self.memory.grow(current, desired);
        if !fits {
            let Budget { used, limit } = self.memory;
            let wanted = desired.saturating_sub(current);
            tracing::warn!(
                plugin = self.plugin,
                current = used,
                wanted,
                maximum = limit,
                "memory limit"
            );
        }
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = self.table.grow(current, desired);
        if !fits {
            let Budget { used, limit } = self.table;
            let wanted = desired.saturating_sub(current);
            tracing::warn!(
                plugin = self.plugin,
                current = used,
                wanted,
                maximum = limit,
                "table limit"
            );
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES
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
        let mut limiter = Limiter::new("test", &limits);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(60, 100, None).unwrap());
        assert!(!limiter.memory_growing(0, 1, None).unwrap());
    }
}
