//! Where things lie in this workspace.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// The target that guests are built for.
pub(crate) const GUEST_TARGET: &str = "wasm32-wasip2";

/// The folders that recipes work with.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Finds the folders from where this program lies: `TARGET/PROFILE/xtask`.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
        let program = env::current_exe().context("find this program")?;
        let target = program.ancestors().nth(2).context("no target folder")?;
        Ok(Self { root: root.to_owned(), target: target.to_owned() })
    }

    /// Where built guests are collected.
    pub(crate) fn guests(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// Where set-up puts what it fetches.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The host, once it is built.
    pub(crate) fn host(&self) -> PathBuf {
        self.target.join("debug").join(format!("simple-nats{}", env::consts::EXE_SUFFIX))
    }

    /// Cargo, working here.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.arg(subcommand).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// The program that reads the WIT contract, with a command of its own.
    pub(crate) fn wit_tools(&self) -> Command {
        let mut tools = self.cargo("run");
        tools.args(["--locked", "--quiet", "--profile", "recipe", "--package", "wit-tools", "--"]);
        tools.arg(self.root.join("wit"));
        tools
    }

    /// Any program, started in the root folder.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The names of the packages in `examples/`, which are those of the folders.
    pub(crate) fn examples(&self) -> Result<Vec<String>> {
        let folder = self.root.join("examples");
        let entries = folder.read_dir().with_context(|| format!("list {}", folder.display()))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.path().join("Cargo.toml").is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}
