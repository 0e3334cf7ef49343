//! The task that keeps a connection up.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::address::ServerAddress;
use super::clock::Clock;
use super::dial::dial;
use super::error::ConnectError;
use super::link::{End, Link};
use super::options::ConnectionOptions;
use super::pool::Pool;
use super::receiver::ConnectionEvent;
use super::shared::Shared;
use crate::protocol::Session;
use crate::time;

/// How long the rest of a cluster may take to learn of the subscriptions that a new
/// server has confirmed. Nothing tells when it knows of them, and until then it
/// sends what is for them to the old server alone.
const PROPAGATION: Duration = Duration::from_millis(250);

/// Owns the transport while there is one and looks for one while there is none.
pub(super) struct Driver {
    shared: Arc<Shared>,
    pool: Pool,
}

impl Driver {
    /// Makes the first link: every server is tried once.
    pub(super) async fn connect(shared: Arc<Shared>) -> Result<(Self, Link), ConnectError> {
        let pool = Pool::new(&shared.options);
        let mut driver = Self { shared, pool };
        let mut last = ConnectError::NoServers;
        for server in driver.pool.round() {
            match dial(&server, &driver.shared).await {
                Ok(link) => {
                    driver.pool.succeeded(&server);
                    tracing::debug!(%server, name = driver.shared.options.name, "connected");
                    return Ok((driver, link));
                }
                Err(source) => {
                    last = ConnectError::Failed { server: server.to_string(), source };
                }
            }
        }
        Err(last)
    }

    /// Drives the connection until it is to end.
    pub(super) async fn run(mut self, mut link: Box<Link>) {
        let mut leaving = false;
        loop {
            // Looking for a server takes much more room than the link that was found, for
            // which this task lives on.
            let end = match leaving {
                true => Box::pin(self.move_on(&mut link)).await,
                false => link.run(&self.shared).await,
            };
            match end {
                End::Leaving => {
                    leaving = true;
                    continue;
                }
                End::Finished => break,
                // The other side may be gone before an end that was asked for.
                End::Lost(_) if self.shared.lock().end.is_some() => break,
                End::Lost(reason) => link.lose(&self.shared, &reason),
            }
            let pause = self.pool.lost(link.age());
            drop(link);
            leaving = false;
            match Box::pin(self.reconnect(pause)).await {
                Some(next) => link = Box::new(next),
                None => break,
            }
        }
        self.shared.ended();
    }

    /// Goes on with the link while another server is looked for; once one has
    /// accepted, that takes over and the old one is heard out beside it.
    async fn move_on(&mut self, link: &mut Link) -> End {
        self.learn();
        let shared = Arc::clone(&self.shared);
        let (server, next, session) = tokio::select! {
            end = link.run(&shared) => return end,
            found = self.find_another() => found,
        };
        self.pool.succeeded(&server);
        let mut unwritten = Vec::new();
        let (retired, settled) = shared.replace(&server, session, &mut unwritten);
        let old = std::mem::replace(link, next);
        let told = Arc::clone(&shared);
        tokio::spawn(async move {
            // Until the new server has all subscriptions, or is gone itself, those
            // of the old one must stay.
            let settled = async {
                let _ = settled.await;
                time::sleep(PROPAGATION).await;
            };
            old.retire(&told, &unwritten, retired, settled).await;
        });
        link.run(&shared).await
    }

    /// Gets through the handshake with another server than the one in use. Waits
    /// for ever if there is none.
    async fn find_another(&mut self) -> (ServerAddress, Link, Session) {
        let current = self.shared.lock().server.clone();
        loop {
            for server in self.pool.round() {
                if current.as_ref().is_some_and(|current| current.is_same_server(&server)) {
                    continue;
                }
                let candidate = Arc::new(Shared::new(ConnectionOptions {
                    listener: None,
                    ..self.shared.options.clone()
                }));
                match dial(&server, &candidate).await {
                    Ok(link) => return (server, link, candidate.take_session()),
                    Err(error) => tracing::debug!(%server, %error, "could not move there"),
                }
            }
            match self.pool.wait() {
                Some(wait) => time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    /// After the pause, looks for a server until one accepts; none if the
    /// connection is to end.
    async fn reconnect(&mut self, pause: Duration) -> Option<Link> {
        let shared = Arc::clone(&self.shared);
        tokio::select! {
            link = self.search(pause) => link,
            () = shared.finished.notified() => None,
            () = keep_time(&shared) => None,
        }
    }

    /// Takes what the server in use last told of its cluster.
    fn learn(&mut self) {
        let state = self.shared.lock();
        if let (Some(teller), Some(info)) = (&state.server, state.session.info()) {
            let members =
                if teller.websocket() { &info.ws_connect_urls } else { &info.connect_urls };
            self.pool.learn(teller, members);
        }
    }

    async fn search(&mut self, pause: Duration) -> Option<Link> {
        self.learn();
        time::sleep(pause).await;
        loop {
            let mut last = None;
            for server in self.pool.round() {
                match dial(&server, &self.shared).await {
                    Ok(link) => {
                        self.pool.succeeded(&server);
                        self.shared.tell(&ConnectionEvent::Reconnected(server.to_string()));
                        return Some(link);
                    }
                    Err(error) => {
                        tracing::debug!(%server, %error, "could not reconnect");
                        self.pool.failed(&server, &error);
                        last = Some(format!("{server}: {error}"));
                    }
                }
            }
            match self.pool.wait() {
                Some(wait) if !self.pool.is_empty() => time::sleep(wait).await,
                _ => {
                    self.shared.finish(&last.unwrap_or_default());
                    return None;
                }
            }
        }
    }
}

/// Requests reach their deadlines also while there is no server. Never ends.
async fn keep_time(shared: &Shared) {
    let mut clock = Clock::new();
    poll_fn(|cx| {
        shared.driver.register(cx.waker());
        // Only a transport can be interrupted, and there is none.
        let _ = clock.poll(cx, &mut shared.lock(), shared);
        Poll::<()>::Pending
    })
    .await;
}
