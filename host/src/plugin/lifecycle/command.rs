//! A command: a program that runs to its exit code.

use std::sync::Arc;

use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::Command;

use super::instance::new_store;
use crate::plugin::dispatch::mailbox::Mailbox;
use crate::plugin::error::GuestError;
use crate::plugin::imports;
use crate::plugin::loading::loaded::Loaded;
use crate::plugin::scheduling::progress::Progress;
use crate::plugin::state::{Inheritance, Shared, State};
use crate::plugin::wasi;
use crate::time;

/// Runs `main` and answers its exit code. What the command published may still
/// be on its way then; its connections are its caller's to close.
///
/// # Errors
/// If it traps, or takes longer than it may.
pub(in crate::plugin) async fn run(
    loaded: Arc<Loaded>,
    plugin: Arc<Shared>,
    mailbox: Arc<Mailbox>,
) -> Result<i32, GuestError> {
    let limit = plugin.settings.limits.command_timeout;
    let wasi = wasi::command_context(&plugin.settings)
        .map_err(|error| GuestError::Start(error.to_string()))?;
    let progress = Arc::new(Progress::new(Arc::clone(&loaded.activity)));
    let state = State::new(plugin, mailbox, Arc::clone(&progress), wasi, Inheritance::default());
    let mut store = new_store(&loaded, state, None);
    let run = progress.clocked(async {
        let instance = loaded.pre.instantiate_async(&mut store).await?;
        let command = Command::new(&mut store, &instance)?;
        command.wasi_cli_run().call_run(&mut store).await
    });
    let outcome = time::timeout(limit, run).await;
    let caught_up = imports::catch_up(&store);
    store.data_mut().leave();
    let Ok(outcome) = outcome else {
        return Err(GuestError::Timeout { during: "run", limit });
    };
    let outcome = match (outcome, caught_up) {
        (Ok(_), Err(error)) => Err(error.into()),
        (outcome, _) => outcome,
    };
    match outcome {
        Ok(Ok(())) => Ok(0),
        Ok(Err(())) => Ok(1),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(exit.0),
            None => Err(GuestError::Trap { during: "run", source: error }),
        },
    }
}
