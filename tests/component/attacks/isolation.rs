//! How long others wait while a plugin takes what it can: the server for its PONG,
//! and operators for the admin port. How long other plugins wait is seen beside
//! each attack.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use test_support::{DEADLINE, INFO, Machine, NatsServer};

use crate::arena::{Attack, turn};
use crate::harness::{Admin, run};
use crate::service::Service;

/// Five turns of a guest.
const A_FEW_TICKS: Duration = Duration::from_millis(10);

/// Between two questions: a guest that can run at all runs meanwhile.
const PACE: Duration = Duration::from_millis(5);

const QUESTIONS: usize = 100;

/// A server that asks its only client all the time whether it lives.
struct AskingServer {
    listener: TcpListener,
}

impl AskingServer {
    fn start() -> Result<Self> {
        Ok(Self { listener: TcpListener::bind("127.0.0.1:0")? })
    }

    fn url(&self) -> Result<String> {
        Ok(format!("nats://{}", self.listener.local_addr()?))
    }

    /// Lets the client in, sends it a message once it has subscribed, and then
    /// times its PONGs. Blocks.
    fn time_pongs(self) -> Result<Service> {
        let (mut stream, _) = self.listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let mut input = BufReader::with_capacity(1 << 20, stream.try_clone()?);
        stream.write_all(format!("INFO {INFO}\r\n").as_bytes())?;
        skip_to(&mut input, "PING")?;
        stream.write_all(b"PONG\r\n")?;
        let subscription = skip_to(&mut input, "SUB attack.in ")?;
        let sid = subscription.trim_end().rsplit(' ').next().unwrap_or_default();
        stream.write_all(format!("MSG attack.in {sid} 2\r\ngo\r\n").as_bytes())?;
        let before = Machine::now()?;
        let mut times = Vec::new();
        for _ in 0..QUESTIONS {
            times.push(Some(time_pong(&mut stream, &mut input)?));
            thread::sleep(PACE);
        }
        Ok(Service::of(times.into_iter(), before.until_now()?))
    }
}

fn time_pong(stream: &mut TcpStream, input: &mut impl BufRead) -> Result<Duration> {
    let begin = Instant::now();
    stream.write_all(b"PING\r\n")?;
    skip_to(input, "PONG")?;
    Ok(begin.elapsed())
}

/// The next line that begins so; payloads have no ends of lines in them.
fn skip_to(input: &mut impl BufRead, begin: &str) -> Result<String> {
    let mut line = Vec::new();
    while !line.starts_with(begin.as_bytes()) {
        line.clear();
        ensure!(input.read_until(b'\n', &mut line)? > 0, "the host has closed the connection");
    }
    Ok(String::from_utf8(line)?)
}

/// Times the PONGs of a plugin's own connection while it does not come back from a
/// callback.
async fn pongs_come_in_time(name: &str) -> Result<()> {
    let _turn = turn().await;
    let server = AskingServer::start()?;
    let host = run(
        &server.url()?,
        &[name],
        &["-A", "--callback-timeout", "1m", "--callback-cpu-time", "1m"],
    )?;
    let service = tokio::task::spawn_blocking(move || server.time_pongs()).await??;
    service.judge(A_FEW_TICKS)?;
    host.kill().await
}

#[tokio::test]
async fn spinning_does_not_delay_the_pong() -> Result<()> {
    pongs_come_in_time("spin-in-message").await
}

#[tokio::test]
async fn sleeping_does_not_delay_the_pong() -> Result<()> {
    pongs_come_in_time("sleep").await
}

#[tokio::test]
async fn waiting_for_an_answer_does_not_delay_the_pong() -> Result<()> {
    pongs_come_in_time("wait-for-ever").await
}

#[tokio::test]
async fn flood_does_not_delay_the_pong() -> Result<()> {
    pongs_come_in_time("publish-flood").await
}

#[tokio::test]
async fn flood_of_the_log_does_not_delay_the_pong() -> Result<()> {
    pongs_come_in_time("print-flood").await
}

#[tokio::test]
async fn polling_does_not_delay_the_pong() -> Result<()> {
    pongs_come_in_time("poll-busily").await
}

#[tokio::test]
async fn server_that_asks_often_keeps_the_connection_of_who_spins() -> Result<()> {
    // It gives up who leaves two questions without an answer, long before the
    // callback is over.
    let config = "ping_interval: \"300ms\"\nping_max: 2\n";
    let server = NatsServer::builder().config(config).start().await?;
    let attack = Attack::by("spin-in-message")?.on(server).may_take("2s");
    let arena = attack.lie_in_wait().await?;
    let before = arena.attacker_cid().await?;
    arena.error("").await?;
    ensure!(arena.attacker_cid().await? == before, "the connection was lost");
    let gone = arena.server.monitor("/connz?state=closed").await?;
    let stale = gone.to_string().contains("Stale");
    ensure!(!stale, "{gone:#}");
    arena.stood().await?;
    Ok(())
}

/// Times the admin port while a plugin attacks.
async fn admin_port_answers_in_time(name: &str) -> Result<()> {
    let arena = Attack::by(name)?.may_take("20s").lie_in_wait().await?;
    let admin = Admin::of(&arena.host).await?;
    arena.provoke("go").await?;
    let before = Machine::now()?;
    let mut times = Vec::new();
    for path in ["/healthz", "/plugins"].into_iter().cycle().take(QUESTIONS) {
        let begin = Instant::now();
        let answer = admin.get(path).await?;
        times.push(Some(begin.elapsed()));
        ensure!(answer.status == 200, "{path}: {answer:?}");
        tokio::time::sleep(PACE).await;
    }
    Service::of(times.into_iter(), before.until_now()?).judge(A_FEW_TICKS * 2)?;
    arena.stands().await
}

#[tokio::test]
async fn spinning_does_not_delay_the_admin_port() -> Result<()> {
    admin_port_answers_in_time("spin-in-message").await
}

#[tokio::test]
async fn flood_does_not_delay_the_admin_port() -> Result<()> {
    admin_port_answers_in_time("publish-flood").await
}
