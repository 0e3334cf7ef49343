//! Permissions of a manifest as a policy.

use super::document::Document;
use super::tables::PermissionsTable;
use crate::policy::{Policy, QueueRules, ServerRules, SubjectRules};
use crate::protocol::SubjectError;

impl PermissionsTable {
    /// What the plugin's table says, else what the defaults say.
    pub(super) fn or(&self, defaults: &Self) -> Self {
        let Self { allow_all, publish, subscribe, request, queue_groups, servers } = self.clone();
        Self {
            allow_all: allow_all.or(defaults.allow_all),
            publish: publish.or_else(|| defaults.publish.clone()),
            subscribe: subscribe.or_else(|| defaults.subscribe.clone()),
            request: request.or_else(|| defaults.request.clone()),
            queue_groups: queue_groups.or_else(|| defaults.queue_groups.clone()),
            servers: servers.or_else(|| defaults.servers.clone()),
        }
    }

    /// The policy. Each rule was checked on its own before; `keys` lead to the
    /// table that is to blame if one can't be used all the same.
    pub(super) fn policy(&self, document: &mut Document<'_>, keys: &[&str]) -> Policy {
        if self.allow_all == Some(true) {
            return Policy::allow_all();
        }
        let mut policy = Policy::deny_all();
        let outcome = (|| -> Result<(), SubjectError> {
            policy.publish = SubjectRules::new(texts(&self.publish, |one| one.as_str()))?;
            policy.subscribe = SubjectRules::new(texts(&self.subscribe, |one| one.as_str()))?;
            policy.request = SubjectRules::new(texts(&self.request, |one| one.as_str()))?;
            policy.queue_groups = QueueRules::new(texts(&self.queue_groups, |one| one.as_str()))?;
            Ok(())
        })();
        if let Err(error) = outcome {
            document.problem(keys, error.to_string());
        }
        match ServerRules::new(texts(&self.servers, |one| one.as_str())) {
            Ok(servers) => policy.servers = servers,
            Err(error) => document.problem(keys, error.to_string()),
        }
        policy
    }
}

fn texts<T>(list: &Option<Vec<T>>, text: fn(&T) -> &str) -> impl Iterator<Item = &str> {
    list.iter().flatten().map(text)
}
