//! How to log in: the options, the environment, and which of them counts.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::context::Context;
use super::exit::Failure;
use crate::connection::Credentials;

/// How to log in. The environment is not read by clap, which could not tell it
/// from the command line when both name a login.
#[derive(Debug, Args)]
pub(super) struct LoginArguments {
    /// User name; with --password. [env: NATS_USER, a token if there is no password]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Password; with --user. [env: NATS_PASSWORD]
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,

    /// Token. [env: NATS_TOKEN]
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["user", "password"])]
    token: Option<String>,

    /// File with an nkey seed. [env: NATS_NKEY]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "password", "token"])]
    nkey: Option<PathBuf>,

    /// File with a JWT and its nkey seed; read anew at each connect. [env: NATS_CREDS]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "password", "token", "nkey"])]
    creds: Option<PathBuf>,

    /// Go on trying a server that has refused the login twice.
    #[arg(long)]
    pub(super) retry_failed_login: bool,
}

impl LoginArguments {
    /// Whether the command line names a login.
    pub(super) fn is_given(&self) -> bool {
        self.user.is_some()
            || self.password.is_some()
            || self.token.is_some()
            || self.nkey.is_some()
            || self.creds.is_some()
    }

    /// The login of the command line; if that names none, of the environment; if
    /// that doesn't either, of the context. User and password may come from the
    /// first two, one each.
    pub(super) fn credentials(&self, context: &Context) -> Result<Credentials, Failure> {
        if !self.is_given() {
            return Ok(from_environment()?.unwrap_or_else(|| context.credentials()));
        }
        if let Some(path) = &self.creds {
            return Ok(Credentials::File(path.clone()));
        }
        if let Some(path) = &self.nkey {
            return Ok(Credentials::NkeyFile(path.clone()));
        }
        if let Some(token) = &self.token {
            return Ok(Credentials::Token(token.clone()));
        }
        let other_half = |own: &Option<String>, name| match own {
            Some(text) => Ok(Some(text.clone())),
            None => variable(name),
        };
        let name = other_half(&self.user, "NATS_USER")?;
        let password = other_half(&self.password, "NATS_PASSWORD")?;
        match (name, password) {
            (Some(name), Some(password)) => Ok(Credentials::User { name, password }),
            (_, None) => Err(usage("--user needs --password, or the variable NATS_PASSWORD")),
            (None, _) => Err(usage("--password needs --user, or the variable NATS_USER")),
        }
    }
}

fn from_environment() -> Result<Option<Credentials>, Failure> {
    let mut found = Vec::new();
    if let Some(path) = variable("NATS_CREDS")? {
        found.push(("NATS_CREDS", Credentials::File(path.into())));
    }
    if let Some(path) = variable("NATS_NKEY")? {
        found.push(("NATS_NKEY", Credentials::NkeyFile(path.into())));
    }
    if let Some(token) = variable("NATS_TOKEN")? {
        found.push(("NATS_TOKEN", Credentials::Token(token)));
    }
    match (variable("NATS_USER")?, variable("NATS_PASSWORD")?) {
        (Some(name), Some(password)) => {
            found.push(("NATS_USER", Credentials::User { name, password }));
        }
        // So the `nats` command has it.
        (Some(token), None) => found.push(("NATS_USER", Credentials::Token(token))),
        // Alone it says nothing: the user may be part of the address.
        (None, _) => {}
    }
    match &found[..] {
        [(one, _), (other, _), ..] => Err(usage(&format!(
            "{one} and {other} are both set: unset one of them, or log in with an option"
        ))),
        _ => Ok(found.pop().map(|(_, credentials)| credentials)),
    }
}

/// An environment variable; one that is empty says nothing.
pub(super) fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(usage(&format!("{name} is not UTF-8"))),
    }
}

fn usage(message: &str) -> Failure {
    Failure::Usage(anyhow!("{message}"))
}
