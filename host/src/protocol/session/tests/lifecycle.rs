//! Transports come and go, and the session ends.

use super::*;

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
    peer.output();
    let events = peer.feed(&format!("+OK\r\nPONG\r\n{INFO}\r\nMSG a {sid} 1\r\nx\r\nPI"));
    assert!(matches!(events[..], [Event::Connected, Event::Info(_), Event::Message { .. }]));
    peer.output();
    peer.feed("NG\r\n");
    assert_eq!(peer.output(), "PONG\r\n");
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
        peer.session.ping(peer.now).unwrap();
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
fn a_request_that_ended_while_there_was_no_server_is_not_sent() {
    let mut peer = Peer::connected();
    peer.request_one();
    peer.output();
    let taken_by_nobody = peer.request_one();
    let unwritten = peer.output();
    assert_eq!(peer.pass(seconds(5)).len(), 2);
    peer.session.handle_closed(peer.now, unwritten.as_bytes(), false);
    assert_eq!((peer.events(), peer.session.output_len()), (vec![], 0));

    let late = peer.request_one();
    let (cancelled, kept) = (
        peer.request_one(),
        peer.request(&RequestOptions { timeout: seconds(60), ..RequestOptions::default() }),
    );
    peer.publish("a", "").unwrap();
    assert!(peer.session.cancel_request(cancelled));
    assert_eq!(peer.pass(seconds(5)), [failed(late, RequestError::Timeout)]);
    assert_eq!(
        peer.connect(),
        format!("SUB in.* 1\r\nPUB ask in.{kept} 1\r\n?\r\nPUB a 0\r\n\r\n")
    );
    assert!(taken_by_nobody < late);
}

#[test]
fn requests_that_end_make_room_while_there_is_no_server() {
    let config = SessionConfig { max_pending_messages: 100, ..SessionConfig::default() };
    let mut peer = Peer::with(config);
    for _ in 0..20 {
        for _ in 0..50 {
            peer.request_one();
        }
        assert_eq!(peer.pass(seconds(5)).len(), 50);
    }
    assert_eq!(peer.session.output_len(), 0);
    peer.request_one();
    peer.session.drain(peer.now);
    assert!(!peer.events().contains(&Event::Drained));
    assert!(peer.pass(seconds(5)).contains(&Event::Drained), "nothing is left to be sent");
}

#[test]
fn what_waited_is_refused_where_the_new_server_takes_less() {
    let mut peer = Peer::connected();
    peer.lose();
    let (body, mut headers) = ("x".repeat(100), Headers::new());
    headers.push("a", b"b").unwrap();
    peer.publish("large", &body).unwrap();
    let subject = Subject::new("ask").unwrap();
    let options = RequestOptions::default();
    let request = peer.session.request(peer.now, subject, b"", body.as_bytes(), &options).unwrap();
    peer.session.publish(subject, None, headers.as_bytes(), b"").unwrap();
    peer.publish("small", "1").unwrap();

    peer.session.handle_opened(peer.now);
    peer.feed("INFO {\"headers\":false,\"max_payload\":50}\r\n");
    peer.session.authenticate(peer.now, &Connect::new("me"));
    peer.output();
    let too_large = SessionError::PayloadTooLarge { size: 100, limit: 50 };
    let refused = |subject: &str, error: &SessionError| Event::PublishRefused {
        subject: subject.into(),
        text: error.to_string(),
    };
    let expected = [
        refused("large", &too_large),
        failed(request, RequestError::NotSent(too_large)),
        refused("ask", &SessionError::HeadersUnsupported),
        Event::Connected,
    ];
    assert_eq!(peer.feed("PONG\r\n"), expected);
    assert_eq!(peer.output(), "SUB in.* 1\r\nPUB small 1\r\n1\r\n");
}

