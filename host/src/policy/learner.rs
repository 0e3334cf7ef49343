//! Learns the least policy that would have sufficed, from what would have been
//! refused.
//!
//! A plugin that makes up subjects without end must not make its policy endless:
//! where many subjects differ in one token only, a wildcard takes their place.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use parking_lot::Mutex;

use super::denied::{Denied, Key, PERMISSIONS, Permission, Quoted};
use super::subject_tree::SubjectTree;
use super::{Policy, SubjectRules};
use crate::protocol::{QueueGroup, SubjectPattern};

/// Names of queue groups and servers that are kept; more say nothing new.
const MAX_NAMES: usize = 256;

/// Remembers what one plugin did that no rule allows.
#[derive(Debug, Default)]
pub struct Learner(Mutex<Uses>);

#[derive(Debug, Default)]
struct Uses {
    publish: SubjectTree,
    request: SubjectTree,
    reply_to: SubjectTree,
    subscribe: SubjectTree,
    groups: BTreeSet<String>,
    servers: BTreeSet<String>,
}

impl Learner {
    /// This would have been refused.
    pub fn note(&self, denied: &Denied<'_>) {
        let mut uses = self.0.lock();
        let rule = denied.rule();
        match denied {
            Denied::Publish(subject) => uses.publish.insert(subject),
            Denied::Request(subject) => uses.request.insert(subject),
            Denied::ReplyTo(subject) => uses.reply_to.insert(subject),
            Denied::Subscribe(pattern) => uses.subscribe.insert(pattern),
            Denied::Join(_) if uses.groups.len() < MAX_NAMES => {
                uses.groups.insert(rule);
            }
            Denied::Connect(..) if uses.servers.len() < MAX_NAMES => {
                uses.servers.insert(rule);
            }
            Denied::Join(_) | Denied::Connect(..) => {}
        }
    }

    /// The rules that would have allowed all of it, by permission.
    fn rules(&self) -> Vec<(&'static Permission, Vec<String>)> {
        let uses = self.0.lock();
        let publish = uses.publish.patterns();
        let mut subscribe = uses.subscribe.patterns();
        // Who may publish may request, and have answers sent there.
        let request = not_covered(uses.request.patterns(), &publish);
        let answers = not_covered(uses.reply_to.patterns(), &publish);
        let answers = not_covered(answers, &subscribe);
        subscribe.extend(answers);
        let groups = uses.groups.iter().cloned().collect();
        let servers = uses.servers.iter().cloned().collect();
        let rules = [publish, subscribe, request, groups, servers];
        PERMISSIONS.iter().zip(rules).filter(|(_, rules)| !rules.is_empty()).collect()
    }

    /// What of it a policy does not allow, in words.
    pub fn beyond(&self, policy: &Policy) -> Vec<String> {
        let uses = self.0.lock();
        let mut beyond = Vec::new();
        let mut look = |what: &str, names: Vec<String>, is_allowed: &dyn Fn(&str) -> bool| {
            let names = names.into_iter().filter(|name| !is_allowed(name));
            beyond.extend(names.map(|name| format!("{what} {name:?}")));
        };
        let allows = |rules: &SubjectRules, name: &str| {
            SubjectPattern::new(name).is_ok_and(|pattern| rules.allow_pattern(pattern))
        };
        let Policy { publish, subscribe, request, queue_groups, servers } = policy;
        look("publishing to", uses.publish.patterns(), &|name| allows(publish, name));
        look("requests to", uses.request.patterns(), &|name| {
            allows(request, name) || allows(publish, name)
        });
        look("asking for answers to", uses.reply_to.patterns(), &|name| {
            allows(subscribe, name) || allows(publish, name)
        });
        look("subscribing to", uses.subscribe.patterns(), &|name| allows(subscribe, name));
        look("joining the queue group", uses.groups.iter().cloned().collect(), &|name| {
            QueueGroup::new(name).is_ok_and(|group| queue_groups.allow(group))
        });
        look("connecting to", uses.servers.iter().cloned().collect(), &|name| {
            let place =
                name.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
            place.is_some_and(|(host, port)| servers.allow(host.trim_matches(['[', ']']), port))
        });
        beyond
    }

