//! Components that are refused before they run: of other worlds, too large, too
//! deep, or too long to compile.

use std::fs::File;

use anyhow::Result;
use test_support::TempDir;

use crate::arena::Attack;
use crate::program::assert_has;
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
    Ok(std::fs::read(test_support::guest("trap-in-message")?)?)
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
