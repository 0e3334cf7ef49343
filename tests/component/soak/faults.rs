//! Random faults of the network and the servers, and what must hold: nothing comes
//! twice, order is kept, nothing is lost that was confirmed, every request ends, and
//! the host takes no more memory and files than before. `SOAK_SEED` repeats the
//! faults of an earlier run.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;
use futures_util::future::try_join_all;
use parking_lot::Mutex;
use simple_nats::connection::{ConnectionEvent, ConnectionOptions};
use simple_nats::protocol::{QueueGroup, SubjectPattern};
use test_support::{HostProcess, Mode, NatsServer, Proxy, Signal, eventually, within};

use crate::harness::run_until_ready;
use crate::host_use::HostUse;
use crate::native::{self, Arrival, Native, arrivals};

/// After so long a request must have ended.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn everything_holds_under_random_faults() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let (seed, time) = (crate::seed()?, crate::time()?);
    println!("{time:?} of faults with SOAK_SEED={seed}");
    let mut stage = Stage::set().await?;
    let watch = Arc::new(Watch::default());
    let (sender, asker) = (stage.client("sender").await?, stage.client("asker").await?);
    let (reader, listener) = (stage.client("reader").await?, stage.listener().await?);
    let (receiver, mut read) = arrivals();
    let group = QueueGroup::new("readers")?;
    reader.client.subscribe(SubjectPattern::new("numbers")?, Some(group), receiver, 0)?;
    let mut heard = listener.subscribe("numbers")?;
    tokio::try_join!(reader.flush(), listener.flush())?;

    let take = async |from: &mut native::Arrivals, ledger: &Mutex<Ledger>, in_order: bool| {
        while !watch.is_over() {
            let Ok(arrival) = tokio::time::timeout(PAUSE, from.next()).await else { continue };
            if let Arrival::Message(message) = arrival? {
                let number = std::str::from_utf8(message.payload())?.parse()?;
                let moving = watch.moving.load(Ordering::Relaxed);
                ledger.lock().take(number, in_order && !moving)?;
            }
        }
        anyhow::Ok(())
    };
    let (of_listener, of_reader) = (Mutex::<Ledger>::default(), Mutex::<Ledger>::default());
    let mut host = HostUse::default();
    let faults = stage.trouble(Rng::with_seed(seed), time, &watch, &mut host);
    let ((), sent, answered, (), (), ()) = tokio::try_join!(
        faults,
        send(&sender, &watch),
        ask(&asker, &watch),
        verify(&watch, &of_listener),
        take(&mut heard, &of_listener, true),
        take(&mut read, &of_reader, false),
    )?;

    println!("faults: {}", watch.faults.lock());
    println!(
        "numbers: {sent} sent, {} confirmed, {} heard, {} read; {} reconnects of the sender",
        watch.confirmed.load(Ordering::Relaxed),
        of_listener.lock().count,
        of_reader.lock().count,
        sender.client.statistics().reconnects,
    );
    println!("requests: {} answered, {} failed", answered.0, answered.1);
    println!("host: {host}");
    watch.check_order(&of_listener.lock())?;
    ensure!(watch.confirmed.load(Ordering::Relaxed) > 0, "nothing was confirmed");
    ensure!(of_reader.lock().count > 0 && answered.0 > 0, "nothing came through");
    host.check()
}

/// Between two looks at something that announces nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// What the parts of the play know of each other.
#[derive(Default)]
struct Watch {
    over: AtomicBool,
    /// Servers that were killed: what they had confirmed may not have gone on.
    kills: AtomicU64,
    /// Clients leave a server, so that messages take two ways at once.
    moving: AtomicBool,
    /// The next number when the sender saw that it had lost its server.
    losses: Mutex<Vec<u64>>,
    confirmed: AtomicU64,
    /// Confirmed and not yet looked for: numbers, and the kills before.
    to_verify: Mutex<VecDeque<(u64, u64, u64)>>,
    faults: Mutex<Faults>,
}

impl Watch {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn kills(&self) -> u64 {
        self.kills.load(Ordering::SeqCst)
    }

    /// What went to a server that was lost then may be overtaken by what went to
    /// the next one; nothing else is.
    fn check_order(&self, ledger: &Ledger) -> Result<()> {
        let losses = self.losses.lock();
        for (number, highest) in &ledger.late {
            let overtaken = |loss: &u64| number < loss && *loss <= highest + MAX_BATCH;
            ensure!(losses.iter().any(overtaken), "{number} after {highest}");
        }
        Ok(())
    }
}

