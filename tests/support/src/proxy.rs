//! A TCP relay that plays a bad network. It looks at no byte it carries.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{broadcast, watch},
    task::JoinHandle,
};

const BLOCK_BYTES: usize = 64 * 1024;

/// How a [`Proxy`] treats what it carries; may change at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Pass everything on at once.
    Pass,
    /// Hold every block back for this long.
    Delay(Duration),
    /// Pass on in segments of this many bytes.
    Chunks(usize),
    /// Pass nothing on and close nothing, until the mode changes: packets are
    /// lost on the way. Nothing is lost in the end, as TCP would repeat it.
    Blackhole,
    /// Reset every new connection. Those there are stay.
    Refuse,
}

#[derive(Clone, Copy, Debug)]
enum Break {
    Close,
    Reset,
}

/// A running relay. Dropping it closes all connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    mode: watch::Sender<Mode>,
    breaks: broadcast::Sender<Break>,
    accepted: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Relays a free port to `target`, passing everything on.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("bind a proxy")?;
        let port = listener.local_addr()?.port();
        let mode = watch::Sender::new(Mode::Pass);
        let breaks = broadcast::Sender::new(16);
        let accepted = Arc::new(AtomicU64::new(0));
        let accepting =
            tokio::spawn(accept(listener, target, mode.clone(), breaks.clone(), accepted.clone()));
        Ok(Self { port, mode, breaks, accepted, accepting })
    }

    /// Where clients connect: `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were made to it, refused ones included.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Changes how bytes are treated from now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Closes all connections on both sides.
    pub fn cut(&self) {
        // Nobody listens when there is no connection to break.
        let _ = self.breaks.send(Break::Close);
    }

    /// Breaks all connections with a TCP reset on both sides.
    pub fn reset(&self) {
        let _ = self.breaks.send(Break::Reset);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    mode: watch::Sender<Mode>,
    breaks: broadcast::Sender<Break>,
    accepted: Arc<AtomicU64>,
) {
    while let Ok((client, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::Relaxed);
        if *mode.borrow() == Mode::Refuse {
            let _ = client.set_zero_linger();
            continue;
        }
        let (mode, breaks) = (mode.subscribe(), breaks.subscribe());
        tokio::spawn(async move {
            // Either side's failure ends the link, which is what a relay does.
            let _ = relay(client, target, mode, breaks).await;
        });
    }
}

async fn relay(
    mut client: TcpStream,
    target: SocketAddr,
    mode: watch::Receiver<Mode>,
    mut breaks: broadcast::Receiver<Break>,
) -> io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let both = async {
        tokio::try_join!(
            pump(from_client, to_server, mode.clone()),
            pump(from_server, to_client, mode),
        )
    };
    let broken = tokio::select! {
        done = both => {
            done?;
            Break::Close
        }
        how = breaks.recv() => how.unwrap_or(Break::Close),
    };
    if let Break::Reset = broken {
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    Ok(())
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let count = from.read(&mut block).await?;
        let now = match mode.wait_for(|mode| *mode != Mode::Blackhole).await {
            Ok(mode) => *mode,
            Err(_) => return Ok(()),
        };
        if count == 0 {
            return to.shutdown().await;
        }
        let size = if let Mode::Chunks(size) = now { size.max(1) } else { BLOCK_BYTES };
        if let Mode::Delay(delay) = now {
            tokio::time::sleep(delay).await;
        }
        for chunk in block.get(..count).unwrap_or_default().chunks(size) {
            to.write_all(chunk).await?;
        }
    }
}
