//! What the engine does for each message, as pieces of work that can be repeated:
//! without a socket, a clock or anything else that differs from run to run.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;

use super::policy::SubjectRules;
use super::protocol::{
    Connect, Decoder, Event, RequestOptions, Session, SessionConfig, Subject, SubjectPattern,
};

/// Messages come in blocks of this size, as from a socket.
const BLOCK_BYTES: usize = 64 * 1024;

/// So many operations are a step where there are no blocks.
const OPERATIONS: usize = 256;

/// As servers take them.
const INFO: &[u8] = b"INFO {\"server_id\":\"S\",\"server_name\":\"s\",\"version\":\"2.15.1\",\
    \"proto\":1,\"host\":\"127.0.0.1\",\"port\":4222,\"headers\":true,\"max_payload\":1048576}\r\n";

const SUBJECT: &str = "orders.eu.created";

/// Something that the engine does.
pub struct Work {
    /// What one operation is.
    pub name: &'static str,
    /// How many of them a step is.
    pub operations: usize,
    step: Box<dyn FnMut() -> Result<()>>,
}

impl Work {
    fn new(
        name: &'static str,
        operations: usize,
        step: impl FnMut() -> Result<()> + 'static,
    ) -> Self {
        Self { name, operations, step: Box::new(step) }
    }

    /// Does one step.
    ///
    /// # Errors
    /// If the engine does not do what it should.
    pub fn step(&mut self) -> Result<()> {
        (self.step)()
    }
}

/// All there is.
///
/// # Errors
/// If the engine does not do what it should.
pub fn all() -> Result<Vec<Work>> {
    Ok(vec![
        decode("decode, 16 B", &[], 16)?,
        decode("decode, 1 KiB", &[], 1024)?,
        decode("decode, 128 B with headers", HEADERS, 128)?,
        receive("receive, 16 B", 16)?,
        receive("receive, 1 KiB", 1024)?,
        publish("publish, 16 B", &[], 16)?,
        publish("publish, 1 KiB", &[], 1024)?,
        publish("publish, 128 B with headers", HEADERS, 128)?,
        request("request and answer, 128 B")?,
        check("check a subject")?,
        allow("allow a subject by one rule", 1)?,
        allow("allow a subject by the last of 16 rules", 16)?,
        cover("allow a subscription by the last of 16 rules", 16)?,
    ])
}

const HEADERS: &[u8] =
    b"NATS/1.0\r\nTrace-Id: 4bf92f3577b34da6\r\nContent-Type: text/plain\r\n\r\n";

/// A block of messages as a server sends them, and how many they are.
fn block(sid: u64, headers: &[u8], payload: usize) -> (Vec<u8>, usize) {
    let (size, payload) = (headers.len(), vec![b'x'; payload]);
    let total = size + payload.len();
    let line = match headers {
        [] => format!("MSG {SUBJECT} {sid} {total}\r\n"),
        _ => format!("HMSG {SUBJECT} {sid} {size} {total}\r\n"),
    };
    let message = [line.as_bytes(), headers, &payload, b"\r\n"].concat();
    let count = BLOCK_BYTES / message.len();
    (message.repeat(count), count)
}

fn decode(name: &'static str, headers: &[u8], payload: usize) -> Result<Work> {
    let (block, count) = block(1, headers, payload);
    let mut decoder = Decoder::new();
    Ok(Work::new(name, count, move || {
        let mut input = BytesMut::from(&block[..]);
        let mut taken = 0;
        while taken < count {
            let before = taken;
            decoder.decode_messages(&mut input, OPERATIONS, |sid, message| {
                taken += 1;
                black_box((sid, message));
            })?;
            ensure!(taken > before, "{name}: {taken} of {count} messages");
        }
        Ok(())
    }))
}

fn receive(name: &'static str, payload: usize) -> Result<Work> {
    let now = Instant::now();
    let mut session = connected(now)?;
    let sid = session.subscribe(SubjectPattern::new(SUBJECT)?, None)?;
    let (block, count) = block(sid.0, &[], payload);
    Ok(Work::new(name, count, move || {
        let mut input = BytesMut::from(&block[..]);
        let (mut taken, mut more) = (0, true);
        while more {
            more = session.handle_input(now, &mut input)?;
            while let Some(event) = session.poll_event() {
                taken += 1;
                black_box(event);
            }
        }
        ensure!(taken == count, "{name}: {taken} of {count} messages");
        Ok(())
    }))
}

