//! Fetches the tools of other languages, as pinned by lock files with hashes.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::empty;
use crate::workspace::Workspace;

/// A tool that can't be had here. No error: the other guests are built.
pub(super) struct Missing {
    tool: &'static str,
    reason: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.tool, self.reason)
    }
}

/// The folder of the npm packages that a lock file beside `manifest` names.
pub(super) fn npm(workspace: &Workspace, project: &Path) -> Result<Result<PathBuf, Missing>> {
    let lock = fs::read_to_string(project.join("package-lock.json"))?;
    install(workspace, "javascript", &lock, |folder| {
        for name in ["package.json", "package-lock.json"] {
            fs::copy(project.join(name), folder.join(name))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
        Ok(npm)
    })
}

/// The folder of the Python packages that a file of requirements names, whose
/// hashes pip checks.
pub(super) fn pip(
    workspace: &Workspace,
    tool: &'static str,
    requirements: &Path,
) -> Result<Result<PathBuf, Missing>> {
    let lock = fs::read_to_string(requirements)
        .with_context(|| format!("read {}", requirements.display()))?;
    install(workspace, tool, &lock, |folder| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-compile"])
            .arg("--requirement")
            .arg(requirements)
            .arg("--target")
            .arg(folder)
            // Nothing is installed into the system: no warning about being root.
            .env("PIP_ROOT_USER_ACTION", "ignore");
        Ok(pip)
    })
}

/// Runs an installer into a folder of its own, unless that was done for the same
/// lock file before.
fn install(
    workspace: &Workspace,
    tool: &'static str,
    lock: &str,
    installer: impl FnOnce(&Path) -> Result<Command>,
) -> Result<Result<PathBuf, Missing>> {
    let folder = workspace.tools().join(tool);
    let note = folder.with_extension("lock");
    if folder.is_dir() && fs::read_to_string(&note).is_ok_and(|noted| noted == lock) {
        return Ok(Ok(folder));
    }
    println!("fetching the tools of {tool}");
    empty(&folder)?;
    let output = match installer(&folder)?.output() {
        Ok(output) => output,
        Err(error) => return Ok(Err(Missing { tool, reason: format!("no installer: {error}") })),
    };
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given");
        return Ok(Err(Missing { tool, reason: format!("not to be had here: {last}") }));
    }
    fs::write(&note, lock).with_context(|| format!("write {}", note.display()))?;
    Ok(Ok(folder))
}
