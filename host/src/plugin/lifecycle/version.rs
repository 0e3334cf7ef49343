//! One version of a plugin: its code, its settings, and the instances that serve
//! with them. A plugin that is reloaded has two for a while.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::scaling::{Change, INTERVAL, Sample, Scaling};
use super::seat::{InstanceStatus, Place, Seat};
use super::supervisor::{self, GivenUp};
use crate::plugin::connections::CLOSE_TIMEOUT;
use crate::plugin::dispatch::mailbox::{Mailbox, Role};
use crate::plugin::error::{GuestError, StartError};
use crate::plugin::limits::excess;
use crate::plugin::loading::loaded::Loaded;
use crate::plugin::reporting::event::PluginEvent;
use crate::plugin::scheduling::shard::Placement;
use crate::plugin::state::Shared;
use crate::time;

/// How long a server may take to confirm what a plugin has subscribed to. A plugin
/// whose server is slower serves all the same.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// Told when an instance has failed too often.
pub(in crate::plugin) type OnGivenUp = Arc<dyn Fn(GivenUp) + Send + Sync>;

/// Dropping it ends its instances at once.
pub(in crate::plugin) struct Version {
    /// Counts the versions of a plugin, from 1.
    pub(in crate::plugin) number: u32,
    pub(in crate::plugin) shared: Arc<Shared>,
    loaded: Arc<Loaded>,
    placement: Placement,
    on_given_up: OnGivenUp,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    all: Vec<Arc<Seat>>,
    /// No further one is wanted.
    ended: bool,
}

impl Version {
    /// Starts the least number of instances there are to be, on standby: until
    /// [`take_over`](Self::take_over), they get only messages that nobody else
    /// gets. Returns once the server knows what they have subscribed to.
    ///
    /// # Errors
    /// If one of them does not start; then nothing is left of it.
    pub(in crate::plugin) async fn start(
        number: u32,
        shared: Arc<Shared>,
        loaded: Arc<Loaded>,
        placement: Placement,
        on_given_up: OnGivenUp,
    ) -> Result<Arc<Self>, StartError> {
        let count = shared.settings.instances.min();
        let seats = Mutex::default();
        let version = Arc::new(Self { number, shared, loaded, placement, on_given_up, seats });
        for _ in 0..count {
            if let Err(error) = version.add_instance().await {
                version.end(Duration::ZERO).await;
                return Err(error);
            }
        }
        version.confirm().await;
        Ok(version)
    }

    /// Starts one more instance, on standby.
    async fn add_instance(&self) -> Result<Arc<Seat>, StartError> {
        let number = self.seats.lock().all.len();
        let shard = self.placement.of(number).ok_or(StartError::HostGone)?;
        let mailbox = Mailbox::new(self.shared.settings.limits.mailbox);
        mailbox.set_role(Role::Standby);
        let (started, outcome) = oneshot::channel();
        let seat = Seat::start(number, shard, mailbox, |place| self.serve(place, started));
        match outcome.await {
            Ok(Ok(())) => {}
            Ok(Err(source)) => return Err(self.start_error(source)),
            Err(_) => return Err(StartError::HostGone),
        }
        let seat = Arc::new(seat);
        if self.take_in(&seat) {
            return Ok(seat);
        }
        seat.end(Duration::ZERO).await;
        self.shared.subscriptions.leave_all(&seat.place.mailbox);
        Err(StartError::HostGone)
    }

    /// False if this version has ended in the meantime.
    fn take_in(&self, seat: &Arc<Seat>) -> bool {
        let mut seats = self.seats.lock();
        if !seats.ended {
            seats.all.push(Arc::clone(seat));
        }
        !seats.ended
    }

    fn serve(
        &self,
        place: Arc<Place>,
        started: oneshot::Sender<Result<(), GuestError>>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (loaded, shared) = (Arc::clone(&self.loaded), Arc::clone(&self.shared));
        let on_given_up = Arc::clone(&self.on_given_up);
        async move {
            // Made in here: one that is handed over has room twice.
            if let Err(given_up) = supervisor::supervise(loaded, shared, place, started).await {
                on_given_up(given_up);
            }
        }
    }

    fn start_error(&self, source: GuestError) -> StartError {
        let plugin = self.shared.settings.name.clone();
        if self.shared.connections.last_failed() {
            StartError::NoServer { plugin, source }
        } else {
            StartError::Guest { plugin, source }
        }
    }

    /// Waits until the servers know of all subscriptions.
    async fn confirm(&self) {
        for connected in self.shared.connections.all() {
            // One that has broken meanwhile subscribes anew by itself.
            let _ = connected.client.flush(READY_TIMEOUT).await;
        }
    }