fn publish(name: &'static str, headers: &'static [u8], payload: usize) -> Result<Work> {
    let mut session = connected(Instant::now())?;
    let (payload, mut output) = (vec![b'x'; payload], Vec::new());
    Ok(Work::new(name, OPERATIONS, move || {
        for _ in 0..OPERATIONS {
            session.publish(Subject::new(black_box(SUBJECT))?, None, headers, &payload)?;
        }
        output.clear();
        ensure!(session.take_output(&mut output), "{name}: no output");
        black_box(&output);
        Ok(())
    }))
}

fn request(name: &'static str) -> Result<Work> {
    let now = Instant::now();
    let mut session = connected(now)?;
    let (payload, options) = ([b'x'; 128], RequestOptions::default());
    // The subscription for answers is made with the first request.
    let inbox = session.inbox_prefix().to_owned();
    let (mut output, mut input) = (Vec::new(), BytesMut::new());
    Ok(Work::new(name, OPERATIONS, move || {
        for _ in 0..OPERATIONS {
            let id = session.request(now, Subject::new(SUBJECT)?, &[], &payload, &options)?;
            input.extend_from_slice(format!("MSG {inbox}.{id} 1 128\r\n").as_bytes());
            input.extend_from_slice(&payload);
            input.extend_from_slice(b"\r\n");
        }
        output.clear();
        ensure!(session.take_output(&mut output), "{name}: no output");
        let (mut answers, mut more) = (0, true);
        while more {
            more = session.handle_input(now, &mut input)?;
            while let Some(event) = session.poll_event() {
                answers += usize::from(matches!(&event, Event::Reply { answer: Ok(_), .. }));
                black_box(event);
            }
        }
        ensure!(answers == OPERATIONS, "{name}: {answers} of {OPERATIONS} answers");
        Ok(())
    }))
}

fn check(name: &'static str) -> Result<Work> {
    Ok(Work::new(name, OPERATIONS, move || {
        for _ in 0..OPERATIONS {
            black_box(Subject::new(black_box(SUBJECT))?);
        }
        Ok(())
    }))
}

/// Rules of which only the last one fits.
fn rules(count: usize) -> Result<SubjectRules> {
    let others = (1..count).map(|number| format!("orders.region-{number}.*"));
    let all: Vec<_> = others.chain(["orders.eu.>".to_owned()]).collect();
    Ok(SubjectRules::new(all.iter().map(String::as_str))?)
}

fn allow(name: &'static str, count: usize) -> Result<Work> {
    let (rules, subject) = (rules(count)?, Subject::new(SUBJECT)?);
    Ok(Work::new(name, OPERATIONS, move || {
        for _ in 0..OPERATIONS {
            ensure!(rules.allow_subject(black_box(subject)), "{name}: {SUBJECT} is not allowed");
        }
        Ok(())
    }))
}

fn cover(name: &'static str, count: usize) -> Result<Work> {
    let (rules, pattern) = (rules(count)?, SubjectPattern::new("orders.eu.*")?);
    Ok(Work::new(name, OPERATIONS, move || {
        for _ in 0..OPERATIONS {
            ensure!(rules.allow_pattern(black_box(pattern)), "{name}: not allowed");
        }
        Ok(())
    }))
}

/// A session that a server has accepted.
fn connected(now: Instant) -> Result<Session> {
    let mut session = Session::new(SessionConfig::default());
    session.handle_opened(now);
    session.handle_input(now, &mut BytesMut::from(INFO))?;
    if !matches!(session.poll_event(), Some(Event::Info(_))) {
        bail!("the session has not taken INFO");
    }
    session.authenticate(now, &Connect::new("counts"));
    let mut output = Vec::new();
    session.take_output(&mut output);
    session.handle_input(now, &mut BytesMut::from(&b"PONG\r\n"[..]))?;
    while let Some(event) = session.poll_event() {
        if matches!(event, Event::Connected) {
            return Ok(session);
        }
    }
    None.context("the session is not connected")
}
