//! The threads that connections and guests run on.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use wasmtime::Engine;

/// How many task polls may pass before sockets and timers are looked at: one
/// callback after the other must not keep the other connections waiting, and
/// each look is a system call.
const EVENT_INTERVAL: u32 = 16;

/// What the heap of a thread is grown to: room for hundreds of plugins.
const HEAP_BYTES: usize = 8 << 20;

/// Larger ones would not come from the heap.
const BLOCK_BYTES: usize = 120 << 10;

/// Threads with a runtime each. The first instance of a plugin and its
/// connections share one, so that a message changes no thread on its way; further
/// instances are spread over the others.
pub(in crate::plugin) struct Shards {
    all: Vec<Shard>,
    handles: Arc<[Handle]>,
    next: AtomicUsize,
}

/// Where the instances of one plugin run.
#[derive(Clone)]
pub(in crate::plugin) struct Placement {
    shards: Arc<[Handle]>,
    first: usize,
}

struct Shard {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Shards {
    /// # Errors
    /// If the operating system gives no thread.
    pub(in crate::plugin) fn start(count: usize) -> std::io::Result<Self> {
        let all: Vec<_> = (0..count.max(1)).map(Shard::start).collect::<Result<_, _>>()?;
        let handles = all.iter().map(|shard| shard.handle.clone()).collect();
        Ok(Self { all, handles, next: AtomicUsize::new(0) })
    }

    /// None of its own: everything runs where this runtime does.
    pub(in crate::plugin) fn on(runtime: Handle) -> Self {
        Self { all: Vec::new(), handles: [runtime].into(), next: AtomicUsize::new(0) }
    }

    /// The place for the next plugin: shards take turns.
    pub(in crate::plugin) fn assign(&self) -> Placement {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        Placement { shards: Arc::clone(&self.handles), first }
    }

    /// Ends all threads, and whatever runs on them.
    pub(in crate::plugin) fn stop(&mut self) {
        for shard in &mut self.all {
            shard.stop.take();
        }
        self.all.clear();
    }
}

impl Placement {
    /// Number and runtime of the shard for an instance of the plugin; the one
    /// with the number 0 is where its connections are.
    pub(in crate::plugin) fn of(&self, instance: usize) -> Option<(usize, &Handle)> {
        let index = self.first.wrapping_add(instance).checked_rem(self.shards.len())?;
        Some((index, self.shards.get(index)?))
    }
}

impl Shard {
    fn start(number: usize) -> std::io::Result<Self> {
        let runtime =
            Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread =
            std::thread::Builder::new().name(format!("shard-{number}")).spawn(move || {
                // Otherwise the first instance on the thread would have to wait for it.
                Engine::tls_eager_initialize();
                grow_heap();
                // A sender that is gone says the same as one that has sent.
                let _ = runtime.block_on(stopped);
            })?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }
}

/// Makes room for plugins in the thread's heap, which takes no memory until it is used.
/// An allocator that grows a heap by what is asked for alone, as glibc's does, would
/// otherwise need several system calls for each instance.
fn grow_heap() {
    let blocks: Vec<Vec<u8>> =
        (0..HEAP_BYTES / BLOCK_BYTES).map(|_| Vec::with_capacity(BLOCK_BYTES)).collect();
    black_box(blocks);
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported where it happened.
            let _ = thread.join();
        }
    }
}
