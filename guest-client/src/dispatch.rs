//! Deliveries and the callbacks they run: taken from the inbox, by a host's call
//! or by the program's own loop, or handed over one by one.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bindings::simple_nats::client::packed_inbox::{self, PackedDelivery, Taken};
use crate::callbacks::{self, Reply};
use crate::options::millis;
use crate::{Error, Event, Message, outbox, room};

/// Runs callbacks until the host stops: for a `main` that has set everything up.
///
/// A plugin does not call this, because the host calls it.
pub fn run() -> Result<(), Error> {
    loop {
        match wait(usize::MAX, None) {
            Err(Error::Cancelled) => return Ok(()),
            outcome => outcome?,
        };
    }
}

/// Runs callbacks until `count` messages and answers were handled, or the time
/// has passed (`None`: without end), and tells how many were. Timers and events
/// are handled too and do not count. With [`Duration::ZERO`], handles one
/// delivery at the most, if it is there.
///
/// Once the host is stopping and everything is handled: [`Error::Cancelled`].
pub fn wait(count: usize, timeout: impl Into<Option<Duration>>) -> Result<usize, Error> {
    let timeout = timeout.into();
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut handled = 0;
    while handled < count {
        let most = if timeout == Some(Duration::ZERO) { 1 } else { count - handled };
        match take(most)? {
            Some(counted) => handled += counted,
            None => match wait_for_delivery(deadline) {
                Ok(true) => continue,
                Err(error) if handled == 0 => return Err(error),
                Ok(false) | Err(_) => break,
            },
        }
        // A steady stream must not hide the end of the time.
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            break;
        }
    }
    Ok(handled)
}

/// Waits until there is something to take, and answers whether there is.
pub(crate) fn wait_for_delivery(deadline: Option<Instant>) -> Result<bool, Error> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    Ok(packed_inbox::wait(left.map(millis))?)
}

/// Handles one delivery, or messages that come together, `most` at the most, if
/// there are any. Answers how many messages and answers it were.
pub(crate) fn take(most: usize) -> Result<Option<usize>, Error> {
    if IN_CALLBACK.get() {
        return Err(Error::InCallback);
    }
    Ok(take_some(most))
}

/// Handles what there is, until the host has nothing more for this call.
pub(crate) fn take_all() {
    let mut expects_messages = true;
    loop {
        if expects_messages && take_messages(usize::MAX).is_some() {
            continue;
        }
        let Some(delivery) = packed_inbox::take() else { return };
        // Behind something else there is likely more of it.
        expects_messages = matches!(delivery, PackedDelivery::Message(_));
        handle(delivery);
    }
}

fn take_some(most: usize) -> Option<usize> {
    take_messages(most).or_else(take_one)
}

fn take_messages(most: usize) -> Option<usize> {
    reset_position();
    match packed_inbox::take_messages(u32::try_from(most).unwrap_or(u32::MAX)) {
        Taken::Exposed(0) => None,
        Taken::Exposed(length) => {
            let memory = room::take()?;
            let count = handle_together(&memory, length as usize);
            room::put_back(memory);
            Some(count)
        }
        Taken::Apart(messages) => {
            let memory = Arc::new(messages);
            let count = handle_together(&memory, memory.len());
            room::decide(&memory);
            Some(count)
        }
    }
}

fn take_one() -> Option<usize> {
    packed_inbox::take().map(handle)
}

fn handle(delivery: PackedDelivery) -> usize {
    match delivery {
        PackedDelivery::Message(packed) => {
            let message = Message::new(packed);
            outbox::take_in_hand(message.memory());
            if let Err(reason) = on_message(message) {
                packed_inbox::fail(&reason);
            }
            outbox::take_in_hand(ptr::null());
        }
        PackedDelivery::Reply(reply) => {
            let answer = reply.answer.map(|packed| packed.map(Message::new));
            on_reply(reply.id, answer.map_err(Error::from), reply.last);
        }
        PackedDelivery::Event((client, event)) => {
            on_event(client, event.into());
            return 0;
        }
        PackedDelivery::Timer(id) => {
            on_timer(id);
            return 0;
        }
    }
    1
}

/// Handles the messages in the first `length` bytes.
fn handle_together(memory: &Arc<Vec<u8>>, length: usize) -> usize {
    outbox::take_in_hand(Arc::as_ptr(memory));
    let (mut count, mut at, mut keeps) = (0, 0, false);
    while at < length
        && let Some(message) = Message::next_of(memory, &mut at)
    {
        count += 1;
        set_position(count);
        // A message that is kept keeps all of the memory, so let the others of an
        // author who keeps some have their own.
        let message = if keeps { message.detached() } else { message };
        if let Err(reason) = on_message(message) {
            packed_inbox::fail(&reason);
        }
        keeps = keeps || Arc::strong_count(memory) > 1;
    }
    outbox::take_in_hand(ptr::null());
    count as usize
}

