//! What a plugin is run with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use super::lifecycle::scaling::InstanceCount;
use super::limits::Limits;
use super::shared_connection::SharedConnection;
use super::wasi::Directory;
use crate::connection::own_inbox_prefix;
use crate::policy::{Learner, PermissionPlace, Policy};
use crate::protocol::{
    QueueGroup, SubjectError, SubjectPattern, check_client_name, check_inbox_prefix,
};

/// A plugin or command as its operator wants it run.
#[derive(Clone)]
#[non_exhaustive]
pub struct PluginSettings {
    /// What logs and errors call it.
    pub name: String,
    /// Its component.
    pub component: ComponentSource,
    /// Name of its connections.
    pub client_name: ClientName,
    /// Its connection, if it has none of its own; that has a name of its own.
    pub shared_connection: Option<SharedConnection>,
    /// Overrides the prefix that follows from the name. Each connection adds a token
    /// of its own to it.
    pub inbox_prefix: Option<String>,
    /// What it may do.
    pub policy: Policy,
    /// Allows what the policy does not, and remembers it.
    pub learner: Option<Arc<Learner>>,
    /// Where the operator says so, for the advice in refusals.
    pub permission_place: PermissionPlace,
    /// How much it may use.
    pub limits: Limits,
    /// What the host subscribes to for a component that can't by itself: one that
    /// takes messages through an interface of others. Nothing for others.
    pub subscriptions: Vec<HostSubscription>,
    /// How many instances serve at once.
    pub instances: InstanceCount,
    /// Arguments that it sees, for a command without the program's name.
    pub arguments: Vec<String>,
    /// Environment variables it sees.
    pub environment: Vec<(String, String)>,
    /// Directories it may use; no others.
    pub directories: Vec<Directory>,
    /// What it gets for the keys that it asks `wasi:config/store` for.
    pub config: BTreeMap<String, String>,
    /// What it does with files is done on its own thread, and keeps that from all else.
    pub(crate) files_block: bool,
    /// What the random numbers follow from that its guests get. None: nobody can
    /// foretell them.
    pub random_seed: Option<u64>,
    /// A message whose handler failed or trapped is answered with an error, if
    /// it asked for an answer.
    pub answer_errors: bool,
}

impl PluginSettings {
    /// Everything at its default: may do nothing, one instance.
    pub fn new(name: impl Into<String>, component: ComponentSource) -> Self {
        Self {
            name: name.into(),
            component,
            client_name: ClientName::generate(),
            shared_connection: None,
            inbox_prefix: None,
            policy: Policy::deny_all(),
            learner: None,
            permission_place: PermissionPlace::default(),
            limits: Limits::default(),
            subscriptions: Vec::new(),
            instances: InstanceCount::default(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directories: Vec::new(),
            config: BTreeMap::new(),
            files_block: false,
            random_seed: None,
            answer_errors: true,
        }
    }

    /// Whether a plugin is run in the same way with these and with those, whatever
    /// its component has in it now.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let Self {
            name,
            component,
            client_name,
            shared_connection,
            inbox_prefix,
            policy,
            learner,
            permission_place: _,
            limits,
            subscriptions,
            instances,
            arguments,
            environment,
            directories,
            config,
            files_block,
            random_seed,
            answer_errors,
        } = self;
        *name == other.name
            && *component == other.component
            && client_name.is_like(&other.client_name)
            && *shared_connection == other.shared_connection
            && *inbox_prefix == other.inbox_prefix
            && *policy == other.policy
            && learner.is_some() == other.learner.is_some()
            && *limits == other.limits
            && *subscriptions == other.subscriptions
            && *instances == other.instances
            && *arguments == other.arguments
            && *environment == other.environment
            && *directories == other.directories
            && *config == other.config
            && *files_block == other.files_block
            && *random_seed == other.random_seed
            && *answer_errors == other.answer_errors
    }

    /// Checks what the types can't.
    ///
    /// # Errors
    /// With the name that can't be used.
    pub fn check(&self) -> Result<(), SubjectError> {
        check_client_name(&self.client_name.name)?;
        self.inbox_prefix.as_deref().map_or(Ok(()), check_inbox_prefix)
    }
}

/// What a host subscribes to for a component. Written `SUBJECT` or
/// `SUBJECT|QUEUE-GROUP`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSubscription {
    /// Subject or pattern.
    pub subject: String,
    /// Shares the messages with other members of this group.
    pub queue_group: Option<String>,
}

impl FromStr for HostSubscription {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (subject, queue_group) = match text.split_once('|') {
            Some((subject, queue_group)) => (subject, Some(queue_group)),
            None => (text, None),
        };
        SubjectPattern::new(subject)?;
        queue_group.map(QueueGroup::new).transpose()?;
        Ok(Self { subject: subject.to_owned(), queue_group: queue_group.map(str::to_owned) })
    }
}

/// Where a component is.
#[derive(Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// In this file.
    File(PathBuf),
    /// In memory.
    Bytes(Arc<[u8]>),
}

/// A client name, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName {
    /// The name.
    pub name: String,
    /// A generated name is unique; a chosen one may run on many hosts at once.
    pub is_generated: bool,
}

impl ClientName {
    /// A random one.
    pub fn generate() -> Self {
        Self { name: Uuid::new_v4().to_string(), is_generated: true }
    }

    /// One that somebody chose.
    pub fn chosen(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_generated: false }
    }

    /// The same one, or both random.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self == other || (self.is_generated && other.is_generated)
    }

    /// `requests.NAME` if the name is unique by itself, else with a token that
    /// makes it so.
    pub(super) fn inbox_prefix(&self, is_unique: bool) -> String {
        if is_unique {
            return format!("requests.{}", self.name);
        }
        own_inbox_prefix(&format!("requests.{}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_a_subject_and_perhaps_a_queue_group() {
        let of = |text: &str| text.parse::<HostSubscription>();
        let plain = of("orders.>").unwrap();
        assert_eq!((plain.subject.as_str(), plain.queue_group), ("orders.>", None));
        let shared = of("orders.*|workers").unwrap();
        assert_eq!(shared.subject, "orders.*");
        assert_eq!(shared.queue_group.as_deref(), Some("workers"));
        for wrong in ["", "|workers", "orders.>|", "a b", "orders|two words", "a..b"] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }
}
