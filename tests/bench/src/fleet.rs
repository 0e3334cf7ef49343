//! A host with many plugins of the component that benchmarks drive.

use std::{env, fs, path::PathBuf, time::Instant};

use anyhow::{Context, Result, ensure};
use test_support::{NatsServer, Process, TempDir, guest};
use tokio::process::Command;

use crate::rivals::SUBJECTS;

/// How many plugins there are, and what they have subscribed to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fleet {
    /// On the subjects that the load sends to; named `NAME-0`, `NAME-1` and so on.
    pub(crate) active: usize,
    /// On subjects that nobody sends to.
    pub(crate) idle: usize,
    /// Of each, beside those of the load.
    pub(crate) further_subscriptions: usize,
}

/// A host that runs them all.
pub(crate) struct Sailing {
    pub(crate) process: Process,
    /// From its beginning until the last plugin was ready, in nanoseconds.
    pub(crate) start_ns: u64,
    /// Lives as long as what runs from it.
    _manifest: TempDir,
}

impl Fleet {
    pub(crate) fn plugins(self) -> usize {
        self.active + self.idle
    }

    /// Subscriptions of all together.
    pub(crate) fn subscriptions(self) -> usize {
        self.plugins() * (SUBJECTS.len() + self.further_subscriptions)
    }

    /// The host's command line, and the folder with its manifest.
    pub(crate) fn command(self, server: &NatsServer, name: &str) -> Result<(Command, TempDir)> {
        let folder = TempDir::new().context("make a folder for a manifest")?;
        let manifest = folder.path().join("plugins.toml");
        fs::write(&manifest, self.manifest(name)?)
            .with_context(|| format!("write {}", manifest.display()))?;
        let mut command = Command::new(host()?);
        command.arg("up").arg(manifest).args(["--server", &server.url()]);
        Ok((command, folder))
    }

    /// Starts them and waits until all are ready.
    pub(crate) async fn start(self, server: &NatsServer, name: &str) -> Result<Sailing> {
        let (command, manifest) = self.command(server, name)?;
        let begin = Instant::now();
        let process = Process::spawn(command)?;
        for awaited in 1..=self.plugins() {
            let mut ready = 0;
            // One after the other, so that the patience is for each.
            let is_last = |line: &str| {
                ready += usize::from(line.contains("plugin ready"));
                (ready >= awaited).then_some(())
            };
            process.stderr().wait_for(&format!("{awaited} plugins to be ready"), is_last).await?;
        }
        let start_ns = u64::try_from(begin.elapsed().as_nanos())?;
        Ok(Sailing { process, start_ns, _manifest: manifest })
    }

    fn manifest(self, name: &str) -> Result<String> {
        let component = serde_json::to_string(&guest("bench")?)?;
        let further = self.further_subscriptions;
        let limit = SUBJECTS.len() + further;
        let plugin = |(prefix, subjects, number)| {
            format!(
                "[plugin.{prefix}-{number}]\n\
                 component = {component}\n\
                 client-name = \"{prefix}-{number}\"\n\
                 environment = {{ SUBJECTS = \"{subjects}\", FURTHER = \"{further}\" }}\n"
            )
        };
        let active = (0..self.active).map(|number| (name.to_owned(), "bench", number));
        let idle = (0..self.idle).map(|number| (format!("idle-{name}"), "idle", number));
        let plugins: String = active.chain(idle).map(plugin).collect();
        Ok(format!(
            "[defaults]\npermissions = {{ allow-all = true }}\n\
             limits = {{ max-subscriptions = {limit} }}\n{plugins}"
        ))
    }
}

/// The host's program, which is built beside this one.
pub(crate) fn host() -> Result<PathBuf> {
    let bench = env::current_exe().context("find this program")?;
    let host = bench.with_file_name(format!("simple-nats{}", env::consts::EXE_SUFFIX));
    ensure!(host.is_file(), "no host {}; run `cargo xtask bench`", host.display());
    Ok(host)
}
