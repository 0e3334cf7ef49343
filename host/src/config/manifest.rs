//! From a manifest's text to what is run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::connections::ConnectionPlan;
use super::document::Document;
use super::problem::ManifestError;
use super::structure::{self, hint};
use super::tables::{ConnectionChoice, Defaults, DirectoryChoice, Instances, PluginTable, Tables};
use super::units::Size;
use crate::connection::ConnectionOptions;
use crate::plugin::{ClientName, ComponentSource, Directory, PluginSettings, SharedConnection};
use crate::policy::PermissionPlace;

/// A manifest that makes sense.
pub struct Manifest {
    max_stack: Option<Size>,
    /// Connections that plugins share, by name.
    shared: BTreeMap<String, ConnectionPlan>,
    plugins: Vec<PlannedPlugin>,
}

/// A plugin of a manifest.
#[derive(Clone)]
#[non_exhaustive]
pub struct PlannedPlugin {
    /// How it is run.
    pub settings: PluginSettings,
    /// Which connection it gets.
    pub connection: PlannedConnection,
}

/// Which connection a plugin gets.
#[derive(Clone)]
pub enum PlannedConnection {
    /// One of its own.
    Own(OwnConnection),
    /// The one that the manifest has under this name.
    Shared(String),
}

/// A connection that no other plugin has.
#[derive(Clone)]
pub struct OwnConnection(Option<Box<ConnectionPlan>>);

impl OwnConnection {
    /// Its options, where `host` are those of the command line.
    pub fn options(&self, host: &ConnectionOptions) -> ConnectionOptions {
        self.0.as_ref().map_or_else(|| host.clone(), |plan| plan.options(host))
    }
}

/// Far more than any manifest has; a device that never ends has more.
const MAX_BYTES: u64 = 16 << 20;

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        let reason = format!("it has more than {MAX_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(text)
}

impl Manifest {
    /// Reads a manifest and the secrets it names.
    ///
    /// # Errors
    /// If it can't be read, or with everything in it that makes no sense.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        Self::parse(path, &read_text(path)?)
    }

    /// Like [`read`](Self::read), for a text that is to be taken for the contents
    /// of `path`.
    ///
    /// # Errors
    /// With everything in it that makes no sense.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let mut document = Document::parse(path, text);
        let manifest = tables(&mut document, text).map(|tables| tables.plan(&mut document));
        match manifest {
            Some(manifest) if !document.has_problems() => Ok(manifest),
            _ => Err(ManifestError::Problems(document.into_problems())),
        }
    }

    /// Native stack that a guest may use, if it says so.
    pub fn max_stack(&self) -> Option<Size> {
        self.max_stack
    }

    /// Whether a connection goes to the servers of the command line.
    pub fn needs_servers(&self) -> bool {
        let own = self.plugins.iter().filter_map(|plugin| match &plugin.connection {
            PlannedConnection::Own(OwnConnection(plan)) => Some(plan.as_deref()),
            PlannedConnection::Shared(_) => None,
        });
        let names_none =
            |plan: Option<&ConnectionPlan>| plan.is_none_or(|plan| !plan.has_servers());
        own.chain(self.shared.values().map(Some)).any(names_none)
    }

    /// The plugins, in the order of the file.
    pub fn plugins(&self) -> &[PlannedPlugin] {
        &self.plugins
    }

    /// The connections that plugins share, by name, where `host` are the options
    /// of the command line. Nothing is connected by that.
    pub fn shared_connections(
        &self,
        host: &ConnectionOptions,
    ) -> BTreeMap<String, SharedConnection> {
        let connections = self.shared.iter().map(|(name, plan)| {
            let client_name =
                plan.client_name().map_or_else(ClientName::generate, ClientName::chosen);
            let inbox_prefix = plan.inbox_prefix().map(str::to_owned);
            (name.clone(), SharedConnection::new(plan.options(host), client_name, inbox_prefix))
        });
        connections.collect()
    }
}

/// The text of a manifest.
pub(super) fn read_text(path: &Path) -> Result<String, ManifestError> {
    read(path).map_err(|source| ManifestError::Read { path: path.to_owned(), source })
}

/// The tables of a manifest. With none, the document says why.
pub(super) fn tables(document: &mut Document<'_>, text: &str) -> Option<Tables> {
    if !document.has_problems() {
        structure::check(document, &super::schema());
    }
    if document.has_problems() {
        return None;
    }
    toml::from_str(text)
        .inspect_err(|error| {
            document.note(error.span().unwrap_or_default(), error.message().to_owned());
        })
        .ok()
}

