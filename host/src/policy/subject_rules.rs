//! Which subjects are allowed.

use crate::protocol::{OwnedPattern, Subject, SubjectError, SubjectPattern};

/// First tokens of subjects that administer the server and its streams. Only a
/// rule that begins with the same token allows them: who writes `>` means the
/// subjects of applications.
const RESERVED: [&str; 2] = ["$SYS", "$JS"];

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

    /// Whether a message may go to `subject`.
    #[inline]
    pub fn allow_subject(&self, subject: Subject<'_>) -> bool {
        let subject = subject.as_str();
        self.any(subject, |rule| rule.matches(subject))
    }

    /// Whether one rule covers all that `pattern` matches. A pattern with a
    /// wildcard first sees reserved subjects too, and is allowed by a rule that
    /// has one there: the operator who writes it has asked for all of it.
    pub fn allow_pattern(&self, pattern: SubjectPattern<'_>) -> bool {
        self.any(pattern.as_str(), |rule| rule.covers(pattern))
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

fn reserved(subject: &str) -> Option<&str> {
    if !subject.starts_with('$') {
        return None;
    }
    Some(first_token(subject)).filter(|token| RESERVED.contains(token))
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
        }
        assert!(publishes(&["$JS.API.>"], "$JS.API.INFO"));
        assert!(subscribes(&["$SYS.>"], "$SYS.*"));
        assert!(publishes(&[">"], "$KV.bucket.key"));
        assert!(SubjectRules::everything().allow_subject(Subject::new("$JS.API").unwrap()));
    }

    #[test]
    fn a_rule_that_is_no_pattern_is_an_error() {
        assert!(SubjectRules::new(["a", "a b"]).is_err());
    }
}
