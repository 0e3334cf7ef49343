//! What recipes need that reads WIT. A program of its own, so that the others
//! don't wait for its dependencies.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to its user"
)]

mod bindings;
mod component;
mod reference;

use std::{env, path::Path, process::ExitCode};

use anyhow::{Result, bail};
use wit_parser::{Resolve, WorldId};

const USAGE: &str = "\
usage: wit-tools WIT bindings c|go FOLDER    write the bindings of the world `plugin`
       wit-tools WIT component CORE FILE     make a component of a core module
       wit-tools WIT reference               print the reference";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wit-tools: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<()> {
    match *args {
        [wit, "bindings", language, folder] => {
            let (mut resolve, world) = plugin(Path::new(wit))?;
            bindings::write(&mut resolve, world, language, Path::new(folder))
        }
        [wit, "reference"] => {
            let mut resolve = Resolve::default();
            let (package, _) = resolve.push_path(wit)?;
            print!("{}", reference::page(&resolve, package)?);
            Ok(())
        }
        [wit, "component", core, file] => {
            let (resolve, world) = plugin(Path::new(wit))?;
            component::write(&resolve, world, Path::new(core), Path::new(file))
        }
        _ => bail!("{USAGE}"),
    }
}

/// The contract, and its world for plugins.
fn plugin(wit: &Path) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some("plugin"))?;
    Ok((resolve, world))
}
