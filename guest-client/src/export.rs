//! What makes a component a plugin: the exports, and the macro that gives them
//! the author's functions. A program that does not use the macro exports none.

use std::marker::PhantomData;

use crate::bindings::exports::simple_nats::client::{batch_handler, handler, lifecycle};
use crate::bindings::simple_nats::client::types;
use crate::dispatch;

/// Makes the component a plugin that begins with `start`, where it connects and
/// subscribes, and, if there is one, ends with `stop`.
///
/// `start` answers nothing, or a `Result` whose error has a text: then the plugin
/// can't serve. It runs in every instance, after a trap and after a reload too.
///
/// ```no_run
/// use simple_nats_guest::{Error, Message, NatsClient};
///
/// simple_nats_guest::plugin!(start, stop);
///
/// fn start() -> Result<(), Error> {
///     let nats = NatsClient::connect(None)?;
///     nats.subscribe("greet", None, |message: Message| message.respond("hello"))?;
///     Ok(())
/// }
///
/// fn stop() {
///     println!("good bye");
/// }
/// # fn main() {}
/// ```
///
/// Built for anything but wasm, as for tests of the author's own, the crate
/// exports nothing.
#[macro_export]
macro_rules! plugin {
    ($start:path) => {
        $crate::plugin!($start, $crate::export::nothing);
    };
    ($start:path, $stop:path) => {
        const _: () = {
            struct Author;

            impl $crate::export::Plugin for Author {
                fn start() -> ::core::result::Result<(), ::std::string::String> {
                    $crate::Outcome::into_result($start())
                }

                fn stop() {
                    $stop();
                }
            }

            // Elsewhere, linkers refuse the names of the exports.
            #[cfg(target_family = "wasm")]
            const _: () = {
                type Component = $crate::export::Component<Author>;
                $crate::bindings::export! { Component with_types_in $crate::bindings }
            };
            // There, the author's functions shall not count as unused.
            #[cfg(not(target_family = "wasm"))]
            const _: fn() = <Author as $crate::export::Plugin>::stop;
        };
    };
}

/// What `stop` is, where there is none.
pub fn nothing() {}

/// The author's functions.
pub trait Plugin {
    /// Begins the instance.
    fn start() -> Result<(), String>;

    /// Ends it.
    fn stop();
}

/// The exports for one author's functions.
pub struct Component<P>(PhantomData<P>);

impl<P: Plugin> lifecycle::Guest for Component<P> {
    fn start() -> Result<(), String> {
        P::start()
    }

    fn stop() {
        P::stop();
    }
}

impl<P: Plugin> batch_handler::Guest for Component<P> {
    fn on_deliveries() {
        dispatch::take_all();
    }
}

/// For hosts that do not know `batch-handler`.
impl<P: Plugin> handler::Guest for Component<P> {
    fn on_message(message: types::Message) -> Result<(), String> {
        dispatch::on_message(message.into())
    }

    fn on_reply(id: u64, reply: Result<Option<types::Message>, types::Error>, last: bool) {
        let reply = reply.map(|message| message.map(Into::into));
        dispatch::on_reply(id, reply.map_err(Into::into), last);
    }

    fn on_event(client: u32, event: types::Event) {
        dispatch::on_event(client, event.into());
    }

    fn on_timer(id: u64) {
        dispatch::on_timer(id);
    }
}
