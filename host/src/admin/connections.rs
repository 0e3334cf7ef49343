//! Connections to the admin port: how many there are at a time, and how long one
//! keeps its place without asking for anything or taking its answer.
//!
//! Whoever reaches the port gets so far, with or without its token.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Sleep;

/// Room for a token and what proxies add.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// How long to wait after the system has refused a connection, for lack of files
/// as a rule.
const PAUSE: Duration = Duration::from_secs(1);

/// What clients may take of the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Connections at a time; more wait until one of these ends.
    pub(super) connections: usize,
    /// From the begin of a connection, or the end of an answer, to the end of the
    /// next request's head.
    pub(super) head_timeout: Duration,
    /// For the client to take a piece of its answer.
    pub(super) write_timeout: Duration,
}

impl Bounds {
    /// Far more than operators and probes use.
    pub(super) const DEFAULT: Self = Self {
        connections: 64,
        head_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(10),
    };
}

/// Answers whoever connects, until it is dropped.
pub(super) async fn serve(listener: TcpListener, router: Router, bounds: Bounds) {
    let mut connections = JoinSet::new();
    // Told once for each time that the port is beset.
    let mut is_told = false;
    loop {
        if connections.len() >= bounds.connections {
            if !is_told {
                tracing::warn!(connections = connections.len(), "admin port busy; others wait");
                is_told = true;
            }
            connections.join_next().await;
            continue;
        }
        is_told &= connections.len() > bounds.connections / 2;
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(answer(stream, router.clone(), bounds));
                }
                // It is over already, which is the client's business.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "admin port: accepting a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers a client until it leaves or is too slow.
async fn answer(stream: TcpStream, router: Router, bounds: Bounds) {
    let stream = Impatient { stream, limit: bounds.write_timeout, waiting: None };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "admin connection ended");
    }
}

/// A socket that fails if the other side takes nothing for too long.
struct Impatient {
    stream: TcpStream,
    limit: Duration,
    /// Runs while there is something that the other side does not take.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let done = write(Pin::new(&mut self.stream), cx);
        if done.is_ready() {
            self.waiting = None;
            return done;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |stream, cx| stream.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use anyhow::Result;
    use axum::routing::get;
    use test_support::{http, within};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PATIENT: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(100);
    const ASK: &[u8] = b"GET /short HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const PATIENT_BOUNDS: Bounds =
        Bounds { connections: 64, head_timeout: PATIENT, write_timeout: PATIENT };

    async fn start(bounds: Bounds) -> Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/short", get(async || "short"))
            // More than sockets hold.
            .route("/long", get(async || vec![b'x'; 64 << 20]));
        tokio::spawn(serve(listener, router, bounds));
        Ok(address)
    }

    async fn connect(address: SocketAddr, sent: &[u8]) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(sent).await?;
        Ok(stream)
    }

    async fn is_answered(address: SocketAddr) -> Result<bool> {
        Ok(http(address, "GET", "/short", &[]).await?.body == "short")
    }

    #[tokio::test]
    async fn a_client_that_does_not_finish_a_head_is_cut() -> Result<()> {
        let bounds = Bounds { head_timeout: SHORT, ..PATIENT_BOUNDS };
        let address = start(bounds).await?;
        for begin in ["", "GET", "GET /short HTTP/1.1\r\nHost: loc"] {
            let mut stream = connect(address, begin.as_bytes()).await?;
            within("the end", stream.read_to_end(&mut Vec::new())).await??;
        }
        assert!(is_answered(address).await?);
        Ok(())
    }

    #[tokio::test]
    async fn a_client_that_asks_no_more_is_cut() -> Result<()> {
        let address = start(Bounds { head_timeout: SHORT, ..PATIENT_BOUNDS }).await?;
        let mut stream = connect(address, &ASK.repeat(2)).await?;
        let mut answers = String::new();
        within("the end", stream.read_to_string(&mut answers)).await??;
        assert_eq!(answers.matches("200 OK").count(), 2, "{answers}");
        Ok(())
    }

    #[tokio::test]
    async fn a_head_that_is_too_long_is_refused() -> Result<()> {
        let address = start(PATIENT_BOUNDS).await?;
        let token = format!("Authorization: Bearer {}", "x".repeat(MAX_HEAD_BYTES));
        assert_eq!(http(address, "GET", "/short", &[&token]).await?.status, 431);
        Ok(())
    }

    #[tokio::test]
    async fn a_client_that_does_not_take_its_answer_is_cut() -> Result<()> {
        let bounds = Bounds { connections: 1, write_timeout: SHORT, ..PATIENT_BOUNDS };
        let address = start(bounds).await?;
        let _stream = connect(address, b"GET /long HTTP/1.0\r\n\r\n").await?;
        // It gives up the only place.
        assert!(is_answered(address).await?);
        Ok(())
    }

    #[tokio::test]
    async fn more_clients_than_there_are_places_wait_for_one() -> Result<()> {
        let address = start(Bounds { connections: 2, ..PATIENT_BOUNDS }).await?;
        let mut buffer = [0; 1024];
        let mut others = Vec::new();
        for _ in 0..2 {
            let mut other = connect(address, ASK).await?;
            within("an answer", other.read(&mut buffer)).await??;
            others.push(other);
        }
        let mut stream = connect(address, ASK).await?;
        let early = tokio::time::timeout(SHORT, stream.read(&mut buffer)).await;
        assert!(early.is_err(), "{early:?}");
        others.pop();
        assert!(within("an answer", stream.read(&mut buffer)).await?? > 0);
        Ok(())
    }
}
