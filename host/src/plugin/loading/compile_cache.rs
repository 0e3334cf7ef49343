//! Compiled components on the disk, so that only the first start of one compiles.
//!
//! Each is kept as the engine uses it in memory: a start maps the file, and only
//! what is touched of it is read. Whoever can write there decides what runs in the
//! host, so it is used only if that is nobody but the host's user.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use uuid::Uuid;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::catalogue::Content;
use crate::plugin::error::LoadError;

/// What is kept altogether, in bytes: some dozen components with an interpreter in
/// them, or thousands without. Beyond it, those go that were not used for longest.
const MAX_BYTES: u64 = 1 << 30;

/// Where compiled components are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CompileCache {
    /// The user's cache directory; nowhere if it can't be used.
    #[default]
    Default,
    /// This directory; created if missing. Nobody else may write there.
    Directory(PathBuf),
    /// Nowhere: every start compiles.
    Off,
}

/// The directory, once it is known to be safe; none if nothing is kept.
#[derive(Debug, Clone)]
pub(super) struct CompiledComponents {
    directory: Option<PathBuf>,
}

impl CompiledComponents {
    /// That of the user need not be there: a container often has no directory that
    /// can be written, and then each start compiles.
    ///
    /// # Errors
    /// If a directory that was named can't be used.
    pub(super) fn open(cache: &CompileCache) -> Result<Self, LoadError> {
        let directory = match cache {
            CompileCache::Off => None,
            CompileCache::Directory(path) => Some(provide(path.clone()).map_err(|source| {
                let path = path.clone();
                LoadError::Cache { path, source }
            })?),
            CompileCache::Default => users_own()
                .and_then(provide)
                .inspect_err(|error| tracing::warn!(%error, "compiled components are not kept"))
                .ok(),
        };
        Ok(Self { directory })
    }

    /// What was compiled of this content for such an engine, if it is there.
    pub(super) fn find(&self, engine: &Engine, content: Content) -> Option<Component> {
        let path = self.path(engine, content)?;
        let file = File::open(&path).ok()?;
        #[expect(
            unsafe_code,
            reason = "the engine checks that a file was made for it, not that it is unharmed: that \
                      follows from how `provide` and `write` go about it"
        )]
        let found = unsafe { Component::deserialize_file(engine, &path) };
        match found {
            Ok(component) => {
                // So that it is not taken for one that nobody uses.
                let _ = file.set_modified(SystemTime::now());
                Some(component)
            }
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "a compiled component is of no use");
                None
            }
        }
    }

    /// Compiles a component, and keeps it if that is possible.
    ///
    /// # Errors
    /// If the bytes are no component, or it can't be compiled.
    pub(super) fn compile(
        &self,
        engine: &Engine,
        name: &str,
        bytes: &[u8],
        content: Content,
    ) -> Result<Component, LoadError> {
        let component = Component::from_binary(engine, bytes)
            .map_err(|source| LoadError::Compile { name: name.to_owned(), source })?;
        if let Some(path) = self.path(engine, content)
            && let Err(error) = write(&component, &path).and_then(|()| trim(&path, MAX_BYTES))
        {
            tracing::warn!(path = %path.display(), %error, "a compiled component is not kept");
        }
        Ok(component)
    }

    fn path(&self, engine: &Engine, content: Content) -> Option<PathBuf> {
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let (content, settings) = (HEXLOWER.encode(content.as_bytes()), settings.finish());
        Some(self.directory.as_ref()?.join(format!("{content}-{settings:016x}")))
    }
}

fn users_own() -> io::Result<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let caches = named.filter(|path| path.is_absolute());
    let caches = caches.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let caches = caches.ok_or_else(|| io::Error::other("the user has no home directory"))?;
    Ok(caches.join("simple-nats").join("compiled"))
}

/// Makes the directory if it is missing.
fn provide(directory: PathBuf) -> io::Result<PathBuf> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&directory)?;
    #[cfg(unix)]
    check_owner(&directory)?;
    Ok(directory)
}

#[cfg(unix)]
fn check_owner(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    let metadata = directory.metadata()?;
    let why = if metadata.uid() != rustix::process::geteuid().as_raw() {
        "belongs to another user"
    } else if metadata.mode() & 0o022 != 0 {
        "can be written by other users"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", directory.display())))
}

/// It appears there as a whole or not at all, also if the machine fails meanwhile.
fn write(component: &Component, path: &Path) -> io::Result<()> {
    let bytes = component.serialize().map_err(io::Error::other)?;
    let partial = path.with_file_name(format!("{}.partial", Uuid::new_v4()));
    let mut file = File::create_new(&partial)?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_data());
    written.and_then(|()| fs::rename(&partial, path)).inspect_err(|_| {
        let _ = fs::remove_file(&partial);
    })
}

/// Removes what was not used for longest, until the rest is within `max_bytes`.
fn trim(newest: &Path, max_bytes: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in newest.parent().unwrap_or(newest).read_dir()? {
        let entry = entry?;
        // Another host may have removed it meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        files.push((metadata.modified()?, metadata.len(), entry.path()));
    }
    files.sort();
    let mut total_bytes: u64 = files.iter().map(|(_, size_bytes, _)| size_bytes).sum();
    for (_, size_bytes, path) in files {
        if total_bytes <= max_bytes {
            break;
        }
        if path != newest && fs::remove_file(&path).is_ok() {
            total_bytes = total_bytes.saturating_sub(size_bytes);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Removed when dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            Self(std::env::temp_dir().join(Uuid::new_v4().to_string()))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = Folder::new();
        let directory = provide(folder.0.clone()).unwrap();
        for (name, age) in [("new", 0), ("oldest", 3), ("old", 2), ("newer", 1)] {
            let mut file = File::create(directory.join(name)).unwrap();
            file.write_all(&[0; 10]).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age * 60)).unwrap();
        }
        trim(&directory.join("new"), 25).unwrap();
        let left = directory.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["new", "newer"]);
    }

    #[cfg(unix)]
    #[test]
    fn directory_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = Folder::new();
        fs::create_dir(&folder.0).unwrap();
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o770)).unwrap();
        let named = CompileCache::Directory(folder.0.clone());
        let error = CompiledComponents::open(&named).unwrap_err();
        assert!(error.to_string().contains("other users"), "{error}");
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o750)).unwrap();
        CompiledComponents::open(&named).unwrap();
    }
}
