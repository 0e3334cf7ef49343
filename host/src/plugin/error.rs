//! What can go wrong with a plugin, divided by who is to blame.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::adapters::Foreign;
use super::loading::component::VERSION;
use super::reporting::text;

/// A component that can't be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file can't be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not WebAssembly at all.
    #[error(
        "{name} is not a WebAssembly component: {what}; build one for the target wasm32-wasip2"
    )]
    NotWasm {
        /// File or plugin.
        name: String,
        /// What it is instead, as far as its first bytes tell.
        what: &'static str,
    },
    /// A core module, of which there are more around than components.
    #[error(
        "{name} is a core WebAssembly module, not a component; build it for the target \
         wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule {
        /// File or plugin.
        name: String,
    },
    /// Larger than the limit.
    #[error("{name} is {size_bytes} bytes; the limit is {limit_bytes}")]
    TooLarge {
        /// File or plugin.
        name: String,
        /// Its size.
        size_bytes: u64,
        /// What is allowed.
        limit_bytes: u64,
    },
    /// It does not compile.
    #[error(
        "compile {name}: {source:#}; is it cut off or damaged, or made by tools that are newer \
         than this host?"
    )]
    Compile {
        /// File or plugin.
        name: String,
        /// Why.
        source: wasmtime::Error,
    },
    /// It takes longer to compile than it may.
    #[error("compile {name}: not done within {limit:?}; --compile-timeout would give it longer")]
    CompileTimeout {
        /// File or plugin.
        name: String,
        /// What is allowed.
        limit: Duration,
    },
    /// It exports neither a plugin's interfaces nor a command's.
    #[error(
        "{name} is not a simple-nats plugin: {missing}; a plugin exports \
         simple-nats:client/lifecycle@0.1.0 and simple-nats:client/handler@0.1.0, or {}; \
         a command exports wasi:cli/run",
        Foreign::ALL.map(Foreign::export).join(" or ")
    )]
    WrongWorld {
        /// File or plugin.
        name: String,
        /// What it exports instead.
        missing: String,
    },
    /// Made for another version of the contract.
    #[error(
        "{name} is made for version {version} of the contract simple-nats:client, and this host \
         knows only {VERSION}; {}",
        remedy(version)
    )]
    OtherVersion {
        /// File or plugin.
        name: String,
        /// Of the contract.
        version: String,
    },
    /// It needs what this host does not have.
    #[error(
        "{name} imports {}, which this host does not provide; it provides \
         simple-nats:client@{VERSION}, WASI 0.2 and 0.3, wasi:messaging, wasi:logging and \
         wasmcloud:messaging; build it without the others, or compose it with components that \
         export them",
        text::list(imports)
    )]
    UnknownImport {
        /// File or plugin.
        name: String,
        /// The interfaces.
        imports: Vec<String>,
    },
    /// The interfaces have the right names and other functions or types.
    #[error(
        "{name} does not fit this host's interfaces: {source:#}; build it anew with the library \
         or the WIT files of this host"
    )]
    Mismatch {
        /// File or plugin.
        name: String,
        /// Which function or type.
        source: wasmtime::Error,
    },
    /// The engine does not work on this machine.
    #[error("set up the WebAssembly engine: {0:#}")]
    Engine(wasmtime::Error),
    /// The directory for compiled components can't be used.
    #[error("keep compiled components in {}: {source}", path.display())]
    Cache {
        /// That directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No thread could be had.
    #[error("start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What makes a component of another version run.
fn remedy(version: &str) -> &'static str {
    if is_newer(version) {
        "update this host, or build the component with an older library or older WIT files"
    } else {
        "build the component anew with a newer library or newer WIT files"
    }
}

/// Whether a version of the contract comes after this host's.
fn is_newer(version: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
    };
    numbers(version) > numbers(VERSION)
}

