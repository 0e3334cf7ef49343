//! What a plugin may do: pure decisions, without I/O.
//!
//! The threat is a component that does other than its operator expects, by
//! mistake or by intent: reads subjects that are not its own, publishes commands
//! that others obey, takes work or answers that are meant for others, has others
//! publish where it may not, administers the server or its streams through `$SYS`
//! and `$JS`, or carries data to a server that it chose itself. So everything is
//! denied that no rule names, and a refusal says which rule would allow it.
//!
//! How much a plugin may use is not decided here, nor what the server permits.

mod denied;
mod learner;
mod queue_rules;
mod server_rules;
mod subject_rules;
mod subject_tree;

pub use self::denied::{Denied, PermissionPlace};
pub use self::learner::Learner;
pub use self::queue_rules::QueueRules;
pub use self::server_rules::{ServerRuleError, ServerRules};
pub use self::subject_rules::SubjectRules;
use crate::protocol::{QueueGroup, Subject, SubjectPattern};

/// What one plugin may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Where it may publish, requests included: who may publish and has an inbox
    /// can make requests by hand.
    pub publish: SubjectRules,
    /// What it may subscribe to.
    pub subscribe: SubjectRules,
    /// Where it may send requests though it may not publish: the host chooses
    /// where the answers go.
    pub request: SubjectRules,
    /// Which queue groups it may join.
    pub queue_groups: QueueRules,
    /// Which servers it may open, besides the one that the host was given.
    pub servers: ServerRules,
}

impl Policy {
    /// Nothing at all.
    pub fn deny_all() -> Self {
        Self::default()
    }

    /// Everything, the server's own subjects included.
    pub fn allow_all() -> Self {
        Self {
            publish: SubjectRules::everything(),
            subscribe: SubjectRules::everything(),
            request: SubjectRules::everything(),
            queue_groups: QueueRules::everything(),
            servers: ServerRules::everything(),
        }
    }

