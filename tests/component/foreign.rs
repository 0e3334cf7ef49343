//! Components written against interfaces of others, with a real server: each guest
//! does what the first word of a message says.

use anyhow::{Context, Result, ensure};
use async_nats::HeaderMap;
use serde_json::json;
use test_support::{HostProcess, LogLine, NatsServer, TempDir, guest, within};

use crate::harness::{self, Scene, next, next_text, run, run_until_ready};
use crate::program::{assert_has, failure, output, run_to_end, start, told};
use crate::second::{ask, listen, service_error};

/// Guests whose handlers are called for one message at a time.
const SINGLE: [&str; 3] = ["wasmcloud", "wasi-messaging", "wasmcloud-draft"];

/// All guests.
const ALL: [&str; 4] = ["wasmcloud", "wasi-messaging", "wasmcloud-draft", "wasmcloud-streams"];

async fn scene_of(guest: &str, args: &[&str]) -> Result<Scene> {
    let args = [&["--subscribe", "in.*", "--name", guest], args].concat();
    Scene::with(&[guest], &args).await
}

/// What a guest answers, as text.
async fn told_by(scene: &Scene, text: &str) -> Result<String> {
    Ok(String::from_utf8(ask(&scene.client, "in.a", text).await?.payload.into())?)
}

#[tokio::test]
async fn a_message_comes_in_and_its_answer_goes_out_without_any_permission() -> Result<()> {
    for guest in ALL {
        let scene = scene_of(guest, &[]).await?;
        let answer = told_by(&scene, "echo hello").await.context(guest)?;
        assert_eq!(answer, "in.a hello", "{guest}");
    }
    Ok(())
}

#[tokio::test]
async fn publishing_needs_permission() -> Result<()> {
    for guest in ALL {
        let scene = scene_of(guest, &["--allow-publish", "out"]).await?;
        let denied = told_by(&scene, "publish elsewhere text").await?;
        match guest {
            "wasmcloud" => assert_has(&denied, &["permission denied", "elsewhere"]),
            "wasmcloud-streams" => assert_eq!(denied, "Error::AccessDenied"),
            _ => assert_has(&denied, &["PermissionDenied", "elsewhere"]),
        }
        let refused = |line: &LogLine| line.message() == Some("refused");
        scene.host.wait_for_log("the refusal", refused).await?;

        let mut out = listen(&scene.client, "out").await?;
        assert_eq!(told_by(&scene, "publish out text").await?, "published", "{guest}");
        assert_eq!(next_text(&mut out).await?, "text", "{guest}");
    }
    Ok(())
}

#[tokio::test]
async fn a_subject_that_is_none_is_an_error_and_no_trap() -> Result<()> {
    for guest in ALL {
        let scene = scene_of(guest, &["-A"]).await?;
        let invalid = told_by(&scene, "publish a..b text").await?;
        match guest {
            "wasmcloud-streams" => assert_eq!(invalid, "Error::SubjectInvalid"),
            _ => assert_has(&invalid, &["a..b"]),
        }
        assert_eq!(told_by(&scene, "count").await?, "2", "{guest}");
    }
    Ok(())
}

#[tokio::test]
async fn requests_are_answered_or_say_why_not() -> Result<()> {
    for guest in ALL {
        let scene = scene_of(guest, &["--allow-publish", "service.>"]).await?;
        let denied = told_by(&scene, "request other 500").await?;
        match guest {
            "wasmcloud-streams" => assert_eq!(denied, "Error::AccessDenied"),
            _ => assert_has(&denied.to_lowercase(), &["permission", "denied"]),
        }

        let nobody = told_by(&scene, "request service.nobody 500").await?;
        assert_has(&nobody, &["nobody listens"]);

        // Subscribed, and silent.
        let mut silent = listen(&scene.client, "service.silent").await?;
        let late = told_by(&scene, "request service.silent 50").await?;
        match guest {
            "wasmcloud" => assert_eq!(late, "error: nothing came in time"),
            _ => assert_eq!(late, "Error::Timeout", "{guest}"),
        }
        next(&mut silent).await?;

        harness::asking::echo(&scene.client, "service.echo").await?;
        let expected = if SINGLE[1..].contains(&guest) { "question" } else { "500" };
        assert_eq!(told_by(&scene, "request service.echo 500").await?, expected, "{guest}");
    }
    Ok(())
}