/// A plugin could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its component does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A name in its settings can't be used.
    #[error(transparent)]
    Settings(#[from] crate::protocol::SubjectError),
    /// Its `start` failed.
    #[error("plugin {plugin}: {}", source.summary())]
    Guest {
        /// Name of the plugin.
        plugin: String,
        /// What it did.
        source: GuestError,
    },
    /// Its `start` failed, and a server that it wanted could not be reached.
    #[error("plugin {plugin}: {}", source.summary())]
    NoServer {
        /// Name of the plugin.
        plugin: String,
        /// What it said of it.
        source: GuestError,
    },
    /// It takes messages through an interface without subscribing, and nothing
    /// was subscribed to for it.
    #[error(
        "{plugin} takes messages through {interface} and can't subscribe by itself; say what to \
         subscribe to, as in --subscribe 'orders.>|workers', or with the key `subscriptions` in a \
         manifest"
    )]
    NoSubscriptions {
        /// Name of the plugin.
        plugin: String,
        /// The interface.
        interface: Foreign,
    },
    /// It subscribes by itself, and was to be subscribed for.
    #[error(
        "{plugin} subscribes by itself; only for components that take messages through \
         wasi:messaging or wasmcloud:messaging does the host subscribe"
    )]
    NeedlessSubscriptions {
        /// Name of the plugin.
        plugin: String,
    },
    /// It is a command where a plugin is wanted, or the other way round.
    #[error("{plugin} is a {is}, not a {wanted}")]
    WrongKind {
        /// Name of the plugin.
        plugin: String,
        /// What it is.
        is: &'static str,
        /// What was wanted.
        wanted: &'static str,
    },
    /// There is a plugin of this name already.
    #[error("there is a plugin {0:?} already")]
    NameTaken(String),
    /// The host is shutting down.
    #[error("the host is shutting down")]
    HostGone,
}

/// An instance has ended in a way that is the guest's own doing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GuestError {
    /// `start` answered an error.
    #[error("start failed: {0}")]
    Start(String),
    /// It trapped.
    #[error("trap in {during}: {}", with_backtrace(source))]
    Trap {
        /// Which export was running.
        during: &'static str,
        /// Reason and WebAssembly backtrace.
        source: wasmtime::Error,
    },
    /// It ran or waited longer than a callback may.
    #[error("{during} took longer than {limit:?}")]
    Timeout {
        /// Which export was running.
        during: &'static str,
        /// What is allowed.
        limit: Duration,
    },
}

impl GuestError {
    /// Which export was running.
    pub fn during(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Trap { during, .. } | Self::Timeout { during, .. } => during,
        }
    }

    /// The reason without a backtrace, on one line: for those who are only told.
    pub fn summary(&self) -> String {
        match self {
            Self::Trap { during, source } => format!("trap in {during}: {}", reason(source)),
            other => other.to_string(),
        }
    }
}

fn reason(trap: &wasmtime::Error) -> String {
    match trap.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => trap.to_string(),
        None => text::reason(&trap.root_cause().to_string()),
    }
}

/// More is only the way through an interpreter, and scrolls the reason away.
const MAX_BACKTRACE_LINES: usize = 16;

/// The guest's calls belong to the reason, the host's own do not.
fn with_backtrace(trap: &wasmtime::Error) -> String {
    match trap.downcast_ref::<wasmtime::WasmBacktrace>() {
        Some(backtrace) => {
            let calls = one_screen(&backtrace.to_string());
            format!("{}\n  {}", reason(trap), text::backtrace(&calls))
        }
        None => reason(trap),
    }
}

/// The innermost calls.
fn one_screen(backtrace: &str) -> String {
    let lines: Vec<_> = backtrace.lines().collect();
    match lines.get(..MAX_BACKTRACE_LINES) {
        Some(shown) if lines.len() > MAX_BACKTRACE_LINES => {
            format!("{}\n… and {} lines more", shown.join("\n"), lines.len() - shown.len())
        }
        _ => lines.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for newer in ["0.2.0", "0.10.0", "1.0.0", "0.1.1-draft"] {
            assert!(is_newer(newer), "{newer}");
        }
        for older in ["0.0.9", "0.1.0", "draft"] {
            assert!(!is_newer(older), "{older}");
        }
    }

    #[test]
    fn long_backtraces_are_cut_and_say_so() {
        let long = (1..=20).map(|number| format!("{number}: call")).collect::<Vec<_>>().join("\n");
        let shown = one_screen(&long);
        assert_eq!(shown.lines().count(), MAX_BACKTRACE_LINES + 1);
        assert!(shown.starts_with("1: call\n") && shown.ends_with("… and 4 lines more"), "{shown}");
        assert_eq!(one_screen("1: call\n2: call"), "1: call\n2: call");
    }
}
