//! A component's file, and what it turns out to be.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use wasmtime::component::{Component, types::ComponentItem};

use crate::plugin::adapters::{self, Foreign};
use crate::plugin::error::LoadError;
use crate::plugin::reporting::text;
use crate::plugin::settings::ComponentSource;
use crate::plugin::wasi::http::HTTP;

const PACKAGE: &str = "simple-nats:client/";
/// Of the contract, as this host knows it.
pub(in crate::plugin) const VERSION: &str = "0.1.0";
const LIFECYCLE: &str = "simple-nats:client/lifecycle@0.1.0";
const HANDLER: &str = "simple-nats:client/handler@0.1.0";
/// Several deliveries at one entry.
pub(in crate::plugin) const BATCH_HANDLER: &str = "simple-nats:client/batch-handler@0.1.0";
const RUN: &str = "wasi:cli/run@0.2";

/// Interfaces of which a guest gets less than they offer.
const RESTRICTED: [(&str, &str); 5] = [
    ("wasi:filesystem/", "only directories granted with --dir"),
    ("wasi:sockets/", "refused: connections are the host's"),
    (HTTP, "refused: trap when called"),
    ("wasi:cli/environment@", "only variables granted with --env"),
    ("wasi:config/", "only keys set with --config"),
];

/// What a component is to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The host calls its handlers.
    Plugin {
        /// It takes many deliveries at one entry.
        batch: bool,
    },
    /// The host subscribes for it, and calls the handler of an interface that
    /// others have defined.
    Foreign(Foreign),
    /// A program that runs to its exit code.
    Command,
}

/// A component's interfaces, found without running it.
#[derive(Debug, Clone)]
pub struct Interfaces {
    /// Names of what it imports, with version.
    pub imports: Vec<String>,
    /// Names of what it exports, with version.
    pub exports: Vec<String>,
}

impl Interfaces {
    /// Reads them off a component.
    pub fn of(component: &Component) -> Self {
        let engine = component.engine();
        let ty = component.component_type();
        Self {
            imports: ty.imports(engine).map(|(name, _)| name.to_owned()).collect(),
            exports: ty
                .exports(engine)
                .filter(|(_, item)| !matches!(item.ty, ComponentItem::Type(_)))
                .map(|(name, _)| name.to_owned())
                .collect(),
        }
    }

    /// What the component is, if it is anything this host can run.
    ///
    /// # Errors
    /// With what is missing, in words.
    pub fn kind(&self) -> Result<Kind, String> {
        let has = |wanted: &str| self.exports.iter().any(|name| name == wanted);
        let (lifecycle, handler) = (has(LIFECYCLE), has(HANDLER));
        if lifecycle && handler {
            return Ok(Kind::Plugin { batch: has(BATCH_HANDLER) });
        }
        if let Some(foreign) = self.foreign().next() {
            return Ok(Kind::Foreign(foreign));
        }
        if self.exports.iter().any(|name| name.starts_with(RUN)) {
            return Ok(Kind::Command);
        }
        Err(if lifecycle != handler {
            let (there, missing) =
                if lifecycle { (LIFECYCLE, HANDLER) } else { (HANDLER, LIFECYCLE) };
            format!("it exports {there} and not {missing}")
        } else if self.exports.is_empty() {
            "it exports nothing".to_owned()
        } else {
            format!("it exports only {}", text::list(&self.exports))
        })
    }

    /// What the component is, if this host has all that it needs, as far as names
    /// tell.
    ///
    /// # Errors
    /// If it is made for another version of the contract or another world, or imports
    /// what is not there.
    pub(super) fn check(&self, name: &str) -> Result<Kind, LoadError> {
        let name = name.to_owned();
        if let Some(version) = self.other_version() {
            let version = version.to_owned();
            return Err(LoadError::OtherVersion { name, version });
        }
        let kind = match self.kind() {
            Ok(kind) => kind,
            Err(missing) => return Err(LoadError::WrongWorld { name, missing }),
        };
        let imports = self.unknown_imports();
        if !imports.is_empty() {
            return Err(LoadError::UnknownImport { name, imports });
        }
        Ok(kind)
    }

