//! What holds whatever happens.

use proptest::prelude::*;

use super::*;

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
                    peer.session.ping(peer.now).unwrap();
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
