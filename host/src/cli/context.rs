//! Contexts of the `nats` command: files that say how to reach a server.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::Deserialize;

use super::exit::Failure;
use super::login::variable;
use crate::connection::Credentials;

/// What a context says, as far as it means something here; empty if it does not.
/// Not to be shown: it has secrets.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Context {
    url: String,
    user: String,
    password: String,
    token: String,
    creds: String,
    nkey: String,
    nsc: String,
    ca: String,
    cert: String,
    key: String,
    tls_first: bool,
    inbox_prefix: String,
}

impl Context {
    /// Reads the context of this name.
    pub(super) fn read(name: &str) -> Result<Self, Failure> {
        let path = path(name)?;
        let what = || format!("context {name:?}, {}", path.display());
        let text = std::fs::read_to_string(&path).with_context(what).map_err(told)?;
        let context: Self = serde_json::from_str(&text).with_context(what).map_err(told)?;
        if !context.nsc.is_empty() {
            return Err(Failure::Usage(anyhow!(
                "context {name:?} logs in by way of nsc, which is not done here; \
                 name the credentials file with --creds"
            )));
        }
        if !context.inbox_prefix.is_empty() {
            let prefix = &context.inbox_prefix;
            tracing::warn!(context = name, prefix, "not used; give it as --inbox-prefix");
        }
        Ok(context)
    }

    /// Addresses, separated by commas.
    pub(super) fn url(&self) -> Option<&str> {
        said(&self.url)
    }

    /// How it logs in. As for the `nats` command, a user alone is a token.
    pub(super) fn credentials(&self) -> Credentials {
        if let Some(path) = file(&self.creds) {
            return Credentials::File(path);
        }
        if let Some(path) = file(&self.nkey) {
            return Credentials::NkeyFile(path);
        }
        match (said(&self.token), said(&self.user), said(&self.password)) {
            (Some(token), ..) | (None, Some(token), None) => Credentials::Token(token.to_owned()),
            (None, Some(name), Some(password)) => {
                Credentials::User { name: name.to_owned(), password: password.to_owned() }
            }
            (None, None, _) => Credentials::None,
        }
    }

    /// The file of trusted authorities.
    pub(super) fn ca(&self) -> Option<PathBuf> {
        file(&self.ca)
    }

    /// The files of the own certificate and its key.
    pub(super) fn identity(&self) -> Option<(PathBuf, PathBuf)> {
        file(&self.cert).zip(file(&self.key))
    }

    /// Whether to encrypt before the server says anything.
    pub(super) fn tls_first(&self) -> bool {
        self.tls_first
    }
}

fn path(name: &str) -> Result<PathBuf, Failure> {
    if Path::new(name).is_absolute() {
        return Ok(name.into());
    }
    if name.contains('/') || name.starts_with('.') {
        return Err(Failure::Usage(anyhow!("{name:?} is no name of a context")));
    }
    let folder = match variable("XDG_CONFIG_HOME")? {
        Some(folder) => PathBuf::from(folder),
        None => home().join(".config"),
    };
    Ok(folder.join("nats").join("context").join(format!("{name}.json")))
}

fn home() -> PathBuf {
    std::env::home_dir().unwrap_or_default()
}

fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn file(text: &str) -> Option<PathBuf> {
    let path = said(text)?;
    Some(path.strip_prefix("~/").map_or_else(|| path.into(), |rest| home().join(rest)))
}

fn told(error: anyhow::Error) -> Failure {
    // The cause is part of the one line that is shown.
    Failure::Usage(anyhow!("{error:#}"))
}
