//! When requests are due, the next one first.
//!
//! Most requests are given the same time, so that each is due after all before it, and
//! most are answered in the order in which they were sent: a queue serves them at a
//! fraction of the cost of an ordered tree, which takes the others.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use super::RequestId;

/// A queue or table of requests with more room than this is given back once it is empty.
pub(super) const KEPT_CAPACITY: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// In order. What was removed between others is void, and stays for a while.
    queue: VecDeque<Place>,
    /// How many are void: half of the queue at the most, and never the first or last.
    void: usize,
    /// Those that came when a later one was in the queue already.
    early: BTreeSet<Deadline>,
}

type Deadline = (Instant, RequestId);

#[derive(Debug)]
struct Place {
    deadline: Deadline,
    is_void: bool,
}

impl Deadlines {
    pub(super) fn insert(&mut self, due: Instant, id: RequestId) {
        let deadline = (due, id);
        if self.queue.back().is_none_or(|last| last.deadline < deadline) {
            self.queue.push_back(Place { deadline, is_void: false });
        } else {
            self.early.insert(deadline);
        }
    }

    pub(super) fn remove(&mut self, due: Instant, id: RequestId) {
        let deadline = (due, id);
        if self.queue.front().is_some_and(|first| first.deadline == deadline) {
            self.queue.pop_front();
        } else if !self.early.remove(&deadline) {
            self.make_void(deadline);
        }
        while self.queue.pop_front_if(|first| first.is_void).is_some() {
            self.void -= 1;
        }
        while self.queue.pop_back_if(|last| last.is_void).is_some() {
            self.void -= 1;
        }
        if self.void > self.queue.len() / 2 {
            self.queue.retain(|place| !place.is_void);
            self.void = 0;
        }
        if self.queue.is_empty() && self.queue.capacity() > KEPT_CAPACITY {
            self.queue = VecDeque::new();
        }
    }

    pub(super) fn first(&self) -> Option<(Instant, RequestId)> {
        let in_queue = self.queue.front().map(|first| first.deadline);
        [in_queue, self.early.first().copied()].into_iter().flatten().min()
    }

    fn make_void(&mut self, deadline: Deadline) {
        let found = self.queue.binary_search_by_key(&deadline, |place| place.deadline);
        let Some(place) = found.ok().and_then(|at| self.queue.get_mut(at)) else { return };
        self.void += usize::from(!place.is_void);
        place.is_void = true;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_the_ordered_set_that_it_stands_for(
            steps in prop::collection::vec((any::<bool>(), 0..40_u64, 0..40_u64), 0..200),
        ) {
            let start = Instant::now();
            let (mut deadlines, mut set) = (Deadlines::default(), BTreeSet::new());
            for (inserts, millis, id) in steps {
                let (due, id) = (start + Duration::from_millis(millis), RequestId(id));
                if inserts && set.insert((due, id)) {
                    deadlines.insert(due, id);
                } else if !inserts {
                    // Half of them are there, in no order.
                    let near = set.range((due, id)..).next().copied().unwrap_or((due, id));
                    set.remove(&near);
                    deadlines.remove(near.0, near.1);
                }
                prop_assert_eq!(deadlines.first(), set.first().copied());
                prop_assert!(deadlines.void <= deadlines.queue.len() / 2);
                let ends = [deadlines.queue.front(), deadlines.queue.back()];
                prop_assert!(ends.into_iter().flatten().all(|place| !place.is_void));
                let there = deadlines.queue.len() - deadlines.void + deadlines.early.len();
                prop_assert_eq!(there, set.len());
            }
        }
    }

    #[test]
    fn what_is_answered_behind_one_that_waits_leaves_little_behind() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        for number in 0..100_000 {
            let due = start + Duration::from_millis(number);
            deadlines.insert(due, RequestId(number));
            if number > 0 {
                deadlines.remove(due, RequestId(number));
            }
            assert!(deadlines.queue.len() <= 2);
        }
        deadlines.remove(start, RequestId(0));
        assert_eq!((deadlines.first(), deadlines.queue.len()), (None, 0));
    }

    #[test]
    fn many_that_have_ended_give_their_room_back() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        let all = || (0..100_000).map(|number| (start + Duration::from_millis(number), number));
        all().for_each(|(due, number)| deadlines.insert(due, RequestId(number)));
        all().rev().for_each(|(due, number)| deadlines.remove(due, RequestId(number)));
        assert_eq!(deadlines.first(), None);
        assert!(deadlines.queue.capacity() <= KEPT_CAPACITY);
    }
}