    /// The policy as a part of a manifest, with the flags that say the same in a
    /// comment.
    pub fn policy_of(&self, plugin: &str) -> String {
        let rules = self.rules();
        let mut text = format!("# {}:", plugin.escape_default());
        if rules.is_empty() {
            text.push_str(" needs no permission");
        }
        for (permission, rules) in &rules {
            for rule in rules {
                // Writing into a text does not fail.
                let _ = write!(text, " {} {}", permission.flag, Quoted(rule));
            }
        }
        let _ = write!(text, "\n[plugin.{}.permissions]\n", Key(plugin));
        for (permission, rules) in &rules {
            let list: Vec<_> = rules.iter().map(|rule| format!("{:?}", rule.as_str())).collect();
            let _ = writeln!(text, "{} = [{}]", permission.key, list.join(", "));
        }
        text
    }
}

/// Those of the patterns that the rules do not allow already.
fn not_covered(patterns: Vec<String>, rules: &[String]) -> Vec<String> {
    let Ok(rules) = SubjectRules::new(rules.iter().map(String::as_str)) else { return patterns };
    let is_new = |pattern: &String| {
        SubjectPattern::new(pattern).map_or(true, |pattern| !rules.allow_pattern(pattern))
    };
    patterns.into_iter().filter(is_new).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{QueueRules, ServerRules};
    use super::*;

    fn learned(refused: &[Denied<'_>]) -> Learner {
        let learner = Learner::default();
        for denied in refused {
            learner.note(denied);
        }
        learner
    }

    #[test]
    fn what_would_have_been_refused_becomes_the_policy() {
        let learner = learned(&[
            Denied::Publish("results.new"),
            Denied::Request("results.new"),
            Denied::Request("service"),
            Denied::ReplyTo("answers.me"),
            Denied::ReplyTo("jobs.1"),
            Denied::Subscribe("jobs.*"),
            Denied::Join("workers"),
            Denied::Connect("::1", 4222),
        ]);
        assert_eq!(
            learner.policy_of("a"),
            "# a: --allow-publish 'results.new' --allow-subscribe 'jobs.*' \
             --allow-subscribe 'answers.me' --allow-request 'service' \
             --allow-queue-group 'workers' --allow-connect '[::1]:4222'\n\
             [plugin.a.permissions]\n\
             publish = [\"results.new\"]\n\
             subscribe = [\"jobs.*\", \"answers.me\"]\n\
             request = [\"service\"]\n\
             queue-groups = [\"workers\"]\n\
             servers = [\"[::1]:4222\"]\n"
        );
    }

    #[test]
    fn a_plugin_that_did_nothing_needs_nothing() {
        let learner = Learner::default();
        assert_eq!(
            learner.policy_of("b c"),
            "# b c: needs no permission\n[plugin.\"b c\".permissions]\n"
        );
    }

    #[test]
    fn what_a_policy_does_not_allow_is_told() {
        let learner = learned(&[
            Denied::Publish("results.new"),
            Denied::Request("results.old"),
            Denied::ReplyTo("jobs.1"),
            Denied::Subscribe("jobs.*"),
            Denied::Join("workers"),
            Denied::Connect("::1", 4222),
        ]);
        assert_eq!(
            learner.beyond(&Policy::deny_all()),
            [
                "publishing to \"results.new\"",
                "requests to \"results.old\"",
                "asking for answers to \"jobs.1\"",
                "subscribing to \"jobs.*\"",
                "joining the queue group \"workers\"",
                "connecting to \"[::1]:4222\"",
            ]
        );
        let rules = |rule| SubjectRules::new([rule]).unwrap();
        let enough = Policy {
            publish: rules("results.*"),
            subscribe: rules("jobs.>"),
            request: SubjectRules::default(),
            queue_groups: QueueRules::new(["workers"]).unwrap(),
            servers: ServerRules::new(["[::1]:4222"]).unwrap(),
        };
        assert!(learner.beyond(&enough).is_empty());
        let narrow = Policy { subscribe: rules("jobs.1"), ..enough };
        assert_eq!(learner.beyond(&narrow), ["subscribing to \"jobs.*\""]);
    }

    #[test]
    fn names_without_end_are_not_kept() {
        let learner = Learner::default();
        for n in 0..10 * MAX_NAMES {
            learner.note(&Denied::Join(&n.to_string()));
            learner.note(&Denied::Connect(&n.to_string(), 1));
        }
        assert_eq!(learner.0.lock().groups.len(), MAX_NAMES);
        assert_eq!(learner.0.lock().servers.len(), MAX_NAMES);
    }
}
