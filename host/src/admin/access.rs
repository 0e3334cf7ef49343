//! Who may use the admin port.
//!
//! The threats are other machines, where the port is open to them, and web pages
//! in a browser of the operator's: those can send requests to a loopback address,
//! and, by a name that resolves to it, read the answers.

use std::fmt;
use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, Uri, header};

/// A secret that requests must bear.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// None if the text is empty.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        Some(text.into()).filter(|text: &String| !text.is_empty()).map(Self)
    }

    /// Takes as long for each wrong one of the same length.
    fn is(&self, other: &str) -> bool {
        let (own, other) = (self.0.as_bytes(), other.as_bytes());
        let difference = own.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
        own.len() == other.len() && difference == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Whether a request is to be answered; else with which status and why.
pub(super) fn check(
    token: Option<&Token>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), (StatusCode, &'static str)> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.contains_key(header::ORIGIN) {
        return Err((StatusCode::FORBIDDEN, "web pages may not use the admin port"));
    }
    match token {
        // Those that probe have no secret, and learn no more than yes or no.
        Some(_) if is_probe(uri.path()) => Ok(()),
        Some(token) => {
            let given = text(header::AUTHORIZATION).and_then(|text| text.strip_prefix("Bearer "));
            if given.is_some_and(|given| token.is(given)) {
                return Ok(());
            }
            Err((StatusCode::UNAUTHORIZED, "the admin token is missing or wrong"))
        }
        None => {
            if text(header::HOST).is_none_or(is_local) {
                return Ok(());
            }
            Err((StatusCode::FORBIDDEN, "without a token, the admin port is used by its address"))
        }
    }
}

fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// Whether a `Host` header is an address, or the one name that is always local.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(token: Option<&str>, path: &str, headers: &[(&str, &str)]) -> u16 {
        let token = token.and_then(Token::new);
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())
        });
        match check(token.as_ref(), &path.parse().unwrap(), &headers.collect()) {
            Ok(()) => 200,
            Err((status, _)) => status.as_u16(),
        }
    }

    #[test]
    fn web_pages_are_refused() {
        let origin = ("origin", "http://example.com");
        assert_eq!(status(None, "/plugins", &[("host", "127.0.0.1:4280"), origin]), 403);
        assert_eq!(status(None, "/plugins", &[("host", "example.com:4280")]), 403);
        assert_eq!(status(None, "/plugins", &[("host", "localhost.example.com")]), 403);
        for host in ["127.0.0.1:4280", "localhost:1", "localhost", "[::1]:4280", "[::1]"] {
            assert_eq!(status(None, "/plugins", &[("host", host)]), 200, "{host}");
        }
    }

    #[test]
    fn a_token_is_required_where_there_is_one_except_by_probes() {
        assert_eq!(status(Some("secret"), "/plugins", &[]), 401);
        for wrong in ["Bearer secre", "Bearer secret1", "secret", "Basic secret", "Bearer "] {
            assert_eq!(status(Some("secret"), "/plugins", &[("authorization", wrong)]), 401);
        }
        let right = ("authorization", "Bearer secret");
        assert_eq!(status(Some("secret"), "/plugins", &[right, ("host", "example.com")]), 200);
        assert_eq!(status(Some("secret"), "/healthz", &[]), 200);
        assert_eq!(status(Some("secret"), "/readyz", &[]), 200);
        assert!(Token::new("").is_none());
    }
}
