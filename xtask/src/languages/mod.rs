//! Guests in other languages than Rust. Each is built with tools of its own,
//! which are fetched in the versions that lock files name, and only when what it
//! is made of has changed.

mod recipes;
mod tools;

use std::{
    fs,
    hash::{DefaultHasher, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use self::tools::Missing;
use crate::workspace::Workspace;

/// How one of them is built.
struct Recipe {
    /// Its folder in `examples`, and its name.
    name: &'static str,
    /// Writes the component to the path, or says which tool is missing.
    build: fn(&Site<'_>) -> Result<Result<(), Missing>>,
}

const RECIPES: [Recipe; 4] = [
    Recipe { name: "rpc-worker-javascript", build: recipes::javascript },
    Recipe { name: "rpc-worker-python", build: recipes::python },
    Recipe { name: "rpc-worker-c", build: recipes::c },
    Recipe { name: "rpc-worker-go", build: recipes::go },
];

/// The recipes are part of what a guest is made of.
const RECIPES_TEXT: [&str; 3] =
    [include_str!("mod.rs"), include_str!("recipes.rs"), include_str!("tools.rs")];

/// Tools that no example pins itself.
const PINS: [&str; 2] = ["xtask/go.txt", "xtask/ziglang.txt"];

/// Where one is built.
struct Site<'a> {
    workspace: &'a Workspace,
    source: PathBuf,
    /// An empty folder for what is made on the way.
    scratch: PathBuf,
    component: PathBuf,
}

/// Builds those that have changed; answers how many there are.
pub(crate) fn run(workspace: &Workspace) -> Result<usize> {
    let mut count = 0;
    for recipe in RECIPES {
        count += usize::from(provide(workspace, &recipe)?);
    }
    Ok(count)
}

/// Builds one unless it is there already. Answers whether it is there then.
fn provide(workspace: &Workspace, recipe: &Recipe) -> Result<bool> {
    let Recipe { name, build } = recipe;
    let component = workspace.guests().join(name).with_extension("wasm");
    let note = component.with_extension("key");
    let source = workspace.root.join("examples").join(name);
    let key = key(workspace, &source)?;
    if component.is_file() && fs::read_to_string(&note).is_ok_and(|noted| noted == key) {
        return Ok(true);
    }
    // A test must not find one of yesterday.
    for stale in [&component, &note] {
        if stale.exists() {
            fs::remove_file(stale).with_context(|| format!("remove {}", stale.display()))?;
        }
    }
    println!("building {name}");
    let scratch = workspace.target.join("languages").join(name);
    empty(&scratch)?;
    let site = Site { workspace, source, scratch, component };
    match build(&site).with_context(|| format!("build {name}"))? {
        Ok(()) => {
            fs::write(&note, key).with_context(|| format!("write {}", note.display()))?;
            Ok(true)
        }
        Err(missing) => {
            println!("{name}: skipped, {missing}");
            Ok(false)
        }
    }
}

/// What stands for all that a guest is made of.
fn key(workspace: &Workspace, source: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    RECIPES_TEXT.iter().for_each(|text| hasher.write(text.as_bytes()));
    let wit = files(&workspace.root.join("wit"))?;
    let tools = files(&workspace.root.join("xtask/wit-tools"))?;
    let pins = PINS.map(|pin| workspace.root.join(pin));
    for file in wit.iter().chain(&tools).chain(&pins).chain(&files(source)?) {
        hasher.write(file.as_os_str().as_encoded_bytes());
        let bytes = fs::read(file).with_context(|| format!("read {}", file.display()))?;
        hasher.write_usize(bytes.len());
        hasher.write(&bytes);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// All files in a folder and those in it, without what tools leave there.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = folder.read_dir().with_context(|| format!("list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_file() {
            found.push(path);
        } else if name != "node_modules" && name != "__pycache__" {
            found.extend(files(&path)?);
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a folder, or makes it empty.
fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))
}

/// Copies a folder with all in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for file in files(from)? {
        let copy = to.join(file.strip_prefix(from)?);
        if let Some(parent) = copy.parent() {
            fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        }
        fs::copy(&file, &copy).with_context(|| format!("copy {}", file.display()))?;
    }
    Ok(())
}
