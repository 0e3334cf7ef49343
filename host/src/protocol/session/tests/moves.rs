//! Another server takes over while the present one still serves.

use super::*;
use crate::protocol::Retired;

/// Moves to another server; what is still written to the old one comes with it.
fn move_on(peer: &mut Peer) -> (Retired, String) {
    let mut farewell = Vec::new();
    let accepted = Peer::connected().session;
    let mut retired = peer.session.handle_replaced(peer.now, accepted, &mut farewell);
    farewell.append(&mut retired.take_farewell());
    (retired, String::from_utf8(farewell).unwrap())
}

/// The old server says something; answers whether it has said everything.
fn hear(peer: &mut Peer, retired: &mut Retired, bytes: &str) -> bool {
    let mut input = BytesMut::from(bytes);
    peer.session.handle_retired_input(peer.now, retired, &mut input).unwrap()
}

fn sids_of_messages(events: &[Event]) -> Vec<Sid> {
    let sids = events.iter().map(|event| match event {
        Event::Message { sid, .. } => Some(*sid),
        _ => None,
    });
    sids.flatten().collect()
}

#[test]
fn the_old_server_is_heard_out_while_the_new_one_serves() {
    let mut peer = Peer::connected();
    let sid = peer.subscribe("a");
    peer.output();
    peer.publish("early", "1").unwrap();
    let (mut retired, farewell) = move_on(&mut peer);
    assert_eq!(farewell, format!("PUB early 1\r\n1\r\nUNSUB {sid}\r\nPING\r\n"));
    peer.publish("late", "2").unwrap();
    assert_eq!(peer.output(), format!("SUB a {sid}\r\nPUB late 1\r\n2\r\n"));
    peer.events();
    assert!(!hear(&mut peer, &mut retired, &format!("MSG a {sid} 1\r\nx\r\n")));
    assert_eq!(sids_of_messages(&peer.events()), [sid]);
    assert_eq!(sids_of_messages(&peer.feed(&format!("MSG a {sid} 1\r\nx\r\n"))), [sid]);
    assert!(hear(&mut peer, &mut retired, "PONG\r\n"));
    peer.session.handle_retired_closed(retired);
    assert_eq!(peer.events(), []);
}

#[test]
fn a_drain_waits_for_the_messages_of_every_server() {
    for before in [true, false] {
        let mut peer = Peer::connected();
        let sid = peer.subscribe("a");
        if before {
            peer.session.drain(peer.now);
        }
        let (mut retired, _) = move_on(&mut peer);
        if !before {
            peer.session.drain(peer.now);
        }
        peer.events();
        assert_eq!(peer.feed("PONG\r\n"), [], "the new server has none, but the old one has");
        hear(&mut peer, &mut retired, &format!("MSG a {sid} 1\r\nx\r\n"));
        assert_eq!(sids_of_messages(&peer.events()), [sid]);
        peer.session.handle_retired_closed(retired);
        assert_eq!(peer.events(), [ended(sid, EndReason::Drained), Event::Drained]);
    }
}

#[test]
fn a_subscription_that_is_drained_after_a_move_outlives_the_old_server() {
    let mut peer = Peer::connected();
    let (old, new) = (peer.subscribe("a"), peer.subscribe("b"));
    peer.session.drain_subscription(peer.now, old).unwrap();
    let (retired, _) = move_on(&mut peer);
    peer.session.drain_subscription(peer.now, new).unwrap();
    peer.events();
    peer.session.handle_retired_closed(retired);
    assert_eq!(peer.events(), [ended(old, EndReason::Drained)]);
    let last = peer.feed(&format!("MSG b {new} 1\r\nx\r\nPONG\r\n"));
    assert_eq!(sids_of_messages(&last), [new]);
    assert_eq!(last.last(), Some(&ended(new, EndReason::Drained)));
}

#[test]
fn a_drain_waits_for_a_replaced_server_although_there_is_no_other() {
    for before in [true, false] {
        let mut peer = Peer::connected();
        let (one, other) = (peer.subscribe("a"), peer.subscribe("b"));
        let (mut retired, _) = move_on(&mut peer);
        let drain = |peer: &mut Peer| {
            peer.session.drain_subscription(peer.now, one).unwrap();
            peer.session.drain(peer.now);
        };
        if before {
            drain(&mut peer);
        }
        peer.session.handle_closed(peer.now, b"", false);
        if !before {
            drain(&mut peer);
        }
        peer.events();
        hear(&mut peer, &mut retired, &format!("MSG a {one} 1\r\nx\r\nMSG b {other} 1\r\nx\r\n"));
        assert_eq!(sids_of_messages(&peer.events()), [one, other]);
        peer.session.handle_retired_closed(retired);
        let drained = || EndReason::Drained;
        assert_eq!(peer.events(), [ended(one, drained()), ended(other, drained()), Event::Drained]);
    }
}

#[test]
fn a_drain_ends_at_the_third_server_once_the_first_has_said_all() {
    let mut peer = Peer::connected();
    let sid = peer.subscribe("a");
    let (mut retired, _) = move_on(&mut peer);
    peer.session.drain(peer.now);
    peer.session.handle_closed(peer.now, b"", false);
    assert_eq!(peer.connect(), "PING\r\n");
    peer.events();
    assert_eq!(peer.feed("PONG\r\n"), []);
    hear(&mut peer, &mut retired, &format!("MSG a {sid} 1\r\nx\r\n"));
    assert_eq!(sids_of_messages(&peer.events()), [sid]);
    peer.session.handle_retired_closed(retired);
    assert_eq!(peer.events(), [ended(sid, EndReason::Drained), Event::Drained]);
}

#[test]
fn the_new_server_learns_what_the_old_one_brought_of_a_maximum() {
    let mut peer = Peer::connected();
    let sid = peer.subscribe("a");
    peer.session.unsubscribe(sid, Some(2)).unwrap();
    let (mut retired, _) = move_on(&mut peer);
    assert_eq!(peer.output(), format!("SUB a {sid}\r\nUNSUB {sid} 2\r\n"));
    let message = format!("MSG a {sid} 1\r\nx\r\n");
    hear(&mut peer, &mut retired, &message);
    assert_eq!(peer.output(), format!("UNSUB {sid} 1\r\n"));
    hear(&mut peer, &mut retired, &message);
    assert_eq!(peer.output(), format!("UNSUB {sid}\r\n"));
    assert_eq!(sids_of_messages(&peer.events()), [sid, sid]);
    hear(&mut peer, &mut retired, &message);
    assert_eq!((peer.events(), peer.output()), (vec![], String::new()));
}
