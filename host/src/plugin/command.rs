//! A command: a program that runs to its exit code.

use std::sync::Arc;

use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::Command;

use super::error::GuestError;
use super::instance::new_store;
use super::loaded::Loaded;
use super::mailbox::Mailbox;
use super::progress::Progress;
use super::state::{Inheritance, Shared, State};
use super::stdio;

/// Runs `main` and answers its exit code. What the command published may still
/// be on its way then; its connections are its caller's to close.
///
/// # Errors
/// If it traps.
pub(super) async fn run(
    loaded: Arc<Loaded>,
    plugin: Arc<Shared>,
    mailbox: Arc<Mailbox>,
) -> Result<i32, GuestError> {
    let wasi = stdio::command_context(&plugin.settings);
    let progress = Arc::new(Progress::new(Arc::clone(&loaded.activity)));
    let state = State::new(plugin, mailbox, Arc::clone(&progress), wasi, Inheritance::default());
    let mut store = new_store(&loaded, state, None);
    let outcome = progress.clocked(async {
        let instance = loaded.pre.instantiate_async(&mut store).await?;
        let command = Command::new(&mut store, &instance)?;
        command.wasi_cli_run().call_run(&mut store).await
    });
    let outcome = outcome.await;
    store.data_mut().leave();
    match outcome {
        Ok(Ok(())) => Ok(0),
        Ok(Err(())) => Ok(1),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(exit.0),
            None => Err(GuestError::Trap { during: "run", source: error }),
        },
    }
}
