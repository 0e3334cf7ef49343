//! A session against a server made of bytes, with time that is told.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::protocol::{
    ClientOp, Headers, Message, PingId, QueueGroup, RequestOptions, ServerErrorKind, SessionError,
    Subject, SubjectPattern, first_unwritten,
};

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
fn nothing_is_written_before_the_server_introduced_itself() {
    let mut peer = Peer::new();
    peer.publish("early", "1").unwrap();
    let sid = peer.subscribe("a");
    assert_eq!(peer.session.state(), State::Disconnected);
    assert_eq!(peer.connect(), format!("SUB a {sid}\r\nPUB early 1\r\n1\r\n"));
    assert_eq!(peer.session.state(), State::Connected);
    assert_eq!((peer.session.output_len(), peer.session.statistics().reconnects), (0, 0));
}

#[test]
fn input_stops_behind_the_introduction() {
    let mut peer = Peer::new();
    peer.session.handle_opened(peer.now);
    let mut input = BytesMut::from(format!("{INFO}\r\nPING\r\n").as_bytes());
    assert_eq!(peer.session.handle_input(peer.now, &mut input), Ok(true));
    assert_eq!(&input[..], b"PING\r\n");
}

#[test]
fn a_server_that_does_not_introduce_itself_is_none() {
    for (op, name) in [("PING\r\n", "PING"), ("MSG a 1 0\r\n\r\n", "MSG"), ("PONG\r\n", "PONG")] {
        let mut peer = Peer::new();
        peer.session.handle_opened(peer.now);
        let result = peer.session.handle_input(peer.now, &mut op.as_bytes().into());
        assert_eq!(result, Err(DecodeError::BeforeInfo(name)));
    }
}