    /// Whether it may publish to a subject.
    ///
    /// # Errors
    /// If no rule allows it.
    #[inline]
    pub fn may_publish<'a>(&self, subject: Subject<'a>) -> Result<(), Denied<'a>> {
        if self.publish.allow_subject(subject) {
            return Ok(());
        }
        Err(Denied::Publish(subject.as_str()))
    }

    /// Whether it may send a request to a subject.
    ///
    /// # Errors
    /// If no rule for requests or publishing allows it.
    pub fn may_request<'a>(&self, subject: Subject<'a>) -> Result<(), Denied<'a>> {
        if self.request.allow_subject(subject) || self.publish.allow_subject(subject) {
            return Ok(());
        }
        Err(Denied::Request(subject.as_str()))
    }

    /// Whether it may ask others to publish their answers to a subject: only
    /// where it could receive them, or publish itself. Otherwise it would make
    /// others publish where it may not.
    ///
    /// # Errors
    /// If no rule for subscribing or publishing allows it.
    pub fn may_reply_to<'a>(&self, subject: Subject<'a>) -> Result<(), Denied<'a>> {
        if self.subscribe.allow_subject(subject) || self.publish.allow_subject(subject) {
            return Ok(());
        }
        Err(Denied::ReplyTo(subject.as_str()))
    }

    /// Whether it may answer to a subject because a message asks for it. Not
    /// where that would administer a server: whoever asks may forge the subject.
    pub fn may_answer(&self, subject: &str) -> bool {
        !SubjectRules::is_of_server(subject)
    }

    /// Whether it may subscribe to everything that a pattern matches.
    ///
    /// # Errors
    /// If no single rule covers the pattern.
    pub fn may_subscribe<'a>(&self, pattern: SubjectPattern<'a>) -> Result<(), Denied<'a>> {
        if self.subscribe.allow_pattern(pattern) {
            return Ok(());
        }
        Err(Denied::Subscribe(pattern.as_str()))
    }

    /// Whether it may join a queue group.
    ///
    /// # Errors
    /// If no rule names the group.
    pub fn may_join<'a>(&self, group: QueueGroup<'a>) -> Result<(), Denied<'a>> {
        if self.queue_groups.allow(group) {
            return Ok(());
        }
        Err(Denied::Join(group.as_str()))
    }

    /// Whether it may open a connection to a server.
    ///
    /// # Errors
    /// If the server is not listed.
    pub fn may_connect<'a>(&self, host: &'a str, port: u16) -> Result<(), Denied<'a>> {
        if self.servers.allow(host, port) {
            return Ok(());
        }
        Err(Denied::Connect(host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(text: &str) -> Subject<'_> {
        Subject::new(text).unwrap()
    }

    fn pattern(text: &str) -> SubjectPattern<'_> {
        SubjectPattern::new(text).unwrap()
    }

    fn group(text: &str) -> QueueGroup<'_> {
        QueueGroup::new(text).unwrap()
    }

    #[test]
    fn everything_is_denied_unless_allowed() {
        let policy = Policy::deny_all();
        assert!(policy.may_publish(subject("a")).is_err());
        assert!(policy.may_request(subject("a")).is_err());
        assert!(policy.may_reply_to(subject("a")).is_err());
        assert!(policy.may_subscribe(pattern("a")).is_err());
        assert!(policy.may_join(group("a")).is_err());
        assert!(policy.may_connect("localhost", 4222).is_err());

        let policy = Policy::allow_all();
        assert!(policy.may_publish(subject("$SYS.REQ.SERVER.PING")).is_ok());
        assert!(policy.may_request(subject("$JS.API.INFO")).is_ok());
        assert!(policy.may_reply_to(subject("_INBOX.a")).is_ok());
        assert!(policy.may_subscribe(pattern(">")).is_ok());
        assert!(policy.may_join(group("a")).is_ok());
        assert!(policy.may_connect("example.com", 1).is_ok());
    }

    #[test]
    fn each_permission_stands_for_itself() {
        let policy = Policy { publish: SubjectRules::new(["a.>"]).unwrap(), ..Policy::deny_all() };
        assert!(policy.may_subscribe(pattern("a.b")).is_err());
        assert!(policy.may_publish(subject("a.b")).is_ok());
        let policy = Policy { request: SubjectRules::new(["a.>"]).unwrap(), ..Policy::deny_all() };
        assert!(policy.may_publish(subject("a.b")).is_err());
        assert!(policy.may_reply_to(subject("a.b")).is_err());
        assert!(policy.may_request(subject("a.b")).is_ok());
    }

    #[test]
    fn who_may_publish_may_request() {
        let policy = Policy { publish: SubjectRules::new(["a.>"]).unwrap(), ..Policy::deny_all() };
        assert!(policy.may_request(subject("b")).is_err());
        assert!(policy.may_request(subject("a.b")).is_ok());
    }

    #[test]
    fn answers_go_only_where_it_may_receive_or_publish() {
        let rules = |rule| SubjectRules::new([rule]).unwrap();
        let policy =
            Policy { publish: rules("out.>"), subscribe: rules("in.>"), ..Policy::deny_all() };
        assert!(policy.may_reply_to(subject("admin.stop")).is_err());
        assert!(policy.may_reply_to(subject("_INBOX.x")).is_err());
        assert!(policy.may_reply_to(subject("in.a")).is_ok());
        assert!(policy.may_reply_to(subject("out.a")).is_ok());
    }

    #[test]
    fn a_message_can_ask_for_no_answer_that_administers_a_server() {
        let policy = Policy::deny_all();
        for forged in ["$SYS.REQ.SERVER.PING", "$JS.API.STREAM.DELETE.a", "$KV.b.k"] {
            assert!(!policy.may_answer(forged), "{forged}");
        }
        for asked in ["_INBOX.a.b", "requests.me.1", "orders.answers", "$JS.ACK.s.c.1.2.3.4.0"] {
            assert!(policy.may_answer(asked), "{asked}");
        }
    }
}
