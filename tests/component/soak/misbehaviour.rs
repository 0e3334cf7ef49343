//! Plugins of one manifest, most of which misbehave, each in its own way, and are
//! reloaded and restarted meanwhile. What must hold: the others get every message
//! and answer it once, on the connection that they began with, through all
//! reloads; and the host takes no more memory and files than before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_nats::Client;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use test_support::{HostProcess, NatsServer, TempDir, eventually};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::cast::{self, RELOADED, VILLAINS};
use crate::harness::{Admin, BINARY, connection_id};
use crate::host_use::HostUse;
use crate::second::{ask, settle};

/// How often each villain is provoked.
const ROUND: Duration = Duration::from_secs(1);

/// How often each asker asks, at the most.
const PACE: Duration = Duration::from_millis(5);

/// Who asks one plugin at the same time.
const ASKERS: usize = 4;

/// Numbers that are published to the counter at a time.
const BATCH: u64 = 10;

#[tokio::test]
async fn others_miss_nothing_beside_plugins_that_misbehave() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let time = crate::time()?;
    println!("{time:?} of {} plugins, {} misbehave", VILLAINS.len() + 4, VILLAINS.len());
    let stage = Stage::set().await?;
    let before = stage.connections().await?;
    let mut host = HostUse::default();
    let (rounds, revived, reloads, echoed, summed, foreign, counted) = tokio::try_join!(
        stage.provoke(time, &mut host),
        stage.revive(),
        stage.reload(),
        stage.ask("echo", |number| (format!("text {number}"), format!("text {number}"))),
        stage.ask("rpc.sum", |number| (format!("{number} 1"), (number + 1).to_string())),
        stage.ask("foreign.a", |number| (format!("echo {number}"), format!("foreign.a {number}"))),
        stage.count(),
    )?;

    println!("{rounds} rounds of provocation, {revived} restarts, {reloads} reloads of each");
    println!("echo {echoed}, sum {summed}, wasmcloud {foreign}, counter {counted} messages");
    println!("host: {host}");
    for (name, messages, reloads) in [
        ("echo", echoed, reloads),
        ("sum", summed, reloads),
        ("wasmcloud", foreign, reloads),
        ("counter", counted, 0),
    ] {
        stage.missed_nothing(name, messages, reloads).await?;
    }
    ensure!(stage.connections().await? == before, "connections were lost");
    let slow = &stage.server.varz().await?["slow_consumers"];
    ensure!(slow == 0, "the server gave up {slow} connections");
    stage.all_did_their_worst().await?;
    host.check()?;
    let status = stage.host.stop().await?.status;
    // It ends by itself, and tells that one plugin could not start.
    ensure!(status.code() == Some(1), "{status}");
    Ok(())
}

struct Stage {
    server: NatsServer,
    host: HostProcess,
    admin: Admin,
    over: AtomicBool,
    _folder: TempDir,
}

impl Stage {
    async fn set() -> Result<Self> {
        let config = r#"authorization {
            users = [{ user: a, password: a, permissions: { publish: { deny: "denied" } } }]
        }
        no_auth_user: a"#;
        let server = NatsServer::builder().config(config).start().await?;
        let folder = TempDir::new()?;
        let (manifest, url) = (cast::write(folder.path())?, server.url());
        let arguments = ["up", &manifest, "--server", &url, "--admin", "127.0.0.1:0"];
        let host =
            HostProcess::start(BINARY, [&arguments[..], &["--log-format", "json"]].concat())?;
        for name in cast::who_starts() {
            host.wait_until_ready(name).await?;
        }
        let admin = Admin::of(&host).await?;
        Ok(Self { server, host, admin, over: AtomicBool::new(false), _folder: folder })
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The server's numbers of the connections that must last.
    async fn connections(&self) -> Result<Vec<u64>> {
        let names = RELOADED.iter().chain(&["counter"]);
        try_join_all(names.map(|name| connection_id(&self.server, name))).await
    }

    /// Provokes the villains for so long; answers how often.
    async fn provoke(&self, time: Duration, host: &mut HostUse) -> Result<usize> {
        let client = self.server.client().await?;
        let (begin, mut pace, mut rounds) = (Instant::now(), pace(ROUND), 0);
        while begin.elapsed() < time {
            pace.tick().await;
            for (number, villain) in VILLAINS.iter().enumerate() {
                for _ in 0..villain.messages {
                    client.publish(cast::subject(number), "go".into()).await?;
                }
            }
            rounds += 1;
            host.note(&self.host)?;
        }
        self.over.store(true, Ordering::Relaxed);
        Ok(rounds)
    }

