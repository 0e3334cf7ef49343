//! The fuzz targets, for a while each. They need a nightly compiler and cargo-fuzz.

use anyhow::{Context, Result};

use crate::{steps::Steps, workspace::Workspace};

const TARGETS: [&str; 3] = ["decode", "names", "session"];

const FOLDER: &str = "tests/fuzz";

/// Fuzzes every target, or the one named, for so many seconds each.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps, args: &[String]) -> Result<()> {
    let (mut seconds, mut targets) = (60_u32, TARGETS.to_vec());
    for arg in args {
        match TARGETS.iter().find(|target| *target == arg) {
            Some(target) => targets = vec![target],
            None => {
                let usage = "fuzz [decode|names|session] [SECONDS]";
                seconds = arg.parse().with_context(|| format!("{arg:?}: {usage}"))?;
            }
        }
    }
    for target in targets {
        let found = workspace.target.join("fuzz").join("corpus").join(target);
        std::fs::create_dir_all(&found).with_context(|| format!("create {}", found.display()))?;
        let mut fuzz = workspace.command("cargo");
        fuzz.args(["+nightly", "fuzz", "run", "--fuzz-dir", FOLDER, "--target-dir"])
            .arg(workspace.target.join("fuzz"))
            // The code under test is safe Rust: a sanitizer only slows it down.
            .args(["--sanitizer", "none", target])
            // The first folder gets what is found, the second is read.
            .arg(&found)
            .arg(workspace.root.join(FOLDER).join("corpus").join(target))
            .args(["--", "-max_len=2000", &format!("-max_total_time={seconds}")]);
        steps.run(target, &mut fuzz)?;
    }
    Ok(())
}
