//! TCP: from the name of a server to an open stream.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};

use super::address::ServerAddress;
use super::error::DialError;

/// An address that has not answered for so long is no longer waited for alone: of
/// a name with several, one may lead nowhere.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the first address of a server that answers.
pub(super) async fn open(server: &ServerAddress) -> Result<TcpStream, DialError> {
    let addresses = lookup_host((server.host(), server.port())).await?;
    let stream = connect_any(addresses).await?.ok_or(DialError::NoAddress)?;
    // Whole batches are written at once, so there is nothing to gather.
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&keep_alive())?;
    Ok(stream)
}

/// Tries addresses in their order, each after the one before has failed or has had
/// its head start. None: there are none.
async fn connect_any(
    addresses: impl IntoIterator<Item = SocketAddr>,
) -> io::Result<Option<TcpStream>> {
    let mut addresses = addresses.into_iter().peekable();
    let mut attempts: FuturesUnordered<_> =
        addresses.next().into_iter().map(TcpStream::connect).collect();
    let mut last = None;
    while !attempts.is_empty() {
        tokio::select! {
            Some(outcome) = attempts.next() => match outcome {
                Ok(stream) => return Ok(Some(stream)),
                Err(error) => last = Some(error),
            },
            () = tokio::time::sleep(HEAD_START), if addresses.peek().is_some() => {}
        }
        attempts.extend(addresses.next().map(TcpStream::connect));
    }
    last.map_or(Ok(None), Err)
}

/// Routers on the way forget connections that are silent, some after a minute; and
/// where PINGs are switched off, nothing else would find a dead server.
fn keep_alive() -> TcpKeepalive {
    TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    /// A place where a connect is neither taken nor refused, for as long as the
    /// sockets live.
    fn nowhere() -> (SocketAddr, Vec<Socket>) {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut sockets = vec![listener];
        for _ in 0..4 {
            // Nobody accepts them; once the queue is full, they do not even get there.
            let waiting = socket();
            waiting.set_nonblocking(true).unwrap();
            let _ = waiting.connect(&address);
            sockets.push(waiting);
        }
        (address.as_socket().unwrap(), sockets)
    }

    #[test]
    fn an_address_that_leads_nowhere_does_not_hold_up_the_next() {
        let (dead, _sockets) = nowhere();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let live = listener.local_addr().unwrap();
        run(async {
            let alone = tokio::time::timeout(HEAD_START * 2, TcpStream::connect(dead)).await;
            assert!(alone.is_err(), "it does lead somewhere");
            let found = tokio::time::timeout(Duration::from_secs(20), connect_any([dead, live]));
            let stream = found.await.unwrap().unwrap().unwrap();
            assert_eq!(stream.peer_addr().unwrap(), live);
        });
    }

    #[test]
    fn an_address_that_refuses_is_passed_over_and_the_last_refusal_is_told() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let live = listener.local_addr().unwrap();
        run(async {
            let stream = connect_any([closed, live]).await.unwrap().unwrap();
            assert_eq!(stream.peer_addr().unwrap(), live);
            let error = connect_any([closed, closed]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            assert!(connect_any([]).await.unwrap().is_none());
        });
    }
}