    /// From now on its instances get their share of the messages.
    pub(in crate::plugin) fn take_over(&self) {
        for seat in self.seats() {
            seat.place.mailbox.set_role(Role::Serving);
        }
    }

    /// Ends its instances cleanly, bounded by the deadline. Answers whether they
    /// have handled everything that was delivered.
    pub(in crate::plugin) async fn end(&self, deadline: Duration) -> bool {
        let seats = {
            let mut seats = self.seats.lock();
            seats.ended = true;
            seats.all.clone()
        };
        let clean = self.retire(&seats, deadline).await;
        self.seats.lock().all.clear();
        clean
    }

    /// The same, of a plugin that goes on without them: what is dropped is told.
    pub(in crate::plugin) async fn drain(&self, limit: Duration) {
        let clean = self.end(limit).await;
        self.note_drained(clean, limit);
    }

    fn note_drained(&self, clean: bool, limit: Duration) {
        if !clean {
            self.shared.report(excess::of_drain(limit));
        }
    }

    /// Nothing new comes to these, what was delivered is handled, and `stop` runs.
    async fn retire(&self, seats: &[Arc<Seat>], deadline: Duration) -> bool {
        let begin = time::now();
        let subscriptions = &self.shared.subscriptions;
        for seat in seats {
            seat.place.mailbox.set_role(Role::Retired);
            if seat.place.status() == InstanceStatus::Serving {
                seat.place.set_status(InstanceStatus::Draining);
            }
        }
        let told = async {
            subscriptions.drain_retired();
            for connected in self.shared.connections.all() {
                // Once it is answered, all that was sent before has been delivered.
                // Without a server nothing more comes anyway.
                let _ = connected.client.flush(CLOSE_TIMEOUT).await;
            }
        };
        let mut clean = time::timeout(deadline, told).await.is_ok();
        for seat in seats {
            seat.place.mailbox.stop();
        }
        let left = deadline.saturating_sub(time::since(begin));
        clean &= join_all(seats.iter().map(|seat| seat.end(left))).await.iter().all(|&clean| clean);
        for seat in seats {
            subscriptions.leave_all(&seat.place.mailbox);
            self.shared.reporter.messages_handled(seat.place.mailbox.handled());
        }
        clean
    }

    /// Its instances.
    pub(in crate::plugin) fn seats(&self) -> Vec<Arc<Seat>> {
        self.seats.lock().all.clone()
    }

    /// Adds and removes instances with the work, if their number is not fixed,
    /// until this version ends.
    pub(in crate::plugin) fn scale(self: &Arc<Self>) {
        let Some(mut scaling) = Scaling::new(self.shared.settings.instances) else { return };
        let Some((_, runtime)) = self.placement.of(0) else { return };
        let version = Arc::downgrade(self);
        runtime.spawn(async move {
            let mut handled = Vec::new();
            loop {
                time::sleep(INTERVAL).await;
                let Some(version) = version.upgrade() else { return };
                if version.seats.lock().ended {
                    return;
                }
                let sample = version.sample(&mut handled);
                let Some(change) = scaling.observe(time::now(), sample) else { continue };
                if let Err(error) = version.change(change).await {
                    version.shared.report(PluginEvent::ScalingFailed { reason: error.to_string() });
                    scaling.pause(time::now());
                }
            }
        });
    }

    /// `handled` is what each instance had handled at the sample before.
    fn sample(&self, handled: &mut Vec<u64>) -> Sample {
        let seats = self.seats();
        let before = std::mem::take(handled);
        let mut sample = Sample { instances: seats.len(), busy: 0, all_behind: !seats.is_empty() };
        for (index, seat) in seats.iter().enumerate() {
            let mailbox = &seat.place.mailbox;
            let now = mailbox.handled();
            let pace = now.saturating_sub(before.get(index).copied().unwrap_or_default());
            sample.busy += usize::from(mailbox.is_busy());
            sample.all_behind &= mailbox.waiting() as u64 > pace;
            handled.push(now);
        }
        sample
    }

    async fn change(&self, change: Change) -> Result<(), StartError> {
        match change {
            Change::Add => {
                let seat = self.add_instance().await?;
                self.confirm().await;
                seat.place.mailbox.set_role(Role::Serving);
            }
            Change::Remove => {
                let Some(last) = self.seats().pop() else { return Ok(()) };
                let limit = self.shared.settings.limits.drain_timeout;
                let clean = self.retire(std::slice::from_ref(&last), limit).await;
                self.note_drained(clean, limit);
                self.seats.lock().all.retain(|seat| !Arc::ptr_eq(seat, &last));
            }
        }
        let instances = self.seats.lock().all.len();
        self.shared.report(PluginEvent::Scaled { instances });
        Ok(())
    }
}
