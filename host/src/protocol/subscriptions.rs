//! The subscriptions of a session: what was asked for, and how much of it came.
//!
//! A maximum counts from the beginning of the subscription, while the server
//! counts from the SUB of the present connection; both are known here. When to
//! write to the server is the session's decision.

use rustc_hash::FxHashMap;

use super::{QueueGroup, Sid, SubjectPattern, encode};

#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    entries: FxHashMap<Sid, Subscription>,
}

#[derive(Debug)]
struct Subscription {
    subject: Box<str>,
    queue_group: Option<Box<str>>,
    delivered: u64,
    /// How many of them came through earlier connections.
    delivered_before: u64,
    max: Option<u64>,
    draining: bool,
}

/// What a maximum leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Limited {
    /// There were as many already; the subscription is gone.
    Ended,
    /// What the server has to be told, as it counts.
    At(u64),
}

impl Subscriptions {
    pub(super) fn insert(
        &mut self,
        sid: Sid,
        subject: SubjectPattern<'_>,
        group: Option<QueueGroup<'_>>,
    ) {
        let subscription = Subscription {
            subject: subject.as_str().into(),
            queue_group: group.map(|group| group.as_str().into()),
            delivered: 0,
            delivered_before: 0,
            max: None,
            draining: false,
        };
        self.entries.insert(sid, subscription);
    }

    pub(super) fn remove(&mut self, sid: Sid) -> bool {
        self.entries.remove(&sid).is_some()
    }

    /// Counts a message; answers whether it is the last one. None: it is for no
    /// subscription.
    #[inline]
    pub(super) fn deliver(&mut self, sid: Sid) -> Option<bool> {
        let subscription = self.entries.get_mut(&sid)?;
        subscription.delivered += 1;
        let last = subscription.max.is_some_and(|max| subscription.delivered >= max);
        if last {
            self.entries.remove(&sid);
        }
        Some(last)
    }

    /// Notes that a message is about to be delivered which the present connection
    /// has not brought; answers what that means for a maximum.
    pub(super) fn deliver_late(&mut self, sid: Sid) -> Option<Limited> {
        let subscription = self.entries.get_mut(&sid)?;
        subscription.delivered_before += 1;
        let max = subscription.max.filter(|_| !subscription.draining)?;
        let last = subscription.delivered + 1 >= max;
        Some(if last { Limited::Ended } else { Limited::At(max - subscription.delivered_before) })
    }

    pub(super) fn limit(&mut self, sid: Sid, max: u64) -> Option<Limited> {
        let subscription = self.entries.get_mut(&sid)?;
        if max <= subscription.delivered {
            self.entries.remove(&sid);
            return Some(Limited::Ended);
        }
        subscription.max = Some(max);
        Some(Limited::At(max - subscription.delivered_before))
    }

