//! What a new project begins with. The libraries for plugins and the pins of
//! tools are those of the examples, and the contract is this host's own.

use std::fmt;

use clap::ValueEnum;

/// A language that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    Rust,
    #[value(alias = "js")]
    Javascript,
    Python,
    C,
}

/// A file of a project, its placeholders not filled in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template {
    /// In the project's folder.
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

/// What is different in each project.
pub(super) struct Placeholders<'a> {
    pub(super) name: &'a str,
    /// The library for plugins in Rust, as a dependency of cargo's.
    pub(super) sdk: &'a str,
}

impl Placeholders<'_> {
    pub(super) fn fill_in(&self, text: &str) -> String {
        text.replace("{{name}}", self.name)
            .replace("{{crate}}", &self.name.replace('-', "_"))
            .replace("{{sdk}}", self.sdk)
            // The lock file is that of the example.
            .replace("rpc-worker-javascript", self.name)
    }
}

impl Language {
    /// All files of a project.
    pub(super) fn templates(self) -> Vec<Template> {
        match self {
            Self::Rust => RUST.to_vec(),
            Self::Javascript => [JAVASCRIPT, WIT_AS_DEPENDENCY].concat(),
            Self::Python => [PYTHON, WIT].concat(),
            Self::C => [C, WIT].concat(),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Javascript => "JavaScript",
            Self::Python => "Python",
            Self::C => "C",
        })
    }
}

/// Files as `path: source`; sources are relative to the root of the repository.
macro_rules! templates {
    ($($path:literal: $source:literal),+ $(,)?) => {
        &[$(Template {
            path: $path,
            text: include_str!(concat!("../../../../", $source)),
        }),+]
    };
}

const RUST: &[Template] = templates! {
    ".gitignore": "host/templates/rust/gitignore",
    "Cargo.toml": "host/templates/rust/Cargo.toml.template",
    "README.md": "host/templates/rust/README.md",
    "plugins.toml": "host/templates/rust/plugins.toml",
    "rust-toolchain.toml": "rust-toolchain.toml",
    "src/lib.rs": "host/templates/rust/src/lib.rs",
    "tests/serves.rs": "host/templates/rust/tests/serves.rs",
};

const JAVASCRIPT: &[Template] = templates! {
    ".gitignore": "host/templates/javascript/gitignore",
    "README.md": "host/templates/javascript/README.md",
    "package.json": "host/templates/javascript/package.json",
    "package-lock.json": "examples/rpc-worker-javascript/package-lock.json",
    "plugins.toml": "host/templates/javascript/plugins.toml",
    "src/console.js": "examples/rpc-worker-javascript/console.js",
    "src/greeting.js": "host/templates/javascript/src/greeting.js",
    "src/greeting.test.js": "host/templates/javascript/src/greeting.test.js",
    "src/plugin.js": "host/templates/javascript/src/plugin.js",
    "src/simple-nats.js": "examples/rpc-worker-javascript/simple-nats.js",
    "src/utf8.js": "examples/rpc-worker-javascript/utf8.js",
    "wit/world.wit": "examples/rpc-worker-javascript/wit/world.wit",
    "wit/deps/wasi-cli/cli.wit": "examples/rpc-worker-javascript/wit/deps/wasi-cli/cli.wit",
    "wit/deps/wasi-io/io.wit": "examples/rpc-worker-javascript/wit/deps/wasi-io/io.wit",
};

const PYTHON: &[Template] = templates! {
    ".gitignore": "host/templates/python/gitignore",
    "README.md": "host/templates/python/README.md",
    "plugins.toml": "host/templates/python/plugins.toml",
    "requirements.txt": "examples/rpc-worker-python/requirements.txt",
    "src/greeting.py": "host/templates/python/src/greeting.py",
    "src/plugin.py": "host/templates/python/src/plugin.py",
    "src/simple_nats.py": "examples/rpc-worker-python/simple_nats.py",
    "src/test_greeting.py": "host/templates/python/src/test_greeting.py",
};

const C: &[Template] = templates! {
    ".gitignore": "host/templates/c/gitignore",
    "Makefile": "host/templates/c/Makefile",
    "README.md": "host/templates/c/README.md",
    "plugins.toml": "host/templates/c/plugins.toml",
    "src/greeting.c": "host/templates/c/src/greeting.c",
    "src/greeting.h": "host/templates/c/src/greeting.h",
    "src/main.c": "host/templates/c/src/main.c",
    "src/simple_nats.c": "examples/rpc-worker-c/simple_nats.c",
    "src/simple_nats.h": "examples/rpc-worker-c/simple_nats.h",
    "src/test_greeting.c": "host/templates/c/src/test_greeting.c",
};

/// The contract, in a folder of the project.
macro_rules! contract {
    ($folder:literal) => {
        contract!(@ $folder, "batch-handler", "client", "handler", "inbox", "lifecycle",
            "packed-inbox", "packed-outbox", "publisher", "requester", "subscriber", "timers", "types", "worlds")
    };
    (@ $folder:literal, $($name:literal),+) => {
        &[$(Template {
            path: concat!($folder, "/", $name, ".wit"),
            text: include_str!(concat!("../../../../wit/", $name, ".wit")),
        }),+]
    };
}

const WIT: &[Template] = contract!("wit");

/// Where the project has a world of its own.
const WIT_AS_DEPENDENCY: &[Template] = contract!("wit/deps/simple-nats");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

    #[test]
    fn nothing_is_left_to_fill_in() {
        let placeholders = Placeholders { name: "greeter", sdk: "\"1\"" };
        for template in Language::value_variants().iter().flat_map(|one| one.templates()) {
            let text = placeholders.fill_in(template.text);
            let is_placeholder = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase());
            let is_left = text.split("{{").skip(1).any(is_placeholder);
            assert!(!is_left && !text.contains("rpc-worker"), "{}", template.path);
        }
    }

    #[test]
    fn every_project_has_a_manifest_a_readme_and_what_git_ignores() {
        for language in Language::value_variants() {
            let templates = language.templates();
            for path in ["plugins.toml", "README.md", ".gitignore"] {
                let is_it = |template: &Template| template.path == path;
                assert!(templates.iter().any(is_it), "{language}: {path}");
            }
        }
    }

    #[test]
    fn projects_get_the_whole_contract() {
        let entries = fs::read_dir(Path::new(ROOT).join("wit")).unwrap();
        let there = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let there: BTreeSet<_> = there.filter(|name| name.ends_with(".wit")).collect();
        let given = WIT.iter().map(|template| template.path.trim_start_matches("wit/").to_owned());
        assert_eq!(given.collect::<BTreeSet<_>>(), there);
    }

    #[test]
    fn a_project_in_c_names_the_generator_that_this_repository_uses() {
        let lock = fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).unwrap();
        let (_, after) = lock.split_once("name = \"wit-bindgen-c\"\nversion = \"").unwrap();
        let (version, _) = after.split_once('"').unwrap();
        let readme = C.iter().find(|template| template.path == "README.md").unwrap();
        assert!(readme.text.contains(&format!("wit-bindgen-cli@{version}`")), "{version}");
    }

    #[test]
    fn a_project_in_javascript_names_the_compiler_that_its_lock_file_has() {
        let text = |path: &str| JAVASCRIPT.iter().find(|one| one.path == path).unwrap().text;
        let package: serde_json::Value = serde_json::from_str(text("package.json")).unwrap();
        let lock: serde_json::Value = serde_json::from_str(text("package-lock.json")).unwrap();
        let locked = lock.pointer("/packages//devDependencies");
        assert_eq!(package.get("devDependencies"), locked);
    }
}