thread_local! {
    /// How many of the messages taken together were begun, in little-endian order.
    /// The host looks for it where this lies, which must not change.
    static POSITION: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn reset_position() {
    POSITION.with_borrow_mut(|position| {
        if position.is_empty() {
            position.extend_from_slice(&[0; size_of::<u32>()]);
            packed_inbox::expose_position(position);
        } else {
            write_position(position, 0);
        }
    });
}

fn set_position(count: u32) {
    POSITION.with_borrow_mut(|position| write_position(position, count));
}

/// One store: for a length that is not known when it is compiled, there would be a call.
fn write_position(position: &mut [u8], count: u32) {
    if let Some(place) = position.first_chunk_mut() {
        *place = count.to_le_bytes();
    }
}

pub(crate) fn on_message(message: Message) -> Result<(), String> {
    let sid = message.sid().0;
    let callback = callbacks::with(|callbacks| {
        callbacks.subscriptions.get(&sid).map(|found| Rc::clone(&found.callback))
    });
    match callback {
        Some(callback) => in_callback(move || callback.borrow_mut()(message)),
        None => Ok(()),
    }
}

pub(crate) fn on_reply(id: u64, reply: Reply, last: bool) {
    let callback = callbacks::with(|callbacks| match last {
        true => callbacks.requests.remove(&id),
        false => callbacks.requests.get(&id).cloned(),
    });
    if let Some(callback) = callback {
        in_callback(move || callback.borrow_mut()(reply, last));
    }
}

pub(crate) fn on_event(client: u32, event: Event) {
    let callback = callbacks::with(|callbacks| callbacks.events.get(&u64::from(client)).cloned());
    // Before the callback, which may subscribe anew.
    match &event {
        Event::SubscriptionEnded(sid, _) => {
            drop(callbacks::with(|callbacks| callbacks.subscriptions.remove(&sid.0)));
        }
        Event::Closed(_) => {
            outbox::forget(client);
            drop(callbacks::with(|callbacks| callbacks.remove_client(client)));
        }
        _ => {}
    }
    if let Some(callback) = callback {
        in_callback(move || callback.borrow_mut()(event));
    }
}

pub(crate) fn on_timer(id: u64) {
    let callback = callbacks::with(|callbacks| match callbacks.timers.get(&id) {
        Some(timer) if timer.repeats => Some(Rc::clone(&timer.callback)),
        _ => callbacks.timers.remove(&id).map(|timer| timer.callback),
    });
    if let Some(callback) = callback {
        in_callback(move || callback.borrow_mut()());
    }
}

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// No callback runs inside another, so none is ever borrowed twice; nor does what it
/// drops, itself among it, take anything while others are in hand.
fn in_callback<T>(callback: impl FnOnce() -> T) -> T {
    IN_CALLBACK.set(true);
    let outcome = callback();
    IN_CALLBACK.set(false);
    outcome
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::bindings::simple_nats::client::types;
    use crate::callbacks::{Subscription, Timer};

    fn message(sid: u64, payload: &str) -> Message {
        Message::from(types::Message {
            client: 1,
            sid,
            subject: "subject".into(),
            reply_to: None,
            headers: Vec::new(),
            status: None,
            payload: payload.into(),
        })
    }

    fn subscribe(sid: u64, callback: impl FnMut(Message) -> Result<(), String> + 'static) {
        let callback = Rc::new(RefCell::new(callback));
        let subscription = Subscription { client: 1, callback };
        callbacks::with(|callbacks| callbacks.subscriptions.insert(sid, subscription));
    }

    #[test]
    fn message_runs_the_callback_of_its_subscription() {
        subscribe(1, |message| Err(format!("one {}", message.payload().len())));
        subscribe(2, |_| Ok(()));
        assert_eq!(on_message(message(1, "abc")), Err("one 3".to_owned()));
        assert_eq!(on_message(message(2, "abc")), Ok(()));
        assert_eq!(on_message(message(3, "abc")), Ok(()));
    }

    #[test]
    fn callback_may_take_itself_out_and_put_in_another() {
        subscribe(1, |_| {
            drop(callbacks::with(|callbacks| callbacks.subscriptions.remove(&1)));
            subscribe(2, |_| Err("second".to_owned()));
            Err("first".to_owned())
        });
        assert_eq!(on_message(message(1, "")), Err("first".to_owned()));
        assert_eq!(on_message(message(1, "")), Ok(()));
        assert_eq!(on_message(message(2, "")), Err("second".to_owned()));
    }

    #[test]
    fn callback_that_waits_is_refused() {
        subscribe(1, |_| wait(1, None).map(|_| ()).map_err(|error| error.to_string()));
        assert_eq!(on_message(message(1, "")), Err(Error::InCallback.to_string()));
    }

    #[test]
    fn last_answer_ends_the_request() {
        let count = Rc::new(Cell::new(0));
        let counted = Rc::clone(&count);
        let callback = Rc::new(RefCell::new(move |_: Reply, _: bool| counted.update(|n| n + 1)));
        callbacks::with(|callbacks| callbacks.requests.insert(5, callback));
        on_reply(5, Ok(Some(message(0, ""))), false);
        on_reply(5, Ok(None), true);
        on_reply(5, Ok(None), true);
        assert_eq!(count.get(), 2);
        assert_eq!(Rc::strong_count(&count), 1);
    }

    #[test]
    fn timer_runs_once_unless_it_repeats() {
        for (repeats, expected) in [(false, 1), (true, 2)] {
            let count = Rc::new(Cell::new(0));
            let counted = Rc::clone(&count);
            let callback = Rc::new(RefCell::new(move || counted.update(|n| n + 1)));
            callbacks::with(|callbacks| callbacks.timers.insert(9, Timer { repeats, callback }));
            on_timer(9);
            on_timer(9);
            assert_eq!(count.get(), expected);
        }
    }

    #[test]
    fn end_of_connection_drops_its_callbacks_before_telling() {
        subscribe(1, |_| Err("kept".to_owned()));
        let seen = Rc::new(RefCell::new(Vec::new()));
        let told = Rc::clone(&seen);
        let callback = Rc::new(RefCell::new(move |event| {
            subscribe(2, |_| Err("new".to_owned()));
            told.borrow_mut().push(event);
        }));
        callbacks::with(|callbacks| callbacks.events.insert(1, callback));
        on_event(1, Event::Closed("test".into()));
        on_event(1, Event::LameDuck);
        assert_eq!(*seen.borrow(), [Event::Closed("test".into())]);
        assert_eq!(on_message(message(1, "")), Ok(()));
        assert_eq!(on_message(message(2, "")), Err("new".to_owned()));
    }
}
