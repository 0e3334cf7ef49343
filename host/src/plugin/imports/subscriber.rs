//! `simple-nats:client/subscriber`.

use std::sync::Arc;

use crate::plugin::dispatch::subscription::{Subscription, Wanted};
use crate::plugin::loading::bindings::subscriber::{Host, PendingCounts};
use crate::plugin::loading::bindings::types::Error;
use crate::plugin::state::State;
use crate::policy::SubjectRules;
use crate::protocol::{QueueGroup, SubjectPattern};

impl Host for State {
    fn subscribe(
        &mut self,
        client: u32,
        subject: String,
        queue_group: Option<String>,
    ) -> Result<u64, Error> {
        let connected = self.known(client)?;
        let pattern = SubjectPattern::new(&subject)?;
        let queue = queue_group.as_deref().map(QueueGroup::new).transpose();
        let queue = queue.map_err(|error| Error::NameInvalid(error.to_string()))?;
        let is_own_inbox = connected.client.has_inbox(&subject);
        let policy = &self.settings().policy;
        if !is_own_inbox {
            let allowed = policy.may_subscribe(pattern);
            allowed.or_else(|denied| self.plugin.refuse(denied))?;
        }
        if let Some(group) = queue {
            policy.may_join(group).or_else(|denied| self.plugin.refuse(denied))?;
        }
        let is_screened = !is_own_inbox && self.settings().learner.is_none();
        let screen = if is_screened { policy.subscribe.screen(pattern) } else { None };
        self.join(client, pattern, queue, screen)
    }

    fn unsubscribe(&mut self, sid: u64, max_messages: Option<u64>) -> Result<(), Error> {
        let subscription = self.subscription(sid)?;
        match max_messages.filter(|&max| max > 0) {
            None => {
                self.plugin.subscriptions.leave(&[subscription], &self.mailbox);
                self.subscriptions.remove(&sid);
            }
            Some(max) => subscription.end_after(max)?,
        }
        Ok(())
    }

    fn drain_subscription(&mut self, sid: u64) -> Result<(), Error> {
        Ok(self.subscription(sid)?.drain()?)
    }

    fn pending(&mut self, sid: u64) -> Result<PendingCounts, Error> {
        let subscription = self.subscription(sid)?;
        // First, since it may have to wait until many more are put in.
        let pending = self.mailbox.pending_of(sid);
        let counts = subscription.counts();
        let (messages, bytes) = (pending.messages as u64, pending.bytes as u64);
        let delivered = counts.arrived.saturating_sub(counts.dropped).saturating_sub(messages);
        Ok(PendingCounts { messages, bytes, delivered, dropped: counts.dropped })
    }
}

impl State {
    /// Subscribes to what is allowed: takes up what the instance before had, or
    /// asks for it.
    pub(in crate::plugin) fn join(
        &mut self,
        client: u32,
        pattern: SubjectPattern<'_>,
        queue: Option<QueueGroup<'_>>,
        screen: Option<SubjectRules>,
    ) -> Result<u64, Error> {
        let wanted = Wanted::new(client, pattern.as_str(), queue);
        let subscription = match self.orphans.take(&wanted) {
            Some(adopted) => adopted,
            None => {
                let limit = self.settings().limits.max_subscriptions;
                let count = self.subscriptions.len();
                if count >= limit {
                    return Err(self.plugin.exceeded("subscriptions", count, count + 1, limit));
                }
                let connection = (client, &self.known(client)?.client);
                let all = &self.plugin.subscriptions;
                all.subscribe(connection, pattern, queue, screen, &self.mailbox)?
            }
        };
        let sid = subscription.sid;
        self.subscriptions.insert(sid, subscription);
        Ok(sid)
    }

    fn subscription(&self, sid: u64) -> Result<Arc<Subscription>, Error> {
        self.subscriptions.get(&sid).cloned().ok_or(Error::UnknownSubscription(sid))
    }
}
