//! What the probe can be told.

use std::time::Duration;

use serde::Deserialize;
use simple_nats_guest::{Headers, RequestOptions};

/// One operation, named by `op`, on the connection with the index `client`.
#[derive(Deserialize)]
pub struct Command {
    /// 0 is the host's own connection; `connect` answers the index of others.
    #[serde(default)]
    pub client: usize,
    #[serde(flatten)]
    pub operation: Operation,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Operation {
    Connect {
        server: Option<String>,
        name: Option<String>,
        prefix: Option<String>,
        #[serde(default)]
        no_echo: bool,
    },
    Name,
    ServerInfo,
    Status,
    Statistics,
    NewInbox,
    Flush {
        timeout_ms: u64,
    },
    Rtt {
        timeout_ms: u64,
    },
    Drain,
    Close,
    Publish {
        subject: String,
        #[serde(default)]
        payload: Payload,
        reply_to: Option<String>,
        #[serde(default)]
        headers: Fields,
    },
    Subscribe {
        subject: String,
        queue: Option<String>,
    },
    Unsubscribe {
        sid: u64,
        max: Option<u64>,
    },
    DrainSubscription {
        sid: u64,
    },
    Pending {
        sid: u64,
    },
    /// Answers are published to `relay`.
    Request {
        relay: String,
        #[serde(flatten)]
        request: Request,
    },
    CancelRequest {
        id: u64,
    },
    RequestAndWait {
        #[serde(flatten)]
        request: Request,
    },
    /// `timer` is published to `relay`.
    SetTimer {
        relay: String,
        delay_ms: u64,
        #[serde(default)]
        repeat: bool,
    },
    CancelTimer {
        id: u64,
    },
    /// What a subscription got.
    Seen {
        sid: u64,
    },
    /// What happened to the connections so far.
    Events,
    /// Takes and keeps so much memory.
    Allocate {
        bytes: usize,
    },
    Environment,
    ReadFile {
        path: String,
    },
    Dial {
        address: String,
    },
}

#[derive(Deserialize)]
pub struct Request {
    pub subject: String,
    #[serde(default)]
    pub payload: Payload,
    timeout_ms: Option<u64>,
    stall_ms: Option<u64>,
    /// 1 unless said otherwise; 0: any number.
    #[serde(default = "one")]
    pub max_replies: u32,
    #[serde(default)]
    headers: Fields,
}

impl Request {
    pub fn options(&self) -> RequestOptions {
        let mut options = RequestOptions::new()
            .max_replies(self.max_replies)
            .headers(self.headers.iter().cloned().collect::<Headers>());
        if let Some(millis) = self.timeout_ms {
            options = options.timeout(Duration::from_millis(millis));
        }
        if let Some(millis) = self.stall_ms {
            options = options.stall(Duration::from_millis(millis));
        }
        options
    }
}

fn one() -> u32 {
    1
}

pub type Fields = Vec<(String, String)>;

/// Text, or a list of bytes.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Payload {
    Text(String),
    Bytes(Vec<u8>),
}

impl Default for Payload {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}