impl Tables {
    fn plan(&self, document: &mut Document<'_>) -> Manifest {
        let mut shared = BTreeMap::new();
        for (name, table) in &self.connection {
            shared.insert(name.clone(), table.plan(document, &["connection", name]));
        }
        let mut plugins: Vec<_> = self.plugin.iter().collect();
        plugins.sort_by_key(|(name, _)| document.span(&["plugin", name]).start);
        if plugins.is_empty() {
            document.problem(&[], "there is no plugin: add a table [plugin.NAME]");
        }
        let plan = Planner { shared: &shared, defaults: &self.defaults };
        let plugins =
            plugins.into_iter().map(|(name, table)| plan.plugin(document, name, table)).collect();
        for name in shared.keys() {
            let is_used = |plugin: &PlannedPlugin| matches!(&plugin.connection, PlannedConnection::Shared(used) if used == name);
            let plugins: &Vec<PlannedPlugin> = &plugins;
            if !plugins.iter().any(is_used) {
                document
                    .problem(&["connection", name], format!("no plugin uses connection `{name}`"));
            }
        }
        Manifest { max_stack: self.max_stack, shared, plugins }
    }
}

struct Planner<'a> {
    shared: &'a BTreeMap<String, ConnectionPlan>,
    defaults: &'a Defaults,
}

impl Planner<'_> {
    fn plugin(
        &self,
        document: &mut Document<'_>,
        name: &str,
        table: &PluginTable,
    ) -> PlannedPlugin {
        let keys = ["plugin", name];
        let component = document.folder().join(&table.component);
        if let Err(error) = File::open(&component) {
            let message = format!("open {}: {error}", component.display());
            document.problem(&["plugin", name, "component"], message);
        }
        let source = ComponentSource::File(component);
        let mut settings = PluginSettings::new(name, source);
        let connection = self.connection(document, name, table, &mut settings);
        if let Some(client_name) = &table.client_name {
            settings.client_name = ClientName::chosen(client_name.as_str());
        }
        // Those that make no sense were told by the check of their format.
        let subscriptions = table.subscriptions.iter().map(|text| text.as_str().parse());
        settings.subscriptions = subscriptions.filter_map(Result::ok).collect();
        let permissions = table.permissions.or(&self.defaults.permissions);
        settings.policy = permissions.policy(document, &[&keys[..], &["permissions"]].concat());
        settings.permission_place = PermissionPlace::Manifest { plugin: name.to_owned() };
        table.limits.or(&self.defaults.limits).apply(&mut settings.limits);
        let instances = table.instances.as_ref().or(self.defaults.instances.as_ref());
        settings.instances = instances.map(Instances::count).unwrap_or_default();
        settings.answer_errors =
            table.answer_errors.or(self.defaults.answer_errors).unwrap_or(true);
        let mut environment = self.defaults.environment.clone();
        environment.extend(table.environment.clone());
        settings.environment = environment.into_iter().collect();
        settings.config = self.defaults.config.clone();
        settings.config.extend(table.config.clone());
        settings.arguments.clone_from(&table.arguments);
        settings.directories = directories(document, &keys, &table.directories);
        PlannedPlugin { settings, connection }
    }

    fn connection(
        &self,
        document: &mut Document<'_>,
        name: &str,
        table: &PluginTable,
        settings: &mut PluginSettings,
    ) -> PlannedConnection {
        let own = ["plugin", name, "connection"];
        let (keys, choice) = match (&table.connection, &self.defaults.connection) {
            (Some(choice), _) => (&own[..], choice),
            (None, Some(choice)) => (&["defaults", "connection"][..], choice),
            (None, None) => return PlannedConnection::Own(OwnConnection(None)),
        };
        match choice {
            ConnectionChoice::Shared(shared) => {
                if !self.shared.contains_key(shared) {
                    let hint = hint(shared, self.shared.keys().map(String::as_str));
                    document.problem(keys, format!("there is no connection `{shared}`{hint}"));
                }
                if table.client_name.is_some() {
                    let message = format!(
                        "a shared connection has one name: move it to [connection.{shared}]"
                    );
                    document.problem(&["plugin", name, "client-name"], message);
                }
                PlannedConnection::Shared(shared.clone())
            }
            ConnectionChoice::Own(connection) => {
                let plan = connection.plan(document, keys);
                if plan.client_name().is_some() {
                    let message = "a connection of a plugin's own has the plugin's `client-name`";
                    document.problem(&[keys, &["client-name"]].concat(), message);
                }
                settings.inbox_prefix = plan.inbox_prefix().map(str::to_owned);
                PlannedConnection::Own(OwnConnection(Some(Box::new(plan))))
            }
        }
    }
}

/// The directories of a plugin, each of which must be there.
fn directories(
    document: &mut Document<'_>,
    keys: &[&str],
    table: &BTreeMap<String, DirectoryChoice>,
) -> Vec<Directory> {
    let mut directories = Vec::new();
    for (guest, choice) in table {
        let (path, is_writable) = match choice {
            DirectoryChoice::Readable(path) => (path, false),
            DirectoryChoice::Table(table) => (&table.path, table.writable),
        };
        let host = document.folder().join(path);
        if !host.is_dir() {
            let message = format!("{} is no directory", host.display());
            document.problem(&[keys, &["directories", guest]].concat(), message);
        }
        directories.push(Directory { host, guest: guest.clone(), is_writable });
    }
    directories
}

#[cfg(test)]
mod tests;
