//! What a plugin may do: pure decisions, without I/O.
//!
//! The threat is a component that does other than its operator expects, by
//! mistake or by intent: reads subjects that are not its own, publishes commands
//! that others obey, administers the server or its streams through `$SYS` and
//! `$JS`, or carries data to a server that it chose itself. So everything is
//! denied that no rule names, and a refusal says which rule would allow it.
//!
//! How much a plugin may use is not decided here, nor what the server permits.

mod server_rules;
mod subject_rules;

use std::fmt;

use thiserror::Error;

pub use self::server_rules::{ServerRuleError, ServerRules};
pub use self::subject_rules::SubjectRules;
use crate::protocol::{Subject, SubjectPattern};

/// What one plugin may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Where it may publish, requests included.
    pub publish: SubjectRules,
    /// What it may subscribe to.
    pub subscribe: SubjectRules,
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

/// What was refused. It borrows, so that refusing is as cheap as allowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Denied<'a> {
    /// Publishing to a subject.
    #[error("publishing to {0:?} is not allowed; --allow-publish {arg} would allow it", arg = Quoted(.0))]
    Publish(&'a str),
    /// Subscribing to a pattern.
    #[error("subscribing to {0:?} is not allowed; --allow-subscribe {arg} would allow it", arg = Quoted(.0))]
    Subscribe(&'a str),
    /// Opening a server.
    #[error("connecting to {host}:{1} is not allowed; --allow-connect {host}:{1} would allow it", host = Bracketed(.0))]
    Connect(&'a str, u16),
}

/// An argument as a shell takes it.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', r"'\''"))
    }
}

/// A host in front of a port.
struct Bracketed<'a>(&'a str);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
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

    #[test]
    fn everything_is_denied_unless_allowed() {
        let policy = Policy::deny_all();
        assert!(policy.may_publish(subject("a")).is_err());
        assert!(policy.may_subscribe(pattern("a")).is_err());
        assert!(policy.may_connect("localhost", 4222).is_err());

        let policy = Policy::allow_all();
        assert!(policy.may_publish(subject("$SYS.REQ.SERVER.PING")).is_ok());
        assert!(policy.may_subscribe(pattern(">")).is_ok());
        assert!(policy.may_connect("example.com", 1).is_ok());
    }

    #[test]
    fn each_permission_stands_for_itself() {
        let policy = Policy { publish: SubjectRules::new(["a.>"]).unwrap(), ..Policy::deny_all() };
        assert!(policy.may_subscribe(pattern("a.b")).is_err());
        assert!(policy.may_publish(subject("a.b")).is_ok());
    }

    #[test]
    fn a_refusal_names_the_flag_that_would_allow_it() {
        let policy = Policy::deny_all();
        let publish = policy.may_publish(subject("orders.new")).unwrap_err().to_string();
        assert_eq!(
            publish,
            "publishing to \"orders.new\" is not allowed; \
             --allow-publish 'orders.new' would allow it"
        );
        let subscribe = policy.may_subscribe(pattern("it's.>")).unwrap_err().to_string();
        assert!(subscribe.contains(r"--allow-subscribe 'it'\''s.>'"), "{subscribe}");
        let connect = policy.may_connect("::1", 4222).unwrap_err().to_string();
        assert!(connect.contains("--allow-connect [::1]:4222"), "{connect}");
    }
}
