//! Builds the components and collects them by name in one folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    languages,
    steps::{Steps, read},
    workspace::{GUEST_TARGET, Workspace},
};

/// Builds examples and test guests, in all languages.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.step("guests", || {
        let mut tests = build(workspace);
        tests.args(["--package", "test-guests", "--examples", "--bins"]);
        let count = collect_examples(workspace)?
            + collect(&mut tests, &workspace.guests())?
            + languages::run(workspace)?;
        println!("{count} guests in {}", workspace.guests().display());
        Ok(())
    })
}

/// Builds the examples in Rust alone, which needs nothing but cargo.
pub(crate) fn examples(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.step("examples", || collect_examples(workspace).map(drop))
}

fn collect_examples(workspace: &Workspace) -> Result<usize> {
    let folder = workspace.guests();
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let mut examples = build(workspace);
    for name in workspace.examples()? {
        examples.args(["--package", &name]);
    }
    collect(&mut examples, &folder)
}

fn build(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo("build");
    command
        .args(["--profile", "guest", "--target", GUEST_TARGET])
        .arg("--message-format=json-render-diagnostics");
    command
}

/// Runs a build and copies each component that it reports.
fn collect(build: &mut Command, folder: &Path) -> Result<usize> {
    let mut count = 0;
    for line in read(build)?.lines() {
        let message: Value = serde_json::from_str(line).context("parse cargo's messages")?;
        let mut components = assembled(&message)?;
        components.extend(component(&message));
        count += components.len();
        for (name, component) in components {
            let copy = folder.join(name).with_extension("wasm");
            fs::copy(&component, &copy)
                .with_context(|| format!("copy {} to {}", component.display(), copy.display()))?;
        }
    }
    Ok(count)
}

/// Components that a build script has made, if a message of cargo announces any.
fn assembled(message: &Value) -> Result<Vec<(String, PathBuf)>> {
    let mut components = Vec::new();
    let Some(folder) = message.get("out_dir").and_then(Value::as_str) else {
        return Ok(components);
    };
    for entry in fs::read_dir(folder).with_context(|| format!("read {folder}"))? {
        let path = entry?.path();
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
        if let (Some(name), true) = (name, is_component(&path)) {
            components.push((name, path));
        }
    }
    Ok(components)
}

/// The guest's name and file, if a message of cargo announces a component.
/// Names keep their hyphens, which cargo replaces in those of libraries.
fn component(message: &Value) -> Option<(String, PathBuf)> {
    let name = message.get("target")?.get("name")?.as_str()?;
    let files = message.get("filenames")?.as_array()?;
    let mut files = files.iter().filter_map(|file| file.as_str().map(PathBuf::from));
    let file = files.find(|file| is_component(file))?;
    Some((name.replace('_', "-"), file))
}

fn is_component(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}
