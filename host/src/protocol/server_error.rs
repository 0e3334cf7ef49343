//! What an `-ERR` of the server means.
//!
//! The texts are the only thing the protocol has; they are known from servers of
//! all versions and compared without regard to case. What to do about an error
//! is the driver's decision.

use std::fmt;

/// An error that the server told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// What it means.
    pub kind: ServerErrorKind,
    /// The server's words, without quotes around them.
    pub text: String,
}

/// What an error of the server means.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerErrorKind {
    /// The credentials are wrong or missing.
    AuthorizationViolation,
    /// CONNECT came too late.
    AuthenticationTimeout,
    /// The credentials of the user or of the account are not valid any more.
    AuthenticationExpired,
    /// The credentials were withdrawn.
    AuthenticationRevoked,
    /// The client left too many PINGs unanswered.
    StaleConnection,
    /// The server has, or the account may have, no more connections for now.
    ConnectionLimit,
    /// A message was too large.
    MaxPayload,
    /// A line was too long.
    MaxControlLine,
    /// A line that the server does not understand.
    UnknownOperation,
    /// The server takes only TLS.
    TlsRequired,
    /// The connection asks for something that this server can't give.
    Configuration,
    /// A message was refused.
    PublishPermission {
        /// Its subject, or the one for answers to it.
        subject: String,
        /// The subject for answers was the reason.
        reply: bool,
    },
    /// A subscription was refused.
    SubscriptionPermission {
        /// Its subject.
        subject: String,
        /// Its queue group, where the server tells.
        queue: Option<String>,
        /// Its number, where the server tells.
        sid: Option<u64>,
    },
    /// One subscription more than the account may have.
    MaxSubscriptions,
    /// A subject that the server does not take.
    InvalidSubject,
    /// A text that is not known.
    Other,
}

impl ServerError {
    /// Reads the text of an `-ERR`, with or without its quotes.
    pub fn classify(text: &str) -> Self {
        let text = text.trim().trim_matches('\'');
        Self { kind: ServerErrorKind::of(text), text: text.to_owned() }
    }

    /// Whether the server closes the connection after it.
    pub fn closes_connection(&self) -> bool {
        use ServerErrorKind as Kind;
        !matches!(
            self.kind,
            Kind::PublishPermission { .. }
                | Kind::SubscriptionPermission { .. }
                | Kind::MaxSubscriptions
                | Kind::InvalidSubject
                | Kind::Other
        )
    }

    /// Whether it is about who the client is. A server that had no time to find
    /// out has not said anything about that.
    pub fn is_authentication(&self) -> bool {
        use ServerErrorKind as Kind;
        matches!(
            self.kind,
            Kind::AuthorizationViolation
                | Kind::AuthenticationExpired
                | Kind::AuthenticationRevoked
        )
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ServerError {}

impl ServerErrorKind {
    fn of(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "authorization violation" => Self::AuthorizationViolation,
            "authentication timeout" => Self::AuthenticationTimeout,
            "user authentication expired" | "account authentication expired" => {
                Self::AuthenticationExpired
            }
            "user authentication revoked" => Self::AuthenticationRevoked,
            "stale connection" => Self::StaleConnection,
            "maximum connections exceeded" | "maximum account active connections exceeded" => {
                Self::ConnectionLimit
            }
            lower if lower.starts_with("connection throttling is active") => Self::ConnectionLimit,
            "maximum payload violation" => Self::MaxPayload,
            "maximum control line exceeded" => Self::MaxControlLine,
            "unknown protocol operation" => Self::UnknownOperation,
            "secure connection - tls required" => Self::TlsRequired,
            "invalid client protocol"
            | "no responders requires headers support"
            | "failed account registration" => Self::Configuration,
            "maximum subscriptions exceeded" => Self::MaxSubscriptions,
            "invalid subject" | "invalid publish subject" => Self::InvalidSubject,
            lower if lower.starts_with("permissions violation for ") => {
                Self::permission(text, lower).unwrap_or(Self::Other)
            }
            _ => Self::Other,
        }
    }

    /// `lower` is `text` in lower case, so that offsets in one are good in both.
    fn permission(text: &str, lower: &str) -> Option<Self> {
        let after = |words: &str| lower.find(words).and_then(|at| text.get(at + words.len()..));
        let (subject, _) = quoted(after("violation for ")?)?;
        let what = lower.strip_prefix("permissions violation for ")?;
        if what.starts_with("subscription") {
            let behind = after("subscription to ").and_then(quoted).map_or("", |(_, rest)| rest);
            let sid = behind.rsplit_once("(sid ").and_then(|(_, sid)| quoted(sid));
            Some(Self::SubscriptionPermission {
                subject,
                queue: behind.split_once("using queue ").and_then(|(_, q)| Some(quoted(q)?.0)),
                sid: sid.and_then(|(sid, _)| sid.parse().ok()),
            })
        } else if what.starts_with("publish") {
            Some(Self::PublishPermission { subject, reply: what.starts_with("publish with reply") })
        } else {
            None
        }
    }
}

/// The first text in double quotes, with its escapes undone, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (_, inside) = text.split_once('"')?;
    let mut value = String::new();
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::ServerErrorKind as Kind;
    use super::*;

