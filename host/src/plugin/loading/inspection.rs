//! What a component's file tells, without running it.

use std::path::Path;

use super::asynchrony::concurrency_of;
use super::catalogue::Content;
use super::compile_cache::{CompileCache, CompiledComponents};
use super::component::{self, Interfaces};
use super::engine::DEFAULT_STACK_BYTES;
use super::linkers::linker;
use super::loaded::fit;
use crate::plugin::error::LoadError;
use crate::plugin::limits::Limits;
use crate::plugin::settings::ComponentSource;

/// What is known of a component that is not run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// What it imports and exports.
    pub interfaces: Interfaces,
    /// The size of its file.
    pub size_bytes: u64,
    /// Why this host can't run it; none if it can.
    pub problem: Option<LoadError>,
}

/// Looks at a component. It is compiled for that, or taken from the cache, and
/// linked.
///
/// # Errors
/// If its file can't be read, or is no component.
pub fn inspect(path: &Path) -> Result<Inspection, LoadError> {
    let source = ComponentSource::File(path.to_owned());
    let name = path.display().to_string();
    let bytes = component::read(source, &name, Limits::default().max_component_bytes)?;
    let linker = linker(concurrency_of(&bytes), DEFAULT_STACK_BYTES)?;
    let (kept, content) = (CompiledComponents::open(&CompileCache::Default)?, Content::of(&bytes));
    let component = match kept.find(linker.engine(), content) {
        Some(component) => component,
        None => kept.compile(linker.engine(), &name, &bytes, content)?,
    };
    let interfaces = Interfaces::of(&component);
    let problem = fit(&linker, &component, &interfaces, &name).err();
    Ok(Inspection { interfaces, size_bytes: bytes.len() as u64, problem })
}
