//! `wasi:clocks`: the clock that the host itself goes by.

use std::time::{Duration, Instant};

use wasmtime::component::{Accessor, HasData, Linker, Resource};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock, WasiClocksCtxView};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock as p2;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::clocks::monotonic_clock as p3;
use wasmtime_wasi::{WasiCtxBuilder, WasiView};

use crate::plugin::state::State;
use crate::time;

/// What the clocks of today's machines count in, at the most.
const RESOLUTION: Duration = Duration::from_nanos(1);

pub(super) fn provide(builder: &mut WasiCtxBuilder) {
    builder.wall_clock(WallClock).monotonic_clock(MonotonicClock { begin: time::now() });
}

struct WallClock;

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        time::since_1970()
    }
}

struct MonotonicClock {
    begin: Instant,
}

impl HostMonotonicClock for MonotonicClock {
    fn resolution(&self) -> u64 {
        nanos(RESOLUTION)
    }

    fn now(&self) -> u64 {
        nanos(time::since(self.begin))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Waiting by WASI 0.2. Takes the place of its like.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    p2::add_to_linker::<_, Clocks>(linker, |state| state)
}

/// Waiting by WASI 0.3. Takes the place of its like.
pub(super) fn add_to_concurrent_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    p3::add_to_linker::<_, Clocks>(linker, |state| state)
}

struct Clocks;

impl HasData for Clocks {
    type Data<'a> = &'a mut State;
}

impl State {
    fn clocks(&mut self) -> WasiClocksCtxView<'_> {
        let view = self.ctx();
        WasiClocksCtxView { ctx: view.ctx.clocks(), table: view.table }
    }

    fn wait_for(&mut self, duration: Duration) -> wasmtime::Result<Resource<DynPollable>> {
        let deadline = time::now().checked_add(duration);
        let wait = self.table().push(Wait { deadline, has_yielded: false })?;
        subscribe(self.table(), wait)
    }
}

impl p2::Host for State {
    fn now(&mut self) -> wasmtime::Result<p2::Instant> {
        p2::Host::now(&mut self.clocks())
    }

    fn resolution(&mut self) -> wasmtime::Result<p2::Duration> {
        p2::Host::resolution(&mut self.clocks())
    }

    fn subscribe_instant(&mut self, when: p2::Instant) -> wasmtime::Result<Resource<DynPollable>> {
        let now = p2::Host::now(&mut self.clocks())?;
        self.wait_for(Duration::from_nanos(when.saturating_sub(now)))
    }

    fn subscribe_duration(
        &mut self,
        duration: p2::Duration,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.wait_for(Duration::from_nanos(duration))
    }
}

/// What a guest can wait for.
struct Wait {
    /// None: it is too far away to be counted.
    deadline: Option<Instant>,
    has_yielded: bool,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Wait {
    async fn ready(&mut self) {
        let Some(deadline) = self.deadline else { return std::future::pending().await };
        if deadline > time::now() {
            return time::sleep_until(deadline).await;
        }
        if !std::mem::replace(&mut self.has_yielded, true) {
            // A guest that asks again and again, without waiting, lets others have
            // their turn in between.
            tokio::task::yield_now().await;
        }
    }
}

impl p3::Host for State {
    fn now(&mut self) -> wasmtime::Result<p3::Mark> {
        p3::Host::now(&mut self.clocks())
    }

    fn get_resolution(&mut self) -> wasmtime::Result<u64> {
        p3::Host::get_resolution(&mut self.clocks())
    }
}

impl<T> p3::HostWithStore<T> for Clocks {
    async fn wait_until(store: &Accessor<T, Self>, when: p3::Mark) -> wasmtime::Result<()> {
        let now = store.with(|mut access| p3::Host::now(access.get()))?;
        Self::wait_for(store, when.saturating_sub(now)).await
    }

    async fn wait_for(_: &Accessor<T, Self>, duration: u64) -> wasmtime::Result<()> {
        if duration > 0 {
            time::sleep(Duration::from_nanos(duration)).await;
        }
        Ok(())
    }
}