    #[test]
    fn every_known_text_has_its_kind() {
        // Text, kind, closes the connection, concerns authentication.
        for (text, kind, closes, authentication) in [
            ("'Authorization Violation'", Kind::AuthorizationViolation, true, true),
            ("'Authentication Timeout'", Kind::AuthenticationTimeout, true, false),
            ("'User Authentication Expired'", Kind::AuthenticationExpired, true, true),
            ("'Account Authentication Expired'", Kind::AuthenticationExpired, true, true),
            ("'User Authentication Revoked'", Kind::AuthenticationRevoked, true, true),
            ("'Stale Connection'", Kind::StaleConnection, true, false),
            ("maximum connections exceeded", Kind::ConnectionLimit, true, false),
            ("'maximum account active connections exceeded'", Kind::ConnectionLimit, true, false),
            (
                "'Connection throttling is active. Please try again later.'",
                Kind::ConnectionLimit,
                true,
                false,
            ),
            ("'Maximum Payload Violation'", Kind::MaxPayload, true, false),
            ("'maximum control line exceeded'", Kind::MaxControlLine, true, false),
            ("'UNKNOWN PROTOCOL OPERATION'", Kind::UnknownOperation, true, false),
            ("'Secure Connection - TLS Required'", Kind::TlsRequired, true, false),
            ("'invalid client protocol'", Kind::Configuration, true, false),
            ("'no responders requires headers support'", Kind::Configuration, true, false),
            ("'Failed Account Registration'", Kind::Configuration, true, false),
            ("'maximum subscriptions exceeded'", Kind::MaxSubscriptions, false, false),
            ("'Invalid Subject'", Kind::InvalidSubject, false, false),
            ("'Invalid Publish Subject'", Kind::InvalidSubject, false, false),
            ("'something new'", Kind::Other, false, false),
            ("'Permissions Violation for something new'", Kind::Other, false, false),
            ("", Kind::Other, false, false),
        ] {
            let error = ServerError::classify(text);
            assert_eq!(error.kind, kind, "{text}");
            assert_eq!(error.closes_connection(), closes, "{text}");
            assert_eq!(error.is_authentication(), authentication, "{text}");
            assert_eq!(error.text, text.trim_matches('\''));
        }
    }

    #[test]
    fn a_permission_error_names_what_was_refused() {
        let publish =
            |subject: &str, reply| Kind::PublishPermission { subject: subject.into(), reply };
        let subscription = |queue: Option<&str>, sid| Kind::SubscriptionPermission {
            subject: "Foo.>".into(),
            queue: queue.map(Into::into),
            sid,
        };
        for (text, kind) in [
            (r#"'Permissions Violation for Publish to "Foo"'"#, publish("Foo", false)),
            (r#"'Permissions Violation for Publish with Reply of "r.1"'"#, publish("r.1", true)),
            (r#"'permissions violation for publish to "a\"b\\"'"#, publish(r#"a"b\"#, false)),
            (r#"'Permissions Violation for Subscription to "Foo.>"'"#, subscription(None, None)),
            (
                r#"'Permissions Violation for Subscription to "Foo.>" using queue "Q"'"#,
                subscription(Some("Q"), None),
            ),
            (
                r#"'Permissions Violation for Subscription to "Foo.>" using queue "Q" (sid "12")'"#,
                subscription(Some("Q"), Some(12)),
            ),
            (
                r#"'Permissions Violation for Subscription to "Foo.>" (sid "12")'"#,
                subscription(None, Some(12)),
            ),
            (
                r#"'Permissions Violation for Subscription to "Foo.>", too many tokens'"#,
                subscription(None, None),
            ),
            (r#"'Permissions Violation for Publish to "unended'"#, Kind::Other),
        ] {
            let error = ServerError::classify(text);
            assert_eq!(error.kind, kind, "{text}");
            assert!(!error.closes_connection());
        }
    }
}
