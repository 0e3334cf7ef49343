//! A program that runs beside the recipe and dies with its value.

use std::{
    io::{BufRead, BufReader, Read},
    process::{self, Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

const DEADLINE: Duration = Duration::from_secs(30);

/// A running child. Dropping it kills it.
pub(crate) struct Child {
    label: String,
    process: process::Child,
    lines: Receiver<String>,
}

/// What happens to the lines that a child writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Show,
    Hide,
}

impl Child {
    /// Starts a program under a short name, which heads the lines it writes.
    pub(crate) fn start(label: &str, command: &mut Command, output: Output) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {label}"))?;
        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = process.stdout.take() {
            follow(label, stdout, sender.clone(), output);
        }
        if let Some(stderr) = process.stderr.take() {
            follow(label, stderr, sender, output);
        }
        Ok(Self { label: label.to_owned(), process, lines })
    }

    /// Waits until `find` picks something out of a line not yet looked at.
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        let end = Instant::now() + DEADLINE;
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => match find(&line) {
                    Some(found) => return Ok(found),
                    None => seen.push(line),
                },
                Err(_) => {
                    bail!("{} never wrote {what}; it wrote:\n{}", self.label, seen.join("\n"))
                }
            }
        }
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.process.wait().with_context(|| format!("wait for {}", self.label))?;
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn follow(label: &str, source: impl Read + Send + 'static, lines: Sender<String>, output: Output) {
    let label = label.to_owned();
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if output == Output::Show {
                println!("  [{label}] {line}");
            }
            // Nobody may be waiting any more; the lines are still shown.
            let _ = lines.send(line);
        }
    });
}
