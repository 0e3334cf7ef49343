//! More than one server: which one a connection goes to when its own is silent,
//! gone, or about to go. And more than one host.

mod harness;
mod native;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{FutureExt, StreamExt, future::try_join_all};
use harness::{Probe, Scene, round_trip, run, run_until_ready};
use native::Native;
use serde_json::{Value, json};
use simple_nats::connection::ConnectionEvent;
use test_support::{FakeServer, INFO, Mode, NatsServer, Proxy, Signal, eventually};

/// The servers of a cluster, each of which knows all the others.
async fn cluster(size: usize, config: &str) -> Result<Vec<NatsServer>> {
    let builder = || NatsServer::builder().config(config);
    let first = builder().cluster("test").start().await?;
    let mut servers = Vec::new();
    for _ in 1..size {
        servers.push(builder().join(&first)?.start().await?);
    }
    servers.insert(0, first);
    wait_until_complete(&servers).await?;
    Ok(servers)
}

/// Waits until each server knows all the others.
async fn wait_until_complete(servers: &[NatsServer]) -> Result<()> {
    for server in servers {
        eventually("the cluster to be complete", async || {
            let page = server.monitor("/routez").await?;
            let routes = page.get("routes").and_then(Value::as_array);
            let others: BTreeSet<_> = routes
                .into_iter()
                .flatten()
                .filter_map(|route| route.get("remote_id").and_then(Value::as_str))
                .collect();
            Ok((others.len() == servers.len() - 1).then_some(()))
        })
        .await?;
    }
    Ok(())
}

// Which server

#[tokio::test]
async fn servers_that_keep_silent_are_passed_over() -> Result<()> {
    let never_speaks = FakeServer::start().await?;
    let never_answers = FakeServer::start().await?;
    let mut server = NatsServer::start().await?;
    let urls = [never_speaks.url(), never_answers.url(), "127.0.0.1:1".into(), server.url()];
    let introductions = tokio::spawn(async move {
        let mut connections = Vec::new();
        loop {
            let mut connection = never_answers.accept().await?;
            connection.send(format!("INFO {INFO}\r\n")).await?;
            connections.push(connection);
            if connections.len() > 100 {
                bail!("it was tried again and again");
            }
        }
    });
    let begin = Instant::now();
    let args = [
        "-A",
        "--name",
        "seeker",
        "--no-randomize",
        "--connect-timeout",
        "300ms",
        "--reconnect-wait-max",
        "50ms",
    ];
    let _host = run_until_ready(&urls.join(","), &["echo"], &args).await?;
    server.restart().await?;
    server.wait_for_subscriptions("seeker", &["echo"]).await?;
    // Twice past two silent servers, in far less than the default time-out of one.
    ensure!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    let _: Option<Result<()>> = introductions.now_or_never().transpose()?;
    Ok(())
}

