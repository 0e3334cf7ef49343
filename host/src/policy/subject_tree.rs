//! Subjects as a tree of their tokens, kept small by wildcards.

use std::collections::BTreeMap;

use super::SubjectRules;

/// More tokens than this in one place, and `*` stands for all of them.
const MAX_SIBLINGS: usize = 16;

/// Deeper subjects end in `>`.
const MAX_DEPTH: usize = 16;

/// Subjects and patterns, and perhaps more that differ from many of them in one
/// token only.
#[derive(Debug, Default)]
pub(super) struct SubjectTree {
    /// A subject ends here.
    ends: bool,
    /// Every subject that goes on from here is one.
    is_open: bool,
    next: BTreeMap<Box<str>, Self>,
}

impl SubjectTree {
    /// Adds a subject or a pattern.
    pub(super) fn insert(&mut self, subject: &str) {
        let mut tokens = subject.split('.');
        // Inboxes are made up anew each time, each in the space of its kind. Their
        // first token must stay, as must that of what belongs to the server: a
        // wildcard would not allow them.
        if let Some(first) = SubjectRules::reserved_token(subject) {
            tokens.next();
            let node = self.next.entry(first.into()).or_default();
            if first.starts_with('$') {
                node.add(tokens, 1);
            } else {
                node.open();
            }
            return;
        }
        self.add(tokens, 0);
    }

    fn add<'a>(&mut self, mut tokens: impl Iterator<Item = &'a str>, depth: usize) {
        let Some(token) = tokens.next() else {
            self.ends = true;
            return;
        };
        if self.is_open {
            return;
        }
        if token == ">" || depth >= MAX_DEPTH {
            self.open();
            return;
        }
        let is_full = self.next.len() >= MAX_SIBLINGS && !self.next.contains_key(token);
        if token == "*" || is_full {
            self.merge_siblings();
        }
        let place = if self.next.contains_key("*") { "*" } else { token };
        match self.next.get_mut(place) {
            Some(next) => next.add(tokens, depth + 1),
            None => self.next.entry(token.into()).or_default().add(tokens, depth + 1),
        }
    }

    fn open(&mut self) {
        self.is_open = true;
        self.next.clear();
    }

    /// One `*` for all tokens that may be matched by one.
    fn merge_siblings(&mut self) {
        let mut merged = Self::default();
        for (token, tree) in std::mem::take(&mut self.next) {
            if SubjectRules::reserved_token(&token).is_some() {
                self.next.insert(token, tree);
            } else {
                merged.merge(tree);
            }
        }
        self.next.insert("*".into(), merged);
    }

    fn merge(&mut self, other: Self) {
        self.ends |= other.ends;
        if other.is_open {
            self.open();
        }
        if self.is_open {
            return;
        }
        for (token, tree) in other.next {
            self.next.entry(token).or_default().merge(tree);
        }
        if self.next.contains_key("*") || self.next.len() > MAX_SIBLINGS {
            self.merge_siblings();
        }
    }

    /// The patterns that match all of it, in alphabetical order.
    pub(super) fn patterns(&self) -> Vec<String> {
        let mut patterns = Vec::new();
        self.collect("", &mut patterns);
        patterns
    }

    fn collect(&self, prefix: &str, patterns: &mut Vec<String>) {
        let join = |token: &str| match prefix {
            "" => token.to_owned(),
            prefix => format!("{prefix}.{token}"),
        };
        if self.ends {
            patterns.push(prefix.to_owned());
        }
        if self.is_open {
            patterns.push(join(">"));
        }
        for (token, tree) in &self.next {
            tree.collect(&join(token), patterns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns<S: AsRef<str>>(subjects: impl IntoIterator<Item = S>) -> Vec<String> {
        let mut tree = SubjectTree::default();
        subjects.into_iter().for_each(|subject| tree.insert(subject.as_ref()));
        tree.patterns()
    }

    #[test]
    fn few_subjects_stay_what_they_are() {
        assert_eq!(patterns(["b", "a.c", "a.b", "a", "b"]), ["a", "a.b", "a.c", "b"]);
        assert_eq!(patterns(["a.>", "a.b", "a", "c.*.d", "c.x.d"]), ["a", "a.>", "c.*.d"]);
        assert_eq!(patterns([">", "a.b"]), [">"]);
    }

    #[test]
    fn many_that_differ_in_one_token_become_a_wildcard() {
        let orders = (0..1000).map(|n| format!("orders.{n}.done"));
        assert_eq!(patterns(orders), ["orders.*.done"]);
        let few = (0..MAX_SIBLINGS).map(|n| format!("orders.{n}"));
        assert_eq!(patterns(few).len(), MAX_SIBLINGS);
    }

    #[test]
    fn inboxes_are_taken_together_and_stay_named() {
        let many = (0..100).map(|n| format!("s{n}"));
        let inboxes = (0..100).flat_map(|n| [format!("_INBOX.a.{n}"), format!("requests.b.{n}")]);
        assert_eq!(patterns(inboxes.chain(many)), ["*", "_INBOX.>", "requests.>"]);
        assert_eq!(patterns(["$JS.API.INFO", "$JS.API.STREAM.NAMES"]).len(), 2);
    }

    #[test]
    fn it_stays_small_whatever_comes() {
        let mut tree = SubjectTree::default();
        for n in 0..20_000_u32 {
            let subject = format!("{}.{}.{}.{n}", n % 97, n % 89, n % 83);
            tree.insert(&subject);
        }
        tree.insert(&["deep"; 1000].join("."));
        assert!(tree.patterns().len() < 50, "{:?}", tree.patterns());
    }
}