    /// Restarts villains that were given up, and reloads one after the other;
    /// answers how many were restarted.
    async fn revive(&self) -> Result<usize> {
        let (mut villains, mut pace, mut revived) = (VILLAINS.iter().cycle(), pace(ROUND), 0);
        while !self.is_over() {
            pace.tick().await;
            let plugins = self.admin.get("/plugins").await?.json()?;
            for plugin in plugins.as_array().context("no list")? {
                if plugin["status"] == "quarantined" {
                    let name = plugin["name"].as_str().context("no name")?;
                    // One that can't start does not start now either.
                    self.admin.post(&format!("/plugins/{name}/restart")).await?;
                    revived += 1;
                }
            }
            let villain = villains.next().context("no villain")?;
            self.admin.post(&format!("/plugins/{}/reload", villain.name)).await?;
        }
        Ok(revived)
    }

    /// Reloads those who answer; says how often each.
    async fn reload(&self) -> Result<u64> {
        let (mut pace, mut reloads) = (pace(ROUND), 0);
        while !self.is_over() {
            pace.tick().await;
            for name in RELOADED {
                let answer = self.admin.post(&format!("/plugins/{name}/reload")).await?;
                ensure!(answer.status == 200, "{name}: {answer:?}");
            }
            reloads += 1;
        }
        Ok(reloads)
    }

    /// Asks a plugin all the time, several times at once: what a number is asked
    /// as, and what the answer must be. Says how often it was asked.
    async fn ask(&self, subject: &str, question: fn(u64) -> (String, String)) -> Result<u64> {
        let client = self.server.client().await?;
        let one = async |first: usize| {
            let (mut pace, mut count) = (pace(PACE), 0);
            while !self.is_over() {
                pace.tick().await;
                let (question, expected) = question(first as u64 + count * ASKERS as u64);
                let answer = ask(&client, subject, &question).await?;
                ensure!(answer.payload == expected, "{question:?} got {answer:?}");
                count += 1;
            }
            anyhow::Ok(count)
        };
        Ok(try_join_all((0..ASKERS).map(one)).await?.iter().sum())
    }

    /// Sends numbers to the counter, which must have seen them all in their order
    /// in the end; says how many messages it had.
    async fn count(&self) -> Result<u64> {
        let client = self.server.client().await?;
        let (mut pace, mut sent, mut reports) = (pace(PACE * 2), 0, 0);
        while !self.is_over() {
            pace.tick().await;
            for number in sent..sent + BATCH {
                client.publish("counter.in", number.to_string().into()).await?;
            }
            sent += BATCH;
        }
        settle(&client).await?;
        let expected = json!({ "count": sent, "last": sent - 1, "ordered": true });
        eventually(&format!("{sent} numbers to be counted"), async || {
            reports += 1;
            let report = report(&client).await?;
            ensure!(report["count"].as_u64() <= Some(sent), "too many of {sent}: {report}");
            Ok((report == expected).then_some(()))
        })
        .await?;
        Ok(sent + reports)
    }

    /// A plugin has had so many messages, and nothing else has happened to it.
    async fn missed_nothing(&self, name: &str, messages: u64, reloads: u64) -> Result<()> {
        let plugin = self.admin.plugin(name).await?;
        let counts = &plugin["counts"];
        ensure!(counts["messages"] == messages, "{name} had {messages}: {counts}");
        ensure!(counts["reloads"] == reloads, "{name} was reloaded {reloads} times: {counts}");
        for bad in ["dropped_messages", "failed_callbacks", "traps", "timeouts", "failed_starts"] {
            ensure!(counts[bad] == 0, "{bad} of {name}: {counts}");
        }
        ensure!(plugin["status"] == "serving", "{plugin}");
        Ok(())
    }

    /// Each villain has done what it can.
    async fn all_did_their_worst(&self) -> Result<()> {
        for villain in &VILLAINS {
            let plugin = self.admin.plugin(villain.name).await?;
            let has = |sign: &&str| plugin.pointer(sign).and_then(Value::as_u64) > Some(0);
            ensure!(
                villain.signs.iter().any(has),
                "no {:?} of {}: {}",
                villain.signs,
                villain.name,
                plugin["counts"]
            );
        }
        Ok(())
    }
}

/// Goes on once in a while; what was missed is not made up for.
fn pace(period: Duration) -> Interval {
    let mut pace = interval(period);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

async fn report(client: &Client) -> Result<Value> {
    Ok(serde_json::from_slice(&ask(client, "counter.report", "").await?.payload)?)
}
