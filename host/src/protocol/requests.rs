//! Requests under way: which answers belong to them and when they end.
//!
//! Each has exactly one deadline at a time. Subjects and bytes are not known here.

use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};

use super::deadlines::{Deadlines, KEPT_CAPACITY};
use super::{Message, RequestError, RequestId};

/// The code with which a server says that nobody listens.
const NO_RESPONDERS: u16 = 503;

/// What stands for waiting without end: a clock can't count to every duration.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

/// When a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestOptions {
    /// After so long at the latest.
    pub timeout: Duration,
    /// After so many answers; 0: however many come.
    pub max_replies: u32,
    /// After so long without a further answer, if there may be several.
    pub stall: Option<Duration>,
}

impl Default for RequestOptions {
    /// One answer within 5 seconds.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), max_replies: 1, stall: None }
    }
}

/// An answer, or the end without one.
pub(super) type Answer = Result<Option<Message>, RequestError>;

#[derive(Debug, Default)]
pub(super) struct Requests {
    entries: FxHashMap<RequestId, Request>,
    deadlines: Deadlines,
    last_id: u64,
}

#[derive(Debug, Clone, Copy)]
struct Request {
    /// The entry among the deadlines: the time-out, or earlier for a stall.
    due: Instant,
    timeout: Instant,
    stall: Option<Duration>,
    max_replies: u32,
    received: u32,
}

impl Requests {
    pub(super) fn next_id(&mut self) -> RequestId {
        self.last_id += 1;
        RequestId(self.last_id)
    }

    pub(super) fn insert(&mut self, now: Instant, id: RequestId, options: &RequestOptions) {
        let timeout = after(now, options.timeout);
        let request = Request {
            due: timeout,
            timeout,
            stall: options.stall,
            max_replies: options.max_replies,
            received: 0,
        };
        self.entries.insert(id, request);
        self.deadlines.insert(timeout, id);
    }

    /// What a message means for a request, and whether the request has ended.
    /// None: there is no such request.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        id: RequestId,
        message: Message,
    ) -> Option<(Answer, bool)> {
        let request = self.entries.get_mut(&id)?;
        let status = if message.payload().is_empty() { message.status() } else { None };
        let answer = match status.map(|status| status.code) {
            Some(NO_RESPONDERS) if request.received == 0 => Err(RequestError::NoResponders),
            Some(_) if request.max_replies != 1 => Ok(None),
            _ => {
                request.received = request.received.saturating_add(1);
                if request.max_replies == 0 || request.received < request.max_replies {
                    if let Some(stall) = request.stall {
                        self.deadlines.remove(request.due, id);
                        request.due = request.timeout.min(after(now, stall));
                        self.deadlines.insert(request.due, id);
                    }
                    return Some((Ok(Some(message)), false));
                }
                Ok(Some(message))
            }
        };
        self.remove(id);
        Some((answer, true))
    }

    /// Ends the next request whose time has come.
    pub(super) fn expire(&mut self, now: Instant) -> Option<(RequestId, Answer)> {
        let (_, id) = self.deadlines.first().filter(|(due, _)| *due <= now)?;
        let request = self.remove(id)?;
        let answer = if request.received == 0 { Err(RequestError::Timeout) } else { Ok(None) };
        Some((id, answer))
    }

    pub(super) fn cancel(&mut self, id: RequestId) -> bool {
        self.remove(id).is_some()
    }

    /// Takes away all but those to be kept, the oldest first.
    pub(super) fn remove_all_but(&mut self, kept: &FxHashSet<RequestId>) -> Vec<RequestId> {
        let ended = self.entries.keys().copied().filter(|id| !kept.contains(id));
        let mut ended: Vec<RequestId> = ended.collect();
        ended.sort_unstable();
        for &id in &ended {
            self.remove(id);
        }
        ended
    }

    /// Whether there was such a request, and is no more.
    pub(super) fn has_ended(&self, id: RequestId) -> bool {
        (1..=self.last_id).contains(&id.0) && !self.entries.contains_key(&id)
    }

    pub(super) fn is_waiting(&self, id: RequestId) -> bool {
        self.entries.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(due, _)| due)
    }

    fn remove(&mut self, id: RequestId) -> Option<Request> {
        let request = self.entries.remove(&id)?;
        self.deadlines.remove(request.due, id);
        if self.entries.is_empty() && self.entries.capacity() > KEPT_CAPACITY {
            self.entries = FxHashMap::default();
        }
        Some(request)
    }
}

fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait.min(LONGEST_WAIT)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: RequestId = RequestId(1);

    fn message(payload: &[u8]) -> Message {
        Message::new("r", None, b"", payload)
    }

    fn status(code: u16) -> Message {
        Message::new("r", None, format!("NATS/1.0 {code}\r\n\r\n").as_bytes(), b"")
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn with_one(now: Instant, max_replies: u32, stall: Option<Duration>) -> Requests {
        let mut requests = Requests::default();
        requests.insert(now, ID, &RequestOptions { timeout: secs(5), max_replies, stall });
        requests
    }

    #[test]
    fn the_first_answer_ends_a_request_for_one() {
        let now = Instant::now();
        for answer in [message(b"x"), message(b""), status(404)] {
            let mut requests = with_one(now, 1, Some(secs(1)));
            assert_eq!(requests.answer(now, ID, answer.clone()), Some((Ok(Some(answer)), true)));
            assert_eq!((requests.len(), requests.next_deadline()), (0, None));
            assert_eq!(requests.answer(now, ID, message(b"y")), None);
        }
    }

    #[test]
    fn nobody_listening_is_an_error_however_long_the_message() {
        let now = Instant::now();
        let newer = b"NATS/1.0 503\r\nNats-Subject: a\r\n\r\n";
        for answer in [status(503), Message::new("r", None, newer, b"")] {
            for max_replies in [0, 1, 2] {
                let mut requests = with_one(now, max_replies, None);
                assert_eq!(
                    requests.answer(now, ID, answer.clone()),
                    Some((Err(RequestError::NoResponders), true))
                );
            }
        }
        let spoken = Message::new("r", None, b"NATS/1.0 503\r\n\r\n", b"x");
        let mut requests = with_one(now, 1, None);
        assert!(matches!(requests.answer(now, ID, spoken), Some((Ok(Some(_)), true))));
    }

    #[test]
    fn a_request_for_many_ends_at_its_count_or_at_an_empty_status() {
        let now = Instant::now();
        let mut requests = with_one(now, 2, None);
        assert!(matches!(requests.answer(now, ID, message(b"1")), Some((Ok(Some(_)), false))));
        assert!(matches!(requests.answer(now, ID, message(b"2")), Some((Ok(Some(_)), true))));
        for code in [204, 503] {
            let mut requests = with_one(now, 0, None);
            requests.answer(now, ID, message(b"1"));
            assert_eq!(requests.answer(now, ID, status(code)), Some((Ok(None), true)));
        }
    }

    #[test]
    fn a_stall_counts_from_each_answer_and_never_past_the_timeout() {
        let start = Instant::now();
        let mut requests = with_one(start, 0, Some(secs(3)));
        assert_eq!(requests.next_deadline(), Some(start + secs(5)));
        requests.answer(start + secs(1), ID, message(b"1"));
        assert_eq!(requests.next_deadline(), Some(start + secs(4)));
        requests.answer(start + secs(3), ID, message(b"2"));
        assert_eq!(requests.next_deadline(), Some(start + secs(5)));
        assert_eq!(requests.expire(start + secs(4)), None);
        assert_eq!(requests.expire(start + secs(5)), Some((ID, Ok(None))));
    }

    #[test]
    fn requests_that_time_out_leave_nothing_behind() {
        let now = Instant::now();
        let mut requests = Requests::default();
        for number in 0..200_000 {
            let timeout = Duration::from_millis(number % 997);
            let id = requests.next_id();
            requests.insert(now, id, &RequestOptions { timeout, ..RequestOptions::default() });
        }
        let mut ended = 0;
        while let Some((_, answer)) = requests.expire(now + secs(1)) {
            assert_eq!(answer, Err(RequestError::Timeout));
            ended += 1;
        }
        assert_eq!((ended, requests.len(), requests.next_deadline()), (200_000, 0, None));
        assert!(requests.entries.capacity() <= KEPT_CAPACITY);
    }

    #[test]
    fn the_longest_timeout_is_no_overflow() {
        let mut requests = Requests::default();
        let options = RequestOptions { timeout: Duration::MAX, ..RequestOptions::default() };
        requests.insert(Instant::now(), ID, &options);
        assert!(requests.next_deadline().unwrap() > Instant::now() + secs(1_000));
    }
}
