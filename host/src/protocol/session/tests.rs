//! A session against a server made of bytes, with time that is told.

mod lifecycle;
mod moves;
mod properties;

use std::time::{Duration, Instant};

use super::*;
use crate::protocol::{
    ClientOp, Headers, Message, PingId, QueueGroup, RequestOptions, ServerErrorKind, SessionError,
    Subject, SubjectPattern, first_unwritten,
};
use bytes::BytesMut;

const INFO: &str = r#"INFO {"server_id":"S","headers":true,"max_payload":1024}"#;

/// A session, its input, and the time.
struct Peer {
    session: Session,
    input: BytesMut,
    now: Instant,
}

impl Peer {
    fn new() -> Self {
        Self::with(SessionConfig::default())
    }

    fn with(config: SessionConfig) -> Self {
        let config = SessionConfig { inbox_prefix: "in".into(), ..config };
        Self { session: Session::new(config), input: BytesMut::new(), now: Instant::now() }
    }

    fn connected() -> Self {
        let mut peer = Self::new();
        peer.connect();
        peer
    }

    /// Goes through the handshake; answers what is written behind it.
    fn connect(&mut self) -> String {
        self.session.handle_opened(self.now);
        self.input.clear();
        assert_eq!(self.output(), "");
        assert!(matches!(self.feed(&format!("{INFO}\r\n"))[..], [Event::Info(_), ..]));
        self.session.authenticate(self.now, &Connect::new("me"));
        let introduction = self.output();
        assert!(introduction.starts_with("CONNECT {") && introduction.ends_with("}\r\nPING\r\n"));
        assert_eq!(self.feed("PONG\r\n").first(), Some(&Event::Connected));
        self.output()
    }

    /// The transport breaks with all output written.
    fn lose(&mut self) -> Vec<Event> {
        self.session.handle_closed(self.now, b"", false);
        self.events()
    }

