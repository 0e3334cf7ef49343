//! Makes a module of each example in Rust.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const REPOSITORY: &str = "../..";

/// Pages about the Rust library.
const PAGES: [&str; 3] = ["README.md", "docs/writing-plugins.md", "guest-client/README.md"];

/// How an example begins that stands by itself. Any other is a step within `start`.
const WHOLE: [&str; 4] = ["use ", "fn ", "#[", "simple_nats_guest::plugin!"];

fn main() -> Result<()> {
    let mut modules = String::new();
    for page in PAGES {
        let path = Path::new(REPOSITORY).join(page);
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| format!("{page}: {error}"))?;
        let name = page.trim_end_matches(".md").replace(['/', '-'], "_").to_lowercase();
        for (line, example) in examples(&text) {
            writeln!(modules, "// {page}, line {line}\nmod {name}_{line} {{")?;
            writeln!(modules, "use super::*;\n{}\n}}", in_full(&example))?;
        }
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    Ok(fs::write(out.join("examples.rs"), modules)?)
}

/// The examples in Rust, each with the number of its first line.
fn examples(page: &str) -> Vec<(usize, String)> {
    let mut examples = Vec::new();
    let mut lines = page.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if line == "```rust" {
            let inside = lines.by_ref().map(|(line, _)| line).take_while(|line| *line != "```");
            examples.push((number + 1, inside.collect::<Vec<_>>().join("\n")));
        }
    }
    examples
}

fn in_full(example: &str) -> String {
    if WHOLE.iter().any(|begin| example.starts_with(begin)) {
        return example.to_owned();
    }
    format!(
        "fn step(nats: NatsClient) -> Result<(), Box<dyn std::error::Error>> {{\n\
         {example}\nOk(())\n}}"
    )
}
