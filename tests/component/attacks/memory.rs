//! Attackers that take memory: their own, and the host's.

use anyhow::Result;

use crate::arena::{Attack, told};
use crate::program::assert_has;
use crate::sections::{self, CORE_INSTANCES, CORE_MODULE, CUSTOM, append, leb128};

/// Pages of 64 KiB in what an instance may have.
const PAGES: i64 = 4096;

#[tokio::test]
async fn all_memory_at_once_is_refused_and_a_page_is_not() -> Result<()> {
    let arena = Attack::by("memory-at-once")?.lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    arena.provoke("").await?;
    assert_eq!(told(&mut told_by).await?.number, 3);
    arena.limit("memory-bytes").await?;
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn memory_taken_page_by_page_ends_at_the_limit() -> Result<()> {
    let arena =
        Attack::by("memory-by-pages")?.may_use_mib(256).may_take("20s").lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    arena.provoke("").await?;
    assert_eq!(told(&mut told_by).await?.number, PAGES);
    arena.limit("memory-bytes").await?;
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn many_memories_share_the_limit() -> Result<()> {
    let arena = Attack::by("memories")?.may_use_mib(256).may_take("20s").lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    arena.provoke("").await?;
    assert_eq!(told(&mut told_by).await?.number, PAGES);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn memory_that_is_declared_counts() -> Result<()> {
    let arena = Attack::by("memory-declared")?.begin().await?;
    assert_has(&arena.refusal().await?, &["memory"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn table_ends_at_the_limit() -> Result<()> {
    let arena = Attack::by("table")?.lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    arena.provoke("").await?;
    let elements = told(&mut told_by).await?.number;
    assert!((90_000..=100_000).contains(&elements), "{elements}");
    arena.limit("table-elements").await?;
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn table_that_is_declared_counts() -> Result<()> {
    let arena = Attack::by("table-declared")?.begin().await?;
    assert_has(&arena.refusal().await?, &["table"]);
    arena.stood().await?;
    Ok(())
}

/// A plugin that works, to be added to.
fn plugin() -> Result<Vec<u8>> {
    Ok(std::fs::read(test_support::guest("trap-in-message")?)?)
}

/// A plugin with so many instances of another core module in it.
fn with_instances(module: &[u8], count: usize) -> Result<Vec<u8>> {
    let mut component = plugin()?;
    let index = sections::core_modules(&component)?;
    append(&mut component, CORE_MODULE, module);
    let mut instances = Vec::new();
    leb128(&mut instances, count);
    for _ in 0..count {
        instances.push(0);
        leb128(&mut instances, index);
        instances.push(0);
    }
    append(&mut component, CORE_INSTANCES, &instances);
    Ok(component)
}

#[tokio::test]
async fn core_instances_are_counted() -> Result<()> {
    let component = with_instances(sections::MODULE, 5_000)?;
    let arena = Attack::of("instances", component).begin().await?;
    assert_has(&arena.refusal().await?, &["instance"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn memories_of_all_core_instances_are_counted() -> Result<()> {
    // Each has a memory of 1024 pages.
    let module = [sections::MODULE, b"\x05\x04\x01\0\x80\x08"].concat();
    let component = with_instances(&module, 50)?;
    let arena = Attack::of("instances-of-memory", component).begin().await?;
    assert_has(&arena.refusal().await?, &["memory"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn what_lies_in_custom_sections_costs_nothing_but_its_size() -> Result<()> {
    let mut component = plugin()?;
    for _ in 0..200_000 {
        append(&mut component, CUSTOM, b"\x04junk and more of it");
    }
    append(&mut component, CUSTOM, &[b"\x04junk".as_slice(), &vec![0; 20 << 20]].concat());
    let arena = Attack::of("custom-sections", component).lie_in_wait().await?;
    assert_has(&arena.error("trap").await?, &["unreachable"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn error_text_of_8_mb_is_cut() -> Result<()> {
    let arena =
        Attack::by("error-text-huge")?.may_use_mib(350).may_take("20s").lie_in_wait().await?;
    let text = arena.error("").await?;
    assert!(text.len() <= 1024, "{}", text.len());
    let finished = arena.stood().await?;
    let longest = finished.log.iter().map(|line| line.text.len()).max();
    assert!(longest <= Some(20_000), "a line of {longest:?} bytes");
    Ok(())
}

#[tokio::test]
async fn reason_of_8_mb_not_to_start_is_cut() -> Result<()> {
    let arena = Attack::by("start-error-huge")?.may_use_mib(350).may_take("20s").begin().await?;
    assert_has(&arena.refusal().await?, &["start failed: AAAA"]);
    let finished = arena.stood().await?;
    let longest = finished.log.iter().map(|line| line.text.len()).max();
    assert!(longest <= Some(20_000), "a line of {longest:?} bytes");
    Ok(())
}