/// Which numbers have come.
#[derive(Default)]
struct Ledger {
    bits: Vec<u64>,
    highest: Option<u64>,
    count: u64,
    /// What came after a higher one, and that.
    late: Vec<(u64, u64)>,
}

impl Ledger {
    fn take(&mut self, number: u64, in_order: bool) -> Result<()> {
        let (index, bit) = (usize::try_from(number / 64)?, 1 << (number % 64));
        if index >= self.bits.len() {
            self.bits.resize(index + 1, 0);
        }
        ensure!(self.bits[index] & bit == 0, "{number} came twice");
        if let Some(highest) = self.highest.filter(|highest| in_order && *highest > number) {
            self.late.push((number, highest));
        }
        self.bits[index] |= bit;
        self.highest = self.highest.max(Some(number));
        self.count += 1;
        Ok(())
    }

    fn has(&self, number: u64) -> bool {
        let bits = usize::try_from(number / 64).ok().and_then(|index| self.bits.get(index));
        bits.is_some_and(|bits| bits & (1 << (number % 64)) != 0)
    }
}

/// Numbers that are published between two flushes at the most.
const MAX_BATCH: u64 = 300;

/// Publishes numbers; what it published since the connection was last lost, or a
/// server killed, is safe once a flush succeeds.
async fn send(sender: &Native, watch: &Watch) -> Result<u64> {
    let lost = || sender.log.count(|event| matches!(event, ConnectionEvent::Disconnected(_)));
    let (mut next, mut since, mut before) = (0, 0, (lost(), watch.kills()));
    while !watch.is_over() {
        let now = (lost(), watch.kills());
        if now != before {
            watch.losses.lock().push(next);
            (since, before) = (next, now);
        }
        for _ in 0..fastrand::u64(1..MAX_BATCH) {
            sender.publish("numbers", next.to_string().as_bytes()).await?;
            next += 1;
        }
        let flushed = sender.client.flush(Duration::from_secs(3)).await;
        if flushed.is_ok() && (lost(), watch.kills()) == before {
            watch.to_verify.lock().push_back((since, next, before.1));
            since = next;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if (lost(), watch.kills()) != before {
        watch.losses.lock().push(next);
    }
    Ok(next)
}

/// Waits for all that is safe to be heard.
async fn verify(watch: &Watch, ledger: &Mutex<Ledger>) -> Result<()> {
    while !watch.is_over() {
        let Some((since, end, kills)) = watch.to_verify.lock().pop_front() else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let what = format!("{since} to {end}, which were confirmed");
        let arrived = eventually(&what, async || {
            let missing = (since..end).find(|number| !ledger.lock().has(*number));
            Ok((missing.is_none() || watch.kills() != kills || watch.is_over()).then_some(missing))
        });
        if arrived.await?.is_none() {
            watch.confirmed.fetch_add(end - since, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Asks the plugin, several times at once; answers how many requests were answered
/// and how many failed.
async fn ask(asker: &Native, watch: &Watch) -> Result<(u64, u64)> {
    let (answered, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let one = async |number: usize| {
        let mut count = 0;
        while !watch.is_over() {
            count += 1;
            let text = format!("{number}.{count}");
            let answer = asker.request("echo", text.as_bytes(), REQUEST_TIMEOUT);
            match within("a request to end", answer).await?? {
                Ok(answer) => {
                    ensure!(answer.payload() == text.as_bytes(), "{text} got {answer:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    // Without a server, all fail at once.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        anyhow::Ok(())
    };
    try_join_all((0..8).map(one)).await?;
    Ok((answered.into_inner(), failed.into_inner()))
}

/// A steady server, two that are not, a bad network before those, and a host.
struct Stage {
    steady: NatsServer,
    shaky: [NatsServer; 2],
    proxies: [Proxy; 2],
    host: HostProcess,
}

impl Stage {
    async fn set() -> Result<Self> {
        let builder = || {
            let config = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"10s\"\n";
            // Else clients would learn of ways past the bad network.
            NatsServer::builder().config(config).args(["--no_advertise"])
        };
        let steady = builder().cluster("soak").start().await?;
        let shaky =
            [builder().join(&steady)?.start().await?, builder().join(&steady)?.start().await?];
        let proxies =
            [Proxy::start(shaky[0].address()).await?, Proxy::start(shaky[1].address()).await?];
        let urls = [proxies[0].url(), proxies[1].url()].join(",");
        let args = [
            &["-A", "--name", "worker", "--ping-interval", "500ms"][..],
            &["--connect-timeout", "1s", "--reconnect-wait-max", "200ms"],
        ];
        let host = run_until_ready(&urls, &["echo"], &args.concat()).await?;
        Ok(Self { steady, shaky, proxies, host })
    }

    /// A client that meets the faults.
    async fn client(&self, name: &str) -> Result<Native> {
        let urls = [self.proxies[0].url(), self.proxies[1].url()].join(",");
        Native::connect(&urls, name, |options: &mut ConnectionOptions| {
            options.ping_interval = Duration::from_millis(500);
            options.connect_timeout = Duration::from_secs(1);
            options.write_timeout = Duration::from_secs(1);
            options.reconnect_wait_max = Duration::from_millis(200);
        })
        .await
    }

    /// One that does not.
    async fn listener(&self) -> Result<Native> {
        Native::connect(&self.steady.url(), "listener", |_| {}).await
    }

    /// Makes trouble for so long, then lets everything come to rest.
    async fn trouble(
        &mut self,
        mut random: Rng,
        time: Duration,
        watch: &Watch,
        host: &mut HostUse,
    ) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < time {
            let (which, both) = (random.usize(..2), random.u8(..4) == 0);
            let fault = Fault::ALL[random.usize(..Fault::ALL.len())];
            let span = Duration::from_millis(random.u64(100..2_500));
            self.strike(fault, which, both, span, watch).await?;
            watch.faults.lock().0[fault as usize] += 1;
            host.note(&self.host)?;
            tokio::time::sleep(Duration::from_millis(random.u64(50..700))).await;
        }
        self.steady_again("worker").await?;
        watch.over.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn strike(
        &mut self,
        fault: Fault,
        which: usize,
        both: bool,
        span: Duration,
        watch: &Watch,
    ) -> Result<()> {
        let proxies = self.proxies.iter().enumerate();
        let hit = proxies.filter(|(index, _)| both || *index == which).map(|(_, proxy)| proxy);
        let mode = match fault {
            Fault::Cut => {
                hit.for_each(Proxy::cut);
                return Ok(());
            }
            Fault::Reset => {
                hit.for_each(Proxy::reset);
                return Ok(());
            }
            Fault::Kill => {
                watch.kills.fetch_add(1, Ordering::SeqCst);
                return self.shaky[which].restart().await;
            }
            Fault::LameDuck => return self.leave(which, watch).await,
            Fault::Blackhole => Mode::Blackhole,
            Fault::Delay => Mode::Delay(Duration::from_millis(20)),
            Fault::Chunks => Mode::Chunks(3),
            Fault::Refuse => {
                hit.clone().for_each(Proxy::reset);
                Mode::Refuse
            }
        };
        hit.for_each(|proxy| proxy.set(mode));
        tokio::time::sleep(span).await;
        self.proxies.iter().for_each(|proxy| proxy.set(Mode::Pass));
        Ok(())
    }

    /// Shuts a server down as its operator would.
    async fn leave(&mut self, which: usize, watch: &Watch) -> Result<()> {
        watch.moving.store(true, Ordering::Relaxed);
        self.shaky[which].signal(Signal::USR2)?;
        let leaving = &self.shaky[which];
        eventually("all clients to leave a lame duck", async || {
            // Once all have left, the server itself goes and answers no more.
            let Ok(page) = leaving.connz().await else { return Ok(Some(())) };
            Ok((page["num_connections"].as_u64() == Some(0)).then_some(()))
        })
        .await?;
        watch.kills.fetch_add(1, Ordering::SeqCst);
        self.shaky[which].restart().await?;
        watch.moving.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until the plugin answers where nothing is broken.
    async fn steady_again(&self, name: &str) -> Result<()> {
        let client = self.steady.client().await?;
        eventually(&format!("{name} to answer"), async || {
            Ok(client.request("echo", "".into()).await.ok())
        })
        .await
        .map(drop)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Cut,
    Reset,
    Blackhole,
    Delay,
    Chunks,
    Refuse,
    Kill,
    LameDuck,
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::Cut,
        Self::Reset,
        Self::Blackhole,
        Self::Delay,
        Self::Chunks,
        Self::Refuse,
        Self::Kill,
        Self::LameDuck,
    ];
}

/// How often each fault has struck.
#[derive(Default)]
struct Faults([usize; Fault::ALL.len()]);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (fault, count)) in Fault::ALL.iter().zip(self.0).enumerate() {
            write!(f, "{}{count} {fault:?}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}
