//! Which servers to try, in which order, and how long to wait in between.

use std::time::Duration;

use super::address::ServerAddress;
use super::error::DialError;
use super::options::ConnectionOptions;

/// Waits after the first round in which no server answered.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A server that accepts and is lost again sooner than this is as good as none:
/// it may be going to hang up on everybody.
const MIN_STANDING: Duration = Duration::from_secs(1);

/// Login errors in a row from one server after which it is not asked again: the
/// second try is for a server that was just being reconfigured.
const MAX_LOGIN_FAILURES: u32 = 2;

/// More servers than any cluster has; a hostile one could name millions.
const MAX_SERVERS: usize = 1_000;

/// The servers of one connection.
pub(super) struct Pool {
    servers: Vec<Server>,
    wait_max: Duration,
    keep_order: bool,
    retry_failed_login: bool,
    max_rounds: Option<u32>,
    rounds: u32,
    /// Links in a row that did not stand for long.
    short_links: u32,
}

struct Server {
    address: ServerAddress,
    /// A cluster told of it, and may take it back.
    is_implicit: bool,
    login_failures: u32,
}

impl Pool {
    pub(super) fn new(options: &ConnectionOptions) -> Self {
        let mut pool = Self {
            servers: options.servers.iter().map(Server::explicit).collect(),
            wait_max: options.reconnect_wait_max,
            keep_order: options.keep_order,
            retry_failed_login: options.retry_failed_login,
            max_rounds: options.max_reconnects,
            rounds: 0,
            short_links: 0,
        };
        if !pool.keep_order {
            fastrand::shuffle(&mut pool.servers);
        }
        pool
    }