    fn feed(&mut self, bytes: &str) -> Vec<Event> {
        self.input.extend_from_slice(bytes.as_bytes());
        let mut events = Vec::new();
        while self.session.handle_input(self.now, &mut self.input).unwrap() {
            events.extend(self.events());
            if self.session.state() == State::AwaitingInfo {
                break;
            }
        }
        events.extend(self.events());
        events
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    fn output(&mut self) -> String {
        let mut out = Vec::new();
        let any = self.session.take_output(&mut out);
        assert_eq!(any, !out.is_empty());
        String::from_utf8(out).unwrap()
    }

    fn subscribe(&mut self, pattern: &str) -> Sid {
        self.session.subscribe(SubjectPattern::new(pattern).unwrap(), None).unwrap()
    }

    fn publish(&mut self, subject: &str, payload: &str) -> Result<(), SessionError> {
        let subject = Subject::new(subject).unwrap();
        self.session.publish(subject, None, b"", payload.as_bytes())
    }

    fn request(&mut self, options: &RequestOptions) -> RequestId {
        let subject = Subject::new("ask").unwrap();
        self.session.request(self.now, subject, b"", b"?", options).unwrap()
    }

    fn request_one(&mut self) -> RequestId {
        self.request(&RequestOptions::default())
    }

    fn pass(&mut self, time: Duration) -> Vec<Event> {
        self.now += time;
        self.session.handle_timeout(self.now);
        self.events()
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn failed(id: RequestId, error: RequestError) -> Event {
    Event::Reply { id, answer: Err(error), last: true }
}

fn ended(sid: Sid, reason: EndReason) -> Event {
    Event::SubscriptionEnded { sid, reason }
}

#[test]
fn messages_come_for_live_subscriptions_only() {
    let mut peer = Peer::connected();
    let group = QueueGroup::new("q").unwrap();
    let sid = peer.session.subscribe(SubjectPattern::new("a.*").unwrap(), Some(group)).unwrap();
    assert_eq!(peer.output(), format!("SUB a.* q {sid}\r\n"));
    let events = peer.feed(&format!("MSG a.b {sid} r 2\r\nhi\r\nMSG a.b 99 1\r\nx\r\n"));
    let message = match &events[..] {
        [Event::Message { sid: to, message, last: false }] if *to == sid => message,
        other => panic!("{other:?}"),
    };
    assert_eq!((message.subject(), message.payload()), (&b"a.b"[..], &b"hi"[..]));
    assert_eq!(message.reply_to(), Some(&b"r"[..]));
    let statistics = peer.session.statistics();
    assert_eq!((statistics.in_messages, statistics.in_bytes), (2, 3));

    assert_eq!(peer.session.unsubscribe(sid, None), Ok(true));
    assert_eq!(peer.output(), format!("UNSUB {sid}\r\n"));
    assert_eq!(peer.feed(&format!("MSG a.b {sid} 2\r\nhi\r\n")), []);
    let unknown = Err(SessionError::UnknownSubscription(sid));
    assert_eq!(peer.session.unsubscribe(sid, None), unknown);
    assert!(peer.subscribe("a") > sid);
}

#[test]
fn a_call_takes_a_bounded_number_of_operations() {
    let mut peer = Peer::connected();
    let sid = peer.subscribe("a");
    let stream = format!("MSG a {sid} 0\r\n\r\n").repeat(MAX_OPS_PER_CALL + 1);
    let mut input = BytesMut::from(stream.as_bytes());
    assert_eq!(peer.session.handle_input(peer.now, &mut input), Ok(true));
    assert_eq!(peer.events().len(), MAX_OPS_PER_CALL);
    assert_eq!(peer.session.handle_input(peer.now, &mut input), Ok(false));
    assert_eq!(peer.events().len(), 1);
}

#[test]
fn a_maximum_counts_deliveries_across_connections() {
    let mut peer = Peer::connected();
    let sid = peer.subscribe("a");
    let message = format!("MSG a {sid} 0\r\n\r\n");
    assert_eq!(peer.session.unsubscribe(sid, Some(3)), Ok(false));
    assert_eq!(peer.output(), format!("SUB a {sid}\r\nUNSUB {sid} 3\r\n"));
    peer.feed(&message);
    peer.lose();
    assert_eq!(peer.connect(), format!("SUB a {sid}\r\nUNSUB {sid} 2\r\n"));
    peer.feed(&message);
    assert_eq!(peer.session.delivered(sid), Some(2));
    assert!(matches!(peer.feed(&message.repeat(2))[..], [Event::Message { last: true, .. }]));
    assert_eq!(peer.session.subscription_count(), 0);
    peer.lose();
    assert_eq!(peer.connect(), "");
    assert_eq!(peer.session.statistics().reconnects, 2);
}

#[test]
fn requests_share_one_inbox() {
    let mut peer = Peer::connected();
    let (one, two) = (peer.request_one(), peer.request_one());
    assert_eq!(peer.output(), "SUB in.* 1\r\nPUB ask in.1 1\r\n?\r\nPUB ask in.2 1\r\n?\r\n");
    assert_eq!(peer.session.requests_in_flight(), 2);
    let events = peer.feed("MSG in.2 1 2\r\nhi\r\nMSG in.2 1 2\r\nhi\r\nMSG in.x 1 0\r\n\r\n");
    let answer = Ok(Some(Message::new("in.2", None, b"", b"hi")));
    assert_eq!(events, [Event::Reply { id: two, answer, last: true }]);
    let nobody = "HMSG in.1 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
    assert_eq!(peer.feed(nobody), [failed(one, RequestError::NoResponders)]);
    assert_eq!(peer.session.requests_in_flight(), 0);
    assert_eq!((peer.session.subscription_count(), peer.session.inbox_prefix()), (0, "in"));
    peer.lose();
    assert_eq!(peer.connect(), "SUB in.* 1\r\n");
}

#[test]
fn a_request_ends_at_its_deadline() {
    let mut peer = Peer::connected();
    let one = peer.request_one();
    let many = RequestOptions { max_replies: 0, timeout: seconds(7), stall: None };
    let many = peer.request(&many);
    assert_eq!(peer.session.poll_timeout(), Some(peer.now + seconds(5)));
    peer.feed(&format!("MSG in.{many} 1 0\r\n\r\n"));
    assert_eq!(peer.pass(seconds(5)), [failed(one, RequestError::Timeout)]);
    let end = Event::Reply { id: many, answer: Ok(None), last: true };
    assert_eq!(peer.pass(seconds(2)), [end]);
    assert_eq!(peer.feed(&format!("MSG in.{many} 1 0\r\n\r\n")), []);
    assert!(!peer.session.cancel_request(many));
    let forgotten = peer.request_one();
    assert!(peer.session.cancel_request(forgotten));
    assert_eq!(peer.pass(seconds(9)), []);
}

#[test]
fn a_broken_connection_fails_the_requests_that_were_written() {
    let mut peer = Peer::connected();
    let written = peer.request_one();
    peer.output();
    let unsent = peer.request_one();
    assert_eq!(peer.lose(), [failed(written, RequestError::ConnectionLost)]);
    let later = peer.request_one();
    assert_eq!(
        peer.connect(),
        format!("SUB in.* 1\r\nPUB ask in.{unsent} 1\r\n?\r\nPUB ask in.{later} 1\r\n?\r\n")
    );
    assert_eq!(peer.feed(&format!("MSG in.{unsent} 1 0\r\n\r\n")).len(), 1);
}

#[test]
fn a_drained_subscription_still_gets_what_was_sent() {
    let mut peer = Peer::connected();
    let sid = peer.subscribe("a");
    peer.output();
    peer.session.drain_subscription(peer.now, sid).unwrap();
    peer.session.drain_subscription(peer.now, sid).unwrap();
    assert_eq!(peer.output(), format!("UNSUB {sid}\r\nPING\r\n"));
    assert_eq!(peer.feed(&format!("MSG a {sid} 0\r\n\r\n")).len(), 1);
    assert_eq!(peer.feed("PONG\r\n"), [ended(sid, EndReason::Drained)]);
    let sid = peer.subscribe("b");
    peer.session.drain_subscription(peer.now, sid).unwrap();
    assert_eq!(peer.lose(), [ended(sid, EndReason::Drained)]);
    assert_eq!(peer.connect(), "");
}

#[test]
fn a_refused_subscription_ends() {
    let mut peer = Peer::connected();
    let (one, two) = (peer.subscribe("a"), peer.subscribe("a"));
    let text = r#"Permissions Violation for Subscription to "a""#;
    let by_sid = format!("{text} (sid \"{two}\")");
    let refused = |text: &str| EndReason::Refused(text.to_owned());
    assert_eq!(peer.feed(&format!("-ERR '{by_sid}'\r\n")), [ended(two, refused(&by_sid))]);
    assert_eq!(peer.feed(&format!("-ERR '{text}'\r\n")), [ended(one, refused(text))]);
    assert!(matches!(peer.feed(&format!("-ERR '{text}'\r\n"))[..], [Event::ServerError(_)]));
    peer.lose();
    assert_eq!(peer.connect(), "");
}

#[test]
fn a_refused_inbox_fails_requests_and_is_asked_for_anew() {
    let mut peer = Peer::connected();
    let id = peer.request_one();
    peer.output();
    let text = r#"Permissions Violation for Subscription to "in.*""#;
    let denied = RequestError::PermissionDenied(text.into());
    assert_eq!(peer.feed(&format!("-ERR '{text}'\r\n")), [failed(id, denied)]);
    let id = peer.request_one();
    assert!(peer.output().starts_with("SUB in.* 2\r\n"));
    let text = format!(r#"Permissions Violation for Publish with Reply of "in.{id}""#);
    let denied = RequestError::PermissionDenied(text.clone());
    assert_eq!(peer.feed(&format!("-ERR '{text}'\r\n")), [failed(id, denied)]);
}

#[test]
fn other_refusals_are_told() {
    let mut peer = Peer::connected();
    let text = r#"Permissions Violation for Publish to "a""#;
    let refused = Event::PublishRefused { subject: "a".into(), text: text.into() };
    assert_eq!(peer.feed(&format!("-ERR '{text}'\r\n")), [refused]);
    match &peer.feed("-ERR 'maximum subscriptions exceeded'\r\n")[..] {
        [Event::ServerError(error)] => assert_eq!(error.kind, ServerErrorKind::MaxSubscriptions),
        other => panic!("{other:?}"),
    }
    assert_eq!(peer.session.state(), State::Connected);
}

#[test]
fn what_the_server_could_not_take_is_refused() {
    let mut peer = Peer::new();
    let (subject, block) = (Subject::new("a").unwrap(), b"NATS/1.0\r\n\r\n".as_slice());
    let too_large = |size, limit| Err(SessionError::PayloadTooLarge { size, limit });
    let mebibyte = "x".repeat(1024 * 1024 + 1);
    assert_eq!(peer.publish("a", &mebibyte), too_large(1024 * 1024 + 1, 1024 * 1024));
    peer.connect();
    assert_eq!(peer.publish("a", &"x".repeat(1_025)), too_large(1_025, 1_024));
    assert_eq!(peer.session.publish(subject, None, block, &[0; 1_013]), too_large(1_025, 1_024));
    assert_eq!(peer.session.publish(subject, None, block, &[0; 1_012]), Ok(()));
    let long = "x".repeat(4_096);
    assert!(matches!(peer.publish(&long, ""), Err(SessionError::ControlLineTooLong { .. })));
    let long = SubjectPattern::new(&long).unwrap();
    let long = peer.session.subscribe(long, None);
    assert!(matches!(long, Err(SessionError::ControlLineTooLong { .. })));
    peer.feed("INFO {\"headers\":false}\r\n");
    let unsupported = Err(SessionError::HeadersUnsupported);
    assert_eq!(peer.session.publish(subject, None, block, b""), unsupported);
    assert_eq!(peer.session.statistics().out_messages, 1);
}

#[test]
fn what_waits_is_bounded() {
    let config = SessionConfig {
        max_pending_bytes: 100,
        max_pending_messages: 2,
        ..SessionConfig::default()
    };
    let mut peer = Peer::with(config);
    peer.publish("a", "").unwrap();
    peer.publish("a", "").unwrap();
    assert!(matches!(peer.publish("a", ""), Err(SessionError::BufferFull { .. })));
    assert_eq!(peer.connect(), "PUB a 0\r\n\r\n".repeat(2));
    // A message larger than the bound still goes if nothing waits.
    peer.publish("a", &"x".repeat(200)).unwrap();
    assert!(matches!(peer.publish("a", ""), Err(SessionError::BufferFull { .. })));
    peer.output();
    for _ in 0..4 {
        peer.publish("a", "").unwrap();
    }
}

#[test]
fn inboxes_are_not_those_of_requests() {
    let mut peer = Peer::new();
    let (one, two) = (peer.session.new_inbox(), peer.session.new_inbox());
    assert_eq!((one.as_str(), two.as_str()), ("in.inbox.1", "in.inbox.2"));
    assert!(!SubjectPattern::new("in.*").unwrap().matches(&one));
}
