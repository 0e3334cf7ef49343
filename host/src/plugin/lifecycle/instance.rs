//! One instance of a plugin, from its `start` to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::TypedFunc;
use wasmtime::{Store, UpdateDeadline};

use crate::plugin::adapters::{self, ConcurrentHandler, Handler, SingleHandler};
use crate::plugin::dispatch::mailbox::{Delivery, Mailbox};
use crate::plugin::error::GuestError;
use crate::plugin::imports;
use crate::plugin::limits::excess::CpuTimeExceeded;
use crate::plugin::loading::bindings::Guest;
use crate::plugin::loading::engine::Concurrency;
use crate::plugin::loading::loaded::Loaded;
use crate::plugin::reporting::text;
use crate::plugin::scheduling::progress::Progress;
use crate::plugin::state::{Inheritance, Shared, State};
use crate::plugin::wasi;

/// An instance that serves.
pub(in crate::plugin) struct Instance {
    store: Store<State>,
    exports: Exports,
    progress: Arc<Progress>,
    callback_timeout: Duration,
    stop_timeout: Duration,
}

/// What the host calls.
enum Exports {
    /// Those of our own world, with the one for many deliveries if it is there, and
    /// whether a call of that may last.
    Own { guest: Guest, batch: Option<TypedFunc<(), ()>>, stays: bool },
    /// The handler of an interface of others.
    Foreign(SingleHandler),
    /// The same, for several messages at once.
    Concurrent(ConcurrentHandler),
}

impl Instance {
    /// Instantiates and runs `start`. If that fails, the inheritance comes back
    /// with the error, for the next try.
    pub(in crate::plugin) async fn start(
        loaded: &Loaded,
        plugin: &Arc<Shared>,
        mailbox: &Arc<Mailbox>,
        inheritance: Inheritance,
    ) -> Result<Self, (GuestError, Inheritance)> {
        let limits = plugin.settings.limits;
        let wasi = match wasi::plugin_context(plugin) {
            Ok(wasi) => wasi,
            Err(error) => return Err((GuestError::Start(error.to_string()), inheritance)),
        };
        let progress = Arc::new(Progress::new(Arc::clone(&loaded.activity)));
        let state =
            State::new(Arc::clone(plugin), Arc::clone(mailbox), progress, wasi, inheritance);
        let mut store = new_store(loaded, state, Some(limits.callback_cpu_time));
        let progress = Arc::clone(&store.data().progress);
        let begin = async {
            let trap = |source| GuestError::Trap { during: "start", source };
            let begin = Instant::now();
            let instance = loaded.pre.instantiate_async(&mut store).await.map_err(trap)?;
            let micros = begin.elapsed().as_secs_f64() * 1e6;
            tracing::debug!(plugin = plugin.settings.name, micros, "instantiated");
            if let Some(handler) = &loaded.handler {
                let handler = handler.of(&mut store, &instance).map_err(trap)?;
                let subscribed = store.data_mut().subscribe_as_told().await;
                subscribed.map_err(|error| GuestError::Start(adapters::text(error)))?;
                return Ok(match handler {
                    Handler::Single(handler) => Exports::Foreign(handler),
                    Handler::Concurrent(handler) => Exports::Concurrent(handler),
                });
            }
            let guest = Guest::new(&mut store, &instance).map_err(trap)?;
            let batch = loaded
                .batch
                .as_ref()
                .map(|index| instance.get_typed_func(&mut store, index))
                .transpose()
                .map_err(trap)?;
            let started =
                guest.simple_nats_client_lifecycle().call_start(&mut store).await.map_err(trap)?;
            started.map_err(|reason| GuestError::Start(text::reason(&reason)))?;
            catch_up("start", &store)?;
            // While it waits in a call, nothing else of it would go on.
            let stays = loaded.concurrency == Concurrency::Off;
            Ok(Exports::Own { guest, batch, stays })
        };
        let during = "start";
        let outcome = match progress.watch(limits.start_timeout, pin!(begin)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(GuestError::Timeout { during, limit: limits.start_timeout }),
        };
        match outcome {
            Ok(exports) => {
                store.data_mut().drop_orphans();
                let callback_timeout = limits.callback_timeout;
                let stop_timeout = limits.stop_callback_timeout;
                Ok(Self { store, exports, progress, callback_timeout, stop_timeout })
            }
            Err(error) => {
                // What it has published goes out; it has failed in any case.
                let _ = catch_up("start", &store);
                Err((error, store.data_mut().leave()))
            }
        }
    }

