//! Which subjects are allowed.

use crate::protocol::{OwnedPattern, Subject, SubjectError, SubjectPattern};

/// Where simple-nats has its inboxes.
const INBOXES: &str = "requests";

/// Acknowledgements of JetStream, which a message asks for by its reply-to.
const ACKNOWLEDGEMENTS: &str = "$JS.ACK.";

/// The subjects that one permission is for. The default allows none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRules(Rules);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rules {
    Everything,
    Patterns(Vec<OwnedPattern>),
}

impl SubjectRules {
    /// What the patterns match, together.
    ///
    /// # Errors
    /// If one of them is no pattern.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, SubjectError> {
        let patterns = patterns.into_iter();
        let owned = patterns.map(|pattern| Ok(SubjectPattern::new(pattern)?.to_owned()));
        Ok(Self(Rules::Patterns(owned.collect::<Result<_, _>>()?)))
    }

    /// Every subject, the reserved ones included.
    pub fn everything() -> Self {
        Self(Rules::Everything)
    }

    /// Whether a subject belongs to the server and its services: JetStream and
    /// what is built on it, the monitoring of `$SYS`. Acknowledgements are for
    /// whoever got the message.
    pub fn is_of_server(subject: &str) -> bool {
        subject.starts_with('$') && !subject.starts_with(ACKNOWLEDGEMENTS)
    }

    /// The first token of a subject or pattern, if only rules that begin with it
    /// allow it.
    pub(super) fn reserved_token(subject: &str) -> Option<&str> {
        reserved(subject)
    }

    /// Whether there is a list of rules with something in it.
    pub fn is_listed(&self) -> bool {
        matches!(&self.0, Rules::Patterns(patterns) if !patterns.is_empty())
    }

    /// The patterns, of which [reserved](Self::allow_subject) subjects need one of their
    /// own; none if everything is allowed, or nothing.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        let patterns = match &self.0 {
            Rules::Everything => &[][..],
            Rules::Patterns(patterns) => patterns,
        };
        patterns.iter().map(|pattern| pattern.get().as_str())
    }

    /// Whether everything is allowed.
    pub fn is_everything(&self) -> bool {
        self.0 == Rules::Everything
    }

    /// Whether anything is allowed.
    pub fn is_any(&self) -> bool {
        self.is_everything() || self.is_listed()
    }

    /// Rules that allow nothing more, each with one that covers it.
    pub fn redundant(&self) -> Vec<(&str, &str)> {
        let Rules::Patterns(patterns) = &self.0 else { return Vec::new() };
        let rules: Vec<_> = patterns.iter().map(OwnedPattern::get).collect();
        let mut found = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let wider = rules.iter().enumerate().find(|(other, wider)| {
                // Of two equal ones the later is one too many.
                let comes_first = rule.as_str() != wider.as_str() || *other < index;
                let is_named = reserved(rule.as_str())
                    .is_none_or(|token| first_token(wider.as_str()) == token);
                *other != index && comes_first && is_named && wider.covers(*rule)
            });
            found.extend(wider.map(|(_, wider)| (rule.as_str(), wider.as_str())));
        }
        found
    }

    /// Whether a message may go to `subject`.
    #[inline]
    pub fn allow_subject(&self, subject: Subject<'_>) -> bool {
        let subject = subject.as_str();
        self.any(subject, |rule| rule.matches(subject))
    }

    /// Whether one rule covers all that `pattern` matches. A pattern with a
    /// wildcard first covers reserved subjects too; what comes for it needs
    /// [`screening`](Self::screen).
    pub fn allow_pattern(&self, pattern: SubjectPattern<'_>) -> bool {
        self.any(pattern.as_str(), |rule| rule.covers(pattern))
    }

    /// The rules that each message for `pattern` has to pass, if the pattern
    /// matches more than a rule that covers it allows.
    pub fn screen(&self, pattern: SubjectPattern<'_>) -> Option<Self> {
        let begins_open = matches!(first_token(pattern.as_str()), "*" | ">");
        (begins_open && !self.is_everything()).then(|| self.clone())
    }

    /// Whether a message that came on `subject` may be handed on.
    pub fn pass(&self, subject: &str) -> bool {
        self.any(subject, |rule| rule.matches(subject))
    }

    #[inline]
    fn any(&self, subject: &str, allows: impl Fn(SubjectPattern<'_>) -> bool) -> bool {
        match &self.0 {
            Rules::Everything => true,
            Rules::Patterns(patterns) => {
                let reserved = reserved(subject);
                patterns.iter().map(OwnedPattern::get).any(|rule| {
                    reserved.is_none_or(|token| first_token(rule.as_str()) == token) && allows(rule)
                })
            }
        }
    }
}

impl Default for SubjectRules {
    fn default() -> Self {
        Self(Rules::Patterns(Vec::new()))
    }
}

/// The first token of a subject that belongs to servers (`$SYS`, `$JS`), or to
/// those who wait for an answer (`_INBOX`, `requests`). Only a rule that begins
/// with the same token allows it: who writes `>` means the subjects of
/// applications.
#[inline]
fn reserved(subject: &str) -> Option<&str> {
    let first = match subject.as_bytes().first() {
        Some(b'$' | b'_') => first_token(subject),
        Some(b'r') => Some(first_token(subject)).filter(|&token| token == INBOXES)?,
        _ => return None,
    };
    Some(first)
}

