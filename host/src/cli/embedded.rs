//! A real nats-server as a child, on a free port.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::process::{Child, Command};

use crate::connection::ServerAddress;

/// How long the server may take to say where it listens.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A running server; it ends with this value.
pub(super) struct Embedded {
    address: ServerAddress,
    directory: PathBuf,
    child: Child,
}

/// What the server writes about its ports.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

impl Embedded {
    /// Starts the server found in `NATS_SERVER_BIN`, on the PATH, or where this
    /// project's set-up puts it.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let program = find()?;
        let directory =
            std::env::temp_dir().join(format!("simple-nats-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("create {}", directory.display()))?;
        let child = Command::new(&program)
            .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut server = Self { address: "127.0.0.1".parse()?, directory, child };
        let started = tokio::time::timeout(START_TIMEOUT, server.wait_for_ports()).await;
        server.address = started.with_context(|| {
            format!("{} did not listen within {START_TIMEOUT:?}", program.display())
        })??;
        Ok(server)
    }

    pub(super) fn address(&self) -> &ServerAddress {
        &self.address
    }

    async fn wait_for_ports(&mut self) -> anyhow::Result<ServerAddress> {
        let id = self.child.id().unwrap_or_default();
        let file = self.directory.join(format!("nats-server_{id}.ports"));
        loop {
            if let Ok(text) = std::fs::read(&file)
                && let Ok(ports) = serde_json::from_slice::<Ports>(&text)
                && let Some(url) = ports.nats.first()
            {
                return Ok(url.parse()?);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the embedded nats-server ended at once: {status}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // The process is killed with `child`; files left behind do no harm.
        let _ = self.child.start_kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn find() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("NATS_SERVER_BIN") {
        return Ok(path.into());
    }
    let name = format!("nats-server{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|directory| directory.join(&name));
    in_path.chain(tools_beside_this(&name)).find(|candidate| candidate.is_file()).context(
        "no nats-server for --server embedded: put one on the PATH, name it in \
         NATS_SERVER_BIN, or run `cargo xtask setup`",
    )
}

/// Where the set-up puts it, beside the folder of the program.
fn tools_beside_this(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(program.parent()?.parent()?.join("tools").join(name))
}