    /// Handles deliveries until the host is stopping and none are left.
    pub(in crate::plugin) async fn serve(&mut self) -> Result<(), GuestError> {
        let mailbox = Arc::clone(&self.store.data().mailbox);
        // Boxed where it takes much room, which those that serve otherwise need not
        // keep.
        match &self.exports {
            Exports::Concurrent(handler) => {
                Box::pin(handler.serve(&mut self.store, &mailbox, &self.progress)).await
            }
            Exports::Own { batch: Some(batch), stays, .. } => {
                let batch = *batch;
                self.store.data_mut().stays = *stays;
                let served = self.serve_batches(batch, &mailbox).await;
                self.store.data_mut().stays = false;
                served
            }
            Exports::Own { .. } | Exports::Foreign(_) => {
                Box::pin(self.serve_singly(&mailbox)).await
            }
        }
    }

    async fn serve_batches(
        &mut self,
        batch: TypedFunc<(), ()>,
        mailbox: &Mailbox,
    ) -> Result<(), GuestError> {
        while self.is_awaited(mailbox).await {
            self.progress.advance();
            // Boxed, so that only those need the room for it that have been called; and
            // first, so that it is made where it stays.
            let room = Box::new_uninit();
            let call = Box::into_pin(Box::write(room, batch.call_async(&mut self.store, ())));
            finish("on-deliveries", &self.progress, self.callback_timeout, call).await?;
            catch_up("on-deliveries", &self.store)?;
            self.store.data_mut().finish_callback();
        }
        Ok(())
    }

    async fn serve_singly(&mut self, mailbox: &Mailbox) -> Result<(), GuestError> {
        while self.is_awaited(mailbox).await {
            self.push().await?;
        }
        Ok(())
    }

    /// Waits for what comes next; false: there will be nothing more.
    async fn is_awaited(&mut self, mailbox: &Mailbox) -> bool {
        let mut has_rested = false;
        let is_awaited = mailbox.is_awaited(|| has_rested = true).await;
        if has_rested {
            // Ticks that went by meanwhile are not its own. All others are: where
            // callbacks are short, most come between two of them.
            self.store.set_epoch_deadline(1);
        }
        is_awaited
    }

    /// Calls the handler for one delivery.
    async fn push(&mut self) -> Result<(), GuestError> {
        let Some(delivery) = self.store.data_mut().take() else { return Ok(()) };
        let (progress, limit) = (&self.progress, self.callback_timeout);
        let store = &mut self.store;
        let guest = match &self.exports {
            Exports::Own { guest, .. } => guest,
            Exports::Foreign(handler) => {
                // Events are for the log, which has them; nothing else comes.
                if let Delivery::Message(incoming) = delivery {
                    let during = handler.function();
                    let call = handler.handle(store, &incoming.message);
                    if let Err(error) = finish(during, progress, limit, call).await? {
                        store.data_mut().handler_failed(&error.to_string());
                    }
                }
                store.data_mut().in_hand = None;
                return Ok(());
            }
            // It takes its messages itself.
            Exports::Concurrent(_) => return Ok(()),
        };
        let handler = guest.simple_nats_client_handler();
        let (during, failure) = match delivery {
            Delivery::Message(incoming) => {
                let message = imports::message_for_guest(&incoming);
                drop(incoming);
                let call = handler.call_on_message(&mut *store, &message);
                ("on-message", finish("on-message", progress, limit, call).await?.err())
            }
            Delivery::Reply { client, id, answer, last } => {
                let answer = imports::answer_for_guest(client, &answer);
                let answer = answer.as_ref().map(Option::as_ref);
                let call = handler.call_on_reply(&mut *store, id, answer, last);
                finish("on-reply", progress, limit, call).await?;
                ("on-reply", None)
            }
            Delivery::Event { client, event } => {
                let event = imports::event_for_guest(&event);
                let call = handler.call_on_event(&mut *store, client, &event);
                finish("on-event", progress, limit, call).await?;
                ("on-event", None)
            }
            Delivery::Timer(id) => {
                let call = handler.call_on_timer(&mut *store, id);
                finish("on-timer", progress, limit, call).await?;
                ("on-timer", None)
            }
        };
        // An error reply comes behind what the handler has published.
        catch_up(during, store)?;
        if let Some(reason) = failure {
            store.data_mut().handler_failed(&reason);
        }
        store.data_mut().finish();
        Ok(())
    }