    /// The servers to try in one round. The one used last comes last: it is the
    /// least likely to be there.
    pub(super) fn round(&self) -> Vec<ServerAddress> {
        self.servers.iter().map(|server| server.address.clone()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// This server accepted.
    pub(super) fn succeeded(&mut self, address: &ServerAddress) {
        self.rounds = 0;
        let Some(index) = self.find(address) else { return };
        let mut server = self.servers.remove(index);
        server.login_failures = 0;
        self.servers.push(server);
    }

    /// This server did not. One that refuses the login twice is given up.
    pub(super) fn failed(&mut self, address: &ServerAddress, error: &DialError) {
        let Some(index) = self.find(address) else { return };
        let Some(server) = self.servers.get_mut(index) else { return };
        server.login_failures =
            if error.is_authentication() { server.login_failures + 1 } else { 0 };
        if server.login_failures >= MAX_LOGIN_FAILURES && !self.retry_failed_login {
            self.servers.remove(index);
        }
    }

    /// What a server tells of its cluster: new members are added in random order,
    /// those that it no longer names are forgotten. An empty list says nothing.
    pub(super) fn learn(&mut self, teller: &ServerAddress, members: &[String]) {
        let members: Vec<ServerAddress> = members
            .iter()
            .take(MAX_SERVERS)
            .filter_map(|member| member.parse::<ServerAddress>().ok())
            .collect();
        if members.is_empty() {
            return;
        }
        self.servers.retain(|server| {
            !server.is_implicit
                || server.address.is_same_server(teller)
                || members.iter().any(|member| member.is_same_server(&server.address))
        });
        let mut new: Vec<_> =
            members.into_iter().filter(|member| self.find(member).is_none()).collect();
        fastrand::shuffle(&mut new);
        for mut address in new {
            address.learn_from(teller);
            // Before the one in use, which is last.
            let index = self.servers.len().saturating_sub(1);
            self.servers.insert(index, Server { address, is_implicit: true, login_failures: 0 });
        }
    }

    /// A link is lost that stood for so long: how long to wait before the search
    /// for the next. Nothing, unless that happens again and again.
    pub(super) fn lost(&mut self, stood: Duration) -> Duration {
        if stood >= MIN_STANDING {
            self.short_links = 0;
            return Duration::ZERO;
        }
        self.short_links = self.short_links.saturating_add(1);
        match self.short_links.checked_sub(2) {
            Some(times) => self.backoff(times),
            None => Duration::ZERO,
        }
    }

    /// How long to wait before the next round. None: there have been rounds enough.
    pub(super) fn wait(&mut self) -> Option<Duration> {
        let wait = self.backoff(self.rounds);
        self.rounds = self.rounds.saturating_add(1);
        if self.max_rounds.is_some_and(|max| self.rounds >= max) {
            return None;
        }
        Some(wait)
    }

    /// Exponential with full jitter, so that many hosts do not come back at the
    /// same moment.
    fn backoff(&self, times: u32) -> Duration {
        let ceiling = FIRST_WAIT.saturating_mul(1 << times.min(16)).min(self.wait_max);
        ceiling.mul_f64(fastrand::f64())
    }

    fn find(&self, address: &ServerAddress) -> Option<usize> {
        self.servers.iter().position(|server| server.address.is_same_server(address))
    }
}

impl Server {
    fn explicit(address: &ServerAddress) -> Self {
        Self { address: address.clone(), is_implicit: false, login_failures: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ServerError;

    fn pool(servers: &str) -> Pool {
        let servers = crate::connection::parse_list(servers).unwrap();
        let mut options = ConnectionOptions::new(servers, "test");
        options.keep_order = true;
        Pool::new(&options)
    }

    fn names(pool: &Pool) -> Vec<String> {
        pool.round().iter().map(ToString::to_string).collect()
    }

    fn listed(servers: &[&str]) -> Vec<String> {
        servers.iter().map(|&server| server.to_owned()).collect()
    }

    #[test]
    fn cluster_adds_members_and_takes_only_those_back() {
        let mut pool = pool("a:1,b:1");
        let teller = "a:1".parse().unwrap();
        pool.succeeded(&teller);
        pool.learn(&teller, &listed(&["c:1"]));
        assert_eq!(names(&pool), ["b:1", "c:1", "a:1"]);
        pool.learn(&teller, &[]);
        assert_eq!(names(&pool).len(), 3);
        pool.learn(&teller, &listed(&["d:1"]));
        assert_eq!(names(&pool), ["b:1", "d:1", "a:1"]);
    }

    #[test]
    fn bare_addresses_keep_login_and_certificate_name() {
        let mut pool = pool("tls://me:pw@nats.example:4222");
        let teller = pool.round().remove(0);
        pool.learn(&teller, &listed(&["10.0.0.7:4222"]));
        let told = pool.round().remove(0);
        assert_eq!(told.tls_name(), "nats.example");
        assert!(told.login() == teller.login() && told.tls());
    }

    #[test]
    fn server_that_refuses_the_login_twice_is_given_up() {
        let mut pool = pool("a:1,b:1");
        let address = "a:1".parse().unwrap();
        let refusal = || DialError::Refused(ServerError::classify("'Authorization Violation'"));
        pool.failed(&address, &refusal());
        assert_eq!(names(&pool).len(), 2);
        pool.failed(&address, &refusal());
        assert_eq!(names(&pool), ["b:1"]);
    }

    #[test]
    fn only_links_that_are_lost_early_again_and_again_make_it_wait() {
        let mut pool = pool("a:1");
        let early = Duration::from_millis(10);
        assert_eq!(pool.lost(early), Duration::ZERO);
        let waits: Duration = (0..20).map(|_| pool.lost(early)).sum();
        assert!(waits > Duration::from_secs(1), "{waits:?}");
        assert_eq!(pool.lost(MIN_STANDING), Duration::ZERO);
        assert_eq!(pool.lost(early), Duration::ZERO);
    }

    #[test]
    fn waits_grow_up_to_their_bound() {
        let mut pool = pool("a:1");
        for _ in 0..100 {
            assert!(pool.wait().unwrap() <= Duration::from_secs(8));
        }
        pool.max_rounds = Some(5);
        assert_eq!(pool.wait(), None);
    }
}
