//! Which servers to try, in which order, and how long to wait in between.

use std::time::Duration;

use super::address::ServerAddress;
use super::error::DialError;

/// Waits after the first round in which no server answered.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Login errors in a row from one server after which it is not asked again: the
/// second try is for a server that was just being reconfigured.
const MAX_LOGIN_FAILURES: u32 = 2;

/// The servers of one connection.
pub(super) struct Pool {
    servers: Vec<Server>,
    wait_max: Duration,
    rounds: u32,
}

struct Server {
    address: ServerAddress,
    login_failures: u32,
}

impl Pool {
    pub(super) fn new(servers: &[ServerAddress], wait_max: Duration) -> Self {
        let servers = servers
            .iter()
            .map(|address| Server { address: address.clone(), login_failures: 0 })
            .collect();
        Self { servers, wait_max, rounds: 0 }
    }

    /// The servers to try in one round.
    pub(super) fn round(&self) -> Vec<ServerAddress> {
        self.servers.iter().map(|server| server.address.clone()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// This server accepted: the next search begins without waiting.
    pub(super) fn succeeded(&mut self, address: &ServerAddress) {
        self.rounds = 0;
        for server in &mut self.servers {
            if server.address.is_same_server(address) {
                server.login_failures = 0;
            }
        }
    }

    /// This server did not. One that refuses the login twice is given up.
    pub(super) fn failed(&mut self, address: &ServerAddress, error: &DialError) {
        self.servers.retain_mut(|server| {
            if server.address.is_same_server(address) {
                server.login_failures =
                    if error.is_authentication() { server.login_failures + 1 } else { 0 };
            }
            server.login_failures < MAX_LOGIN_FAILURES
        });
    }

    /// How long to wait before the next round: exponential with full jitter, so
    /// that many hosts do not come back at the same moment.
    pub(super) fn wait(&mut self) -> Duration {
        let ceiling = FIRST_WAIT.saturating_mul(1 << self.rounds.min(16)).min(self.wait_max);
        self.rounds += 1;
        ceiling.mul_f64(fastrand::f64())
    }
}
