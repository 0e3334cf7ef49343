//! What the README of each example promises, with the permissions it names.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use test_support::{HostProcess, LogLine, NatsServer, eventually};

use crate::harness::{next_text, run, run_until_ready};
use crate::program::{assert_has, output, printed_error};
use crate::second::{listen, settle};

/// What a host's plugin has printed so far, without what other lines say.
fn printed(host: &HostProcess) -> Vec<String> {
    let lines = host.log().so_far();
    let lines = lines.iter().filter_map(|line| serde_json::from_str(line).ok());
    let lines = lines.filter(|line: &serde_json::Value| line["target"] == "guest");
    lines.filter_map(|line| line["message"].as_str().map(str::to_owned)).collect()
}

async fn wait_until_printed(host: &HostProcess, text: &str) -> Result<LogLine> {
    let has = |line: &LogLine| line.message().is_some_and(|message| message.contains(text));
    host.wait_for_log(text, has).await
}

#[tokio::test]
async fn echo_answers_with_payload_and_headers() -> Result<()> {
    let server = NatsServer::start().await?;
    let _host = run_until_ready(&server.url(), &["echo"], &["--allow-subscribe", "echo"]).await?;
    assert_eq!(output(&["request", "--server", &server.url(), "echo", "hello"]).await?, ["hello"]);

    let client = server.client().await?;
    let mut headers = async_nats::HeaderMap::new();
    headers.append("Trace", "7");
    headers.append("Trace", "8");
    let answer = client.request_with_headers("echo", headers.clone(), "hello".into()).await?;
    assert_eq!(answer.headers, Some(headers));
    Ok(())
}

#[tokio::test]
async fn headers_tells_the_fields_and_adds_one() -> Result<()> {
    let server = NatsServer::start().await?;
    let args = ["--allow-subscribe", "headers"];
    let _host = run_until_ready(&server.url(), &["headers"], &args).await?;
    let fields = ["--header", "Trace:7", "--header", "Via:me"];
    let url = server.url();
    let request = ["request", "--server", &url, "headers", "hello"];
    let answer = output(&[&request[..], &fields].concat()).await?;
    assert_eq!(answer[..2], ["Trace: 7", "Via: me"]);

    let client = server.client().await?;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Via", "me");
    let answer = client.request_with_headers("headers", headers, "".into()).await?;
    let headers = answer.headers.context("no headers")?;
    let path: Vec<_> = headers.get_all("Via").map(|value| value.as_str()).collect();
    assert_eq!(path, ["me", "headers"]);
    Ok(())
}

#[tokio::test]
async fn auto_unsubscribe_takes_five_messages_and_is_told_the_end() -> Result<()> {
    let server = NatsServer::start().await?;
    let args = ["--allow-subscribe", "offers", "--name", "taker"];
    let host = run_until_ready(&server.url(), &["auto-unsubscribe"], &args).await?;
    server.wait_for_subscriptions("taker", &["offers"]).await?;
    for number in 1..=8 {
        let offer = format!("offer {number}");
        output(&["pub", "--server", &server.url(), "offers", &offer]).await?;
    }
    wait_until_printed(&host, "no more offers").await?;
    server.wait_for_subscriptions("taker", &[]).await?;
    let lines = printed(&host);
    let offers: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("an offer: ")).collect();
    assert_eq!(offers, ["offer 1", "offer 2", "offer 3", "offer 4", "offer 5"]);
    Ok(())
}

#[tokio::test]
async fn queue_workers_share_the_jobs_across_hosts() -> Result<()> {
    const COUNT: usize = 3_000;
    let server = NatsServer::start().await?;
    let mut args = vec!["--allow-subscribe", "jobs", "--allow-queue-group", "crew"];
    // A line for each job, at once.
    args.extend(["--max-log-lines-per-second", "100000"]);
    let hosts = [
        run_until_ready(&server.url(), &["queue-workers"], &args).await?,
        run_until_ready(&server.url(), &["queue-workers"], &args).await?,
    ];
    let client = server.client().await?;
    for number in 0..COUNT {
        client.publish("jobs", number.to_string().into()).await?;
    }
    settle(&client).await?;
    let shares = eventually("all jobs to be done", async || {
        let shares = hosts.each_ref().map(jobs);
        Ok((shares.iter().map(Vec::len).sum::<usize>() >= COUNT).then_some(shares))
    })
    .await?;
    assert!(shares.iter().all(|share| !share.is_empty()));
    let all: Vec<_> = shares.concat();
    let distinct: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!((all.len(), distinct.len()), (COUNT, COUNT));
    Ok(())
}

