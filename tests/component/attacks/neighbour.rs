//! The neighbour: a plugin that answers while another one misbehaves, and those
//! who ask it, at a steady rate.
//!
//! Each millisecond some messages go to the neighbour and one goes straight back
//! to the asker, past the host: what that one takes is the server's doing, and is
//! not held against the neighbour.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use test_support::Machine;

use crate::service::Service;

/// How often messages are written.
const PACE: Duration = Duration::from_millis(1);

/// What is asked in a second, unless the environment says otherwise.
const RATE: u64 = 20_000;

/// For so long is asked at least: thousands of times.
const MIN_TIME: Duration = Duration::from_millis(250);

/// An answer that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(20);

const PAYLOAD: usize = 16;

/// Asks the plugin `echo` all the time.
pub(crate) struct Asking {
    shared: Arc<Shared>,
    writer: JoinHandle<Result<()>>,
    reader: JoinHandle<Result<Record>>,
    before: Machine,
}

struct Shared {
    stop: AtomicBool,
    ping: AtomicBool,
    /// How many ticks there were, once they are over.
    ticks: AtomicU64,
    per_tick: u64,
    begin: Instant,
}

struct Record {
    /// By number: how long the answer took.
    answers: Vec<Option<Duration>>,
    /// By tick: how long a message past the host took.
    references: Vec<Option<Duration>>,
}

impl Asking {
    /// Begins to ask.
    pub(crate) fn start(server: SocketAddr) -> Result<Self> {
        let rate = std::env::var("NEIGHBOUR_RATE").ok().and_then(|rate| rate.parse().ok());
        let per_tick = rate.unwrap_or(RATE) * PACE.as_millis() as u64 / 1000;
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            ping: AtomicBool::new(false),
            ticks: AtomicU64::new(u64::MAX),
            per_tick: per_tick.max(1),
            begin: Instant::now(),
        });
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(
            b"CONNECT {\"verbose\":false,\"name\":\"asking\"}\r\n\
              SUB asking.answers 1\r\nSUB asking.reference 2\r\nPING\r\n",
        )?;
        let mut input = BufReader::with_capacity(256 << 10, stream.try_clone()?);
        let mut line = String::new();
        while line != "PONG\r\n" {
            line.clear();
            ensure!(input.read_line(&mut line)? > 0, "the server does not accept");
        }
        Ok(Self {
            before: Machine::now()?,
            writer: thread::spawn({
                let shared = Arc::clone(&shared);
                move || shared.write(&mut stream)
            }),
            reader: thread::spawn({
                let shared = Arc::clone(&shared);
                move || shared.read(&mut input)
            }),
            shared,
        })
    }

    /// Asks for a while yet if it was not long, waits for what is not answered,
    /// and tells how it went. Blocks.
    pub(crate) fn finish(self) -> Result<Service> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.writer.join().ok().context("the writer panicked")??;
        let record = self.reader.join().ok().context("the reader panicked")??;
        let per_tick = self.shared.per_tick as usize;
        let references = &record.references;
        let beyond = |(number, took): (usize, &Option<Duration>)| {
            let reference = references.get(number / per_tick).copied().flatten();
            took.map(|took| took.saturating_sub(reference.unwrap_or_default()))
        };
        let times = record.answers.iter().enumerate().map(beyond);
        Ok(Service::of(times, self.before.until_now()?))
    }
}

impl Shared {
    fn write(&self, stream: &mut TcpStream) -> Result<()> {
        let mut output = Vec::new();
        let mut ticks = 0;
        while !self.stop.load(Ordering::Relaxed) || self.begin.elapsed() < MIN_TIME {
            output.clear();
            if self.ping.swap(false, Ordering::Relaxed) {
                output.extend_from_slice(b"PONG\r\n");
            }
            self.put(&mut output, "asking.reference", ticks);
            for number in ticks * self.per_tick..(ticks + 1) * self.per_tick {
                self.put(&mut output, "echo asking.answers", number);
            }
            stream.write_all(&output)?;
            ticks += 1;
            // Behind time, it does not wait, so the rate is kept on the average.
            let next = PACE * u32::try_from(ticks)?;
            thread::sleep(next.saturating_sub(self.begin.elapsed()));
        }
        self.ticks.store(ticks, Ordering::Release);
        // The answer wakes the reader.
        stream.write_all(b"PING\r\n").context("write")
    }

    fn put(&self, output: &mut Vec<u8>, subjects: &str, number: u64) {
        let now = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or_default();
        output.extend_from_slice(format!("PUB {subjects} {PAYLOAD}\r\n").as_bytes());
        output.extend_from_slice(&number.to_le_bytes());
        output.extend_from_slice(&now.to_le_bytes());
        output.extend_from_slice(b"\r\n");
    }

    fn read(&self, input: &mut impl BufRead) -> Result<Record> {
        let mut record = Record { answers: Vec::new(), references: Vec::new() };
        let mut count = 0;
        let mut line = Vec::new();
        loop {
            let ticks = self.ticks.load(Ordering::Acquire);
            if ticks != u64::MAX && count >= ticks * (self.per_tick + 1) {
                break;
            }
            line.clear();
            match input.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {}
                // Nothing comes any more: the rest is lost.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("read"),
            }
            if line.starts_with(b"PING") {
                self.ping.store(true, Ordering::Relaxed);
            }
            ensure!(!line.starts_with(b"-ERR"), "{}", String::from_utf8_lossy(&line));
            if !line.starts_with(b"MSG ") {
                continue;
            }
            let mut payload = [0; PAYLOAD + 2];
            input.read_exact(&mut payload).context("read")?;
            let [number, sent] = [0, 8].map(|start| {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(&payload[start..start + 8]);
                u64::from_le_bytes(bytes)
            });
            let took = self.begin.elapsed().saturating_sub(Duration::from_nanos(sent));
            let to_neighbour = line.starts_with(b"MSG asking.answers ");
            let kept = if to_neighbour { &mut record.answers } else { &mut record.references };
            let place = usize::try_from(number)?;
            if kept.len() <= place {
                kept.resize(place + 1, None);
            }
            ensure!(kept[place].replace(took).is_none(), "message {number} came twice");
            count += 1;
        }
        let ticks = self.ticks.load(Ordering::Acquire);
        ensure!(ticks != u64::MAX, "the server closed the connection");
        record.answers.resize(usize::try_from(ticks * self.per_tick)?, None);
        Ok(record)
    }
}