fn first_token(subject: &str) -> &str {
    subject.split_once('.').map_or(subject, |(token, _)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publishes(rules: &[&str], subject: &str) -> bool {
        let rules = SubjectRules::new(rules.iter().copied()).unwrap();
        rules.allow_subject(Subject::new(subject).unwrap())
    }

    fn subscribes(rules: &[&str], pattern: &str) -> bool {
        let rules = SubjectRules::new(rules.iter().copied()).unwrap();
        rules.allow_pattern(SubjectPattern::new(pattern).unwrap())
    }

    #[test]
    fn no_rule_allows_nothing() {
        assert!(!publishes(&[], "a"));
        assert!(!subscribes(&[], "a"));
        assert_eq!(SubjectRules::default(), SubjectRules::new([]).unwrap());
    }

    #[test]
    fn one_matching_rule_is_enough() {
        for (rules, subject) in
            [(["x", "y"], "a"), (["a.*", "b"], "a"), (["a.*", "b"], "a.b.c"), (["a", "b"], "a.b")]
        {
            assert!(!publishes(&rules, subject), "{rules:?} {subject}");
        }
        for (rules, subject) in [(["x", "a"], "a"), (["a.*", "b"], "a.b"), (["b", ">"], "a.b.c")] {
            assert!(publishes(&rules, subject), "{rules:?} {subject}");
        }
    }

    #[test]
    fn a_subscription_must_be_covered_as_a_whole() {
        for (rule, pattern) in [("a.*", "a.>"), ("a.b", "a.*"), ("a.*", ">"), ("*", "a.b")] {
            assert!(!subscribes(&[rule], pattern), "{rule} {pattern}");
        }
        for (rule, pattern) in [("a.*", "a.*"), ("a.>", "a.*"), (">", ">"), ("a.*", "a.b")] {
            assert!(subscribes(&[rule], pattern), "{rule} {pattern}");
        }
        // Two rules that only together cover a pattern do not.
        assert!(!subscribes(&["a.b", "a.c"], "a.*"));
    }

    #[test]
    fn reserved_subjects_must_be_named() {
        for rule in [">", "*.>", "$JSX.>", "*.API.>"] {
            assert!(!publishes(&[rule], "$JS.API.INFO"), "{rule}");
            assert!(!publishes(&[rule], "$SYS.REQ.PING"), "{rule}");
            assert!(!subscribes(&[rule], "$JS.>"), "{rule}");
            assert!(!subscribes(&[rule], "$SYS"), "{rule}");
            assert!(!publishes(&[rule], "$KV.bucket.key"), "{rule}");
            assert!(!publishes(&[rule], "_INBOX.a.b"), "{rule}");
            assert!(!publishes(&[rule], "requests.me.1"), "{rule}");
            assert!(!subscribes(&[rule], "requests.*.>"), "{rule}");
        }
        assert!(publishes(&["$JS.API.>"], "$JS.API.INFO"));
        assert!(subscribes(&["$SYS.>"], "$SYS.*"));
        assert!(publishes(&["requests.>"], "requests.me.1"));
        assert!(publishes(&[">"], "requestsx.me"));
        assert!(SubjectRules::everything().allow_subject(Subject::new("$JS.API").unwrap()));
    }

    #[test]
    fn what_a_wildcard_sees_of_reserved_subjects_is_held_back() {
        let screen = |rules: &[&str], pattern: &str| {
            let rules = SubjectRules::new(rules.iter().copied()).unwrap();
            rules.screen(SubjectPattern::new(pattern).unwrap())
        };
        let open = screen(&[">", "_INBOX.mine.>"], ">").unwrap();
        for hidden in ["_INBOX.other.1", "requests.x.1", "$JS.API.INFO"] {
            assert!(!open.pass(hidden), "{hidden}");
        }
        for shown in ["orders.new", "_INBOX.mine.1", "requestsx"] {
            assert!(open.pass(shown), "{shown}");
        }
        assert!(screen(&["*.a"], "*.a").is_some());
        assert!(screen(&["a.>"], "a.*").is_none());
        let everything = SubjectRules::everything();
        assert!(everything.screen(SubjectPattern::new(">").unwrap()).is_none());
    }

    #[test]
    fn rules_that_others_cover_are_found() {
        let rules = SubjectRules::new(["a.b", "a.*", ">", "$JS.API.>", "c", "c"]).unwrap();
        assert_eq!(rules.redundant(), [("a.b", "a.*"), ("a.*", ">"), ("c", ">"), ("c", ">")]);
        let rules = SubjectRules::new(["c", "d", "c"]).unwrap();
        assert_eq!(rules.redundant(), [("c", "c")]);
        assert!(SubjectRules::everything().redundant().is_empty());
    }

    #[test]
    fn a_rule_that_is_no_pattern_is_an_error() {
        assert!(SubjectRules::new(["a", "a b"]).is_err());
    }
}
