//! Several instances of one plugin: spread over threads, and as many as the work
//! needs.

mod embedded;
mod second;

use std::process;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use embedded::{Embedded, settings};
use second::ask;
use simple_nats::plugin::{InstanceCount, InstanceStatus, Plugin};
use test_support::{Machine, Share, eventually, time_of_shards};
use tokio::sync::Mutex;

/// Threads are known by name, so only one host may be there at a time.
static ONE_HOST: Mutex<()> = Mutex::const_new(());

fn serving(plugin: &Plugin) -> usize {
    let instances = plugin.info().instances;
    instances.iter().filter(|one| one.status == InstanceStatus::Serving).count()
}

/// What work of about 200 µs a message costs.
struct Cost {
    wall_time: Duration,
    /// Processor time of each thread of the host.
    shares: Vec<Duration>,
    machine: Share,
}

/// Work for `worker` of a second or so in all, with so many instances.
async fn cost_of_work(instances: usize) -> Result<Cost> {
    const MESSAGES: u64 = 5_000;
    let scene = Embedded::start().await?;
    let mut worker = settings("worker")?;
    worker.instances = InstanceCount::fixed(instances).context("instances")?;
    let plugin = scene.host.add(worker, scene.connection()?).await?;
    let (before, machine, begin) =
        (time_of_shards(process::id())?, Machine::now()?, Instant::now());
    for _ in 0..MESSAGES {
        scene.client.publish("worker.in", "200".into()).await?;
    }
    eventually("all of the work", async || {
        Ok((plugin.info().counts.messages == MESSAGES).then_some(()))
    })
    .await?;
    let (wall_time, machine, after) =
        (begin.elapsed(), machine.until_now()?, time_of_shards(process::id())?);
    let cost = |(name, &time): (&String, &Duration)| {
        time.saturating_sub(before.get(name).copied().unwrap_or_default())
    };
    Ok(Cost { wall_time, shares: after.iter().map(cost).collect(), machine })
}

/// What the work costs, and not how soon it is done, tells how throughput grows also
/// where the machine works for others.
#[tokio::test]
async fn two_instances_share_the_work_between_threads_at_little_cost() -> Result<()> {
    let _one = ONE_HOST.lock().await;
    let (one, two) = (cost_of_work(1).await?, cost_of_work(2).await?);
    let (alone, together): (Duration, Duration) =
        (one.shares.iter().sum(), two.shares.iter().sum());
    assert_eq!(two.shares.len(), 2);
    assert!(two.shares.iter().all(|share| *share > together / 4), "{:?}", two.shares);
    let shares = &two.shares;
    assert!(together < alone.mul_f64(1.25), "{alone:?} with one instance, {shares:?} with two");

    let ratio = one.wall_time.as_secs_f64() / two.wall_time.as_secs_f64();
    println!("two instances do {ratio:.2} times the work of one in the same time");
    let processors = std::thread::available_parallelism()?.get();
    if processors >= 2 && one.machine.is_quiet() && two.machine.is_quiet() {
        let (one, two) = (one.wall_time, two.wall_time);
        assert!(ratio >= 1.6, "{one:?} with one instance, {two:?} with two");
    }
    Ok(())
}

#[tokio::test]
async fn instances_follow_the_work_up_and_down() -> Result<()> {
    let _one = ONE_HOST.lock().await;
    let scene = Embedded::start().await?;
    let mut sleeper = settings("sleeper")?;
    sleeper.instances = "1..2".parse()?;
    let plugin = scene.host.add(sleeper, scene.connection()?).await?;
    assert_eq!(serving(&plugin), 1);
    assert_eq!(plugin.info().instance_count, "1..2");

    // Each keeps an instance for a tenth of a second: one alone stays behind.
    let client = scene.client.clone();
    let load = tokio::spawn(async move {
        loop {
            let asked = client.publish("sleeper.in", "100".into()).await;
            if asked.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    eventually("a second instance", async || Ok((serving(&plugin) == 2).then_some(()))).await?;
    load.abort();
    scene.observed("sleeper", "scaled").await?;
    // Nobody cuts what an instance that is not needed any more has in hand.
    eventually("the queue to be worked off", async || {
        let instances = plugin.info().instances;
        Ok(instances.iter().all(|one| one.waiting_messages == 0).then_some(()))
    })
    .await?;
    // That one is enough is known after ten seconds of which it was so.
    let deadline = Duration::from_secs(60);
    scene.observed_within(deadline, "sleeper", "scaled", "instances: 1").await?;
    assert_eq!(plugin.info().instances.len(), 1);
    let counts = plugin.info().counts;
    assert_eq!((counts.traps, counts.timeouts, counts.dropped_messages), (0, 0, 0));
    assert_eq!(ask(&scene.client, "sleeper.in", "1").await?.payload, "slept");
    Ok(())
}
