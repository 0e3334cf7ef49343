//! The shape of a manifest. The comments here are what editors show.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::limits::LimitSettings;
use super::scalars::{
    Address, ClientNameText, InboxPrefix, InstanceBounds, Pattern, QueueGroupName, Server,
    SubscriptionText,
};
use super::secret::Secret;
use super::units::{Size, Time};
use crate::plugin::InstanceCount;

/// Which plugins run, and what each of them may do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(title = "simple-nats manifest")]
pub(super) struct Tables {
    /// Native stack that a guest may use. It holds for all plugins, and from the
    /// start on: a change takes effect when the host is started anew. Default: 512KiB.
    pub(super) max_stack: Option<Size>,
    /// What holds for every plugin that does not say otherwise. A key of a plugin
    /// replaces the same key here; tables are merged key by key, lists are not.
    pub(super) defaults: Defaults,
    /// Connections that plugins share by name: one connection at the server each.
    pub(super) connection: BTreeMap<String, ConnectionTable>,
    /// The plugins, by name. The name is what logs and errors call them.
    pub(super) plugin: BTreeMap<String, PluginTable>,
    /// How `simple-nats dev` builds the plugins. Others ignore it.
    pub(super) dev: Option<BuildTable>,
}

/// How plugins are built.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct BuildTable {
    /// A command for the shell, run in the manifest's folder.
    pub(super) build: String,
    /// Files and folders whose change is a reason to build again. What the command
    /// writes must lie elsewhere. Default: src.
    #[serde(default = "sources")]
    pub(super) watch: Vec<PathBuf>,
}

fn sources() -> Vec<PathBuf> {
    vec!["src".into()]
}

/// What plugins have in common.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Defaults {
    /// How many instances of a plugin serve at once: a number, or bounds within
    /// which it follows the work. Default: 1.
    pub(super) instances: Option<Instances>,
    /// A name from `connection`, or a connection of the plugin's own. Default: a
    /// connection of its own as the command line says.
    pub(super) connection: Option<ConnectionChoice>,
    /// What a plugin may do. Nothing else is allowed.
    pub(super) permissions: PermissionsTable,
    /// How much a plugin may use.
    pub(super) limits: LimitSettings,
    /// Environment variables that a plugin sees.
    pub(super) environment: BTreeMap<String, String>,
    /// What a plugin finds in `wasi:config/store`.
    pub(super) config: BTreeMap<String, String>,
    /// Tell the requester when handling its message fails. Default: true.
    pub(super) answer_errors: Option<bool>,
}

/// One plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PluginTable {
    /// The file of its component, relative to the manifest.
    pub(super) component: PathBuf,
    /// The name of its own connections. Default: a random UUID. A shared
    /// connection has a name of its own.
    pub(super) client_name: Option<ClientNameText>,
    /// How many instances serve at once: a number, or bounds within which it
    /// follows the work. Default: 1.
    pub(super) instances: Option<Instances>,
    /// A name from `connection`, or a connection of its own. Default: one of its
    /// own as the command line says.
    pub(super) connection: Option<ConnectionChoice>,
    /// What the host subscribes to for it, if it takes messages through
    /// wasi:messaging or wasmcloud:messaging, which can't by itself. Naming it
    /// here allows it.
    #[serde(default)]
    pub(super) subscriptions: Vec<SubscriptionText>,
    /// What it may do. Nothing else is allowed.
    #[serde(default)]
    pub(super) permissions: PermissionsTable,
    /// How much it may use.
    #[serde(default)]
    pub(super) limits: LimitSettings,
    /// Environment variables that it sees.
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    /// What it finds in `wasi:config/store`.
    #[serde(default)]
    pub(super) config: BTreeMap<String, String>,
    /// Arguments that it sees.
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    /// Directories that it may use, by the name under which it sees them.
    #[serde(default)]
    pub(super) directories: BTreeMap<String, DirectoryChoice>,
    /// Tell the requester when handling its message fails. Default: true.
    pub(super) answer_errors: Option<bool>,
}

/// A number of instances, or bounds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Instances {
    /// Always so many.
    Number(#[schemars(range(min = 1, max = 1024))] u16),
    /// As many as the work needs.
    Between(InstanceBounds),
}

