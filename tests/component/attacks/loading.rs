//! Components that are refused before they run: of other worlds, too large, too
//! deep, or too long to compile.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use test_support::{HostProcess, LogLine, NatsServer, TempDir, guest};

use crate::arena::{Attack, turn};
use crate::program::{assert_has, command};
use crate::sections::{self, CORE_MODULE, EXPORTS, TYPES, append, leb128};

/// Lets a component be refused.
async fn is_refused(attack: Attack, reason: &[&str]) -> Result<()> {
    let arena = attack.begin().await?;
    assert_has(&arena.refusal().await?, reason);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn component_of_200_mb_is_refused_by_its_size() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("large.wasm");
    std::fs::write(&path, plugin()?)?;
    // Without a byte on the disk.
    File::options().write(true).open(&path)?.set_len(200 << 20)?;
    is_refused(Attack::by_file("large", path), &["large", "209715200 bytes", "limit"]).await
}

#[tokio::test]
async fn device_that_never_ends_is_refused() -> Result<()> {
    is_refused(Attack::by_file("endless", "/dev/zero"), &["/dev/zero"]).await
}

#[tokio::test]
async fn component_of_a_newer_version_is_refused() -> Result<()> {
    is_refused(Attack::by("newer-world")?, &["version 0.2.0", "0.1.0"]).await
}

#[tokio::test]
async fn component_with_other_functions_is_refused() -> Result<()> {
    is_refused(Attack::by("other-functions")?, &["does not fit"]).await
}

#[tokio::test]
async fn exports_that_nobody_asked_for_harm_nobody() -> Result<()> {
    const COUNT: usize = 900;
    let mut component = plugin()?;
    let mut exports = Vec::new();
    leb128(&mut exports, COUNT);
    for number in 0..COUNT {
        let name = format!("m{number}");
        exports.push(0);
        leb128(&mut exports, name.len());
        exports.extend_from_slice(name.as_bytes());
        // The first core module, without a type.
        exports.extend_from_slice(b"\0\x11\0\0");
    }
    append(&mut component, EXPORTS, &exports);
    let arena = Attack::of("exporter", component).lie_in_wait().await?;
    assert_has(&arena.error("trap").await?, &["unreachable"]);
    arena.stood().await?;
    Ok(())
}

/// A plugin that works, to be added to.
fn plugin() -> Result<Vec<u8>> {
    Ok(std::fs::read(guest("trap-in-message")?)?)
}

#[tokio::test]
async fn types_within_types_are_refused() -> Result<()> {
    let mut component = plugin()?;
    // Each is a list of the one before.
    const DEPTH: usize = 100_000;
    let mut types = Vec::new();
    leb128(&mut types, DEPTH);
    types.push(0x73);
    let first = 1000;
    for index in 1..DEPTH {
        types.push(0x70);
        leb128(&mut types, first + index - 1);
    }
    append(&mut component, TYPES, &types);
    is_refused(Attack::of("deep", component), &["compile"]).await
}

#[tokio::test]
async fn blocks_within_blocks_do_not_overflow_the_hosts_stack() -> Result<()> {
    let mut component = plugin()?;
    append(&mut component, CORE_MODULE, &nested_blocks(100_000));
    let arena = Attack::of("nested", component).lie_in_wait().await?;
    assert_has(&arena.error("trap").await?, &["unreachable"]);
    arena.stood().await?;
    Ok(())
}

/// A core module with one function of so many blocks in each other.
fn nested_blocks(depth: usize) -> Vec<u8> {
    let mut module = sections::MODULE.to_vec();
    append(&mut module, 1, b"\x01\x60\0\0");
    append(&mut module, 3, b"\x01\0");
    let body = [b"\0".as_slice(), &b"\x02\x40".repeat(depth), &b"\x0b".repeat(depth + 1)].concat();
    let mut code = vec![1];
    leb128(&mut code, body.len());
    code.extend_from_slice(&body);
    append(&mut module, 10, &code);
    module
}

