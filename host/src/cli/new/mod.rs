//! `simple-nats new`

mod project_name;
mod templates;

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::exit::Failure;
use project_name::ProjectName;
use templates::{Language, Placeholders};

/// Make a folder with a new plugin: code, a test, a manifest and a README.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  simple-nats new greeter
  simple-nats new greeter --language python")]
pub(super) struct New {
    /// Its name, and that of the folder: small letters, digits, `-`.
    name: ProjectName,

    /// What it is written in.
    #[arg(short, long, value_enum, default_value_t = Language::Rust, value_name = "LANGUAGE")]
    language: Language,

    /// For Rust: take the library for plugins, `simple-nats-guest`, from this folder
    /// and not from crates.io.
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

impl New {
    #[expect(clippy::print_stdout, reason = "its output is what the command is for")]
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self { name, language, .. } = &self;
        if self.sdk.is_some() && *language != Language::Rust {
            let message = anyhow!("--sdk is for Rust; projects in {language} bring their library");
            return Err(Failure::Usage(message));
        }
        let folder = Path::new(name.as_str());
        if !is_free(folder)? {
            let message = anyhow!("there is something in {name} already; choose another name");
            return Err(Failure::Usage(message));
        }
        let placeholders = Placeholders { name: name.as_str(), sdk: &self.sdk_dependency()? };
        for template in language.templates() {
            write_new(&folder.join(template.path), &placeholders.fill_in(template.text))?;
        }
        println!("made {name} in {language}; {name}/README.md tells what it needs. Then:");
        println!("  cd {name}");
        println!("  simple-nats dev");
        Ok(ExitCode::SUCCESS)
    }

    /// The library for plugins in Rust as a dependency of cargo's.
    fn sdk_dependency(&self) -> Result<String, Failure> {
        let Some(folder) = &self.sdk else {
            return Ok(format!("{:?}", env!("CARGO_PKG_VERSION")));
        };
        // The new project lies elsewhere than this process.
        let folder = fs::canonicalize(folder)
            .with_context(|| format!("find --sdk {}", folder.display()))
            .map_err(Failure::Usage)?;
        if !folder.join("Cargo.toml").is_file() {
            let message = anyhow!("--sdk {} has no Cargo.toml", folder.display());
            return Err(Failure::Usage(message));
        }
        let path = folder.to_str().with_context(|| format!("{} is no text", folder.display()))?;
        Ok(format!("{{ path = {} }}", toml::Value::from(path)))
    }
}

/// Whether a folder is not there, or is empty.
fn is_free(folder: &Path) -> anyhow::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error).with_context(|| format!("look into {}", folder.display())),
    }
}

/// Writes a file that must not be there yet.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
    }
    File::create_new(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {}", path.display()))
}