impl Instances {
    pub(super) fn count(&self) -> InstanceCount {
        match self {
            // One out of bounds is a problem that has been told of.
            Self::Number(number) => InstanceCount::fixed((*number).into()).unwrap_or_default(),
            Self::Between(bounds) => bounds.get(),
        }
    }
}

/// A directory of the host.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum DirectoryChoice {
    /// One that may be read; relative to the manifest.
    Readable(PathBuf),
    /// One with its rights.
    Table(DirectoryTable),
}

/// A directory and what may be done in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct DirectoryTable {
    /// The directory, relative to the manifest.
    pub(super) path: PathBuf,
    /// Whether it may be written to. Default: false.
    #[serde(default)]
    pub(super) writable: bool,
}

/// A shared connection's name, or a connection.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum ConnectionChoice {
    /// Name of a shared connection.
    Shared(String),
    /// One that is not shared.
    Own(Box<ConnectionTable>),
}

/// Where a connection goes, and how it logs in.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct ConnectionTable {
    /// Servers to try. Default: those of the command line, with its login if
    /// none is given here.
    pub(super) servers: Option<Vec<Address>>,
    /// Name that the server knows it by. Default: a random UUID. For shared
    /// connections; others are named by their plugin.
    pub(super) client_name: Option<ClientNameText>,
    /// Answers to requests arrive at `PREFIX.TOKEN.N`. Default: `requests.NAME`,
    /// with a token if the name was chosen.
    pub(super) inbox_prefix: Option<InboxPrefix>,
    /// User name; with `password`.
    pub(super) user: Option<String>,
    /// Password; with `user`.
    pub(super) password: Option<Secret>,
    /// Token.
    pub(super) token: Option<Secret>,
    /// File with an nkey seed.
    pub(super) nkey: Option<PathBuf>,
    /// File with a JWT and its nkey seed; read anew at each connect.
    pub(super) creds: Option<PathBuf>,
    /// How it encrypts.
    pub(super) tls: Option<TlsTable>,
    /// Try the servers in the order given instead of a random one.
    pub(super) keep_order: Option<bool>,
    /// Go on trying a server that has refused the login twice.
    pub(super) retry_failed_login: Option<bool>,
    /// Do not receive what this connection itself publishes.
    pub(super) no_echo: Option<bool>,
    /// Bounds connecting and logging in, for each server. Default: 5s.
    pub(super) connect_timeout: Option<Time>,
    /// How often to ask the server whether it lives. Default: 1m.
    pub(super) ping_interval: Option<Time>,
    /// Give a server up after so many unanswered questions. Default: 2.
    pub(super) max_pings_out: Option<u32>,
    /// Longest wait between two rounds through the servers. Default: 8s.
    pub(super) reconnect_wait_max: Option<Time>,
    /// Rounds through all servers after which to give up. Default: never.
    pub(super) max_reconnects: Option<u32>,
}

/// How a connection encrypts.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct TlsTable {
    /// Refuse servers without TLS; `tls://` in the address says the same.
    pub(super) required: bool,
    /// Encrypt before the server says anything.
    pub(super) first: bool,
    /// File with the certificate authorities to trust instead of the system's.
    pub(super) ca: Option<PathBuf>,
    /// File with its own certificate; with `key`.
    pub(super) cert: Option<PathBuf>,
    /// File with the private key of its own certificate.
    pub(super) key: Option<PathBuf>,
}

/// What is allowed. Patterns are those of NATS: `orders.*`, `orders.>`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct PermissionsTable {
    /// Everything.
    pub(super) allow_all: Option<bool>,
    /// Where it may publish and send requests.
    pub(super) publish: Option<Vec<Pattern>>,
    /// What it may subscribe to. One rule must cover a subscription as a whole.
    pub(super) subscribe: Option<Vec<Pattern>>,
    /// Where it may send requests, but not publish.
    pub(super) request: Option<Vec<Pattern>>,
    /// Queue groups that it may join.
    pub(super) queue_groups: Option<Vec<QueueGroupName>>,
    /// Servers that it may open besides its own.
    pub(super) servers: Option<Vec<Server>>,
}
