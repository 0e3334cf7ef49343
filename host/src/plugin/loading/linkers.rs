//! What components are compiled by and linked with: one set for plain ones, and
//! one for those with asynchronous functions, which is made when it is needed.

use std::sync::Arc;

use tokio::sync::OnceCell;
use wasmtime::component::Linker;

use super::asynchrony::concurrency_of;
use super::catalogue::Catalogue;
use super::compile_cache::{CompileCache, CompiledComponents};
use super::engine::{Concurrency, engine};
use super::loaded::Loaded;
use crate::plugin::error::LoadError;
use crate::plugin::scheduling::ticker::{Activity, Ticker};
use crate::plugin::state::State;
use crate::plugin::{adapters, imports};

pub(in crate::plugin) struct Linkers {
    plain: Linked,
    asynchronous: OnceCell<Linked>,
    pub(super) compiled: CompiledComponents,
    stack_bytes: usize,
    pub(super) loaded: Catalogue<Loaded>,
}

struct Linked {
    linker: Linker<State>,
    ticker: Ticker,
}

impl Linkers {
    /// # Errors
    /// If an engine does not work on this machine, or a cache directory that was named
    /// can't be used.
    pub(in crate::plugin) fn new(
        cache: &CompileCache,
        stack_bytes: usize,
    ) -> Result<Self, LoadError> {
        Ok(Self {
            plain: Linked::new(Concurrency::Off, stack_bytes)?,
            asynchronous: OnceCell::new(),
            compiled: CompiledComponents::open(cache)?,
            stack_bytes,
            loaded: Catalogue::new(),
        })
    }

    /// Native stack that a guest may use, in bytes.
    pub(in crate::plugin) fn stack_bytes(&self) -> usize {
        self.stack_bytes
    }

    /// The linker that a component needs, of which kind it is, and what is to be told
    /// when the component runs.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub(in crate::plugin) async fn of(
        &self,
        component: &[u8],
    ) -> Result<(&Linker<State>, Concurrency, &Arc<Activity>), LoadError> {
        let concurrency = concurrency_of(component);
        let linked = match concurrency {
            Concurrency::On => {
                let make = async || Linked::new(Concurrency::On, self.stack_bytes);
                self.asynchronous.get_or_try_init(make).await?
            }
            Concurrency::Off => &self.plain,
        };
        Ok((&linked.linker, concurrency, linked.ticker.activity()))
    }
}

impl Linked {
    fn new(concurrency: Concurrency, stack_bytes: usize) -> Result<Self, LoadError> {
        let linker = linker(concurrency, stack_bytes)?;
        Ok(Self { ticker: Ticker::start(linker.engine())?, linker })
    }
}

/// A linker with everything that this host provides to one kind of components, and
/// an engine of its own.
///
/// # Errors
/// If the engine does not work on this machine.
pub(super) fn linker(
    concurrency: Concurrency,
    stack_bytes: usize,
) -> Result<Linker<State>, LoadError> {
    let engine = engine(concurrency, stack_bytes)?;
    let mut linker = Linker::new(&engine);
    imports::add_to_linker(&mut linker).map_err(LoadError::Engine)?;
    adapters::add_to_linker(&mut linker, concurrency).map_err(LoadError::Engine)?;
    Ok(linker)
}
