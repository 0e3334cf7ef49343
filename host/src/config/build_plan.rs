//! How the plugins of a manifest are built.

use std::path::{Path, PathBuf};

use super::document::Document;
use super::manifest::{read_text, tables};
use super::problem::ManifestError;
use super::tables::BuildTable;

/// What the table `[dev]` of a manifest says. The plugins themselves may make no
/// sense yet, since they need to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildPlan {
    /// A command for the shell.
    pub command: String,
    /// Where it is run: the manifest's folder.
    pub folder: PathBuf,
    /// Files and folders whose change is a reason to build again.
    pub sources: Vec<PathBuf>,
}

impl BuildPlan {
    /// Reads it from a manifest.
    ///
    /// # Errors
    /// If the manifest can't be read, has no such table, or what is no key of a
    /// manifest.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        Self::parse(path, &read_text(path)?)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let mut document = Document::parse(path, text);
        let table = tables(&mut document, text).map(|tables| tables.dev);
        let plan = match table {
            Some(Some(table)) => Some(table.plan(&mut document)),
            Some(None) => {
                let message = "there is no table [dev]: add one with `build`, the command that \
                    builds the plugins";
                document.problem(&[], message);
                None
            }
            None => None,
        };
        match plan {
            Some(plan) if !document.has_problems() => Ok(plan),
            _ => Err(ManifestError::Problems(document.into_problems())),
        }
    }
}

impl BuildTable {
    fn plan(self, document: &mut Document<'_>) -> BuildPlan {
        if self.build.trim().is_empty() {
            document.problem(&["dev", "build"], "`build` is a command, such as \"make\"");
        }
        let folder = match document.folder() {
            folder if folder.as_os_str().is_empty() => PathBuf::from("."),
            folder => folder.to_owned(),
        };
        let sources: Vec<_> = self.watch.iter().map(|source| folder.join(source)).collect();
        for (index, source) in sources.iter().enumerate() {
            if !source.exists() {
                let message = format!("there is no {} to watch", source.display());
                document.problem(&["dev", "watch", &index.to_string()], message);
            }
        }
        BuildPlan { command: self.build, folder, sources }
    }
}

#[cfg(test)]
mod tests {
    use test_support::TempDir;

    use super::*;

    /// What a manifest with this text says, in a folder with `src`.
    fn plan(text: &str) -> Result<BuildPlan, String> {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let path = folder.path().join("plugins.toml");
        let mut plan = BuildPlan::parse(&path, text)
            .map_err(|error| error.to_string().replace(&path.display().to_string(), "it"))?;
        assert_eq!(plan.folder, folder.path());
        for source in &mut plan.sources {
            *source = source.strip_prefix(folder.path()).unwrap().to_owned();
        }
        Ok(plan)
    }

    #[test]
    fn a_plan_needs_no_component_that_is_there() {
        let plan = plan("[plugin.a]\ncomponent = \"a.wasm\"\n[dev]\nbuild = \"make\"").unwrap();
        assert_eq!((plan.command.as_str(), &plan.sources[..]), ("make", &["src".into()][..]));
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_line() {
        let told = |text| plan(text).unwrap_err();
        assert!(told("").starts_with("it:1:1: there is no table [dev]"), "{}", told(""));
        let nothing = "[dev]\nbuild = \" \"";
        assert!(told(nothing).starts_with("it:2:9: `build` is a command"), "{}", told(nothing));
        let gone = "[dev]\nbuild = \"make\"\nwatch = [\"src\", \"lib\"]";
        assert!(told(gone).starts_with("it:3:17: there is no "), "{}", told(gone));
        let unknown = "[dev]\nbuilt = \"make\"";
        assert!(told(unknown).contains("`build`"), "{}", told(unknown));
    }
}