#[test]
fn a_pong_before_connect_is_written_is_no_consent() {
    let mut peer = Peer::new();
    peer.session.handle_opened(peer.now);
    peer.feed(&format!("{INFO}\r\n"));
    peer.session.authenticate(peer.now, &Connect::new("me"));
    assert_eq!(peer.feed("PONG\r\nPING\r\n"), []);
    assert!(peer.output().ends_with("PING\r\nPONG\r\n"));
    assert_eq!(peer.feed("PING\r\nPONG\r\n"), [Event::Connected]);
}

#[test]
fn a_server_that_answers_no_ping_makes_none_pile_up() {
    let mut peer = Peer::connected();
    let limit = loop {
        match peer.session.ping(peer.now) {
            Ok(_) => peer.output(),
            Err(SessionError::TooManyPings { limit }) => break limit,
            Err(error) => panic!("{error}"),
        };
        peer.feed("+OK\r\n");
    };
    let sid = peer.subscribe("a");
    let refused = Err(SessionError::TooManyPings { limit });
    assert_eq!(peer.session.drain_subscription(peer.now, sid), refused);
    let interval = SessionConfig::default().ping_interval;
    assert_eq!(peer.pass(interval), [Event::Stale]);
    assert_eq!(peer.lose().len(), limit);
    assert_eq!(peer.session.drain_subscription(peer.now, sid), Ok(()));
}

#[test]
fn a_flush_is_confirmed_or_lost() {
    let mut peer = Peer::connected();
    let id = peer.session.ping(peer.now).unwrap();
    assert_eq!(peer.output(), "PING\r\n");
    peer.now += seconds(1);
    assert_eq!(peer.feed("PONG\r\nPONG\r\n"), [Event::Pong { id, rtt: seconds(1) }]);
    let id = peer.session.ping(peer.now).unwrap();
    assert_eq!(peer.lose(), [Event::PingLost { id }]);
    let id = peer.session.ping(peer.now).unwrap();
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
    let id = peer.session.ping(peer.now).unwrap();
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
fn a_handshake_that_is_closed_answers_no_ping() {
    let mut peer = Peer::new();
    peer.session.handle_opened(peer.now);
    peer.feed(&format!("{INFO}\r\n"));
    peer.session.authenticate(peer.now, &Connect::new("me"));
    peer.session.close();
    peer.feed("PING\r\n");
    assert_eq!((peer.output(), peer.session.output_len()), (String::new(), 0));
}

#[test]
fn servers_that_take_nothing_leave_no_more_waiting_each_time() {
    let mut peer = Peer::with(SessionConfig { max_pending_bytes: 100, ..SessionConfig::default() });
    let mut published = String::new();
    let mut fill = |peer: &mut Peer| {
        while peer.publish("a", "0123456789").is_ok() {
            published.push_str("PUB a 10\r\n0123456789\r\n");
        }
    };
    fill(&mut peer);
    for _ in 0..9 {
        let unwritten = peer.connect();
        fill(&mut peer);
        peer.session.handle_closed(peer.now, unwritten.as_bytes(), false);
        assert!(peer.session.output_len() <= 200, "{} bytes", peer.session.output_len());
    }
    let mut written = peer.connect();
    while peer.session.output_len() > 0 {
        written.push_str(&peer.output());
    }
    assert_eq!(written, published);
}

#[test]
fn a_server_that_takes_nothing_makes_no_control_lines_pile_up() {
    let mut peer = Peer::with(SessionConfig { max_pending_bytes: 100, ..SessionConfig::default() });
    peer.connect();
    let sid = peer.subscribe("a");
    for _ in 0..100 {
        if let Ok(sid) = peer.session.subscribe(SubjectPattern::new("b").unwrap(), None) {
            peer.session.unsubscribe(sid, None).unwrap();
        }
        let _ = peer.session.unsubscribe(sid, Some(9));
        let _ = peer.session.ping(peer.now);
        peer.feed("PING\r\n");
    }
    assert!(peer.session.output_len() < 500, "{} bytes", peer.session.output_len());
    assert_eq!(peer.session.unsubscribe(sid, None), Ok(true));
    peer.output();
    peer.subscribe("a");
}
