//! Several users of one connection.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::client::{CLOSED_BY_OWNER, Client};
use super::receiver::{ConnectionEvent, Listener};
use super::shared::{Route, State};
use super::tenant::Tenant;
use crate::protocol::{EndReason, RequestError, SessionError, Sid, Subject};
use crate::time;

impl Client {
    /// A user of the connection beside others: it drains and closes what is its
    /// own. When the last of them has closed, so does the connection. What happens
    /// to the connection as a whole is told to the listener of each. None if the
    /// last one has closed already.
    pub fn tenant(&self, listener: Arc<dyn Listener>) -> Option<Self> {
        let mut tenants = self.shared.tenants.lock();
        if tenants.have_left {
            return None;
        }
        tenants.last_id = tenants.last_id.saturating_add(1);
        let tenant = Arc::new(Tenant::new(tenants.last_id, listener));
        tenants.all.push(Arc::clone(&tenant));
        Some(Self { shared: Arc::clone(&self.shared), tenant: Some(tenant) })
    }

    /// Whether a subject or pattern lies within the inboxes of this handle's user.
    pub fn has_inbox(&self, subject: &str) -> bool {
        subject.strip_prefix(&self.inboxes()).is_some_and(|rest| !rest.is_empty())
    }

    /// What the inboxes begin with.
    pub(super) fn inboxes(&self) -> String {
        let prefix = &self.shared.options.inbox_prefix;
        match &self.tenant {
            None => format!("{prefix}.inbox."),
            Some(tenant) => tenant.inboxes(prefix),
        }
    }

    pub(super) fn tenant_id(&self) -> u32 {
        self.tenant.as_ref().map_or(0, |tenant| tenant.id)
    }

    /// If the server refuses it, this is the user to tell.
    pub(super) fn note_published(&self, subject: Subject<'_>) {
        if let Some(tenant) = &self.tenant {
            tenant.note_published(subject.as_str());
        }
    }

    pub(super) fn check_open(&self) -> Result<(), SessionError> {
        match &self.tenant {
            Some(tenant) if tenant.is_closed() => Err(SessionError::Closed),
            _ => Ok(()),
        }
    }

    /// The tenant, unless it takes no subscriptions any more.
    pub(super) fn check_serving(&self) -> Result<u32, SessionError> {
        match &self.tenant {
            Some(tenant) if tenant.is_draining() => Err(SessionError::Draining),
            _ => Ok(self.tenant_id()),
        }
    }

    /// How many of these are its own.
    pub(super) fn count<K>(&self, routes: &FxHashMap<K, Route>) -> usize {
        let tenant = self.tenant_id();
        routes.values().filter(|route| route.tenant == tenant).count()
    }

    /// Subscriptions that have not ended: all that there are, or the tenant's own.
    pub(super) fn own_subscriptions(&self, state: &State) -> Vec<Sid> {
        let tenant = self.tenant_id();
        let routes = state.subscriptions.iter();
        let own = routes.filter(|(_, route)| tenant == 0 || route.tenant == tenant);
        own.map(|(sid, _)| *sid).collect()
    }

    /// Ends subscriptions at the server: all that there are, or the tenant's own.
    pub(super) fn drain_subscriptions(&self) {
        self.shared.command(|state| {
            let now = time::now();
            for sid in self.own_subscriptions(state) {
                // One that has just ended needs no draining.
                let _ = state.session.drain_subscription(now, sid);
            }
        });
    }

    /// Drains one user's part; the listener of that one is told the end of it.
    pub(super) fn drain_tenant(&self, tenant: &Arc<Tenant>) {
        if tenant.is_closed() || tenant.is_draining() {
            return;
        }
        tenant.drain();
        self.drain_subscriptions();
        let (pong, tenant) = (self.ping(), Arc::clone(tenant));
        tokio::spawn(async move {
            if let Ok(pong) = pong {
                // Without a server nothing more comes either.
                let _ = pong.await;
            }
            tenant.tell(&ConnectionEvent::Drained);
        });
    }

    /// Ends one user's part at once; the last one ends the connection.
    pub(super) fn leave(&self, tenant: &Arc<Tenant>) {
        let id = tenant.id;
        self.shared.command(|state| {
            let requests = state.requests.iter().filter(|(_, route)| route.tenant == id);
            for request in requests.map(|(request, _)| *request).collect::<Vec<_>>() {
                state.session.cancel_request(request);
                if let Some(route) = state.requests.remove(&request) {
                    route.receiver.reply(route.token, Err(RequestError::Closed), true);
                }
            }
            for sid in self.own_subscriptions(state) {
                // One that is being drained has ended at the server already.
                let _ = state.session.unsubscribe(sid, None);
                if let Some(route) = state.subscriptions.remove(&sid) {
                    route.receiver.subscription_ended(route.token, EndReason::Closed);
                }
            }
        });
        let is_last = {
            let mut tenants = self.shared.tenants.lock();
            tenants.all.retain(|other| !Arc::ptr_eq(other, tenant));
            tenants.have_left |= tenants.all.is_empty();
            tenants.have_left
        };
        tenant.tell(&ConnectionEvent::Closed(CLOSED_BY_OWNER.to_owned()));
        if is_last {
            self.shared.command(|state| state.session.close());
            self.shared.finish(CLOSED_BY_OWNER);
        }
    }
}