    /// All of them, in the order in which they began: subject and queue group.
    pub(super) fn names(&self) -> Vec<(&str, Option<&str>)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(sid, _)| **sid);
        let names = entries.into_iter();
        names.map(|(_, one)| (&*one.subject, one.queue_group.as_deref())).collect()
    }

    /// Marks a subscription as ending; answers whether it was not yet.
    pub(super) fn drain(&mut self, sid: Sid) -> Option<bool> {
        let subscription = self.entries.get_mut(&sid)?;
        Some(!std::mem::replace(&mut subscription.draining, true))
    }

    /// Marks all as ending; answers those that were not yet.
    pub(super) fn drain_all(&mut self) -> Vec<Sid> {
        let entries = self.entries.iter_mut();
        let started = entries.filter_map(|(sid, subscription)| {
            (!std::mem::replace(&mut subscription.draining, true)).then_some(*sid)
        });
        sorted(started.collect())
    }

    /// Those that are ending.
    pub(super) fn draining(&self) -> Vec<Sid> {
        let draining = self.entries.iter().filter(|(_, subscription)| subscription.draining);
        sorted(draining.map(|(sid, _)| *sid).collect())
    }

    /// Takes away those that are ending.
    pub(super) fn remove_draining(&mut self) -> Vec<Sid> {
        let ended = self.entries.extract_if(|_, subscription| subscription.draining);
        sorted(ended.map(|(sid, _)| sid).collect())
    }

    /// Takes all away.
    pub(super) fn remove_all(&mut self) -> Vec<Sid> {
        sorted(std::mem::take(&mut self.entries).into_keys().collect())
    }

    /// The subscription that the server means: the oldest of equal ones.
    pub(super) fn find(&self, subject: &str, queue_group: Option<&str>) -> Option<Sid> {
        let entries = self.entries.iter();
        let equal = entries.filter(|(_, subscription)| {
            &*subscription.subject == subject && subscription.queue_group.as_deref() == queue_group
        });
        equal.map(|(sid, _)| *sid).min()
    }

    pub(super) fn delivered(&self, sid: Sid) -> Option<u64> {
        Some(self.entries.get(&sid)?.delivered)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All of them, the oldest first.
    pub(super) fn sids(&self) -> Vec<Sid> {
        sorted(self.entries.keys().copied().collect())
    }

    /// Writes all that are not ending for a new connection, the oldest first.
    pub(super) fn restore(&mut self, out: &mut Vec<u8>) {
        for sid in self.sids() {
            let Some(subscription) = self.entries.get_mut(&sid).filter(|one| !one.draining) else {
                continue;
            };
            subscription.delivered_before = subscription.delivered;
            encode::subscribe(
                out,
                &subscription.subject,
                subscription.queue_group.as_deref(),
                sid.0,
            );
            if let Some(max) = subscription.max {
                encode::unsubscribe(out, sid.0, Some(max - subscription.delivered));
            }
        }
    }
}

fn sorted(mut sids: Vec<Sid>) -> Vec<Sid> {
    sids.sort_unstable();
    sids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_one() -> Subscriptions {
        let mut subscriptions = Subscriptions::default();
        subscriptions.insert(Sid(1), SubjectPattern::new("a.*").unwrap(), None);
        subscriptions
    }

    fn restored(subscriptions: &mut Subscriptions) -> String {
        let mut out = Vec::new();
        subscriptions.restore(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_maximum_counts_across_connections() {
        let mut subscriptions = with_one();
        assert_eq!(subscriptions.limit(Sid(1), 4), Some(Limited::At(4)));
        assert_eq!(subscriptions.deliver(Sid(1)), Some(false));
        assert_eq!(restored(&mut subscriptions), "SUB a.* 1\r\nUNSUB 1 3\r\n");
        assert_eq!(subscriptions.deliver(Sid(1)), Some(false));
        assert_eq!(restored(&mut subscriptions), "SUB a.* 1\r\nUNSUB 1 2\r\n");
        assert_eq!(subscriptions.limit(Sid(1), 3), Some(Limited::At(1)));
        assert_eq!(subscriptions.deliver(Sid(1)), Some(true));
        assert_eq!(subscriptions.deliver(Sid(1)), None);
        assert_eq!(restored(&mut subscriptions), "");
    }

    #[test]
    fn a_maximum_that_is_reached_already_ends_at_once() {
        let mut subscriptions = with_one();
        subscriptions.deliver(Sid(1));
        assert_eq!(subscriptions.limit(Sid(1), 1), Some(Limited::Ended));
        assert_eq!(subscriptions.limit(Sid(1), 1), None);
    }

    #[test]
    fn the_oldest_of_equal_subscriptions_is_found() {
        let mut subscriptions = with_one();
        for sid in 2..9 {
            let group = (sid % 2 == 0).then(|| QueueGroup::new("q").unwrap());
            subscriptions.insert(Sid(sid), SubjectPattern::new("b").unwrap(), group);
        }
        assert_eq!(subscriptions.find("b", Some("q")), Some(Sid(2)));
        assert_eq!(subscriptions.find("b", None), Some(Sid(3)));
        assert_eq!(subscriptions.find("b", Some("x")), None);
    }
}