#[test]
fn whatever_follows_the_first_pong_in_its_segment_is_taken() {
    let mut peer = Peer::new();
    let sid = peer.subscribe("a");
    peer.session.handle_opened(peer.now);
    peer.feed(&format!("{INFO}\r\n"));
    peer.session.authenticate(peer.now, &Connect::new("me"));
    let events = peer.feed(&format!("+OK\r\nPONG\r\n{INFO}\r\nMSG a {sid} 1\r\nx\r\nPI"));
    assert!(matches!(events[..], [Event::Connected, Event::Info(_), Event::Message { .. }]));
    peer.output();
    peer.feed("NG\r\n");
    assert_eq!(peer.output(), "PONG\r\n");
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
fn whole_unsent_messages_survive_a_cut_at_any_byte() {
    let mut headers = Headers::new();
    headers.push("a", b"b").unwrap();
    let mut length = 1;
    let mut written = 0;
    while written <= length {
        let mut peer = Peer::connected();
        peer.subscribe("s");
        peer.publish("one", "x\r\nPUB fake 0\r\n\r\n").unwrap();
        peer.session.ping(peer.now);
        let subject = Subject::new("two").unwrap();
        let reply_to = Some(Subject::new("r").unwrap());
        peer.session.publish(subject, reply_to, headers.as_bytes(), b"").unwrap();
        let request = peer.request_one();
        let output = peer.output();
        peer.publish("three", "").unwrap();
        length = output.len();

        let first = first_unwritten(output.as_bytes(), written);
        let cut = first < written;
        peer.session.handle_closed(peer.now, &output.as_bytes()[first..], cut);
        peer.publish("four", "").unwrap();
        let begin = |text: &str| output.find(text).unwrap();
        let expected = [
            ("PUB one", "PUB one 17\r\nx\r\nPUB fake 0\r\n\r\n\r\n"),
            ("HPUB two", "HPUB two r 18 18\r\nNATS/1.0\r\na: b\r\n\r\n\r\n"),
            ("PUB ask", "PUB ask in.1 1\r\n?\r\n"),
        ];
        let kept = expected.iter().filter(|(start, _)| begin(start) >= written);
        let kept: String = kept.map(|(_, bytes)| *bytes).collect();
        let kept = kept + "PUB three 0\r\n\r\nPUB four 0\r\n\r\n";

        let lost = failed(request, RequestError::ConnectionLost);
        assert_eq!(peer.events().contains(&lost), !kept.contains("PUB ask"), "at {written}");
        assert_eq!(peer.connect(), format!("SUB s 1\r\nSUB in.* 2\r\n{kept}"), "at {written}");
        written += 1;
    }
}

#[test]
fn what_waits_survives_attempts_that_fail() {
    let mut peer = Peer::connected();
    peer.lose();
    peer.publish("a", "1").unwrap();
    let request = peer.request_one();
    peer.session.handle_opened(peer.now);
    peer.feed(&format!("{INFO}\r\n"));
    peer.session.authenticate(peer.now, &Connect::new("me"));
    let handshake = peer.output();
    peer.session.handle_closed(peer.now, &handshake.as_bytes()[5..], true);
    assert_eq!(peer.events(), []);
    let expected = format!("SUB in.* 1\r\nPUB a 1\r\n1\r\nPUB ask in.{request} 1\r\n?\r\n");
    assert_eq!(peer.connect(), expected);
}

#[test]
fn a_flush_is_confirmed_or_lost() {
    let mut peer = Peer::connected();
    let id = peer.session.ping(peer.now);
    assert_eq!(peer.output(), "PING\r\n");
    peer.now += seconds(1);
    assert_eq!(peer.feed("PONG\r\nPONG\r\n"), [Event::Pong { id, rtt: seconds(1) }]);
    let id = peer.session.ping(peer.now);
    assert_eq!(peer.lose(), [Event::PingLost { id }]);
    let id = peer.session.ping(peer.now);
    assert_eq!((id, peer.events()), (PingId(3), vec![Event::PingLost { id }]));
}

#[test]
fn a_silent_server_is_given_up_on() {
    let mut peer = Peer::connected();
    let interval = SessionConfig::default().ping_interval;
    assert_eq!(peer.session.poll_timeout(), Some(peer.now + interval));
    for _ in 0..2 {
        assert_eq!(peer.pass(interval), []);
        assert_eq!(peer.output(), "PING\r\n");
    }
    assert_eq!(peer.pass(interval), [Event::Stale]);
    assert_eq!(peer.session.poll_timeout(), None);
    peer.lose();
    peer.connect();
    assert_eq!(peer.session.poll_timeout(), Some(peer.now + interval));
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
fn a_drained_session_takes_no_subscriptions_and_still_publishes() {
    let mut peer = Peer::connected();
    let (a, b) = (peer.subscribe("a"), peer.subscribe("b"));
    peer.output();
    peer.session.drain(peer.now);
    assert_eq!(peer.output(), format!("UNSUB {a}\r\nUNSUB {b}\r\nPING\r\n"));
    let refused = peer.session.subscribe(SubjectPattern::new("c").unwrap(), None);
    assert_eq!(refused, Err(SessionError::Draining));
    assert_eq!(peer.feed(&format!("MSG b {b} 0\r\n\r\n")).len(), 1);
    peer.publish("d", "").unwrap();
    let drained = || EndReason::Drained;
    assert_eq!(peer.feed("PONG\r\n"), [ended(a, drained()), ended(b, drained()), Event::Drained]);
    assert_eq!(peer.output(), "PUB d 0\r\n\r\n");
    peer.lose();
    peer.connect();
    assert_eq!(peer.feed("PONG\r\n"), []);
}

#[test]
fn a_drain_waits_for_a_server_only_if_something_is_to_be_sent() {
    let mut peer = Peer::new();
    peer.session.drain(peer.now);
    assert_eq!(peer.events(), [Event::Drained]);

    let mut peer = Peer::new();
    let sid = peer.subscribe("a");
    peer.publish("a", "").unwrap();
    peer.session.drain(peer.now);
    assert_eq!(peer.events(), [ended(sid, EndReason::Drained)]);
    assert_eq!(peer.connect(), "PUB a 0\r\n\r\nPING\r\n");
    assert_eq!(peer.feed("PONG\r\n"), [Event::Drained]);
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
fn news_of_the_server_are_told_once() {
    let mut peer = Peer::connected();
    let discovered =
        |urls: &[&str]| Event::Discovered(urls.iter().map(|s| s.to_string()).collect());
    let info = |peer: &mut Peer, json: &str| peer.feed(&format!("INFO {json}\r\n")).split_off(1);
    let told = info(&mut peer, r#"{"connect_urls":["a:1","b:1"]}"#);
    assert_eq!(told, [discovered(&["a:1", "b:1"])]);
    assert_eq!(info(&mut peer, r#"{}"#), []);
    let leaving = r#"{"connect_urls":["b:1","c:1"],"ldm":true}"#;
    assert_eq!(info(&mut peer, leaving), [discovered(&["c:1"]), Event::LameDuck]);
    assert_eq!(info(&mut peer, leaving), []);
    assert!(peer.session.info().unwrap().ldm);
}

#[test]
fn a_closed_session_takes_nothing_and_still_confirms() {
    let mut peer = Peer::connected();
    let (sid, request) = (peer.subscribe("a"), peer.request_one());
    let id = peer.session.ping(peer.now);
    peer.session.close();
    let events = peer.events();
    assert_eq!(events, [failed(request, RequestError::Closed), ended(sid, EndReason::Closed)]);
    assert_eq!(peer.publish("a", ""), Err(SessionError::Closed));
    assert_eq!(peer.session.unsubscribe(sid, None), Err(SessionError::Closed));
    assert_eq!(peer.session.state(), State::Closed);
    assert!(peer.output().ends_with("?\r\nPING\r\n"));
    assert_eq!(peer.feed("PONG\r\n"), [Event::Pong { id, rtt: Duration::ZERO }]);
    assert_eq!(peer.lose(), []);
    assert_eq!(peer.session.output_len(), 0);
}

#[test]
fn inboxes_are_not_those_of_requests() {
    let mut peer = Peer::new();
    let (one, two) = (peer.session.new_inbox(), peer.session.new_inbox());
    assert_eq!((one.as_str(), two.as_str()), ("in.inbox.1", "in.inbox.2"));
    assert!(!SubjectPattern::new("in.*").unwrap().matches(&one));
}

/// One thing that is done to a session.
#[derive(Debug, Clone)]
enum Step {
    Open,
    Lose(usize),
    Feed(&'static str),
    Subscribe,
    Unsubscribe(u64, Option<u64>),
    DrainSubscription(u64),
    Publish,
    Request(u32),
    Ping,
    Pass(u64),
    Drain,
    Close,
}

fn any_step() -> impl Strategy<Value = Step> {
    let ops = vec![
        "PONG\r\n",
        "PING\r\n",
        "INFO {\"headers\":true}\r\n",
        "MSG a 1 0\r\n\r\n",
        "MSG in.1 2 1\r\nx\r\n",
        "MSG in.2 1 1\r\nx\r\n",
        "-ERR 'Permissions Violation for Subscription to \"in.*\"'\r\n",
        "-ERR 'Permissions Violation for Subscription to \"a\"'\r\n",
        "MSG a 1",
        " 0\r\n\r\n",
    ];
    prop_oneof![
        2 => Just(Step::Open),
        1 => (0_usize..200).prop_map(Step::Lose),
        6 => prop::sample::select(ops).prop_map(Step::Feed),
        2 => Just(Step::Subscribe),
        1 => (0_u64..5, prop::option::of(0_u64..4)).prop_map(|(sid, max)| Step::Unsubscribe(sid, max)),
        1 => (0_u64..5).prop_map(Step::DrainSubscription),
        2 => Just(Step::Publish),
        2 => (0_u32..3).prop_map(Step::Request),
        1 => Just(Step::Ping),
        1 => (0_u64..200).prop_map(Step::Pass),
        1 => Just(Step::Drain),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #[test]
    fn every_request_and_subscription_ends_once(steps in prop::collection::vec(any_step(), 0..60)) {
        let mut peer = Peer::new();
        let (mut requests, mut ended) = (Vec::new(), Vec::new());
        let mut buffer = Vec::new();
        for step in steps.into_iter().chain([Step::Close, Step::Lose(0)]) {
            match step {
                Step::Open => {
                    if peer.session.state() == State::Disconnected {
                        peer.session.handle_opened(peer.now);
                        peer.input = BytesMut::from(INFO);
                        peer.input.extend_from_slice(b"\r\n");
                        peer.session.handle_input(peer.now, &mut peer.input).unwrap();
                        peer.session.authenticate(peer.now, &Connect::new("me"));
                    }
                }
                Step::Lose(written) => {
                    let first = first_unwritten(&buffer, written);
                    peer.session.handle_closed(peer.now, &buffer[first..], first < written);
                    buffer.clear();
                }
                Step::Feed(bytes) => {
                    if peer.session.state() != State::Disconnected {
                        peer.input.extend_from_slice(bytes.as_bytes());
                        if peer.session.handle_input(peer.now, &mut peer.input).is_err() {
                            peer.session.handle_closed(peer.now, b"", false);
                        }
                    }
                }
                Step::Subscribe => {
                    let _ = peer.session.subscribe(SubjectPattern::new("a").unwrap(), None);
                }
                Step::Unsubscribe(sid, max) => {
                    let _ = peer.session.unsubscribe(Sid(sid), max);
                }
                Step::DrainSubscription(sid) => {
                    let _ = peer.session.drain_subscription(peer.now, Sid(sid));
                }
                Step::Publish => {
                    let _ = peer.publish("a", "x");
                }
                Step::Request(max_replies) => {
                    let options = RequestOptions { max_replies, stall: Some(seconds(1)), ..Default::default() };
                    let subject = Subject::new("ask").unwrap();
                    requests.extend(peer.session.request(peer.now, subject, b"", b"?", &options));
                }
                Step::Ping => {
                    peer.session.ping(peer.now);
                }
                Step::Pass(time) => {
                    peer.now += seconds(time);
                    peer.session.handle_timeout(peer.now);
                }
                Step::Drain => peer.session.drain(peer.now),
                Step::Close => peer.session.close(),
            }
            if peer.session.state() == State::Connected {
                buffer.clear();
                peer.session.take_output(&mut buffer);
                let mut rest = &buffer[..];
                while let Some((_, length)) = ClientOp::decode(rest) {
                    rest = &rest[length..];
                }
                prop_assert!(rest.is_empty(), "output is made of whole operations");
            }
            ended.extend(peer.events().into_iter().filter_map(|event| match event {
                Event::Reply { id, last: true, .. } => Some(id),
                _ => None,
            }));
        }
        requests.sort_unstable();
        ended.sort_unstable();
        prop_assert_eq!(requests, ended);
        prop_assert_eq!(peer.session.subscription_count(), 0);
        prop_assert_eq!(peer.session.poll_timeout(), None);
    }

    #[test]
    fn any_split_of_the_input_gives_the_same_events(
        ops in prop::collection::vec(0_usize..5, 0..20),
        cuts in prop::collection::vec(1_usize..30, 1..10),
    ) {
        let stream: String = ops.into_iter().map(|op| {
            ["PING\r\n", "MSG a 1 r 3\r\nabc\r\n", "MSG in.1 2 1\r\nx\r\n", "INFO {}\r\n", "-ERR 'x'\r\n"][op]
        }).collect();
        let run = |portions: &mut dyn Iterator<Item = usize>| {
            let mut peer = Peer::connected();
            peer.subscribe("a");
            peer.request_one();
            peer.output();
            let (mut rest, mut events) = (stream.as_str(), Vec::new());
            for portion in portions {
                let (head, tail) = rest.split_at(portion.min(rest.len()));
                events.extend(peer.feed(head));
                rest = tail;
            }
            events.extend(peer.feed(rest));
            (events, peer.output())
        };
        let whole = run(&mut std::iter::empty());
        prop_assert_eq!(&run(&mut cuts.into_iter()), &whole);
        prop_assert_eq!(&run(&mut std::iter::repeat_n(1, stream.len())), &whole);
    }
}