#[tokio::test]
async fn an_error_that_a_service_answers_is_one_where_there_are_no_headers() -> Result<()> {
    for guest in ["wasmcloud", "wasmcloud-streams"] {
        let scene = scene_of(guest, &["--allow-publish", "service"]).await?;
        let mut questions = listen(&scene.client, "service").await?;
        let client = scene.client.clone();
        tokio::spawn(async move {
            let question = next(&mut questions).await?;
            let reply = question.reply.context("no reply-to")?;
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Service-Error", "out of order");
            headers.insert("Nats-Service-Error-Code", "500");
            client.publish_with_headers(reply, headers, "".into()).await?;
            anyhow::Ok(())
        });
        assert_has(&told_by(&scene, "request service text").await?, &["out of order"]);
    }
    Ok(())
}

#[tokio::test]
async fn time_and_number_of_answers_end_a_request_of_the_draft() -> Result<()> {
    for guest in &SINGLE[1..] {
        let scene = scene_of(guest, &["--allow-publish", "service"]).await?;
        let mut questions = listen(&scene.client, "service").await?;
        let client = scene.client.clone();
        tokio::spawn(async move {
            loop {
                let question = next(&mut questions).await?;
                harness::asking::answer(&client, &question, 5).await?;
            }
            #[expect(unreachable_code, reason = "says what the block's errors are")]
            anyhow::Ok(())
        });
        for (options, expected) in
            [("", "1"), ("x3", "1,2,3"), ("20000x2", "1,2"), ("500", "1,2,3,4,5")]
        {
            let answers = told_by(&scene, &format!("request service {options}")).await?;
            assert_eq!(answers, expected, "{guest} {options:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn metadata_of_the_draft_are_headers() -> Result<()> {
    for guest in &SINGLE[1..] {
        let scene = scene_of(guest, &["--allow-publish", "out"]).await?;
        let mut headers = HeaderMap::new();
        headers.append("Trace", "7");
        headers.append("Trace", "8");
        headers.insert("content-type", "application/json");
        let request = scene.client.request_with_headers("in.a", headers.clone(), "headers".into());
        let answer = within("the headers", request).await??;
        let text = String::from_utf8(answer.payload.into())?;
        assert_has(&text, &["application/json", r#"("Trace", "7")"#, r#"("Trace", "8")"#]);
        let own = answer.headers.context("no headers in the answer")?;
        let fields: Vec<_> = own.get_all("Verb").map(|value| value.as_str()).collect();
        assert_eq!(fields, ["headers"], "added twice, of which the second replaced the first");
        assert_eq!(own.get("Content-Type").map(|value| value.as_str()), Some("text/plain"));

        let plain = told_by(&scene, "headers").await?;
        assert_eq!(plain, "None None");

        let mut out = listen(&scene.client, "out").await?;
        assert_eq!(told_by(&scene, "publish out text").await?, "published");
        let message = next(&mut out).await?;
        let sent = message.headers.context("no headers")?;
        let all = |name: &str| sent.get_all(name).map(|value| value.as_str()).collect::<Vec<_>>();
        assert_eq!((all("A"), all("B"), all("C")), (vec!["1", "3"], vec![], vec!["4"]));
        assert_eq!(all("Content-Type"), ["text/plain"]);
    }
    Ok(())
}

#[tokio::test]
async fn an_error_of_a_handler_is_logged_and_answered_and_costs_no_instance() -> Result<()> {
    let verbs = [
        ("wasmcloud", "fail gently", "gently"),
        ("wasi-messaging", "refuse gently", "permission denied: gently"),
        ("wasmcloud-draft", "nonsense", "what is nonsense?"),
        ("wasmcloud-streams", "nonsense", "what is nonsense?"),
        ("wasmcloud-streams", "reject", "the handler rejected the message"),
        ("wasmcloud-streams", "retry", "the handler can't handle the message now"),
    ];
    for (guest, text, expected) in verbs {
        let scene = scene_of(guest, &[]).await?;
        let answer = ask(&scene.client, "in.a", text).await?;
        assert_eq!(service_error(&answer), Some((expected, "500")), "{guest}");
        let failed = |line: &LogLine| {
            line.message() == Some("handler failed")
                && line.field("reason") == Some(&json!(expected))
        };
        let line = scene.host.wait_for_log("the error", failed).await?;
        assert_eq!(line.field("plugin"), Some(&json!(guest)));
        assert_eq!(told_by(&scene, "count").await?, "2", "{guest}");
    }
    Ok(())
}

#[tokio::test]
async fn a_trap_costs_the_instance_and_its_message_only() -> Result<()> {
    for guest in ALL {
        let scene = scene_of(guest, &[]).await?;
        assert_eq!(told_by(&scene, "count").await?, "1", "{guest}");
        let mut answers = listen(&scene.client, "answers").await?;
        for text in ["count", "trap", "count"] {
            scene.client.publish_with_reply("in.a", "answers", text.into()).await?;
            let answer = next(&mut answers).await?;
            if text == "trap" {
                let (text, code) = service_error(&answer).context("no error reply")?;
                assert_has(text, &["trap", "unreachable"]);
                assert_eq!(code, "500", "{guest}");
            } else {
                ensure!(service_error(&answer).is_none(), "{guest}: {answer:?}");
            }
        }
        // Of the fresh instance this is the second.
        assert_eq!(told_by(&scene, "count").await?, "2", "{guest}");
        let connection = scene.server.connection(guest).await?.context("no connection")?;
        assert_eq!(connection.get("subscriptions"), Some(&json!(1)), "{guest}: {connection}");
    }
    Ok(())
}

#[tokio::test]
async fn members_of_a_queue_group_share_the_messages() -> Result<()> {
    const COUNT: usize = 200;
    for guest in ALL {
        let server = NatsServer::start().await?;
        let args = ["--subscribe", "in.*|workers"];
        let _one = run_until_ready(&server.url(), &[guest], &args).await?;
        let _two = run_until_ready(&server.url(), &[guest], &args).await?;
        let client = server.client().await?;
        let mut answers = listen(&client, "answers").await?;
        for _ in 0..COUNT {
            client.publish_with_reply("in.a", "answers", "count".into()).await?;
        }
        let mut counts = Vec::new();
        for _ in 0..COUNT {
            counts.push(next_text(&mut answers).await?.parse::<usize>()?);
        }
        counts.sort_unstable();
        // Each counts its own from 1 on: both have had some, and together all.
        let ones = counts.iter().filter(|&&count| count == 1).count();
        assert_eq!(ones, 2, "{guest}: {counts:?}");
        let last = counts.last().copied().unwrap_or_default();
        assert!(last < COUNT, "{guest}: {counts:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_asynchronous_handler_is_entered_while_it_waits() -> Result<()> {
    let scene = scene_of("wasmcloud-streams", &[]).await?;
    let mut answers = listen(&scene.client, "answers").await?;
    for _ in 0..2 {
        scene.client.publish_with_reply("in.a", "answers", "meet".into()).await?;
    }
    for _ in 0..2 {
        assert_eq!(next_text(&mut answers).await?, "2");
    }
    Ok(())
}

#[tokio::test]
async fn a_trap_of_an_asynchronous_handler_is_told_to_all_in_hand() -> Result<()> {
    let scene = scene_of("wasmcloud-streams", &[]).await?;
    let mut answers = listen(&scene.client, "answers").await?;
    scene.client.publish_with_reply("in.a", "answers", "hang".into()).await?;
    assert_eq!(told_by(&scene, "count").await?, "2");
    scene.client.publish_with_reply("in.a", "answers", "trap".into()).await?;
    for _ in 0..2 {
        let answer = next(&mut answers).await?;
        let (text, _) = service_error(&answer).context("no error reply")?;
        assert_has(text, &["unreachable"]);
    }
    assert_eq!(told_by(&scene, "count").await?, "1");
    Ok(())
}

#[tokio::test]
async fn what_wasi_0_3_refuses_is_named() -> Result<()> {
    let scene = scene_of("wasmcloud-streams", &[]).await?;
    for (command, error, what) in [
        ("tcp", "ErrorCode::AccessDenied", "opening a TCP socket"),
        ("udp", "ErrorCode::AccessDenied", "opening a UDP socket"),
        ("look-up localhost", "ErrorCode::AccessDenied", "looking up \"localhost\""),
        ("open secret", "ErrorCode::NoEntry", "opening \"secret\": no directory is granted; --dir"),
    ] {
        assert_eq!(told_by(&scene, command).await?, error, "{command}");
        assert_refused(&scene, what).await?;
    }
    Ok(())
}

#[tokio::test]
async fn files_are_opened_through_wasi_0_3_where_they_are_granted() -> Result<()> {
    let folder = TempDir::new()?;
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside)?;
    std::fs::write(folder.path().join("secret"), "secret")?;
    std::fs::write(inside.join("open"), "open")?;
    let grant = format!("{}::/data", inside.display());
    let scene = scene_of("wasmcloud-streams", &["--dir", &grant]).await?;
    assert_eq!(told_by(&scene, "open ../secret").await?, "ErrorCode::NotPermitted");
    assert_refused(&scene, "opening \"../secret\": outside").await?;
    assert_eq!(told_by(&scene, "open open").await?, "done");
    Ok(())
}

/// Waits until the log tells of a refusal.
async fn assert_refused(scene: &Scene, what: &str) -> Result<()> {
    let is_it = |line: &LogLine| {
        let told = line.field("what").and_then(|told| told.as_str());
        line.message() == Some("refused") && told.is_some_and(|told| told.starts_with(what))
    };
    scene.host.wait_for_log(what, is_it).await.map(drop)
}

#[tokio::test]
async fn bodies_of_streams_are_whole_however_large() -> Result<()> {
    const SIZE: usize = 900_000;
    let scene = scene_of("wasmcloud-streams", &["--allow-publish", "out"]).await?;
    let text = format!("size {}", "x".repeat(SIZE));
    assert_eq!(told_by(&scene, &text).await?, text.len().to_string());

    let mut out = listen(&scene.client, "out").await?;
    assert_eq!(told_by(&scene, &format!("flood out {SIZE}")).await?, "published");
    assert_eq!(next(&mut out).await?.payload.len(), SIZE);
    // More than the server takes, and more than the host takes.
    for size in [2 << 20, 100 << 20] {
        let refused = told_by(&scene, &format!("flood out {size}")).await?;
        assert_eq!(refused, "Error::MessageTooLarge");
    }
    Ok(())
}

#[tokio::test]
async fn what_the_host_keeps_for_a_guest_is_bounded() -> Result<()> {
    for guest in &SINGLE[1..] {
        let scene = scene_of(guest, &[]).await?;
        assert_eq!(told_by(&scene, "hoard 1000").await?, "1000");
        // A thousand times this is more than the memory that an instance may have.
        let answer = ask(&scene.client, "in.a", "hoard 1000000").await?;
        let (text, _) = service_error(&answer).context("no error reply")?;
        assert_has(text, &["the limit is"]);
        assert_eq!(told_by(&scene, "count").await?, "1");
    }
    Ok(())
}

#[tokio::test]
async fn lines_of_wasi_logging_are_in_the_log_and_can_not_forge_it() -> Result<()> {
    let scene = scene_of("wasmcloud", &[]).await?;
    assert_eq!(told_by(&scene, "log part a\nb").await?, "logged");
    let logged = |line: &LogLine| line.field("context") == Some(&json!("part"));
    let line = scene.host.wait_for_log("the line", logged).await?;
    assert_eq!(line.message(), Some("a\\nb"));
    assert_eq!(line.field("plugin"), Some(&json!("wasmcloud")));
    assert_has(&line.text, &["\"WARN\""]);
    Ok(())
}

#[tokio::test]
async fn what_is_printed_through_wasi_0_3_is_in_the_log() -> Result<()> {
    let scene = scene_of("wasmcloud-streams", &[]).await?;
    assert_eq!(told_by(&scene, "print hello").await?, "printed");
    let printed = |line: &LogLine| line.field("stream") == Some(&json!("stdout"));
    let line = scene.host.wait_for_log("the line", printed).await?;
    assert_eq!(line.message(), Some("hello"));
    Ok(())
}

#[tokio::test]
async fn lines_of_wasi_logging_are_limited() -> Result<()> {
    let scene = scene_of("wasmcloud", &["--max-log-lines-per-second", "2"]).await?;
    for number in 0..10 {
        assert_eq!(told_by(&scene, &format!("log part {number}")).await?, "logged");
    }
    let told = |line: &LogLine| line.field("limit") == Some(&json!("log-lines-per-second"));
    scene.host.wait_for_log("the limit", told).await?;
    Ok(())
}

#[tokio::test]
async fn header_limits_hold_for_metadata() -> Result<()> {
    for guest in &SINGLE[1..] {
        let scene = scene_of(guest, &["-A", "--max-headers", "2"]).await?;
        // It publishes four fields, and answers with two.
        let answer = ask(&scene.client, "in.a", "publish out text").await?;
        assert_has(&String::from_utf8(answer.payload.into())?, &["Other", "headers"]);
    }
    Ok(())
}

#[tokio::test]
async fn nothing_to_subscribe_to_is_a_mistake_of_the_operator() -> Result<()> {
    let server = NatsServer::start().await?;
    let finished = run(&server.url(), &["wasmcloud"], &["-A"])?.wait().await?;
    assert_has(&told(&finished, 2)?, &["wasmcloud:messaging/handler@0.2.0", "--subscribe"]);
    let finished = run(&server.url(), &["echo"], &["-A", "--subscribe", "a"])?.wait().await?;
    assert_has(&told(&finished, 2)?, &["subscribes by itself"]);
    let finished = run(&server.url(), &["wasmcloud"], &["--subscribe", "a b"])?.wait().await?;
    ensure!(finished.status.code() == Some(2), "{:#?}", finished.log);
    Ok(())
}

/// A manifest with one plugin, `foreign`, in a folder that lives as long as it.
fn manifest(guest_name: &str, keys: &str) -> Result<(TempDir, String)> {
    let folder = TempDir::new()?;
    let path = folder.path().join("plugins.toml");
    let component = guest(guest_name)?;
    std::fs::write(&path, format!("[plugin.foreign]\ncomponent = {component:?}\n{keys}\n"))?;
    Ok((folder, path.display().to_string()))
}

async fn up(server: &NatsServer, manifest: &str) -> Result<HostProcess> {
    let host = start(&["up", manifest, "--server", &server.url(), "--log-format", "json"])?;
    host.wait_until_ready("foreign").await?;
    Ok(host)
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_given_up_with_its_instance() -> Result<()> {
    for guest in ALL {
        let server = NatsServer::start().await?;
        let keys = "subscriptions = [\"in.*\"]\nlimits = { callback-timeout = \"500ms\" }";
        let (_folder, manifest) = manifest(guest, keys)?;
        let _host = up(&server, &manifest).await?;
        let client = server.client().await?;
        let answer = ask(&client, "in.a", "hang").await?;
        let (text, code) = service_error(&answer).context("no error reply")?;
        assert_has(text, &["took longer than", "500ms"]);
        assert_eq!(code, "500", "{guest}");
        assert_eq!(ask(&client, "in.a", "count").await?.payload, "1", "{guest}");
    }
    Ok(())
}

#[tokio::test]
async fn a_manifest_says_what_to_subscribe_to() -> Result<()> {
    let (_folder, wrong) = manifest("wasmcloud", "subscriptions = [\"in..a\"]")?;
    assert_has(&failure(2, &["check", &wrong]).await?, &["plugins.toml:3:", "in..a"]);
    let (_folder, missing) = manifest("wasmcloud", "")?;
    let checked = run_to_end(&["check", &missing]).await?;
    assert_eq!(checked.status.code(), Some(3));
    assert_has(&checked.stdout.join("\n"), &["key `subscriptions`"]);

    let server = NatsServer::start().await?;
    let (_folder, right) = manifest("wasmcloud", "subscriptions = [\"in.*|workers\"]")?;
    assert_eq!(output(&["check", &right]).await?, ["foreign: ok; uses consumer"]);
    let _host = up(&server, &right).await?;
    let client = server.client().await?;
    assert_eq!(ask(&client, "in.a", "echo hello").await?.payload, "in.a hello");
    Ok(())
}

#[tokio::test]
async fn of_two_handlers_the_one_with_headers_is_called() -> Result<()> {
    let scene = scene_of("two-handlers", &[]).await?;
    let answer = ask(&scene.client, "in.a", "").await?;
    assert_eq!(service_error(&answer), Some(("wasi", "500")));
    let passed_over =
        |line: &LogLine| line.field("other") == Some(&json!("wasmcloud:messaging/handler@0.2.0"));
    let line = scene.host.wait_for_log("the choice", passed_over).await?;
    assert_eq!(line.field("chosen"), Some(&json!("wasi:messaging/incoming-handler@0.2.0-draft")));
    Ok(())
}

#[tokio::test]
async fn inspect_shows_the_interface_that_would_be_called() -> Result<()> {
    for (name, interface) in [
        ("wasmcloud", "wasmcloud:messaging/handler@0.2.0"),
        ("wasi-messaging", "wasi:messaging/incoming-handler@0.2.0-draft"),
        ("wasmcloud-draft", "wasmcloud:messaging/incoming-handler@0.3.0"),
        ("wasmcloud-streams", "wasmcloud:messaging/handler@0.3.0"),
    ] {
        let path = guest(name)?.display().to_string();
        let lines = output(&["inspect", &path]).await?;
        let world = lines.first().context("no output")?;
        assert_eq!(world, &format!("world    {interface}"));
    }
    let path = guest("not-a-plugin")?.display().to_string();
    let reason = failure(3, &["run", &path]).await?;
    assert_has(&reason, &["wasi:messaging/incoming-handler@0.2.0-draft", "wasmcloud:messaging"]);
    Ok(())
}