    /// The version of our contract that the component was made for, if it is not
    /// this host's.
    pub fn other_version(&self) -> Option<&str> {
        let ours = self.exports.iter().chain(&self.imports);
        let ours = ours.filter_map(|name| name.strip_prefix(PACKAGE)?.split_once('@'));
        ours.map(|(_, version)| version).find(|version| *version != VERSION)
    }

    /// Handlers of interfaces that others have defined, the preferred one first.
    fn foreign(&self) -> impl Iterator<Item = Foreign> {
        Foreign::ALL
            .into_iter()
            .filter(|foreign| self.exports.iter().any(|name| name == foreign.export()))
    }

    /// Handlers that are not called because another one is: each with that.
    pub(in crate::plugin) fn passed_over(
        &self,
        kind: Kind,
    ) -> impl Iterator<Item = (&'static str, &'static str)> {
        let chosen = match kind {
            Kind::Plugin { .. } => HANDLER,
            Kind::Foreign(foreign) => foreign.export(),
            Kind::Command => RUN,
        };
        let others = self.foreign().map(Foreign::export).filter(move |&other| other != chosen);
        others.map(move |other| (other, chosen))
    }

    /// Whether it imports what is only there for those that do not call it.
    pub(in crate::plugin) fn has_http(&self) -> bool {
        self.imports.iter().any(|name| name.starts_with(HTTP))
    }

    /// Imports of which a guest gets nothing, or only what its operator grants, each
    /// with how that is.
    pub fn restricted_imports(&self) -> Vec<(&str, &'static str)> {
        let restricted = |name: &String| {
            let (_, how) = RESTRICTED.iter().find(|(prefix, _)| name.starts_with(prefix))?;
            Some(*how)
        };
        let names = self.imports.iter();
        names.filter_map(|name| Some((name.as_str(), restricted(name)?))).collect()
    }

    /// Imports that no part of this host provides.
    pub fn unknown_imports(&self) -> Vec<String> {
        self.imports.iter().filter(|name| !is_provided(name)).cloned().collect()
    }
}

fn is_provided(import: &str) -> bool {
    const OURS: [&str; 9] = [
        "types",
        "client",
        "publisher",
        "subscriber",
        "requester",
        "timers",
        "inbox",
        "packed-inbox",
        "packed-outbox",
    ];
    const WASI: [&str; 7] = ["io", "clocks", "random", "cli", "filesystem", "sockets", "config"];
    if adapters::PROVIDED.contains(&import) {
        return true;
    }
    let Some((package, rest)) = import.split_once('/') else { return false };
    let Some((interface, version)) = rest.split_once('@') else { return false };
    match package.split_once(':') {
        Some(("simple-nats", "client")) => version == "0.1.0" && OURS.contains(&interface),
        // It is there for those that do not call it.
        Some(("wasi", "http")) => version.starts_with("0.2."),
        // Whoever imports 0.3 gets the engine that has it.
        Some(("wasi", package)) => {
            (version.starts_with("0.2.") || version == "0.3.0") && WASI.contains(&package)
        }
        _ => false,
    }
}

/// The bytes of a component, of this size at the most.
///
/// # Errors
/// If its file can't be read, or it is too large or no component.
pub(in crate::plugin) fn read(
    source: ComponentSource,
    name: &str,
    limit_bytes: u64,
) -> Result<Bytes, LoadError> {
    let bytes = match source {
        ComponentSource::File(path) => read_file(&path, limit_bytes)?.into(),
        ComponentSource::Bytes(bytes) => Bytes::from_owner(bytes),
    };
    check_size(name, bytes.len() as u64, limit_bytes)?;
    check_kind_of_wasm(name, &bytes)?;
    Ok(bytes)
}

