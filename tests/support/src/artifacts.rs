//! Finds what `cargo xtask` made: guests and the `nats-server` binary.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};

/// The component of a guest by its name, such as `echo`.
pub fn guest(name: &str) -> Result<PathBuf> {
    let folder = env::var_os("SIMPLE_NATS_GUESTS")
        .map_or_else(|| target_directory().join("guests"), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    ensure!(path.is_file(), "no guest {}; run `cargo xtask guests`", path.display());
    Ok(path)
}

/// The `nats-server` to start: `NATS_SERVER_BIN`, else the one that the set-up
/// fetched, else whatever the search path offers.
pub fn nats_server_binary() -> PathBuf {
    env::var_os("NATS_SERVER_BIN").map_or_else(
        || {
            let fetched = target_directory().join("tools/nats-server");
            if fetched.is_file() { fetched } else { PathBuf::from("nats-server") }
        },
        PathBuf::from,
    )
}

fn target_directory() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from)
}
