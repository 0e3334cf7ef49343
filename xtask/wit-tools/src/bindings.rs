//! Bindings of a world, as source text.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use wit_bindgen_core::Files;
use wit_parser::{Resolve, WorldId};

/// Writes them into a folder.
pub(crate) fn write(
    resolve: &mut Resolve,
    world: WorldId,
    language: &str,
    folder: &Path,
) -> Result<()> {
    let mut generator = match language {
        "c" => wit_bindgen_c::Opts::default().build(),
        "go" => wit_bindgen_go::Opts::default().build(),
        other => bail!("no bindings for {other:?}: it is c or go"),
    };
    let mut files = Files::default();
    generator.generate(resolve, world, &mut files)?;
    for (name, contents) in files.iter() {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        }
        fs::write(&path, contents).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
