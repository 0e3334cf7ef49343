//! Refusals, and how they are told: with the rule that would allow what was
//! refused, as the operator has to write it.

use std::fmt;

/// What was refused. It borrows, so that refusing is as cheap as allowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied<'a> {
    /// Publishing to a subject.
    Publish(&'a str),
    /// Sending a request to a subject.
    Request(&'a str),
    /// Asking others to answer to a subject.
    ReplyTo(&'a str),
    /// Subscribing to a pattern.
    Subscribe(&'a str),
    /// Joining a queue group.
    Join(&'a str),
    /// Opening a server.
    Connect(&'a str, u16),
}

/// Where the operator says what a plugin may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PermissionPlace {
    /// In flags of the command line.
    #[default]
    Flags,
    /// In a manifest, under this plugin.
    Manifest {
        /// The plugin's name in the manifest.
        plugin: String,
    },
}

/// A permission, as the operator grants it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Permission {
    /// The flag of the command line.
    pub(super) flag: &'static str,
    /// The key in a manifest.
    pub(super) key: &'static str,
}

/// All permissions that are granted by rules: to publish, to subscribe, to
/// request, to join, to connect.
pub(super) const PERMISSIONS: [Permission; 5] = [
    Permission { flag: "--allow-publish", key: "publish" },
    Permission { flag: "--allow-subscribe", key: "subscribe" },
    Permission { flag: "--allow-request", key: "request" },
    Permission { flag: "--allow-queue-group", key: "queue-groups" },
    Permission { flag: "--allow-connect", key: "servers" },
];

impl Denied<'_> {
    /// What was refused, and the rule that would allow it.
    pub fn advise(&self, place: &PermissionPlace) -> String {
        let (Permission { flag, key }, rule) = (self.permission(), self.rule());
        match place {
            PermissionPlace::Flags => {
                format!("{self}; {flag} {} would allow it", Argument(flag, &rule))
            }
            PermissionPlace::Manifest { plugin } => {
                let table = Key(plugin);
                format!(
                    "{self}; {rule:?} in `{key}` of [plugin.{table}.permissions] would allow it"
                )
            }
        }
    }

    fn permission(&self) -> &'static Permission {
        let [publish, subscribe, request, join, connect] = &PERMISSIONS;
        match self {
            Self::Publish(_) => publish,
            Self::Request(_) => request,
            Self::ReplyTo(_) | Self::Subscribe(_) => subscribe,
            Self::Join(_) => join,
            Self::Connect(..) => connect,
        }
    }

    /// The narrowest rule that would allow it.
    pub(super) fn rule(&self) -> String {
        match self {
            Self::Publish(text) => rule_for_publish(text),
            Self::Request(text)
            | Self::ReplyTo(text)
            | Self::Subscribe(text)
            | Self::Join(text) => (*text).to_owned(),
            Self::Connect(host, port) => format!("{}:{port}", Bracketed(host)),
        }
    }
}

/// What the subjects for answers to requests begin with, by custom.
const INBOXES: [&str; 2] = ["_INBOX", "requests"];

/// No two answers have one subject, so a rule that names one would allow no other.
fn rule_for_publish(subject: &str) -> String {
    match subject.split_once('.') {
        Some((first, _)) if INBOXES.contains(&first) => format!("{first}.>"),
        _ => subject.to_owned(),
    }
}

impl fmt::Display for Denied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(subject) => write!(f, "publishing to {subject:?} is not allowed"),
            Self::Request(subject) => write!(f, "a request to {subject:?} is not allowed"),
            Self::ReplyTo(subject) => {
                write!(f, "asking for answers to {subject:?} is not allowed")
            }
            Self::Subscribe(pattern) => write!(f, "subscribing to {pattern:?} is not allowed"),
            Self::Join(group) => write!(f, "joining the queue group {group:?} is not allowed"),
            Self::Connect(host, port) => {
                write!(f, "connecting to {}:{port} is not allowed", Bracketed(host))
            }
        }
    }
}

/// An argument of a flag as a shell takes it.
struct Argument<'a>(&'static str, &'a str);

impl fmt::Display for Argument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(flag, text) = self;
        // Hosts and ports have nothing in them that a shell would touch.
        if *flag == "--allow-connect" { f.write_str(text) } else { Quoted(text).fmt(f) }
    }
}

/// A text in the quotes of a shell.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', r"'\''"))
    }
}

/// A key of TOML, in quotes if it needs them.
pub(super) struct Key<'a>(pub(super) &'a str);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !self.0.is_empty() && self.0.chars().all(bare) {
            f.write_str(self.0)
        } else {
            write!(f, "{:?}", self.0)
        }
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

    #[test]
    fn a_refusal_names_the_flag_that_would_allow_it() {
        let publish = Denied::Publish("orders.new").advise(&PermissionPlace::Flags);
        assert_eq!(
            publish,
            "publishing to \"orders.new\" is not allowed; \
             --allow-publish 'orders.new' would allow it"
        );
        for (denied, flag) in [
            (Denied::Publish("requests.a1b2.17"), "--allow-publish 'requests.>'"),
            (Denied::Subscribe("it's.>"), r"--allow-subscribe 'it'\''s.>'"),
            (Denied::Request("a"), "--allow-request 'a'"),
            (Denied::ReplyTo("b"), "--allow-subscribe 'b'"),
            (Denied::Join("g"), "--allow-queue-group 'g'"),
            (Denied::Connect("::1", 4222), "--allow-connect [::1]:4222"),
        ] {
            let text = denied.advise(&PermissionPlace::Flags);
            assert!(text.contains(flag), "{text}");
        }
    }

    #[test]
    fn a_refusal_names_the_key_of_the_manifest() {
        let place = PermissionPlace::Manifest { plugin: "orders".to_owned() };
        let text = Denied::Join("workers").advise(&place);
        assert!(
            text.ends_with(
                "\"workers\" in `queue-groups` of [plugin.orders.permissions] would allow it"
            ),
            "{text}"
        );
        let place = PermissionPlace::Manifest { plugin: "a.b".to_owned() };
        let text = Denied::Connect("example.com", 4222).advise(&place);
        assert!(
            text.contains("\"example.com:4222\" in `servers` of [plugin.\"a.b\".per"),
            "{text}"
        );
    }
}