/// Ends with one byte too many if there are more.
fn read_file(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, LoadError> {
    let fail = |source| LoadError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let size_bytes = file.metadata().map_err(fail)?.len();
    check_size(&path.display().to_string(), size_bytes, limit_bytes)?;
    // It may grow meanwhile, and a pipe has no size.
    let room = usize::try_from(size_bytes).unwrap_or_default();
    let mut bytes = Vec::with_capacity(room.saturating_add(1));
    file.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// Whether a component may be so large.
///
/// # Errors
/// If not.
fn check_size(name: &str, size_bytes: u64, limit_bytes: u64) -> Result<(), LoadError> {
    if size_bytes <= limit_bytes {
        return Ok(());
    }
    Err(LoadError::TooLarge { name: name.to_owned(), size_bytes, limit_bytes })
}

/// The first eight bytes tell a component (layer 1) from a core module (layer 0).
fn check_kind_of_wasm(name: &str, bytes: &[u8]) -> Result<(), LoadError> {
    const MAGIC: &[u8] = b"\0asm";
    let what = match bytes {
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => {
            return Err(LoadError::CoreModule { name: name.to_owned() });
        }
        [] => "it is empty",
        // Whatever else these eight bytes are, they are of no component yet.
        [0, b'a', b's', b'm', ..] if bytes.len() >= 8 => "it begins like none that is known",
        _ if MAGIC.starts_with(bytes) || bytes.starts_with(MAGIC) => "it is cut off",
        _ if is_text(bytes) => "it is in text form, of which `wasm-tools parse` makes the binary",
        _ => "it does not begin like one",
    };
    Err(LoadError::NotWasm { name: name.to_owned(), what })
}

/// Whether these may be WebAssembly in text form.
fn is_text(bytes: &[u8]) -> bool {
    let begin = bytes.trim_ascii_start();
    [&b"(component"[..], b"(module", b";;", b"(;"].iter().any(|one| begin.starts_with(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exporting(exports: &[&str]) -> Interfaces {
        let exports = exports.iter().map(|&name| name.to_owned()).collect();
        Interfaces { imports: Vec::new(), exports }
    }

    #[test]
    fn exports_decide_what_a_component_is() {
        assert_eq!(exporting(&[LIFECYCLE, HANDLER]).kind(), Ok(Kind::Plugin { batch: false }));
        let batch = exporting(&[LIFECYCLE, HANDLER, BATCH_HANDLER]);
        assert_eq!(batch.kind(), Ok(Kind::Plugin { batch: true }));
        assert_eq!(exporting(&["wasi:cli/run@0.2.6"]).kind(), Ok(Kind::Command));
        assert!(exporting(&[LIFECYCLE]).kind().unwrap_err().contains("handler"));
        assert_eq!(exporting(&[]).kind().unwrap_err(), "it exports nothing");
    }

    #[test]
    fn another_version_of_the_contract_is_noticed() {
        assert_eq!(exporting(&[LIFECYCLE, HANDLER]).other_version(), None);
        assert_eq!(exporting(&["wasi:cli/run@0.2.6"]).other_version(), None);
        let newer = exporting(&["simple-nats:client/handler@0.2.0", LIFECYCLE]);
        assert_eq!(newer.other_version(), Some("0.2.0"));
    }

    #[test]
    fn imports_are_known_by_name_and_version() {
        for known in [
            "simple-nats:client/publisher@0.1.0",
            "wasi:io/poll@0.2.6",
            "wasi:clocks/monotonic-clock@0.3.0",
            "wasmcloud:messaging/consumer@0.2.0",
            "wasmcloud:messaging/consumer@0.3.0",
        ] {
            assert!(is_provided(known), "{known}");
        }
        for unknown in [
            "simple-nats:client/publisher@0.2.0",
            "simple-nats:client/database@0.1.0",
            "wasi:http/types@0.3.0",
            "wasi:io/poll@0.4.0",
            "wasmcloud:messaging/consumer@0.4.0",
            "acme:store/kv@1.0.0",
            "env",
        ] {
            assert!(!is_provided(unknown), "{unknown}");
        }
    }

    #[test]
    fn core_modules_are_told_from_components() {
        let check = |bytes: &[u8]| check_kind_of_wasm("x", bytes);
        assert!(matches!(check(b"\0asm\x01\0\0\0"), Err(LoadError::CoreModule { .. })));
        for (bytes, reason) in [
            (&b""[..], "is empty"),
            (b"\0as", "cut off"),
            (b"\0asm\x0d\0\x01", "cut off"),
            (b"\0asm\x0d\0\x02\0", "like none that is known"),
            (b"\n(component)", "wasm-tools parse"),
            (b"\x7fELF\0\0\0\0", "does not begin like one"),
        ] {
            let error = check(bytes).unwrap_err();
            assert!(matches!(error, LoadError::NotWasm { .. }), "{error:?}");
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert!(check(b"\0asm\x0d\0\x01\0").is_ok());
    }
}
