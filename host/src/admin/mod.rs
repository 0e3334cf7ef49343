//! The admin port: HTTP for operators and for the machines that watch for them.
//!
//! It runs beside the shards and takes no lock that a guest can hold, so it
//! answers also while guests spin. It decides nothing: what it offers, the
//! library does.

mod access;
mod connections;
mod metrics;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpListener;

use self::connections::Bounds;
use crate::plugin::Host;

pub use access::Token;

/// Where the admin port is if nobody says otherwise.
pub const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4280);

/// An open admin port.
#[derive(Debug)]
pub struct AdminPort {
    listener: TcpListener,
    token: Option<Token>,
}

/// The admin port can't be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Whoever reaches it could stop plugins.
    #[error(
        "the admin port {0} can be reached from other machines: set a token for it, \
         or use an address such as 127.0.0.1"
    )]
    NeedsToken(SocketAddr),
    /// The operating system does not give the port.
    #[error("open the admin port {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

impl AdminPort {
    /// Opens it; with port 0, the system chooses one.
    ///
    /// # Errors
    /// If the address is not a loopback one and there is no token, or it is not
    /// to be had.
    pub async fn open(address: SocketAddr, token: Option<Token>) -> Result<Self, AdminError> {
        if !address.ip().is_loopback() && token.is_none() {
            return Err(AdminError::NeedsToken(address));
        }
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| AdminError::Listen { address, source })?;
        Ok(Self { listener, token })
    }

    /// Where it is.
    ///
    /// # Errors
    /// If the operating system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers for a host, until it is dropped. Clients that are slow, or many, cost
    /// the host little: 64 are served at a time, and one that sends no request within
    /// 10 seconds, or does not take its answer, is cut.
    pub async fn serve(self, host: Arc<Host>) {
        let router = routes::routes(host, self.token);
        connections::serve(self.listener, router, Bounds::DEFAULT).await;
    }
}