    /// Runs `stop`.
    pub(in crate::plugin) async fn stop(&mut self) -> Result<(), GuestError> {
        let Exports::Own { guest, .. } = &self.exports else { return Ok(()) };
        self.progress.advance();
        let call = guest.simple_nats_client_lifecycle().call_stop(&mut self.store);
        finish("stop", &self.progress, self.stop_timeout, call).await?;
        catch_up("stop", &self.store)
    }

    /// Ends an instance that has failed: whoever waits for an answer to the
    /// message in hand is told.
    pub(in crate::plugin) fn fail(mut self, error: &GuestError) -> Inheritance {
        // It has failed in any case.
        let _ = imports::catch_up(&self.store);
        let state = self.store.data_mut();
        state.answer_error(&error.summary());
        state.answer_error_to_all(&error.summary());
        state.leave()
    }

    /// Ends an instance that has stopped.
    pub(in crate::plugin) fn end(mut self) {
        let state = self.store.data_mut();
        let left = state.leave();
        state.plugin.subscriptions.leave(&left.subscriptions, &state.mailbox);
    }
}

/// Waits for a call into the guest, but not for ever.
async fn finish<T>(
    during: &'static str,
    progress: &Progress,
    limit: Duration,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<T, GuestError> {
    // Handed on where it is: each function on the way would keep room for it twice.
    let call = pin!(call);
    match progress.watch(limit, call).await {
        Ok(result) => result.map_err(|source| GuestError::Trap { during, source }),
        Err(_) => Err(GuestError::Timeout { during, limit }),
    }
}

/// What the guest published in a call that has ended is sent.
fn catch_up(during: &'static str, store: &Store<State>) -> Result<(), GuestError> {
    imports::catch_up(store).map_err(|error| GuestError::Trap { during, source: error.into() })
}

/// Lets everybody else on this thread have a turn.
///
/// Each of the two pauses makes Tokio look at its sockets and timers, unlike a plain
/// yield. After the first one, what came in gets to the mailboxes; only after the
/// second one have their plugins dealt with it.
async fn turn_of_others() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

/// A store whose guest is bounded in memory, yields at each tick, and traps when
/// one callback has used up its processor time.
pub(in crate::plugin) fn new_store(
    loaded: &Loaded,
    state: State,
    cpu_time: Option<Duration>,
) -> Store<State> {
    let progress = Arc::clone(&state.progress);
    let mut store = Store::new(loaded.pre.engine(), state);
    store.limiter(State::limiter);
    let limits = store.data().settings().limits;
    store.set_max_component_handles(limits.max_handles);
    store.set_hostcall_fuel(limits.max_call_bytes());
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |store| {
        imports::catch_up(&store)?;
        let stand = progress.tick();
        match cpu_time {
            Some(limit) if stand.cpu_time >= limit => {
                Err(CpuTimeExceeded { used: stand.cpu_time, limit }.into())
            }
            _ if stand.is_slice_over => {
                Ok(UpdateDeadline::YieldCustom(1, Box::pin(turn_of_others())))
            }
            _ => Ok(UpdateDeadline::Continue(1)),
        }
    });
    store
}