#[tokio::test]
async fn compiling_that_takes_too_long_ends_with_a_reason() -> Result<()> {
    let mut component = plugin()?;
    append(&mut component, CORE_MODULE, &many_functions(200_000));
    is_refused(Attack::of("slow", component).may_use_mib(1500), &["compile", "2s"]).await
}

/// A core module with so many functions of a few hundred instructions each.
fn many_functions(count: usize) -> Vec<u8> {
    let mut module = sections::MODULE.to_vec();
    append(&mut module, 1, b"\x01\x60\x01\x7f\x01\x7f");
    let mut functions = Vec::new();
    leb128(&mut functions, count);
    functions.resize(functions.len() + count, 0);
    append(&mut module, 3, &functions);
    let mut code = Vec::new();
    leb128(&mut code, count);
    // local.get 0, i32.const 3, i32.mul, local.set 0
    let body = [b"\0".as_slice(), &b"\x20\0\x41\x03\x6c\x21\0".repeat(40), b"\x20\0\x0b"].concat();
    for _ in 0..count {
        leb128(&mut code, body.len());
        code.extend_from_slice(&body);
    }
    append(&mut module, 10, &code);
    module
}

/// A host whose compiled components are kept in a folder of the test's.
async fn start_with_cache(server: &NatsServer, folder: &Path) -> Result<HostProcess> {
    let (echo, url) = (guest("echo")?, server.url());
    let echo = echo.to_str().context("path")?;
    let mut command = command(&["run", echo, "-A", "--server", &url, "--log-format", "json"]);
    command.env("XDG_CACHE_HOME", folder);
    let host = HostProcess::spawn(command)?;
    host.wait_until_ready("echo").await?;
    Ok(host)
}

/// All files in a folder and those in it.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(files_in(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

#[tokio::test]
async fn cache_of_junk_is_not_believed() -> Result<()> {
    let _turn = turn().await;
    let (server, folder) = (NatsServer::start().await?, TempDir::new()?);
    let host = start_with_cache(&server, folder.path()).await?;
    host.stop().await?;
    let [code] = &files_in(folder.path())?[..] else { bail!("more or less than one file") };
    let whole = std::fs::read(code)?;
    let (half, rest) = whole.split_at(whole.len() / 2);
    for junk in [&b""[..], &[0xa5; 100_000], half, rest] {
        std::fs::write(code, junk)?;
        let host = start_with_cache(&server, folder.path()).await?;
        let client = server.client().await?;
        assert_eq!(crate::second::ask(&client, "echo", "x").await?.payload, "x");
        host.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn cache_that_others_can_write_is_not_used() -> Result<()> {
    let _turn = turn().await;
    let (server, folder) = (NatsServer::start().await?, TempDir::new()?);
    let open = folder.path().join("simple-nats/compiled");
    std::fs::create_dir_all(&open)?;
    std::fs::set_permissions(&open, Permissions::from_mode(0o777))?;
    let host = start_with_cache(&server, folder.path()).await?;
    let told = |line: &LogLine| line.message() == Some("compiled components are not kept");
    let line = host.wait_for_log("the reason", told).await?;
    assert!(line.text.contains("can be written by other users"), "{}", line.text);
    host.stop().await?;
    assert_eq!(files_in(folder.path())?, Vec::<PathBuf>::new());
    Ok(())
}

#[tokio::test]
async fn cache_that_can_not_be_written_costs_only_time() -> Result<()> {
    let _turn = turn().await;
    let (server, folder) = (NatsServer::start().await?, TempDir::new()?);
    let no_folder = folder.path().join("file");
    std::fs::write(&no_folder, "")?;
    let host = start_with_cache(&server, &no_folder).await?;
    let told = |line: &LogLine| line.message() == Some("compiled components are not kept");
    host.wait_for_log("the reason", told).await?;
    host.stop().await?;
    Ok(())
}
