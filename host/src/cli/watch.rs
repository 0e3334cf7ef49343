//! Noticing when files change: components, manifests, sources.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// A build writes a file in several steps; it is done when it has been quiet for
/// so long.
const QUIET: Duration = Duration::from_millis(300);

/// Watches files, also such as do not exist yet or are replaced. With no files, it
/// takes nothing from the system and waits for ever.
pub(super) struct Watch {
    files: BTreeSet<PathBuf>,
    /// As the operating system names them.
    folders: BTreeSet<PathBuf>,
    sender: mpsc::UnboundedSender<PathBuf>,
    changes: mpsc::UnboundedReceiver<PathBuf>,
    watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Begins to watch.
    pub(super) fn new(files: impl IntoIterator<Item = PathBuf>) -> anyhow::Result<Self> {
        let (sender, changes) = mpsc::unbounded_channel();
        let mut watch = Self {
            files: BTreeSet::new(),
            folders: BTreeSet::new(),
            sender,
            changes,
            watcher: None,
        };
        watch.add(files)?;
        Ok(watch)
    }

    /// Watches more files.
    pub(super) fn add(&mut self, files: impl IntoIterator<Item = PathBuf>) -> anyhow::Result<()> {
        for file in files {
            if self.files.contains(&file) {
                continue;
            }
            // The file itself may be replaced by another, so its folder is watched;
            // watching one twice is watching it once.
            self.watch(folder(&file), RecursiveMode::NonRecursive)?;
            self.files.insert(file);
        }
        Ok(())
    }

    /// Watches all files of a folder and of those in it, except hidden ones and
    /// what Python leaves there.
    pub(super) fn add_folder(&mut self, folder: &Path) -> anyhow::Result<()> {
        let folder =
            folder.canonicalize().with_context(|| format!("watch {}", folder.display()))?;
        self.watch(&folder, RecursiveMode::Recursive)?;
        self.folders.insert(folder);
        Ok(())
    }

    fn watch(&mut self, folder: &Path, mode: RecursiveMode) -> anyhow::Result<()> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => none.insert(watcher(self.sender.clone()).context("watch files")?),
        };
        watcher.watch(folder, mode).with_context(|| format!("watch {}", folder.display()))
    }

    /// Waits until files have changed and are at rest again; answers which.
    pub(super) async fn changed(&mut self) -> Vec<PathBuf> {
        let mut changed = BTreeSet::new();
        loop {
            let next = self.changes.recv();
            let path = if changed.is_empty() {
                next.await
            } else {
                match tokio::time::timeout(QUIET, next).await {
                    Ok(path) => path,
                    Err(_) => return changed.into_iter().collect(),
                }
            };
            let Some(path) = path else { std::future::pending().await };
            let is_it = |file: &&PathBuf| {
                file.file_name() == path.file_name() && same_folder(folder(file), folder(&path))
            };
            changed.extend(self.files.iter().filter(is_it).cloned());
            if self.folders.iter().any(|folder| is_source(folder, &path)) {
                changed.insert(path);
            }
        }
    }
}

fn watcher(sender: mpsc::UnboundedSender<PathBuf>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<Event>| {
        let Ok(event) = event else { return };
        if is_change(event.kind) {
            for path in event.paths {
                // Nobody waits for it any more when the program ends.
                let _ = sender.send(path);
            }
        }
    })
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The operating system may tell of a folder by another path than it was given.
fn same_folder(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Whether a file lies in a folder, and is none that editors and interpreters
/// leave there.
fn is_source(folder: &Path, file: &Path) -> bool {
    let Ok(inner) = file.strip_prefix(folder) else { return false };
    let is_left = |part: &OsStr| {
        let part = part.as_encoded_bytes();
        part.starts_with(b".") || part.ends_with(b"~") || part == b"__pycache__"
    };
    !inner.components().any(|part| matches!(part, Component::Normal(part) if is_left(part)))
}

/// Reading a file, as a reload does, is none.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use test_support::{TempDir, within};

    use super::*;

    #[tokio::test]
    async fn a_replaced_file_is_told_of_once_and_others_are_not() -> anyhow::Result<()> {
        let folder = TempDir::new()?;
        let (file, beside) = (folder.path().join("a.wasm"), folder.path().join("b.wasm"));
        std::fs::write(&file, "1")?;
        let mut watch = Watch::new([file.clone()])?;
        std::fs::write(&beside, "2")?;
        std::fs::rename(&beside, &file)?;
        assert_eq!(within("a change", watch.changed()).await?, std::slice::from_ref(&file));
        std::fs::read(&file)?;
        std::fs::write(&beside, "3")?;
        std::fs::remove_file(&file)?;
        assert_eq!(within("another", watch.changed()).await?, [file]);
        Ok(())
    }

    #[tokio::test]
    async fn a_change_deep_in_a_folder_is_told_of_and_what_is_hidden_is_not() -> anyhow::Result<()>
    {
        let folder = TempDir::new()?;
        let root = folder.path().canonicalize()?;
        for name in ["inner", ".git", "__pycache__"] {
            std::fs::create_dir(root.join(name))?;
        }
        let mut watch = Watch::new([])?;
        watch.add_folder(folder.path())?;
        for name in [".git/index", "__pycache__/a.pyc", "inner/.a.swp", "a~"] {
            std::fs::write(root.join(name), "")?;
        }
        let source = root.join("inner/a.rs");
        std::fs::write(&source, "")?;
        assert_eq!(within("a change", watch.changed()).await?, [source]);
        Ok(())
    }
}