/// The jobs that a host's worker has got: `job SHARE of NAME: JOB`.
fn jobs(host: &HostProcess) -> Vec<String> {
    let lines = printed(host).into_iter().filter(|line| line.starts_with("job "));
    lines.filter_map(|line| Some(line.split_once(": ")?.1.to_owned())).collect()
}

#[tokio::test]
async fn rpc_callers_get_their_sums_or_are_told_that_nobody_works() -> Result<()> {
    let server = NatsServer::start().await?;
    let args = ["--allow-publish", "rpc.worker"];
    let caller = run_until_ready(&server.url(), &["rpc-caller"], &args).await?;
    wait_until_printed(&caller, "call 1: no responders").await?;

    let args = ["--allow-subscribe", "rpc.worker", "--allow-queue-group", "workers"];
    let worker = run_until_ready(&server.url(), &["rpc-worker"], &args).await?;
    let answered = wait_until_printed(&caller, "sum").await?;
    let text = answered.message().context("no text")?;
    let count: u32 = text
        .strip_prefix("call ")
        .and_then(|rest| rest.split(':').next())
        .context("not a call")?
        .parse()?;
    let (sum, mean) = (count * (count + 1) / 2, f64::from(count + 1) / 2.0);
    assert_eq!(text, format!("call {count}: sum {sum}, mean {mean}"));

    let client = server.client().await?;
    let refused = client.request("rpc.worker", "no MessagePack".into()).await?;
    assert!(refused.headers.is_some_and(|headers| headers.get("Nats-Service-Error").is_some()));
    worker.stop().await?;
    Ok(())
}

#[tokio::test]
async fn rpc_workers_share_the_calls() -> Result<()> {
    let server = NatsServer::start().await?;
    let allowed = ["--allow-subscribe", "rpc.worker", "--allow-queue-group", "workers"];
    let args = [&allowed[..], &["--name", "worker"]].concat();
    let _one = run_until_ready(&server.url(), &["rpc-worker"], &args).await?;
    let _two = run_until_ready(&server.url(), &["rpc-worker"], &args).await?;
    let client = server.client().await?;
    // {"numbers": [1, 2, 3]} in MessagePack.
    let call = b"\x81\xa7numbers\x93\x01\x02\x03";
    for _ in 0..100 {
        let answer = client.request("rpc.worker", call[..].into()).await?;
        let sum = [&b"\x82\xa3sum\xcb"[..], &6_f64.to_be_bytes()].concat();
        let mean = [&b"\xa4mean\xcb"[..], &2_f64.to_be_bytes()].concat();
        assert_eq!(answer.payload, [sum, mean].concat());
    }
    let connections = server.connz().await?;
    let connections = connections["connections"].as_array().context("no connections")?;
    let workers = connections.iter().filter(|connection| connection["name"] == "worker");
    let shares: Vec<_> = workers.map(|worker| worker["out_msgs"].as_u64()).collect();
    assert_eq!(shares.len(), 2);
    assert!(shares.iter().all(|share| *share > Some(0)), "{shares:?}");
    assert_eq!(shares.iter().flatten().sum::<u64>(), 100);
    Ok(())
}

#[tokio::test]
async fn job_succeeds_with_an_echo_and_fails_without() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut done = listen(&client, "job.done").await?;
    let args = ["--allow-publish", "echo", "--allow-publish", "job.done"];

    let failed = run(&server.url(), &["job"], &args)?.wait().await?;
    assert_eq!(failed.status.code(), Some(1));
    assert_has(&printed_error(&failed)?, &["NoResponders"]);

    let _host = run_until_ready(&server.url(), &["echo"], &["--allow-subscribe", "echo"]).await?;
    let finished = run(&server.url(), &["job"], &args)?.wait().await?;
    assert_eq!(finished.status.code(), Some(0));
    assert_eq!(finished.stdout, ["job asks echo"]);
    assert_eq!(next_text(&mut done).await?, "anybody there?");
    Ok(())
}
