//! Messages that have come one behind the other for the same receiver.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::receiver::Arrival;
use super::shared::Route;
use crate::protocol::{Event, Message, Session, Sid};

/// Takes messages from a session up to the first event that is something else, or
/// for another receiver.
pub(super) struct Arrivals<'a> {
    first: Option<Arrival>,
    sid: Sid,
    route: &'a Route,
    /// The subscription that the last message taken has ended; nothing follows here.
    ended: Option<Sid>,
    session: &'a mut Session,
    routes: &'a FxHashMap<Sid, Route>,
}

impl<'a> Arrivals<'a> {
    /// Those that begin with `message`, which was taken before.
    pub(super) fn new(
        (sid, route): (Sid, &'a Route),
        message: Message,
        last: bool,
        session: &'a mut Session,
        routes: &'a FxHashMap<Sid, Route>,
    ) -> Self {
        let first = Some(Arrival { token: route.token, message, last });
        Self { first, sid, route, ended: last.then_some(sid), session, routes }
    }

    /// The subscription that has ended with them.
    pub(super) fn ended(&self) -> Option<Sid> {
        self.ended
    }

    /// What the receiver knows the next message's subscription by, if there is one.
    fn next_token(&self) -> Option<u64> {
        let Some(Event::Message { sid, .. }) = self.session.peek_event() else { return None };
        if *sid == self.sid {
            return Some(self.route.token);
        }
        let route = self.routes.get(sid)?;
        let is_same = Arc::ptr_eq(&route.receiver, &self.route.receiver);
        (is_same && route.tenant == self.route.tenant).then_some(route.token)
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        if self.first.is_some() {
            return self.first.take();
        }
        if self.ended.is_some() {
            return None;
        }
        let token = self.next_token()?;
        let Some(Event::Message { sid, message, last }) = self.session.poll_event() else {
            return None;
        };
        self.ended = last.then_some(sid);
        Some(Arrival { token, message, last })
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use parking_lot::Mutex;

    use super::*;
    use crate::connection::shared::Shared;
    use crate::connection::{Answer, ConnectionOptions, Receiver, Reception};
    use crate::protocol::{EndReason, SubjectPattern};
    use crate::time;

    /// What came with each call: token and payload, and whether it was the last.
    #[derive(Default)]
    struct Calls(Mutex<Vec<Vec<(u64, String, bool)>>>);

    impl Receiver for Calls {
        fn messages(&self, arrivals: &mut dyn Iterator<Item = Arrival>) -> Reception {
            let one = |Arrival { token, message, last }: Arrival| {
                (token, String::from_utf8_lossy(message.payload()).into_owned(), last)
            };
            let call: Vec<_> = arrivals.map(one).collect();
            let dropped = call.len() as u64;
            self.0.lock().push(call);
            Reception { is_behind: false, dropped }
        }

        fn subscription_ended(&self, _: u64, _: EndReason) {}

        fn reply(&self, _: u64, _: Answer, _: bool) {}
    }

    /// What the first of two receivers was called with, which has the subscriptions 1
    /// and 2, while the second one has 3; 1 ends with its third message.
    fn calls(input: &[(u64, &str)]) -> Vec<Vec<(u64, String, bool)>> {
        let shared = Shared::new(ConnectionOptions::new(Vec::new(), "me".to_owned()));
        let (one, other) = (Arc::new(Calls::default()), Arc::new(Calls::default()));
        let mut state = shared.lock();
        for (token, receiver) in [(10, &one), (20, &one), (30, &other)] {
            let receiver = Arc::clone(receiver) as Arc<dyn Receiver>;
            let pattern = SubjectPattern::new("a").unwrap();
            let sid = state.session.subscribe(pattern, None).unwrap();
            state.subscriptions.insert(sid, Route { receiver, token, tenant: 0 });
        }
        state.session.unsubscribe(Sid(1), Some(3)).unwrap();
        drop(state);
        let mut bytes = BytesMut::new();
        for (sid, text) in input {
            let line = format!("MSG a {sid} {}\r\n{text}\r\n", text.len());
            bytes.extend_from_slice(line.as_bytes());
        }
        shared.input(time::now(), &mut bytes).unwrap();
        assert!(bytes.is_empty());
        assert_eq!(
            other.0.lock().concat().len(),
            input.iter().filter(|(sid, _)| *sid == 3).count()
        );
        let taken = one.0.lock().concat().len() + other.0.lock().concat().len();
        assert_eq!(shared.lock().dropped_messages, taken as u64);
        one.0.lock().clone()
    }

    fn of(call: &[(u64, &str, bool)]) -> Vec<(u64, String, bool)> {
        call.iter().map(|&(token, text, last)| (token, text.to_owned(), last)).collect()
    }

    #[test]
    fn messages_in_a_row_come_in_one_call_also_of_several_subscriptions() {
        assert_eq!(
            calls(&[(1, "a"), (2, "b"), (1, "c")]),
            [of(&[(10, "a", false), (20, "b", false), (10, "c", false)])]
        );
    }

    #[test]
    fn messages_for_another_end_the_call() {
        assert_eq!(
            calls(&[(1, "a"), (3, "x"), (2, "b")]),
            [of(&[(10, "a", false)]), of(&[(20, "b", false)])]
        );
    }

    #[test]
    fn nothing_comes_behind_the_last_message_and_others_go_on() {
        assert_eq!(
            calls(&[(1, "a"), (1, "b"), (1, "c"), (1, "d"), (2, "e"), (2, "f")]),
            [
                of(&[(10, "a", false), (10, "b", false), (10, "c", true)]),
                of(&[(20, "e", false), (20, "f", false)]),
            ]
        );
    }
}
