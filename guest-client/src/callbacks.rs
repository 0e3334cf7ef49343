//! The callbacks of this instance, found by the numbers that deliveries carry.
//! Knows nothing of where deliveries come from.
//!
//! A callback is shared with its table while it runs, so it may take itself or
//! any other out of it, and put in new ones.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use crate::{Error, Event, Message};

/// An answer to a request, as the host delivers it, and whether it is the last.
pub(crate) type Reply = Result<Option<Message>, Error>;

pub(crate) type OnMessage = Rc<RefCell<dyn FnMut(Message) -> Result<(), String>>>;
pub(crate) type OnReply = Rc<RefCell<dyn FnMut(Reply, bool)>>;
pub(crate) type OnEvent = Rc<RefCell<dyn FnMut(Event)>>;
pub(crate) type OnTimer = Rc<RefCell<dyn FnMut()>>;

pub(crate) struct Subscription {
    pub(crate) client: u32,
    pub(crate) callback: OnMessage,
}

pub(crate) struct Timer {
    pub(crate) repeats: bool,
    pub(crate) callback: OnTimer,
}

pub(crate) struct Callbacks {
    pub(crate) subscriptions: Table<Subscription>,
    pub(crate) requests: Table<OnReply>,
    pub(crate) timers: Table<Timer>,
    /// By connection.
    pub(crate) events: Table<OnEvent>,
}

thread_local! {
    static CALLBACKS: RefCell<Callbacks> = const {
        RefCell::new(Callbacks {
            subscriptions: table(),
            requests: table(),
            timers: table(),
            events: table(),
        })
    };
}

/// Looks at the tables, or changes them. `action` must neither run nor drop a
/// callback, for that may come back here: what it takes out, it returns.
pub(crate) fn with<T>(action: impl FnOnce(&mut Callbacks) -> T) -> T {
    CALLBACKS.with_borrow_mut(action)
}

impl Callbacks {
    /// Takes out what ends with a connection. Its requests end one by one.
    pub(crate) fn remove_client(&mut self, client: u32) -> (Vec<Subscription>, Option<OnEvent>) {
        (self.remove_subscriptions(client), self.events.remove(&client.into()))
    }

    /// Takes out the subscriptions of a connection.
    pub(crate) fn remove_subscriptions(&mut self, client: u32) -> Vec<Subscription> {
        let ended = self.subscriptions.extract_if(|_, subscription| subscription.client == client);
        ended.map(|(_, subscription)| subscription).collect()
    }
}

type Table<T> = HashMap<u64, T, BuildHasherDefault<NumberHasher>>;

const fn table<T>() -> Table<T> {
    HashMap::with_hasher(BuildHasherDefault::new())
}

/// The host counts its numbers up, so one multiplication spreads them enough.
#[derive(Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(self.0 ^ u64::from(byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio.
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