#[tokio::test]
async fn a_connection_follows_its_cluster_to_servers_it_was_never_told() -> Result<()> {
    let mut servers = cluster(3, "").await?;
    let args = ["-A", "--name", "follower", "--reconnect-wait-max", "50ms"];
    let _host = run_until_ready(&servers[0].url(), &["probe"], &args).await?;
    let fourth = NatsServer::builder().join(&servers[0])?.start().await?;
    let probe = Probe::new(servers[0].client().await?);
    eventually("the plugin's server to list the fourth", async || {
        let info = probe.obey(json!({ "op": "server_info" })).await?;
        let listed = info["connect_urls"].as_array().into_iter().flatten();
        let wanted = fourth.address().to_string();
        Ok(listed.filter_map(|url| url.as_str()).any(|url| url == wanted).then_some(()))
    })
    .await?;
    for server in &mut servers {
        server.kill().await?;
    }
    fourth.wait_for_subscriptions("follower", &["probe.cmd"]).await?;
    let probe = Probe::new(fourth.client().await?);
    probe.wait_for_event(0, "reconnected").await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_left_the_cluster_is_not_dialled() -> Result<()> {
    let scene = Scene::with(&["probe"], &["-A", "--reconnect-wait-max", "50ms"]).await?;
    let probe = scene.probe();
    let (first, left, stays) =
        (FakeServer::start().await?, FakeServer::start().await?, FakeServer::start().await?);
    let info = |members: &[&FakeServer]| {
        let urls: Vec<_> =
            members.iter().map(|member| format!("127.0.0.1:{}", member.port())).collect();
        let mut info: Value = serde_json::from_str(INFO)?;
        info["connect_urls"] = json!(urls);
        anyhow::Ok(info.to_string())
    };
    let connect = json!({ "op": "connect", "server": first.url(), "name": "guest" });
    let accept = async {
        let mut connection = first.accept().await?;
        connection.handshake(&info(&[&left, &stays])?).await?;
        Ok(connection)
    };
    let (_, mut connection) = tokio::try_join!(probe.obey(connect), accept)?;
    connection.send(format!("INFO {}\r\n", info(&[&stays])?)).await?;
    connection.expect_silence().await?;
    drop((connection, first));
    for _ in 0..5 {
        let mut connection = tokio::select! {
            connection = stays.accept() => connection?,
            _ = left.accept() => bail!("the server that has left was dialled"),
        };
        connection.handshake(&info(&[&stays])?).await?;
    }
    Ok(())
}

// Lame ducks

#[tokio::test]
async fn no_request_fails_while_a_plugin_leaves_a_server_that_shuts_down() -> Result<()> {
    let config = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"10s\"\n";
    let servers = cluster(2, config).await?;
    let (leaving, staying) = (&servers[0], &servers[1]);
    // A long way to the new server: the old one must not be told too early.
    let far = Proxy::start(staying.address()).await?;
    far.set(Mode::Delay(Duration::from_millis(50)));
    let urls = [leaving.url(), far.url()].join(",");
    let args = ["-A", "--name", "mover", "--no-randomize"];
    let host = run_until_ready(&urls, &["echo"], &args).await?;
    let client = staying.client().await?;
    eventually("the servers to know of the plugin", async || {
        Ok(client.request("echo", "".into()).await.ok())
    })
    .await?;

    let (done, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let ask = async |asker: u64| {
        while !done.load(Ordering::Relaxed) {
            let text = format!("{asker}.{}", answered.load(Ordering::Relaxed));
            let answer = client.request("echo", text.clone().into()).await.context(text.clone())?;
            ensure!(answer.payload == text, "{text} was answered {answer:?}");
            answered.fetch_add(1, Ordering::Relaxed);
        }
        anyhow::Ok(())
    };
    let wait_for_more = async || {
        let enough = answered.load(Ordering::Relaxed) + 200;
        eventually("answers", async || {
            Ok((answered.load(Ordering::Relaxed) >= enough).then_some(()))
        })
        .await
    };
    let script = async {
        wait_for_more().await?;
        leaving.signal(Signal::USR2)?;
        staying.wait_for_subscriptions("mover", &["echo"]).await?;
        eventually("the plugin to leave", async || {
            Ok(leaving.connection("mover").await?.is_none().then_some(()))
        })
        .await?;
        wait_for_more().await?;
        done.store(true, Ordering::Relaxed);
        Ok(())
    };
    tokio::try_join!(try_join_all((0..4).map(ask)), script)?;
    assert_eq!(far.accepted(), 1, "it went the long way");
    let log = host.log().so_far();
    ensure!(!log.iter().any(|line| line.contains("\"disconnected")), "{log:#?}");
    Ok(())
}

#[tokio::test]
async fn no_request_fails_while_a_whole_cluster_is_replaced_server_by_server() -> Result<()> {
    let config = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"10s\"\n";
    let mut servers = cluster(3, config).await?;
    let urls: Vec<_> = servers.iter().map(NatsServer::url).collect();
    let host = run_until_ready(&urls.join(","), &["echo"], &["-A", "--name", "mover"]).await?;
    let asker = Native::connect(&urls.join(","), "asker", |_| {}).await?;
    let timeout = Duration::from_secs(10);
    eventually("the servers to know of the plugin", async || {
        Ok(asker.request("echo", b"", timeout).await?.ok())
    })
    .await?;

    let (done, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let ask = async |number: u64| {
        while !done.load(Ordering::Relaxed) {
            let text = format!("{number}.{}", answered.load(Ordering::Relaxed));
            let answer = asker.request("echo", text.as_bytes(), timeout).await?;
            let answer = answer.with_context(|| format!("request {text}"))?;
            ensure!(answer.payload() == text.as_bytes(), "{text} was answered {answer:?}");
            answered.fetch_add(1, Ordering::Relaxed);
        }
        anyhow::Ok(())
    };
    let script = async {
        for index in 0..servers.len() {
            let enough = answered.load(Ordering::Relaxed) + 200;
            eventually("answers", async || {
                Ok((answered.load(Ordering::Relaxed) >= enough).then_some(()))
            })
            .await?;
            let leaving = &mut servers[index];
            leaving.signal(Signal::USR2)?;
            for name in ["mover", "asker"] {
                eventually(&format!("{name} to leave server {index}"), async || {
                    // Once all have left, the server itself goes and answers no more.
                    let connection = leaving.connection(name).await.ok().flatten();
                    Ok(connection.is_none().then_some(()))
                })
                .await?;
            }
            leaving.restart().await?;
            wait_until_complete(&servers).await?;
        }
        done.store(true, Ordering::Relaxed);
        anyhow::Ok(())
    };
    tokio::try_join!(try_join_all((0..4).map(ask)), script)?;
    let disconnected = |event: &_| matches!(event, ConnectionEvent::Disconnected(_));
    assert_eq!(asker.log.count(disconnected), 0);
    ensure!(asker.log.count(|event| *event == ConnectionEvent::LameDuck) > 0, "nothing moved");
    let log = host.log().so_far();
    ensure!(!log.iter().any(|line| line.contains("\"disconnected")), "{log:#?}");
    Ok(())
}

// Queue groups

#[tokio::test]
async fn each_message_goes_to_one_member_on_two_hosts_or_elsewhere() -> Result<()> {
    const MESSAGES: usize = 3_000;
    let server = NatsServer::start().await?;
    // Each job is a line of the log.
    let host = |name: &str| {
        let args = ["-A", "--name", name, "--max-log-lines-per-second", "100000"];
        run(&server.url(), &["queue-workers"], &args)
    };
    let hosts = [("anna", host("anna")?), ("bert", host("bert")?)];
    for (name, _) in &hosts {
        server.wait_for_subscriptions(name, &["jobs"]).await?;
    }
    let client = server.client().await?;
    let mut member = client.queue_subscribe("jobs", "crew".to_owned()).await?;
    round_trip(&client).await?;
    for number in 0..MESSAGES {
        client.publish("jobs", format!("<{number}>").into()).await?;
    }
    round_trip(&client).await?;

    let mut own = Vec::new();
    let shares = eventually("all jobs to be done", async || {
        while let Some(Some(message)) = member.next().now_or_never() {
            own.push(number_in(std::str::from_utf8(&message.payload)?).context("no number")?);
        }
        let mut shares = vec![own.clone()];
        for (name, host) in &hosts {
            let jobs = host.log().so_far();
            let jobs = jobs.iter().filter(|line| line.contains(&format!(" of {name}: ")));
            shares.push(jobs.filter_map(|line| number_in(line)).collect());
        }
        Ok((shares.iter().map(Vec::len).sum::<usize>() >= MESSAGES).then_some(shares))
    })
    .await?;
    ensure!(shares.iter().all(|share| !share.is_empty()), "somebody had nothing to do");
    let mut all = shares.concat();
    all.sort_unstable();
    assert_eq!(all, (0..MESSAGES).collect::<Vec<_>>());
    Ok(())
}

/// The number between `<` and `>`.
fn number_in(text: &str) -> Option<usize> {
    text.split_once('<')?.1.split_once('>')?.0.parse().ok()
}
