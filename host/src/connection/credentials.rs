//! Logging in: what the host was given, and what of it goes into a CONNECT.

use std::fmt;
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use thiserror::Error;

use super::address::Login;
use crate::protocol::{Connect, ServerInfo};

/// How a connection logs in. Files are read anew for each transport, so that a
/// rotated secret is used from the next reconnect on. What stands in a server's
/// address goes before it. `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// With a name and a password.
    User {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
    /// With a token.
    Token(String),
    /// By proving to have the nkey seed in this file.
    NkeyFile(PathBuf),
    /// With the JWT and the nkey seed in this file, as `nsc` writes it.
    File(PathBuf),
}

/// The credentials can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file can't be read.
    #[error("credentials file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has something else in it.
    #[error("credentials file {}: {missing}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        missing: &'static str,
    },
    /// The server has asked for no signature.
    #[error("the server sent no nonce, so it takes no nkey; is it configured for nkeys or JWT?")]
    NoNonce,
}

impl Credentials {
    /// Adds what the server has to see. `login` is that of its address.
    pub(super) fn apply(
        &self,
        login: Option<&Login>,
        info: &ServerInfo,
        connect: &mut Connect,
    ) -> Result<(), CredentialsError> {
        match (login, self) {
            (Some(Login::User { name, password }), _) | (None, Self::User { name, password }) => {
                connect.user = Some(name.clone());
                connect.pass = Some(password.clone());
            }
            (Some(Login::Token(token)), _) | (None, Self::Token(token)) => {
                connect.auth_token = Some(token.clone());
            }
            (None, Self::NkeyFile(path)) => {
                let key = seed(path, &read(path)?)?;
                connect.nkey = Some(key.public_key());
                connect.sig = Some(sign(path, &key, info)?);
            }
            (None, Self::File(path)) => {
                let (jwt, key) = jwt_and_seed(path)?;
                connect.jwt = Some(jwt);
                connect.sig = Some(sign(path, &key, info)?);
            }
            (None, Self::None) => {}
        }
        Ok(())
    }

    /// Whether the file can be used, if it is one.
    pub(super) fn check(&self) -> Result<(), CredentialsError> {
        match self {
            Self::None | Self::User { .. } | Self::Token(_) => Ok(()),
            Self::NkeyFile(path) => seed(path, &read(path)?).map(drop),
            Self::File(path) => jwt_and_seed(path).map(drop),
        }
    }
}

fn jwt_and_seed(path: &Path) -> Result<(String, KeyPair), CredentialsError> {
    let text = read(path)?;
    let jwt = section(&text, "NATS USER JWT").ok_or(CredentialsError::Content {
        path: path.to_owned(),
        missing: "there is no `BEGIN NATS USER JWT` section in it",
    })?;
    Ok((jwt.to_owned(), seed(path, &text)?))
}

fn read(path: &Path) -> Result<String, CredentialsError> {
    std::fs::read_to_string(path)
        .map_err(|source| CredentialsError::Read { path: path.to_owned(), source })
}

/// The key in a credentials file, or in a file that holds a seed and nothing else.
fn seed(path: &Path, text: &str) -> Result<KeyPair, CredentialsError> {
    let seed = section(text, "USER NKEY SEED").unwrap_or(text).trim();
    KeyPair::from_seed(seed).map_err(|_| CredentialsError::Content {
        path: path.to_owned(),
        missing: "there is no valid nkey seed in it",
    })
}

/// What stands between `-----BEGIN NAME-----` and the line of its END.
fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("BEGIN {name}"))?;
    let (_, rest) = rest.split_once('\n')?;
    rest.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('-'))
}

fn sign(path: &Path, key: &KeyPair, info: &ServerInfo) -> Result<String, CredentialsError> {
    let nonce = info.nonce.as_deref().ok_or(CredentialsError::NoNonce)?;
    let signature = key.sign(nonce.as_bytes()).map_err(|_| CredentialsError::Content {
        path: path.to_owned(),
        missing: "the key in it can't sign",
    })?;
    Ok(BASE64URL_NOPAD.encode(&signature))
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::User { name, .. } => {
                f.debug_struct("User").field("name", name).finish_non_exhaustive()
            }
            Self::Token(_) => f.write_str("Token(…)"),
            Self::NkeyFile(path) => f.debug_tuple("NkeyFile").field(path).finish(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_file_is_taken_apart() {
        let text = "-----BEGIN NATS USER JWT-----\neyJ0.x.y\n------END NATS USER JWT------\n\n\
                    ************* IMPORTANT *************\n\
                    -----BEGIN USER NKEY SEED-----\nSUAX\n------END USER NKEY SEED------\n";
        assert_eq!(section(text, "NATS USER JWT"), Some("eyJ0.x.y"));
        assert_eq!(section(text, "USER NKEY SEED"), Some("SUAX"));
        assert_eq!(section("nothing", "NATS USER JWT"), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let user = Credentials::User { name: "me".into(), password: "s3cret".into() };
        let shown = format!("{user:?} {:?}", Credentials::Token("s3cret".into()));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
