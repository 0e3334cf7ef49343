//! What the host keeps for a guest outside the guest's own memory: bytes, of which
//! there may be as many as of that, and things that are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;

use crate::plugin::reporting::event::PluginEvent;
use crate::plugin::reporting::reporter::Reporter;

/// How much of one instance's is kept, and how much may be.
#[derive(Debug)]
pub(super) struct Budget {
    name: &'static str,
    used: AtomicUsize,
    limit: usize,
    reporter: Arc<Reporter>,
}

/// A part of it; given back when dropped.
#[derive(Debug)]
pub(super) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

/// There is not as much left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the host would keep {wanted} for it outside its memory; the limit is {limit}")]
pub(super) struct OverBudget {
    wanted: usize,
    limit: usize,
}

impl Budget {
    /// One of this limit, under the name that its event has.
    pub(super) fn new(name: &'static str, limit: usize, reporter: Arc<Reporter>) -> Arc<Self> {
        Arc::new(Self { name, used: AtomicUsize::new(0), limit, reporter })
    }

    /// A charge of nothing as yet.
    pub(super) fn open(self: &Arc<Self>) -> Charge {
        Charge { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Charge {
    /// Makes it so large, or leaves it as it is.
    pub(super) fn set(&mut self, bytes: usize) -> Result<(), OverBudget> {
        let Budget { name, used, limit, reporter } = &*self.budget;
        // One thread at a time runs a guest, so this need not be one step.
        let current = used.load(Ordering::Relaxed);
        let wanted = current.saturating_sub(self.bytes).saturating_add(bytes);
        if wanted > *limit && bytes > self.bytes {
            reporter.report(&PluginEvent::LimitReached {
                limit: name,
                current: current as u64,
                desired: wanted as u64,
                maximum: *limit as u64,
            });
            return Err(OverBudget { wanted, limit: *limit });
        }
        used.store(wanted, Ordering::Relaxed);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let used = &self.budget.used;
        used.store(used.load(Ordering::Relaxed).saturating_sub(self.bytes), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_share_a_limit_and_give_back() {
        let reporter = Arc::new(Reporter::new("it", None));
        let budget = Budget::new("kept-bytes", 10, Arc::clone(&reporter));
        let (mut one, mut two) = (budget.open(), budget.open());
        assert_eq!(one.set(6), Ok(()));
        assert_eq!(two.set(5), Err(OverBudget { wanted: 11, limit: 10 }));
        assert_eq!(two.set(4), Ok(()));
        assert_eq!(one.set(7), Err(OverBudget { wanted: 11, limit: 10 }));
        assert_eq!(one.set(2), Ok(()));
        drop(two);
        assert_eq!(one.set(10), Ok(()));
        assert_eq!(reporter.counts().limits_reached.get("kept-bytes"), Some(&2));
    }
}
