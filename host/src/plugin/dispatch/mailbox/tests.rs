use std::time::{Duration, Instant};

use super::*;
use crate::connection::{Answer, ConnectionEvent};
use crate::protocol::Message;

fn push_reply(mailbox: &Mailbox, answer: Answer, last: bool) -> Result<(), (usize, usize)> {
    mailbox.push_reply(1, 1, answer, last, 100)
}

#[test]
fn answers_beyond_their_bytes_are_dropped_and_the_last_one_is_not() {
    let mailbox = Mailbox::new(MailboxLimits::default());
    let answer = |size| Ok(Some(Message::new("a", None, b"", &vec![0; size])));
    assert_eq!(push_reply(&mailbox, answer(59), false), Ok(()));
    assert_eq!(push_reply(&mailbox, answer(40), false), Err((60, 101)));
    assert_eq!(push_reply(&mailbox, answer(39), false), Ok(()));
    assert_eq!(push_reply(&mailbox, answer(500), true), Ok(()));
    assert!(mailbox.take().is_some());
    assert!(mailbox.take().is_some());
    assert!(mailbox.take().is_some());
    assert_eq!(push_reply(&mailbox, answer(99), false), Ok(()));
    mailbox.forget_request(1);
    assert_eq!(push_reply(&mailbox, answer(99), false), Ok(()));
}

#[tokio::test]
async fn timers_that_an_instance_is_too_slow_for_do_not_pile_up() {
    let mailbox = Mailbox::new(MailboxLimits::default());
    for id in 1..=3 {
        mailbox.set_timer(id, Duration::ZERO, true);
    }
    // They repeat every millisecond.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(5) {
        assert_eq!(mailbox.wait(None).await, Wait::Ready);
    }
    let taken = std::iter::from_fn(|| mailbox.take()).count();
    assert!((1..=3).contains(&taken), "{taken}");
    assert_eq!(mailbox.wait(None).await, Wait::Ready);
}

/// What was in use, would be, and may be of the limit that dropped a message.
fn dropped(outcome: Result<Level, Overflow>) -> (&'static str, usize, usize, usize) {
    let Overflow { limit, current, desired, maximum } = outcome.unwrap_err();
    (limit, current, desired, maximum)
}

fn incoming(sid: u64, payload: &[u8]) -> Incoming {
    Incoming { client: 1, sid, message: Message::new("a", None, b"", payload) }
}

#[test]
fn newest_message_of_a_subscription_is_dropped_at_its_limit() {
    let limits = MailboxLimits { max_messages: 2, max_bytes: 100, ..MailboxLimits::default() };
    let mailbox = Mailbox::new(limits);
    assert_eq!(mailbox.push(incoming(1, b"one")), Ok(Level::Low));
    assert_eq!(dropped(mailbox.push(incoming(1, &[0; 100]))), ("pending-bytes", 4, 105, 100));
    assert_eq!(mailbox.push(incoming(1, b"two")), Ok(Level::High));
    assert_eq!(dropped(mailbox.push(incoming(1, b"three"))), ("pending-messages", 2, 3, 2));
    assert_eq!(mailbox.push(incoming(2, b"other")), Ok(Level::Low));
    assert_eq!(mailbox.pending_of(1), Load { messages: 2, bytes: 8 });
    assert_eq!(mailbox.pending(), Load { messages: 3, bytes: 14 });
    assert_eq!(mailbox.backlog(1), Backlog { is_high: true, handled: 0 });
    assert!(mailbox.take().is_some());
    assert_eq!(mailbox.backlog(1), Backlog { is_high: false, handled: 1 });
    assert_eq!(mailbox.push(incoming(1, b"four")), Ok(Level::High));
}

#[test]
fn subscriptions_together_have_a_limit_of_their_own() {
    let limits = MailboxLimits {
        max_messages: 2,
        max_bytes: 18,
        max_instance_messages: 3,
        max_instance_bytes: 20,
    };
    let mailbox = Mailbox::new(limits);
    assert_eq!(mailbox.push(incoming(1, &[0; 5])), Ok(Level::Low));
    assert_eq!(dropped(mailbox.push(incoming(2, &[0; 17]))), ("instance-pending-bytes", 6, 24, 20));
    assert_eq!(mailbox.push(incoming(2, b"")), Ok(Level::High));
    assert_eq!(mailbox.push(incoming(3, b"")), Ok(Level::High));
    assert_eq!(dropped(mailbox.push(incoming(4, b""))), ("instance-pending-messages", 3, 4, 3));
    assert_eq!(mailbox.waiting(), 3);
}

