//! The NATS client protocol: bytes and rules.
//!
//! Nothing here opens a socket, reads a clock, waits or knows of WebAssembly.
//! [`Session`] is the whole of it for a driver: bytes and the time go in, events
//! and bytes come out. Names from outside become [`Subject`], [`SubjectPattern`]
//! or [`QueueGroup`] by a check, and only those are ever written.

mod client_op;
mod connect;
mod deadlines;
mod decode;
pub mod encode;
mod error;
mod event;
mod frame;
mod headers;
mod ids;
mod message;
mod pings;
mod requests;
mod server_error;
mod server_op;
mod session;
mod subject;
mod subscriptions;
mod word;

pub use client_op::{ClientOp, first_unwritten};
pub use connect::{Connect, ServerInfo};
pub use decode::{Decoder, MAX_MESSAGE_BYTES};
pub use error::{DecodeError, HeaderError, SessionError, SubjectError};
pub use event::{EndReason, Event, RequestError};
pub use headers::{HeaderBlock, Headers, MAX_HEADER_FIELDS, Status, check_header};
pub use ids::{PingId, RequestId, Sid};
pub use message::{Message, Parts};
pub use requests::RequestOptions;
pub use server_error::{ServerError, ServerErrorKind};
pub use server_op::ServerOp;
pub use session::{KEPT_OUTPUT, Retired, Session, SessionConfig, State, Statistics};
pub use subject::{
    OwnedPattern, QueueGroup, Subject, SubjectPattern, check_client_name, check_inbox_prefix,
};
