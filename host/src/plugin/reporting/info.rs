//! What can be seen of a plugin from outside.

use std::collections::BTreeMap;

use serde::Serialize;

use super::counters::Counts;
use crate::connection::ConnectionStatus;
use crate::plugin::connections::Connected;
use crate::plugin::lifecycle::seat::InstanceStatus;

/// What a plugin is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PluginStatus {
    /// Its component is loaded, or its instances run `start`.
    Starting,
    /// At least one instance serves.
    Serving,
    /// All instances have failed, and fresh ones are started after a pause.
    BackingOff,
    /// It does not serve: it could not start, or failed too often. It can be
    /// restarted or reloaded.
    Quarantined {
        /// Why.
        reason: String,
    },
    /// It takes nothing new and works off what it has.
    Draining,
    /// It has ended as asked. It can be restarted.
    Stopped,
}

impl PluginStatus {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::BackingOff => "backing-off",
            Self::Quarantined { .. } => "quarantined",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// A plugin at one moment.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PluginInfo {
    /// Its name.
    pub name: String,
    /// What it is doing.
    #[serde(flatten)]
    pub status: PluginStatus,
    /// Counts the versions started, from 1; 0 while none serves.
    pub version: u32,
    /// How many instances there are to be: a number or bounds.
    pub instance_count: String,
    /// The instances of the version that serves.
    pub instances: Vec<InstanceInfo>,
    /// Its connections.
    pub connections: Vec<ConnectionInfo>,
    /// The linear memories of all its instances together, in bytes.
    pub memory_bytes: usize,
    /// Its limits, by their names.
    pub limits: BTreeMap<&'static str, u64>,
    /// What it has done and what was done to it.
    pub counts: Counts,
}

/// One instance at one moment.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct InstanceInfo {
    /// Counts from 0.
    pub number: usize,
    /// What it is doing.
    pub status: InstanceStatus,
    /// The thread it runs on.
    pub shard: usize,
    /// Messages handed to it.
    pub messages: u64,
    /// Deliveries that wait for it.
    pub waiting_messages: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
}

/// One connection at one moment.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The name that the server knows it by.
    pub name: String,
    /// `host:port` of the server in use, or used last.
    pub server: String,
    /// How it stands.
    pub status: &'static str,
}

impl From<&Connected> for ConnectionInfo {
    fn from(connected: &Connected) -> Self {
        let client = &connected.client;
        let status = match client.status() {
            ConnectionStatus::Connected => "connected",
            ConnectionStatus::Reconnecting => "reconnecting",
            ConnectionStatus::Draining => "draining",
            ConnectionStatus::Closed => "closed",
        };
        Self { name: client.name().to_owned(), server: client.server(), status }
    }
}
