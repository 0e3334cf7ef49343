//! Building plugins by the command of their manifest, again after each change.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Instant;

use tokio::process::Command;

use super::exit::Failure;
use super::watch::Watch;
use crate::config::BuildPlan;

/// Lines of a failed build that are shown: so many fit a terminal, with the
/// host's own.
const SHOWN_LINES: usize = 20;

/// Of these, from its end: what an interpreter has to say comes last, what a
/// compiler has to say comes first.
const SHOWN_LAST_LINES: usize = 6;

/// Longer ones are data.
const SHOWN_LINE_CHARS: usize = 200;

/// Builds what a manifest says, as it says it.
pub(super) struct Builder {
    manifest: PathBuf,
    plan: BuildPlan,
    watch: Watch,
}

impl Builder {
    /// Notices every change from now on.
    pub(super) fn new(manifest: &Path) -> Result<Self, Failure> {
        let plan = BuildPlan::read(manifest)?;
        let watch = watch(manifest, &plan)?;
        Ok(Self { manifest: manifest.to_owned(), plan, watch })
    }

    /// Builds until it has succeeded once. After a failure it waits for a change.
    pub(super) async fn build_once(&mut self) {
        while !self.build("waiting for a change").await {
            self.changed().await;
        }
    }

    /// Builds after each change, for ever.
    pub(super) async fn build_again(&mut self) -> Infallible {
        loop {
            self.changed().await;
            self.build("what was built before serves on").await;
        }
    }

    /// Waits for a reason to build again: another source, or another way to build.
    async fn changed(&mut self) {
        loop {
            let files = self.watch.changed().await;
            let is_source = |file: &PathBuf| *file != self.manifest;
            if files.iter().any(is_source) | self.is_planned_anew(&files) {
                return;
            }
        }
    }

    /// Whether the manifest is among the files that have changed, and says something
    /// else of building.
    fn is_planned_anew(&mut self, files: &[PathBuf]) -> bool {
        if !files.contains(&self.manifest) {
            return false;
        }
        match Self::new(&self.manifest) {
            Ok(new) if new.plan == self.plan => false,
            Ok(new) => {
                *self = new;
                true
            }
            Err(error) => {
                tracing::error!(%error, "building as before");
                false
            }
        }
    }

    /// Answers whether it succeeded. If not, the log says why, and what is done
    /// about it.
    async fn build(&self, after_failure: &str) -> bool {
        let BuildPlan { command, folder, .. } = &self.plan;
        tracing::info!(command, "building");
        let begin = Instant::now();
        let built = Command::new("sh")
            // In the order in which it was written.
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .current_dir(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await;
        match built {
            Ok(built) if built.status.success() => {
                let seconds = begin.elapsed().as_secs_f32();
                tracing::info!("built in {seconds:.1} s");
                true
            }
            Ok(built) => {
                let why = ending(built.status);
                let screen = screen(&String::from_utf8_lossy(&built.stdout));
                tracing::error!("build failed: {why}; {after_failure}\n{screen}");
                false
            }
            Err(error) => {
                tracing::error!("build failed: start sh in {}: {error}", folder.display());
                false
            }
        }
    }
}

/// Watches what is built, and where it is said how.
fn watch(manifest: &Path, plan: &BuildPlan) -> anyhow::Result<Watch> {
    let mut watch = Watch::new([manifest.to_owned()])?;
    for source in &plan.sources {
        if source.is_dir() {
            watch.add_folder(source)?;
        } else {
            watch.add([source.clone()])?;
        }
    }
    Ok(watch)
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        // What shells answer for a command that there is not.
        Some(127) => "a program of it is not installed".to_owned(),
        Some(code) => format!("its exit code is {code}"),
        None => status.to_string(),
    }
}

/// The part of a build's output that fits one screen.
fn screen(output: &str) -> String {
    let lines: Vec<_> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut shown: Vec<_> = lines.iter().map(|line| shortened(line)).collect();
    let left_out = lines.len().saturating_sub(SHOWN_LINES);
    if left_out > 0 {
        let first = SHOWN_LINES - SHOWN_LAST_LINES;
        let note = format!("… {left_out} lines left out; run the command by hand to see them …");
        shown.splice(first..first + left_out, [note]);
    }
    shown.join("\n")
}

/// A tool writes colours, if it writes them to what is no terminal, for somebody
/// who sees the beginning of the line too.
fn shortened(line: &str) -> String {
    let mut shown: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
    if let Some((end, _)) = shown.char_indices().nth(SHOWN_LINE_CHARS) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_output_is_shown_as_it_is() {
        assert_eq!(
            screen("error: no `x`\n\n  --> src/lib.rs:3\n"),
            "error: no `x`\n  --> src/lib.rs:3"
        );
        assert_eq!(screen(""), "");
    }

    #[test]
    fn of_a_long_output_the_beginning_and_the_end_are_shown() {
        let long: String = (1..=100).map(|line| format!("line {line}\n")).collect();
        let screen = screen(&long);
        let lines: Vec<_> = screen.lines().collect();
        assert_eq!(lines.len(), SHOWN_LINES + 1);
        assert_eq!((lines[0], lines[13]), ("line 1", "line 14"));
        assert!(lines[14].contains("80 lines left out"), "{}", lines[14]);
        assert_eq!((lines[15], lines[20]), ("line 95", "line 100"));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        assert_eq!(screen(&"ä".repeat(100_000)).chars().count(), SHOWN_LINE_CHARS + 1);
    }
}
