//! Which servers a plugin may open by itself.
//!
//! Names are compared as they are written: no look-up happens, so a rule for a
//! name does not allow its address, nor the other way round.

use thiserror::Error;

/// The port of NATS where none is given.
const DEFAULT_PORT: u16 = 4222;

/// The servers that may be opened. The default allows none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRules(Rules);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rules {
    Everything,
    /// Host in lower case, and port.
    Servers(Vec<(Box<str>, u16)>),
}

/// A text that names no server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("server {0:?} is not of the form host:port")]
pub struct ServerRuleError(String);

impl ServerRules {
    /// The listed servers: `host:port`, `[address]:port`, or without the port.
    ///
    /// # Errors
    /// If one of them is of another form.
    pub fn new<'a>(servers: impl IntoIterator<Item = &'a str>) -> Result<Self, ServerRuleError> {
        let servers = servers.into_iter().map(|server| {
            parse(server)
                .map(|(host, port)| (host.to_ascii_lowercase().into(), port))
                .ok_or_else(|| ServerRuleError(server.to_owned()))
        });
        Ok(Self(Rules::Servers(servers.collect::<Result<_, _>>()?)))
    }

    /// Every server.
    pub fn everything() -> Self {
        Self(Rules::Everything)
    }

    /// Whether a server is among them.
    pub fn allow(&self, host: &str, port: u16) -> bool {
        match &self.0 {
            Rules::Everything => true,
            Rules::Servers(servers) => {
                let host = without_brackets(host);
                servers
                    .iter()
                    .any(|(allowed, at)| allowed.eq_ignore_ascii_case(host) && *at == port)
            }
        }
    }
}

impl Default for ServerRules {
    fn default() -> Self {
        Self(Rules::Servers(Vec::new()))
    }
}

fn parse(server: &str) -> Option<(&str, u16)> {
    let (host, port) = match server.rsplit_once(':') {
        // An address of IPv6 has colons of its own, so a port needs brackets.
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => (server, None),
        Some((host, port)) => (host, Some(port)),
        None => (server, None),
    };
    let host = without_brackets(host);
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    (!host.is_empty() && host.chars().all(plain)).then_some((host, port))
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_servers_are_allowed() {
        assert!(!ServerRules::default().allow("localhost", 4222));
        let rules = ServerRules::new(["nats.example", "Other.example:5222", "[::1]:1", "::2"]);
        let rules = rules.unwrap();
        for (host, port) in [
            ("nats.example", 4223),
            ("nats.example.org", 4222),
            ("other.example", 4222),
            ("::1", 2),
        ] {
            assert!(!rules.allow(host, port), "{host}:{port}");
        }
        for (host, port) in [
            ("nats.example", 4222),
            ("NATS.example", 4222),
            ("other.example", 5222),
            ("::1", 1),
            ("[::1]", 1),
            ("::2", 4222),
        ] {
            assert!(rules.allow(host, port), "{host}:{port}");
        }
        assert!(ServerRules::everything().allow("any", 1));
    }

    #[test]
    fn a_rule_that_names_no_server_is_an_error() {
        for bad in ["", ":4222", "a:", "a:x", "a:99999", "a b", "nats://a:1", "*:4222", "[]:1"] {
            assert_eq!(ServerRules::new([bad]), Err(ServerRuleError(bad.to_owned())), "{bad}");
        }
    }
}