#[test]
fn events_do_not_queue_behind_messages() {
    let mailbox = Mailbox::new(MailboxLimits::default());
    mailbox.push(incoming(1, b"")).unwrap();
    mailbox.push_event(1, Event::Drained);
    assert!(matches!(mailbox.take(), Some(Delivery::Event { .. })));
    assert!(matches!(mailbox.take(), Some(Delivery::Message(_))));
    assert!(mailbox.take().is_none());
}

#[test]
fn messages_are_taken_together_up_to_what_comes_before_others() {
    let mailbox = Mailbox::new(MailboxLimits::default());
    for sid in 1..=4 {
        mailbox.push(incoming(sid, b"xyz")).unwrap();
    }
    mailbox.push_event_in_order(1, Event::Drained);
    mailbox.push(incoming(5, b"")).unwrap();
    mailbox.push_urgent(Delivery::Timer(7));
    let take = |most, most_bytes| {
        let mut messages = Vec::new();
        mailbox.take_messages(most, most_bytes, &mut messages);
        messages
    };
    assert!(take(9, 999).is_empty());
    assert!(matches!(mailbox.take(), Some(Delivery::Timer(7))));

    let sids = |messages: &[Incoming]| messages.iter().map(|one| one.sid).collect::<Vec<_>>();
    let taken = take(9, 10);
    assert_eq!(sids(&taken), [1, 2]);
    mailbox.put_back(taken);
    assert_eq!(mailbox.pending(), Load { messages: 5, bytes: 17 });
    assert_eq!(sids(&take(1, 0)), [1]);
    assert_eq!(sids(&take(9, 999)), [2, 3, 4]);
    assert!(take(9, 999).is_empty());
    assert!(matches!(mailbox.take(), Some(Delivery::Event { .. })));
    assert_eq!(sids(&take(9, 999)), [5]);
    assert_eq!(mailbox.pending(), Load::default());
}

#[test]
fn refusals_do_not_pile_up_and_other_events_are_kept() {
    let mailbox = Mailbox::new(MailboxLimits::default());
    let refused = || ConnectionEvent::PublishRefused { subject: "a".into(), text: "no".into() };
    for _ in 0..10_000 {
        mailbox.push_event(1, Event::Connection(refused()));
    }
    mailbox.push_event(1, Event::Connection(ConnectionEvent::LameDuck));
    let count = std::iter::from_fn(|| mailbox.take()).count();
    assert_eq!(count, MAX_REFUSALS + 1);
}

#[test]
fn discarded_messages_are_not_delivered() {
    let mailbox = Mailbox::new(MailboxLimits::default());
    mailbox.push(incoming(1, b"x")).unwrap();
    mailbox.push(incoming(2, b"y")).unwrap();
    mailbox.discard_of(&[1, 3].into_iter().collect());
    assert!(matches!(mailbox.take(), Some(Delivery::Message(Incoming { sid: 2, .. }))));
    assert_eq!(mailbox.pending(), Load::default());
}

#[tokio::test]
async fn wait_ends_for_timers_deadlines_and_stop() {
    let mailbox = Mailbox::new(MailboxLimits::default());
    assert_eq!(mailbox.wait(Some(Duration::ZERO)).await, Wait::TimedOut);
    mailbox.set_timer(3, Duration::ZERO, false);
    assert_eq!(mailbox.wait(None).await, Wait::Ready);
    assert!(matches!(mailbox.take(), Some(Delivery::Timer(3))));
    mailbox.stop();
    assert_eq!(mailbox.wait(None).await, Wait::Stopped);
}

#[tokio::test]
async fn timer_without_a_delay_does_not_keep_a_stop_from_ending() {
    let mailbox = Mailbox::new(MailboxLimits::default());
    mailbox.set_timer(3, Duration::ZERO, true);
    assert_eq!(mailbox.wait(None).await, Wait::Ready);
    mailbox.stop();
    assert!(matches!(mailbox.take(), Some(Delivery::Timer(3))));
    assert_eq!(mailbox.wait(None).await, Wait::Stopped);
}

#[tokio::test]
async fn stop_waits_for_answers_that_are_expected() {
    let mailbox = Mailbox::new(MailboxLimits::default());
    mailbox.expect_reply();
    mailbox.stop();
    assert_eq!(mailbox.wait(Some(Duration::ZERO)).await, Wait::TimedOut);
    assert_eq!(push_reply(&mailbox, Ok(None), true), Ok(()));
    assert_eq!(mailbox.wait(None).await, Wait::Ready);
    assert!(mailbox.take().is_some());
    assert_eq!(mailbox.wait(None).await, Wait::Stopped);
}
