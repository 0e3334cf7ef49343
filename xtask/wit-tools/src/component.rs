//! A component of a core module that was built for WASI's preview 1.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// Writes it to a file, as one of `world`.
pub(crate) fn write(resolve: &Resolve, world: WorldId, core: &Path, file: &Path) -> Result<()> {
    let mut module = fs::read(core).with_context(|| format!("read {}", core.display()))?;
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)?
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
        .encode()
        .with_context(|| format!("make a component of {}", core.display()))?;
    fs::write(file, component).with_context(|| format!("write {}", file.display()))
}
