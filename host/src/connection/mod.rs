//! Connections to NATS servers: sockets, handshake, reconnecting.
//!
//! Drives a [`Session`](crate::protocol::Session) over TCP and hands what
//! arrives to a [`Receiver`]. It has never heard of plugins.

mod address;
mod arrivals;
mod back_pressure;
mod block;
mod client;
mod clock;
mod connector;
mod credentials;
mod dial;
mod driver;
mod error;
mod link;
mod open;
mod options;
mod patience;
mod pool;
mod receiver;
mod shared;
mod sharing;
mod tenant;
mod tls;
mod together;
mod transport;
mod websocket;
mod wire;

pub use address::{AddressError, DEFAULT_PORT, Login, ServerAddress, parse_list};
pub use client::Client;
pub(crate) use connector::{Connecting, Connector, Stream};
pub use credentials::{Credentials, CredentialsError};
pub use error::{ClientError, ConnectError, DialError};
pub use options::{ConnectionOptions, own_inbox_prefix};
pub use receiver::{Answer, Arrival, Backlog, ConnectionEvent, Listener, Receiver, Reception};
pub use shared::ConnectionStatus;
pub(crate) use shared::Departure;
pub use tls::{TlsError, TlsOptions};
pub use together::Together;
