//! Builds the package whose test runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What plugins are built for.
const TARGET: &str = "wasm32-wasip2";

/// Builds a package into a component, and answers its file. The folder is that of its
/// `Cargo.toml`, for a plugin's own tests `env!("CARGO_MANIFEST_DIR")`. It is built by
/// the cargo that runs the test; if nothing has changed, that takes a moment.
///
/// # Panics
/// If it does not build, or not into one component.
#[track_caller]
pub fn build(package: impl AsRef<Path>) -> PathBuf {
    build_with_profile(package, "dev")
}

/// The same with another of Cargo's profiles, such as `release`: what is tested is then
/// what is run.
///
/// # Panics
/// As for [`build`].
#[track_caller]
pub fn build_with_profile(package: impl AsRef<Path>, profile: &str) -> PathBuf {
    match built(package.as_ref(), profile) {
        Ok(component) => component,
        Err(reason) => give_up(package.as_ref(), &reason),
    }
}

#[expect(clippy::panic, reason = "that is how a test fails")]
#[track_caller]
fn give_up(package: &Path, reason: &str) -> ! {
    panic!("can't build {} for {TARGET}: {reason}", package.display());
}

fn built(package: &Path, profile: &str) -> Result<PathBuf, String> {
    let manifest = package.join("Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(&cargo)
        .args(["build", "--target", TARGET, "--profile", profile])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("run {}: {error}", cargo.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let manifest = manifest.canonicalize().map_err(|error| error.to_string())?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut components = messages.lines().filter_map(|line| component_of(line, &manifest));
    match (components.next(), components.next()) {
        (Some(component), None) => Ok(component),
        (None, _) => Err("it makes no component; its crate type must be cdylib".to_owned()),
        (Some(one), Some(other)) => {
            Err(format!("it makes several: {} and {}", one.display(), other.display()))
        }
    }
}

/// The component that this line of cargo's tells of, if it is one of the package.
fn component_of(line: &str, manifest: &Path) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let of = Path::new(message.get("manifest_path")?.as_str()?);
    if message.get("reason")?.as_str()? != "compiler-artifact"
        || of.canonicalize().ok()? != manifest
    {
        return None;
    }
    let files = message.get("filenames")?.as_array()?.iter().filter_map(Value::as_str);
    files.map(PathBuf::from).find(|file| file.extension().is_some_and(|end| end == "wasm"))
}
