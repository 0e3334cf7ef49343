//! Secrets, which need not stand in the manifest itself.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

/// A password or token.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Secret {
    /// The secret itself.
    Text(String),
    /// Where it is.
    Elsewhere(SecretPlace),
}

/// Where a secret is: name one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretPlace {
    /// An environment variable of the host.
    env: Option<String>,
    /// A file; a line end after the secret does not count.
    file: Option<PathBuf>,
}

impl Secret {
    /// Reads it.
    ///
    /// # Errors
    /// If it is not where the manifest says; in words, without the secret.
    pub(super) fn read(&self, folder: &Path) -> Result<String, String> {
        let place = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::Elsewhere(place) => place,
        };
        let secret = match (&place.env, &place.file) {
            (Some(name), None) => std::env::var(name)
                .map_err(|error| format!("environment variable {name}: {error}"))?,
            (None, Some(file)) => {
                let file = folder.join(file);
                let text = std::fs::read_to_string(&file)
                    .map_err(|error| format!("read {}: {error}", file.display()))?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
            _ => {
                let forms = "a text, { env = \"NAME\" } or { file = \"PATH\" }";
                return Err(format!("a secret is one of {forms}"));
            }
        };
        if secret.is_empty() {
            return Err("the secret is empty".to_owned());
        }
        Ok(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::Elsewhere(place) => place.fmt(f),
        }
    }
}
