//! Server addresses as people write them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// The port of a NATS server that names none.
pub const DEFAULT_PORT: u16 = 4222;

/// Where a server is, and what the address itself says about logging in.
///
/// Accepted: `host`, `host:port`, `[::1]:4222`, and the same behind `nats://`,
/// `tls://`, `ws://` or `wss://`, with `user:password@` or `token@` before the
/// host. `Display` and `Debug` never
/// show the password or token.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerAddress {
    host: String,
    port: u16,
    tls: bool,
    websocket: bool,
    login: Option<Login>,
    /// The name that its certificate must have, if that is not the host.
    tls_name: Option<String>,
}

/// A login that was part of an address.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// `user:password@`
    User {
        /// Percent-decoded.
        name: String,
        /// Percent-decoded.
        password: String,
    },
    /// `token@`
    Token(String),
}

/// What an error shows of an address, which may come from a guest.
const MAX_SHOWN_CHARS: usize = 200;

/// An address that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "server address {address:?} is not valid: {reason}; write host:port, nats://host:port or tls://host:port"
)]
pub struct AddressError {
    address: String,
    reason: &'static str,
}

impl ServerAddress {
    /// Host name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the address asks for TLS.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Whether the address asks for WebSocket.
    pub fn websocket(&self) -> bool {
        self.websocket
    }

    /// The name that its certificate must have.
    pub(super) fn tls_name(&self) -> &str {
        self.tls_name.as_deref().unwrap_or(&self.host)
    }

    /// Takes over from the server that told of this one what its own entry in a
    /// cluster's list leaves out: the login, and whose certificate to expect
    /// where there is only an IP address.
    pub(super) fn learn_from(&mut self, teller: &Self) {
        self.tls |= teller.tls;
        self.websocket |= teller.websocket;
        self.login = self.login.take().or_else(|| teller.login.clone());
        if self.host.parse::<IpAddr>().is_ok() {
            self.tls_name = Some(teller.tls_name().to_owned());
        }
    }

    /// The login in the address, if it has one.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Takes the login out of the address.
    pub fn forget_login(&mut self) {
        self.login = None;
    }

    /// Whether both name the same host and port.
    pub fn is_same_server(&self, other: &Self) -> bool {
        self.port == other.port && self.host.eq_ignore_ascii_case(&other.host)
    }
}

/// Parses a comma-separated list of addresses.
///
/// # Errors
/// If the list is empty, or one of them is not valid.
pub fn parse_list(text: &str) -> Result<Vec<ServerAddress>, AddressError> {
    text.split(',').map(|one| one.trim().parse()).collect()
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let fail = |reason| {
            let address = without_login(text).chars().take(MAX_SHOWN_CHARS).collect();
            Err(AddressError { address, reason })
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
        let (tls, websocket, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "nats" => (false, false, DEFAULT_PORT),
            "tls" => (true, false, DEFAULT_PORT),
            "ws" => (false, true, 80),
            "wss" => (true, true, 443),
            _ => return fail("the scheme is none of nats, tls, ws, wss"),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, place) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((login, place)) => match Login::parse(login) {
                Some(login) => (Some(login), place),
                None => return fail("the part before @ is not user:password or token"),
            },
        };
        let (host, port) = if let Some(bracketed) = place.strip_prefix('[') {
            let Some((host, after)) = bracketed.split_once(']') else {
                return fail("a [ without ]");
            };
            if host.parse::<Ipv6Addr>().is_err() {
                return fail("what stands in brackets is not an IPv6 address");
            }
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return fail("a colon and a port must follow the ]"),
            }
        } else {
            match place.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return fail("an IPv6 address must be in brackets, like [::1]:4222");
                }
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            }
        };
        if host.is_empty() {
            return fail("the host is missing");
        }
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if host.len() > 253 || !host.chars().all(allowed) {
            return fail("this is no host name");
        }
        let port = match port {
            None => default_port,
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return fail("the port is not a number from 1 to 65535"),
            },
        };
        Ok(Self { host: host.to_owned(), port, tls, websocket, login, tls_name: None })
    }
}

impl Login {
    fn parse(text: &str) -> Option<Self> {
        let login = match text.split_once(':') {
            Some((name, password)) => {
                Self::User { name: percent_decode(name)?, password: percent_decode(password)? }
            }
            None => Self::Token(percent_decode(text)?),
        };
        match &login {
            Self::User { name, .. } if name.is_empty() => None,
            Self::Token(token) if token.is_empty() => None,
            _ => Some(login),
        }
    }
}

fn percent_decode(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

fn without_login(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, place)) => format!("…@{place}"),
        None => text.to_owned(),
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ServerAddress {
        text.parse().unwrap()
    }

    #[test]
    fn port_defaults_to_4222() {
        assert_eq!(parse("localhost").to_string(), "localhost:4222");
        assert_eq!(parse("nats://localhost").to_string(), "localhost:4222");
        assert_eq!(parse("nats://localhost:5000/").to_string(), "localhost:5000");
    }

    #[test]
    fn ipv6_is_written_in_brackets() {
        let address = parse("[::1]:4223");
        assert_eq!((address.host(), address.port()), ("::1", 4223));
        assert_eq!(parse("nats://[::1]").to_string(), "[::1]:4222");
        assert!("::1".parse::<ServerAddress>().is_err());
    }

    #[test]
    fn login_is_decoded_and_never_shown() {
        let address = parse("nats://derek:p%40ss@host:1");
        let expected = Login::User { name: "derek".into(), password: "p@ss".into() };
        assert!(address.login() == Some(&expected));
        assert_eq!(format!("{address} {address:?}"), "host:1 host:1");
        assert!(parse("nats://s3cret@host").login() == Some(&Login::Token("s3cret".into())));
        let error = "nats://s3cret@host:99999".parse::<ServerAddress>().unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[test]
    fn nonsense_is_refused_with_its_name() {
        for text in [
            "",
            ":4222",
            "host:",
            "host:0",
            "host:70000",
            "http://host",
            "a b",
            "[::1",
            "nats://:p@h",
        ] {
            let error = text.parse::<ServerAddress>().unwrap_err().to_string();
            assert!(error.contains("is not valid"), "{error}");
        }
    }
}
