//! INFO and CONNECT, with which server and client introduce themselves.
//!
//! Which credentials to send, and whether to trust the server, is decided by
//! whoever fills in [`Connect`].

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::DecodeError;
use super::error::quote;

/// What the server tells of itself. A field that it leaves out, or that has an
/// unexpected type, has its default; names are those of the wire.
#[expect(missing_docs, reason = "the names are the protocol's own")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerInfo {
    pub server_id: String,
    pub server_name: String,
    pub version: String,
    pub proto: i32,
    pub git_commit: Option<String>,
    pub go: String,
    pub host: String,
    pub port: u16,
    pub headers: bool,
    pub auth_required: bool,
    pub tls_required: bool,
    pub tls_verify: bool,
    pub tls_available: bool,
    /// Headers and payload together; none: no limit.
    pub max_payload: Option<u64>,
    pub jetstream: bool,
    pub ip: Option<String>,
    pub client_id: Option<u64>,
    pub client_ip: Option<String>,
    pub nonce: Option<String>,
    pub cluster: Option<String>,
    pub cluster_dynamic: bool,
    pub domain: Option<String>,
    pub connect_urls: Vec<String>,
    pub ws_connect_urls: Vec<String>,
    /// Lame duck mode: the server is about to shut down.
    pub ldm: bool,
    pub compression: Option<String>,
    /// Sent for this connection, after it was accepted.
    pub connect_info: bool,
    pub remote_account: Option<String>,
    pub acc_is_sys: bool,
    pub api_lvl: Option<u32>,
    pub xkey: Option<String>,
    /// The whole INFO as it came.
    pub json: String,
}

impl ServerInfo {
    /// Reads the JSON object behind `INFO`.
    pub fn parse(json: &[u8]) -> Result<Self, DecodeError> {
        let mut fields: Map<String, Value> = serde_json::from_slice(json)
            .map_err(|error| DecodeError::Info(format!("{error} in {}", quote(json))))?;
        let fields = &mut fields;
        let max_payload: Option<i64> = take(fields, "max_payload");
        Ok(Self {
            server_id: take(fields, "server_id"),
            server_name: take(fields, "server_name"),
            version: take(fields, "version"),
            proto: take(fields, "proto"),
            git_commit: take(fields, "git_commit"),
            go: take(fields, "go"),
            host: take(fields, "host"),
            port: take(fields, "port"),
            headers: take(fields, "headers"),
            auth_required: take(fields, "auth_required"),
            tls_required: take(fields, "tls_required"),
            tls_verify: take(fields, "tls_verify"),
            tls_available: take(fields, "tls_available"),
            max_payload: max_payload.and_then(|limit| u64::try_from(limit).ok()),
            jetstream: take(fields, "jetstream"),
            ip: take(fields, "ip"),
            client_id: take(fields, "client_id"),
            client_ip: take(fields, "client_ip"),
            nonce: take(fields, "nonce"),
            cluster: take(fields, "cluster"),
            cluster_dynamic: take(fields, "cluster_dynamic"),
            domain: take(fields, "domain"),
            connect_urls: take(fields, "connect_urls"),
            ws_connect_urls: take(fields, "ws_connect_urls"),
            ldm: take(fields, "ldm"),
            compression: take(fields, "compression"),
            connect_info: take(fields, "connect_info"),
            remote_account: take(fields, "remote_account"),
            acc_is_sys: take(fields, "acc_is_sys"),
            api_lvl: take(fields, "api_lvl"),
            xkey: take(fields, "xkey"),
            json: String::from_utf8_lossy(json).into_owned(),
        })
    }
}

fn take<T: DeserializeOwned + Default>(fields: &mut Map<String, Value>, name: &str) -> T {
    fields.remove(name).and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}

/// What the client tells of itself and what it asks for.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Connect {
    /// The server acknowledges each line.
    pub verbose: bool,
    /// The server checks subjects more strictly.
    pub pedantic: bool,
    /// The client insists on TLS.
    pub tls_required: bool,
    /// The client name.
    pub name: String,
    /// The language of the client.
    pub lang: &'static str,
    /// The version of the client.
    pub version: &'static str,
    /// Level of the client protocol: 1 takes INFO at any time.
    pub protocol: u8,
    /// The server sends the connection's own messages to its subscriptions too.
    pub echo: bool,
    /// The client takes headers.
    pub headers: bool,
    /// The server answers requests that nobody listens to.
    pub no_responders: bool,
    /// User name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<String>,
    /// Token in place of user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<String>,
    /// Public key that signed the nonce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nkey: Option<String>,
    /// The user's JWT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<String>,
    /// The signed nonce, in base64 for URLs without padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sig: Option<String>,
}

impl Connect {
    /// What every connection of this client says, without credentials.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            verbose: false,
            pedantic: false,
            tls_required: false,
            name: String::new(),
            lang: "rust",
            version: env!("CARGO_PKG_VERSION"),
            protocol: 1,
            echo: true,
            headers: true,
            no_responders: true,
            user: None,
            pass: None,
            auth_token: None,
            nkey: None,
            jwt: None,
            sig: None,
        }
    }
}

/// Leaves out every credential, so that none gets into a log.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("tls_required", &self.tls_required)
            .field("echo", &self.echo)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_with_defaults_and_without_unknown_fields() {
        let json = br#"{"server_id":"S","port":4222,"max_payload":1048576,"headers":true,
            "connect_urls":["a:1","b:2"],"client_id":7,"api_lvl":2,"future":{"x":[1]}}"#;
        let info = ServerInfo::parse(json).unwrap();
        assert_eq!((info.server_id.as_str(), info.port, info.headers), ("S", 4222, true));
        assert_eq!((info.max_payload, info.client_id), (Some(1_048_576), Some(7)));
        assert_eq!((info.api_lvl, info.connect_urls.len(), info.ldm), (Some(2), 2, false));
        assert_eq!(info.json.as_bytes(), json);
    }

    #[test]
    fn info_of_strange_types_still_tells_the_rest() {
        let info = ServerInfo::parse(
            br#"{"max_payload":-1,"port":"x","nonce":5,"connect_urls":null,"ldm":true}"#,
        )
        .unwrap();
        assert_eq!((info.max_payload, info.port, info.nonce), (None, 0, None));
        assert!(info.connect_urls.is_empty() && info.ldm);
    }

    #[test]
    fn info_that_is_no_object_is_an_error() {
        for bad in [b"".as_slice(), b"[]", b"{", b"\xff", b"{}x"] {
            assert!(matches!(ServerInfo::parse(bad), Err(DecodeError::Info(_))), "{bad:?}");
        }
    }

    #[test]
    fn connect_has_only_the_credentials_that_are_given() {
        let connect = Connect { auth_token: Some("hush".into()), ..Connect::new("me") };
        let json: Value = serde_json::to_value(&connect).unwrap();
        assert_eq!((&json["name"], &json["auth_token"]), (&"me".into(), &"hush".into()));
        assert_eq!((&json["protocol"], &json["echo"]), (&1.into(), &true.into()));
        assert!(json.get("user").is_none() && json.get("sig").is_none());
    }

    #[test]
    fn connect_never_shows_credentials() {
        let secret = || Some("hush".to_owned());
        let connect = Connect {
            user: secret(),
            pass: secret(),
            auth_token: secret(),
            nkey: secret(),
            jwt: secret(),
            sig: secret(),
            ..Connect::new("me")
        };
        assert!(!format!("{connect:?}").contains("hush"));
    }
}
