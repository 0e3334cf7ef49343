//! The task that keeps a connection up.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::clock::Clock;
use super::dial::dial;
use super::error::{ConnectError, DialError};
use super::link::{End, Link};
use super::pool::Pool;
use super::receiver::ConnectionEvent;
use super::shared::Shared;

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
    pub(super) async fn run(mut self, mut link: Link) {
        loop {
            match link.run(&self.shared).await {
                End::Finished => break,
                // The other side may be gone before an end that was asked for.
                End::Lost(_) if self.shared.lock().end.is_some() => break,
                End::Lost(reason) => {
                    tracing::debug!(name = self.shared.options.name, reason, "disconnected");
                    let (unwritten, cut) = link.unwritten();
                    self.shared.lost(&reason, unwritten, cut);
                }
            }
            drop(link);
            match self.reconnect().await {
                Some(next) => link = next,
                None => break,
            }
        }
        self.shared.ended();
    }

    /// Looks for a server until one accepts; none if the connection is to end.
    async fn reconnect(&mut self) -> Option<Link> {
        let shared = Arc::clone(&self.shared);
        tokio::select! {
            link = self.search() => link,
            () = shared.finished.notified() => None,
            () = keep_time(&shared) => None,
        }
    }

    /// Takes what the server in use last told of its cluster.
    fn learn(&mut self) {
        let state = self.shared.lock();
        let members = state.session.info().map(|info| info.connect_urls.clone());
        if let (Some(teller), Some(members)) = (&state.server, members) {
            self.pool.learn(teller, &members);
        }
    }

    async fn search(&mut self) -> Option<Link> {
        self.learn();
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
                        last = Some(error);
                    }
                }
            }
            match self.pool.wait() {
                Some(wait) if !self.pool.is_empty() => tokio::time::sleep(wait).await,
                _ => {
                    let reason = last.as_ref().map_or_else(String::new, DialError::to_string);
                    self.shared.finish(&reason);
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
