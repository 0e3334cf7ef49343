//! A server's decentralised accounts: an operator, one account and its users,
//! each with a key and a signed JWT, as `nsc` would make them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with one account.
pub struct Accounts {
    operator: KeyPair,
    account: KeyPair,
}

impl Accounts {
    /// Makes new keys.
    pub fn new() -> Self {
        Self { operator: KeyPair::new_operator(), account: KeyPair::new_account() }
    }

    /// The configuration of a server that trusts the operator and knows the account.
    pub fn config(&self) -> Result<String> {
        let operator = json!({ "type": "operator", "version": 2 });
        let operator = sign(&self.operator, &self.operator, operator, None)?;
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "conn": -1, "leaf": -1, "wildcards": true,
        });
        let account = json!({ "type": "account", "version": 2, "limits": limits });
        let account = sign(&self.operator, &self.account, account, None)?;
        Ok(format!(
            "operator: {operator:?}\nresolver: MEMORY\nresolver_preload: {{ {}: {account:?} }}\n",
            self.account.public_key()
        ))
    }

    /// The credentials file of a new user, valid for a time or for ever.
    pub fn user(&self, valid: Option<Duration>) -> Result<String> {
        let key = KeyPair::new_user();
        let expires = valid.map(|valid| SystemTime::now() + valid);
        let user = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
        let jwt = sign(&self.account, &key, user, expires)?;
        let seed = key.seed().context("the user's seed")?;
        Ok(format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        ))
    }
}

impl Default for Accounts {
    fn default() -> Self {
        Self::new()
    }
}

/// A JWT in which `issuer` says these things of `subject`.
fn sign(
    issuer: &KeyPair,
    subject: &KeyPair,
    claims: Value,
    expires: Option<SystemTime>,
) -> Result<String> {
    let head = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let body = json!({
        "iss": issuer.public_key(),
        "sub": subject.public_key(),
        "name": "test",
        "iat": seconds(SystemTime::now())?,
        "exp": expires.map(seconds).transpose()?,
        "nats": claims,
    });
    let encode = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
    let signed = format!("{}.{}", encode(&head), encode(&body));
    let signature = issuer.sign(signed.as_bytes()).context("sign a JWT")?;
    Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
}

fn seconds(time: SystemTime) -> Result<u64> {
    Ok(time.duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs())
}
