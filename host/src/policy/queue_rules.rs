//! Which queue groups a plugin may join.
//!
//! A member of a queue group takes messages from the others, so to join one is a
//! permission apart from that to subscribe.

use crate::protocol::{OwnedPattern, QueueGroup, SubjectError, SubjectPattern};

/// The queue groups that may be joined. The default allows none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRules(Rules);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rules {
    Everything,
    Patterns(Vec<OwnedPattern>),
}

impl QueueRules {
    /// The groups whose names these match; wildcards are those of subjects.
    ///
    /// # Errors
    /// If one of them can be no name of a queue group.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, SubjectError> {
        let owned = names.into_iter().map(|name| {
            QueueGroup::new(name)?;
            Ok(SubjectPattern::new(name)?.to_owned())
        });
        Ok(Self(Rules::Patterns(owned.collect::<Result<_, _>>()?)))
    }

    /// Every group.
    pub fn everything() -> Self {
        Self(Rules::Everything)
    }

    /// Whether there is a list of names with something in it.
    pub fn is_listed(&self) -> bool {
        matches!(&self.0, Rules::Patterns(rules) if !rules.is_empty())
    }

    /// Whether a group is among them.
    pub fn allow(&self, group: QueueGroup<'_>) -> bool {
        match &self.0 {
            Rules::Everything => true,
            Rules::Patterns(rules) => rules.iter().any(|rule| rule.get().matches(group.as_str())),
        }
    }
}

impl Default for QueueRules {
    fn default() -> Self {
        Self(Rules::Patterns(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joins(rules: &[&str], group: &str) -> bool {
        let rules = QueueRules::new(rules.iter().copied()).unwrap();
        rules.allow(QueueGroup::new(group).unwrap())
    }

    #[test]
    fn only_named_groups_may_be_joined() {
        assert_eq!(QueueRules::default(), QueueRules::new([]).unwrap());
        for (rules, group) in [
            (&[][..], "workers"),
            (&["workers"], "worker"),
            (&["workers"], "Workers"),
            (&["workers"], "*"),
            (&["workers.*"], "workers"),
            (&["workers.*"], "workers.>"),
            (&["a"], "a."),
        ] {
            assert!(!joins(rules, group), "{rules:?} {group}");
        }
        for (rules, group) in
            [(&["a", "workers"][..], "workers"), (&["workers.*"], "workers.eu"), (&[">"], "a.b")]
        {
            assert!(joins(rules, group), "{rules:?} {group}");
        }
        assert!(QueueRules::everything().allow(QueueGroup::new("any").unwrap()));
    }

    #[test]
    fn a_rule_that_is_no_name_is_an_error() {
        for bad in ["", "a b", "a..b", "a\n"] {
            assert!(QueueRules::new([bad]).is_err(), "{bad:?}");
        }
    }
}
