//! What a message goes through, each part alone: the engine's work without a socket,
//! and the way into a guest and out of it, between a plugin in this process and a
//! thread that plays its server.

#[path = "../../counts/src/work.rs"]
pub mod work;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use anyhow::{Context, Result, ensure};
use criterion::{Criterion, Throughput};
use simple_nats::{
    connection::ConnectionOptions,
    plugin::{ComponentSource, Host, HostOptions, Plugin, PluginSettings},
    policy::{self, Policy},
    protocol,
};
use test_support::guest;

/// Messages of one exchange with a guest.
const MESSAGES: usize = 1_000;

/// How the answer begins that ends an exchange.
const DONE: &[u8] = b"PUB done ";

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    engine(&mut criterion)?;
    guest_calls(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn engine(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("engine");
    for mut work in work::all()? {
        group.throughput(Throughput::Elements(work.operations as u64));
        let mut outcome = Ok(());
        group.bench_function(work.name, |bencher| {
            bencher.iter(|| {
                if let Err(error) = work.step() {
                    outcome = Err(error);
                }
            });
        });
        outcome?;
    }
    group.finish();
    Ok(())
}

/// Messages into a callback, and publishes out of one.
fn guest_calls(criterion: &mut Criterion) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = thread::spawn({
        let listener = listener.try_clone()?;
        move || Server::accept(&listener)
    });
    let (host, plugin) = runtime.block_on(start(listener.local_addr()?))?;
    let mut server = server.join().ok().context("the server panicked")??;

    let mut group = criterion.benchmark_group("guest");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    for payload in [16, 1024] {
        let messages = server.messages("bench.in", MESSAGES, payload)?;
        let order = server.order(MESSAGES, payload)?;
        for (name, input) in [("dispatch", messages), ("publish", order)] {
            let mut outcome = Ok(());
            group.bench_function(format!("{name}, {payload} B"), |bencher| {
                bencher.iter(|| {
                    if let Err(error) = server.exchange(&input) {
                        outcome = Err(error);
                    }
                });
            });
            outcome?;
        }
    }
    // Instantiated and started anew, beside the instance before, and its end.
    let pongs = thread::spawn(move || server.answer_pings());
    let mut outcome = Ok(());
    group.throughput(Throughput::Elements(1));
    group.bench_function("restart", |bencher| {
        bencher.iter(|| {
            if let Err(error) = runtime.block_on(plugin.restart()) {
                outcome = Err(error);
            }
        });
    });
    outcome?;
    group.finish();
    drop(host);
    pongs.join().ok().context("the server panicked")
}

/// A host with the plugin that benchmarks drive, connected to this server.
async fn start(server: SocketAddr) -> Result<(Host, Plugin)> {
    let mut options = HostOptions::default();
    options.shards = 1;
    let host = Host::new(&options)?;
    let mut settings = PluginSettings::new("bench", ComponentSource::File(guest("bench")?));
    settings.policy = Policy::allow_all();
    let connection = ConnectionOptions::new(vec![server.to_string().parse()?], "bench");
    let plugin = host.add(settings, connection).await?;
    Ok((host, plugin))
}

/// The server's side of one connection.
struct Server {
    stream: TcpStream,
    input: Vec<u8>,
    /// What the client has said at the beginning.
    introduction: String,
}

impl Server {
    /// Plays the server until the client has subscribed and asked whether all of that
    /// has arrived.
    fn accept(listener: &TcpListener) -> Result<Self> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.write_all(
            b"INFO {\"server_id\":\"S\",\"headers\":true,\"max_payload\":1048576}\r\n",
        )?;
        let mut server = Self { stream, input: vec![0; 1 << 20], introduction: String::new() };
        let (mut said, mut answered) = (Vec::new(), 0);
        loop {
            said.extend_from_slice(server.read()?);
            let text = String::from_utf8_lossy(&said);
            let asked = text.matches("PING\r\n").count();
            let is_last = text.contains("SUB bench.request ") && text.ends_with("PING\r\n");
            for _ in answered..asked {
                server.stream.write_all(b"PONG\r\n")?;
            }
            answered = asked;
            if is_last {
                server.introduction = text.into_owned();
                return Ok(server);
            }
        }
    }

    fn read(&mut self) -> Result<&[u8]> {
        let count = self.stream.read(&mut self.input).context("read")?;
        ensure!(count > 0, "the client hung up");
        Ok(self.input.get(..count).unwrap_or_default())
    }

    fn sid(&self, subject: &str) -> Result<&str> {
        let line = format!("SUB {subject} ");
        let sid = self.introduction.lines().find_map(|said| said.strip_prefix(&line));
        sid.with_context(|| format!("no subscription to {subject}"))
    }

    /// Messages, the last of which asks for an answer.
    fn messages(&self, subject: &str, count: usize, payload: usize) -> Result<Vec<u8>> {
        let (sid, text) = (self.sid(subject)?, "x".repeat(payload));
        let message = format!("MSG {subject} {sid} {payload}\r\n{text}\r\n");
        let last = format!("MSG {subject} {sid} done {payload}\r\n{text}\r\n");
        Ok((message.repeat(count - 1) + &last).into_bytes())
    }

    /// The order to publish.
    fn order(&self, count: usize, payload: usize) -> Result<Vec<u8>> {
        let (sid, text) = (self.sid("bench.publish")?, format!("[{count},{payload}]"));
        let size = text.len();
        Ok(format!("MSG bench.publish {sid} done {size}\r\n{text}\r\n").into_bytes())
    }

    /// Answers whatever the client asks, until it hangs up.
    fn answer_pings(&mut self) {
        while let Ok(said) = self.read() {
            let asked = memchr::memmem::find_iter(said, "PING\r\n").count();
            if self.stream.write_all(&b"PONG\r\n".repeat(asked)).is_err() {
                return;
            }
        }
    }

    /// Sends this and waits for the answer.
    fn exchange(&mut self, messages: &[u8]) -> Result<()> {
        self.stream.write_all(messages).context("write")?;
        // What comes may be cut anywhere.
        let mut tail = Vec::new();
        loop {
            let keep = tail.len().min(DONE.len());
            tail.drain(..tail.len() - keep);
            let read = self.read()?;
            tail.extend_from_slice(read);
            if memchr::memmem::find(&tail, DONE).is_some() {
                return Ok(());
            }
        }
    }
}
