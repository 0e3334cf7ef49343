//! Attackers with bad names: subjects, headers, servers, and lines of the log.

use anyhow::{Context, Result};
use serde_json::json;
use test_support::{LogLine, NatsServer};

use crate::arena::Attack;
use crate::program::assert_has;

#[tokio::test]
async fn no_string_smuggles_a_line_into_the_protocol() -> Result<()> {
    let arena = Attack::by("injection")?.may_take("20s").lie_in_wait().await?;
    let before = arena.attacker_cid().await?;
    let forged = crate::second::listen(&arena.client, "forged").await?;
    let mut taken: Vec<String> = arena.ask("").await?;
    // Dots mean something only in subjects and in what becomes a part of one; a
    // header's value may have any bytes but the ends of a line.
    let harmless = [
        "queue group \"a..b\"",
        "queue group \".a\"",
        "queue group \"a.\"",
        "header name \"a..b\"",
        "header name \".a\"",
        "header name \"a.\"",
        "header value \"a\\0b\"",
    ];
    taken.retain(|taken| !harmless.contains(&taken.as_str()));
    assert_eq!(taken, Vec::<String>::new());
    assert_eq!(arena.attacker_cid().await?, before);
    drop(forged);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn only_servers_that_are_named_are_opened() -> Result<()> {
    let other = NatsServer::start().await?;
    let port = other.port();
    let permissions =
        format!("subscribe = ['>'], publish = ['>'], servers = ['allowed.example:{port}']",);
    let arena = Attack::by("dial")?.permitted(&permissions).may_take("20s").lie_in_wait().await?;
    let servers = [
        format!("127.0.0.1:{port}"),
        format!("nats://127.0.0.1:{port}"),
        format!("NATS://127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("localhost.:{port}"),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("[::ffff:7f00:1]:{port}"),
        format!("0.0.0.0:{port}"),
        format!("[::]:{port}"),
        format!("0:{port}"),
        format!("127.1:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f000001:{port}"),
        format!("0177.0.0.1:{port}"),
        format!("allowed.example@127.0.0.1:{port}"),
        format!("nats://allowed.example:{port}@127.0.0.1:{port}"),
        format!("nats://allowed.example:{port}%40127.0.0.1:{port}"),
        format!("nats://127.0.0.1:{port}/allowed.example:{port}"),
        format!("nats://127.0.0.1:{port}#allowed.example:{port}"),
        format!("nats://127.0.0.1:{port}?allowed.example:{port}"),
        format!("127.0.0.1:{port}\0allowed.example:{port}"),
        format!("127.0.0.1\\allowed.example:{port}"),
        format!("127.0.0.1:{port},allowed.example:{port}"),
        format!("tls://127.0.0.1:{port}"),
        format!("ws://127.0.0.1:{port}"),
        "file:///etc/passwd".to_owned(),
        format!("127.0.0.1:{port}\r\nPUB forged 0\r\n"),
        "127.0.0.1:99999999".to_owned(),
        ":".to_owned(),
        String::new(),
    ];
    let outcomes: Vec<String> = arena.ask(&json!(servers).to_string()).await?;
    assert_eq!(outcomes.len(), servers.len());
    for (server, outcome) in servers.iter().zip(&outcomes) {
        let is_refused =
            ["PermissionDenied", "ConnectFailed"].iter().any(|case| outcome.starts_with(case));
        assert!(is_refused, "{server:?}: {outcome}");
    }
    let seen = other.varz().await?["total_connections"].as_u64();
    assert_eq!(seen, Some(0), "{outcomes:#?}");
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn subjects_of_others_are_out_of_reach() -> Result<()> {
    let arena = Attack::by("eavesdrop")?
        .permitted("subscribe = ['attack.in', 'attack.deep.*'], publish = ['attack.out']")
        .may_take("20s")
        .lie_in_wait()
        .await?;
    let subjects = [
        ">",
        "*",
        "*.in",
        "attack.>",
        "attack.*",
        "attack.in.>",
        "attack.in.x",
        "requests.>",
        "requests.*.1",
        "_INBOX.>",
        "_INBOX.x.1",
        "$SYS.>",
        "$SYS.REQ.SERVER.PING",
        "$JS.API.INFO",
        "$JS.>",
        "$KV.>",
        "asking.answers",
        "requests.another.1",
        "Attack.in",
        "ATTACK.OUT",
        "attack.out.x",
        "attack",
        "",
        "attack.deep.>",
        "attack.deep",
        "attack.deep.a.b",
    ];
    let allowed: Vec<String> = arena.ask(&json!(subjects).to_string()).await?;
    assert_eq!(allowed, Vec::<String>::new());
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn payload_at_the_limit_goes_and_one_byte_more_does_not() -> Result<()> {
    let arena = Attack::by("oversize")?.may_use_mib(200).may_take("20s").lie_in_wait().await?;
    let limit = 1 << 20;
    let outcomes: Vec<String> =
        arena.ask(&json!([limit, limit + 1, 8_000_000]).to_string()).await?;
    assert_eq!(outcomes[..3], ["ok", "PayloadTooLarge short", "PayloadTooLarge short"]);
    for outcome in &outcomes[3..] {
        assert!(outcome.ends_with(" short"), "{outcomes:?}");
    }
    // More than one call may pass to the host.
    assert_has(&arena.error("[20000000]").await?, &["too much data"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn printed_escape_codes_are_written_out() -> Result<()> {
    let arena = Attack::by("print-escapes")?.lie_in_wait().await?;
    arena.provoke("").await?;
    let printed = |line: &LogLine| line.text.contains("owned");
    let line = arena.host.wait_for_log("the text", printed).await?;
    let text = line.message().context("not JSON")?;
    let bad = |c: char| (c.is_control() && c != '\t') || c == '\u{202e}';
    assert!(!text.contains(bad), "{text:?}");
    assert_has(text, &["\\u{1b}[2J", "end"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn reason_not_to_start_does_not_steer_a_terminal() -> Result<()> {
    let arena = Attack::by("start-error-escapes")?.begin().await?;
    let reason = arena.refusal().await?;
    assert!(!reason.contains(char::is_control), "{reason:?}");
    assert_has(&reason, &["start failed", "owned"]);
    arena.stood().await?;
    Ok(())
}
