//! Runs programs one after the other and tells how long each took.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// The steps of one recipe.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Does `work` under a heading and notes its time.
    pub(crate) fn step<T>(&mut self, title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("── {title}");
        let start = Instant::now();
        let result = work().with_context(|| title.to_owned());
        self.done.push((title.to_owned(), start.elapsed()));
        result
    }

    /// A step that is one program, whose output goes to the screen.
    pub(crate) fn run(&mut self, title: &str, command: &mut Command) -> Result<()> {
        self.step(title, || run(command))
    }

    /// Shows the times, where there is more than one.
    pub(crate) fn summarize(&self) {
        if self.done.len() > 1 {
            println!("── time");
            for (title, time) in &self.done {
                println!("{:>7.1} s  {title}", time.as_secs_f64());
            }
        }
    }
}

/// Runs a program to its end, its output to the screen.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = name(command);
    let status = command.status().with_context(|| format!("start {name}"))?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    Ok(())
}

/// Runs a program to its end and gives its standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let name = name(command);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("start {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{name} wrote no text"))
}

fn name(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    match command.get_args().next() {
        Some(first) => format!("{name} {}", first.to_string_lossy()),
        None => name.into_owned(),
    }
}
