//! A scripted server: the test writes every byte it sends and names every byte
//! it expects. It knows the handshake and nothing else of the protocol.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::deadline::within;

/// The INFO of an ordinary server, for [`FakeConnection::handshake`].
pub const INFO: &str = r#"{"server_id":"FAKE","server_name":"fake","version":"2.15.1","proto":1,"host":"127.0.0.1","port":4222,"headers":true,"max_payload":1048576,"client_id":7}"#;

/// A listening socket that plays a server.
#[derive(Debug)]
pub struct FakeServer {
    listener: TcpListener,
    port: u16,
}

/// One client's connection to a [`FakeServer`]. Dropping it closes it.
#[derive(Debug)]
pub struct FakeConnection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl FakeServer {
    /// Listens on a free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("bind a fake server")?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Where clients connect: `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next client; says nothing to it.
    pub async fn accept(&self) -> Result<FakeConnection> {
        let (stream, _) = within("a client to connect", self.listener.accept()).await??;
        stream.set_nodelay(true)?;
        Ok(FakeConnection { stream, unread: Vec::new() })
    }

    /// Waits for the next client and takes it through the handshake with [`INFO`].
    pub async fn accept_client(&self) -> Result<FakeConnection> {
        let mut connection = self.accept().await?;
        connection.handshake(INFO).await?;
        Ok(connection)
    }
}

impl FakeConnection {
    /// Sends bytes as they are, in one write.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        within("bytes to be sent", self.stream.write_all(bytes.as_ref())).await?.context("send")
    }

    /// Sends INFO, expects CONNECT and PING, answers PONG. Gives what CONNECT said.
    pub async fn handshake(&mut self, info: &str) -> Result<Value> {
        self.send(format!("INFO {info}\r\n")).await?;
        let connect = self.connect().await?;
        self.send("PONG\r\n").await?;
        Ok(connect)
    }

    /// Expects CONNECT and PING. Gives what CONNECT said.
    pub async fn connect(&mut self) -> Result<Value> {
        let line = self.line().await?;
        let Some(options) = line.strip_prefix("CONNECT ") else {
            bail!("expected CONNECT, got {line:?}");
        };
        let options = serde_json::from_str(options).with_context(|| format!("parse {line:?}"))?;
        self.expect("PING\r\n").await?;
        Ok(options)
    }

    /// The next line, without its end.
    pub async fn line(&mut self) -> Result<String> {
        let end = within("a line", self.line_end())
            .await
            .flatten()
            .with_context(|| format!("after {}", self.unread.escape_ascii()))?;
        let mut line = self.take(end + 2);
        line.truncate(end);
        String::from_utf8(line).context("the line is not text")
    }

    /// The next `count` bytes.
    pub async fn bytes(&mut self, count: usize) -> Result<Vec<u8>> {
        within("bytes", self.fill(count))
            .await
            .flatten()
            .with_context(|| format!("after {}", self.unread.escape_ascii()))?;
        Ok(self.take(count))
    }

    /// Expects exactly these bytes next.
    pub async fn expect(&mut self, expected: impl AsRef<[u8]>) -> Result<()> {
        let expected = expected.as_ref();
        let actual = self
            .bytes(expected.len())
            .await
            .with_context(|| format!("expected {}", expected.escape_ascii()))?;
        ensure!(
            actual == expected,
            "expected {}, got {}",
            expected.escape_ascii(),
            actual.escape_ascii()
        );
        Ok(())
    }

    /// Sends PING and expects PONG as the very next bytes: proof that the
    /// client had sent nothing that was not read yet.
    pub async fn expect_silence(&mut self) -> Result<()> {
        self.send("PING\r\n").await?;
        self.expect("PONG\r\n").await
    }

    /// Expects the client to close, having sent nothing more.
    pub async fn expect_closed(&mut self) -> Result<()> {
        let mut rest = Vec::new();
        // A reset is an end too; what arrived before it stays in `rest`.
        let _ = within("the client to close", self.stream.read_to_end(&mut rest)).await?;
        self.unread.append(&mut rest);
        ensure!(self.unread.is_empty(), "left unread: {}", self.unread.escape_ascii());
        Ok(())
    }

    /// Breaks the connection with a TCP reset.
    pub fn reset(self) -> Result<()> {
        self.stream.set_zero_linger().context("reset")
    }

    async fn line_end(&mut self) -> Result<usize> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                return Ok(end);
            }
            self.read_more().await?;
        }
    }

    async fn fill(&mut self, count: usize) -> Result<()> {
        while self.unread.len() < count {
            self.read_more().await?;
        }
        Ok(())
    }

    async fn read_more(&mut self) -> Result<()> {
        let count = self.stream.read_buf(&mut self.unread).await?;
        ensure!(count > 0, "the client closed the connection");
        Ok(())
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.unread.split_off(count);
        std::mem::replace(&mut self.unread, rest)
    }
}
