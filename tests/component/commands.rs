//! Commands: ordinary programs with a `main`, run to their exit code.

use anyhow::Result;
use test_support::{NatsServer, Signal};

use crate::harness::{next, next_text, run};
use crate::program::{self, assert_has, printed_error};
use crate::second::{ask, listen, service_error, settle};

#[tokio::test]
async fn the_exit_code_is_the_programs() -> Result<()> {
    let server = NatsServer::start().await?;
    // WASI 0.2 tells success from failure and no more.
    for (asked, given) in [("0", 0), ("1", 1), ("3", 1)] {
        let finished = run(&server.url(), &["exit-code"], &["--", asked])?.wait().await?;
        assert_eq!(finished.status.code(), Some(given), "{asked}");
    }
    Ok(())
}

#[tokio::test]
async fn a_command_that_traps_is_a_failure_with_its_reason() -> Result<()> {
    let server = NatsServer::start().await?;
    let finished = run(&server.url(), &["exit-code"], &["--", "many"])?.wait().await?;
    let reason = program::told(&finished, 1)?;
    assert_has(&reason, &["plugin exit-code", "trap in run", "unreachable"]);
    // It prints where the host prints.
    assert!(finished.log.iter().any(|line| line.text.contains("an exit code")));
    Ok(())
}

#[tokio::test]
async fn all_that_a_command_publishes_arrives_without_a_flush() -> Result<()> {
    const COUNT: u64 = 50_000;
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut numbers = listen(&client, "numbers").await?;
    let args = ["--allow-publish", "numbers", "--", "numbers", &COUNT.to_string()];
    let pump = run(&server.url(), &["pump"], &args)?;
    for number in 0..COUNT {
        assert_eq!(next_text(&mut numbers).await?, number.to_string());
    }
    assert_eq!(pump.wait().await?.status.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn what_a_command_may_not_do_it_is_told() -> Result<()> {
    let server = NatsServer::start().await?;
    let pump = run(&server.url(), &["pump"], &["--", "numbers", "1"])?.wait().await?;
    assert_eq!(pump.status.code(), Some(1));
    assert_has(&printed_error(&pump)?, &["--allow-publish 'numbers'"]);
    Ok(())
}

#[tokio::test]
async fn a_command_takes_messages_when_it_wants_to() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let args = ["-A", "--name", "pull"];
    let pull = run(&server.url(), &["pull"], &args)?;
    server.wait_for_subscriptions("pull", &["pull.in"]).await?;

    for text in ["one", "two"] {
        assert_eq!(ask(&client, "pull.in", text).await?.payload, text);
    }
    let failed = ask(&client, "pull.in", "fail").await?;
    assert_eq!(service_error(&failed), Some(("asked to fail", "500")));
    assert_eq!(ask(&client, "pull.in", "on").await?.payload, "on");

    client.publish("pull.in", "end".into()).await?;
    settle(&client).await?;
    let finished = pull.wait().await?;
    assert_eq!(finished.status.code(), Some(0));
    assert_eq!(finished.stdout, ["pulling"]);
    Ok(())
}

#[tokio::test]
async fn a_waiting_command_is_told_to_stop() -> Result<()> {
    let server = NatsServer::start().await?;
    let pull = run(&server.url(), &["pull"], &["-A", "--name", "pull"])?;
    server.wait_for_subscriptions("pull", &["pull.in"]).await?;
    let finished = pull.stop().await?;
    // Its `main` passes the error on.
    assert_eq!(finished.status.code(), Some(1));
    assert_has(&printed_error(&finished)?, &["Cancelled"]);
    Ok(())
}

#[tokio::test]
async fn a_second_signal_ends_a_command_at_once() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut silent = listen(&client, "echo").await?;
    let job = run(&server.url(), &["job"], &["-A"])?;
    next(&mut silent).await?;
    job.signal(Signal::TERM)?;
    job.wait_for_log("stopping", |line| line.message() == Some("stopping")).await?;
    job.signal(Signal::TERM)?;
    assert_eq!(job.wait().await?.status.code(), Some(130));
    Ok(())
}

#[tokio::test]
async fn a_command_collects_until_it_has_enough() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let args = ["-A", "--name", "collect", "--", "letters", "3", "20000"];
    let collect = run(&server.url(), &["collect"], &args)?;
    server.wait_for_subscriptions("collect", &["letters"]).await?;
    for letter in ["a", "b", "c", "d"] {
        client.publish("letters", letter.into()).await?;
    }
    settle(&client).await?;
    let finished = collect.wait().await?;
    assert_eq!(finished.status.code(), Some(0));
    assert_eq!(finished.stdout, ["collecting", "a", "b", "c"]);
    Ok(())
}

#[tokio::test]
async fn a_command_stops_collecting_in_time() -> Result<()> {
    let server = NatsServer::start().await?;
    let args = ["-A", "--", "letters", "3", "100"];
    let finished = run(&server.url(), &["collect"], &args)?.wait().await?;
    assert_eq!(finished.status.code(), Some(1));
    assert_has(&printed_error(&finished)?, &["0 of 3 came"]);
    Ok(())
}
