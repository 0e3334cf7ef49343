//! Connections of a manifest as options.

use std::path::{Path, PathBuf};

use super::document::Document;
use super::tables::{ConnectionTable, TlsTable};
use crate::connection::{ConnectionOptions, Credentials, ServerAddress};

/// What a manifest says of a connection; the rest is up to the command line.
#[derive(Clone)]
pub(super) struct ConnectionPlan {
    servers: Option<Vec<ServerAddress>>,
    credentials: Option<Credentials>,
    table: ConnectionTable,
}

impl ConnectionTable {
    /// Reads what stands elsewhere: secrets, and whether files are there.
    /// `keys` lead to this table.
    pub(super) fn plan(&self, document: &mut Document<'_>, keys: &[&str]) -> ConnectionPlan {
        let mut table = self.clone();
        let folder = document.folder().to_owned();
        let tls = table.tls.as_mut();
        let files = [("nkey", table.nkey.as_mut()), ("creds", table.creds.as_mut())];
        for (key, file) in files {
            check_file(document, &folder, &[keys, &[key]].concat(), file);
        }
        if let Some(tls) = tls {
            let paths = [("ca", &mut tls.ca), ("cert", &mut tls.cert), ("key", &mut tls.key)];
            for (key, file) in paths {
                check_file(document, &folder, &[keys, &["tls", key]].concat(), file.as_mut());
            }
            if tls.cert.is_some() != tls.key.is_some() {
                let message = "`cert` and `key` go together: give both or none";
                document.problem(&[keys, &["tls"]].concat(), message);
            }
        }
        if let Some(servers) = &table.servers
            && servers.is_empty()
        {
            document.problem(&[keys, &["servers"]].concat(), "`servers` names no server");
        }
        let credentials = credentials(&table, document, keys);
        let servers = table.servers.as_ref().map(|servers| {
            // Each was checked as a text before.
            servers.iter().filter_map(|server| server.as_str().parse().ok()).collect()
        });
        ConnectionPlan { servers, credentials, table }
    }
}

/// Makes the path one that does not depend on the current folder's being that of
/// the manifest.
fn check_file(
    document: &mut Document<'_>,
    folder: &Path,
    keys: &[&str],
    file: Option<&mut PathBuf>,
) {
    let Some(file) = file else { return };
    *file = folder.join(&*file);
    if let Err(error) = std::fs::File::open(&*file) {
        document.problem(keys, format!("open {}: {error}", file.display()));
    }
}

fn credentials(
    table: &ConnectionTable,
    document: &mut Document<'_>,
    keys: &[&str],
) -> Option<Credentials> {
    let given = [
        ("user", table.user.is_some()),
        ("token", table.token.is_some()),
        ("nkey", table.nkey.is_some()),
        ("creds", table.creds.is_some()),
    ];
    let given: Vec<_> =
        given.iter().filter(|(_, is_given)| *is_given).map(|(key, _)| *key).collect();
    if let [first, second, ..] = given[..] {
        let message = format!("`{first}` and `{second}` are two ways to log in: choose one");
        document.problem(&[keys, &[second]].concat(), message);
        return None;
    }
    if table.user.is_some() != table.password.is_some() {
        let (there, missing) =
            if table.user.is_some() { ("user", "password") } else { ("password", "user") };
        let message = format!("`{there}` goes with `{missing}`, which is missing");
        document.problem(&[keys, &[there]].concat(), message);
        return None;
    }
    let mut read = |key: &str, secret: &super::secret::Secret| {
        let outcome = secret.read(document.folder());
        outcome.map_err(|error| document.problem(&[keys, &[key]].concat(), error)).ok()
    };
    if let Some((name, password)) = table.user.as_ref().zip(table.password.as_ref()) {
        let password = read("password", password)?;
        return Some(Credentials::User { name: name.clone(), password });
    }
    if let Some(token) = &table.token {
        return read("token", token).map(Credentials::Token);
    }
    let nkey = table.nkey.clone().map(Credentials::NkeyFile);
    nkey.or_else(|| table.creds.clone().map(Credentials::File))
}

impl ConnectionPlan {
    /// The name that was chosen.
    pub(super) fn client_name(&self) -> Option<&str> {
        self.table.client_name.as_ref().map(|name| name.as_str())
    }

    /// Whether it names servers.
    pub(super) fn has_servers(&self) -> bool {
        self.servers.is_some()
    }

    /// The inbox prefix that was chosen.
    pub(super) fn inbox_prefix(&self) -> Option<&str> {
        self.table.inbox_prefix.as_ref().map(|prefix| prefix.as_str())
    }

    /// The options, where `host` are those of the command line. Servers that the
    /// manifest names get nothing of what the command line logs in with.
    pub(super) fn options(&self, host: &ConnectionOptions) -> ConnectionOptions {
        let mut options = host.clone();
        let table = &self.table;
        if let Some(servers) = &self.servers {
            options.servers.clone_from(servers);
            options.credentials = Credentials::None;
            options.tls.identity = None;
        }
        if let Some(credentials) = &self.credentials {
            options.credentials = credentials.clone();
        }
        if let Some(TlsTable { required, first, ca, cert, key }) = &table.tls {
            options.tls.required = *required || *first;
            options.tls.first = *first;
            options.tls.ca_file.clone_from(ca);
            options.tls.identity = cert.clone().zip(key.clone());
        }
        set(&mut options.keep_order, table.keep_order);
        set(&mut options.retry_failed_login, table.retry_failed_login);
        set(&mut options.no_echo, table.no_echo);
        set(&mut options.connect_timeout, table.connect_timeout.map(|time| time.0));
        set(&mut options.ping_interval, table.ping_interval.map(|time| time.0));
        set(&mut options.max_pings_out, table.max_pings_out);
        let wait_max = table.reconnect_wait_max.map(|time| time.0);
        set(&mut options.reconnect_wait_max, wait_max);
        if table.max_reconnects.is_some() {
            options.max_reconnects = table.max_reconnects;
        }
        options
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
