//! A client that says exactly what a test writes and shows exactly what comes:
//! for header blocks, which other clients take apart.

use anyhow::{Context, Result, ensure};
use test_support::within;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// A connection to a real server, past its handshake.
pub(crate) struct RawClient {
    stream: BufReader<TcpStream>,
}

impl RawClient {
    /// Connects, and waits until the server has accepted.
    pub(crate) async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("connect")?;
        let mut client = Self { stream: BufReader::new(stream) };
        client.send("CONNECT {\"verbose\":false,\"headers\":true}\r\n").await?;
        client.flush().await?;
        Ok(client)
    }

    /// Writes bytes as they are.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref()).await.context("send")
    }

    /// Writes a message with a header block.
    pub(crate) async fn publish(
        &mut self,
        subject: &str,
        reply_to: &str,
        headers: &[u8],
        payload: &[u8],
    ) -> Result<()> {
        let (head, total) = (headers.len(), headers.len() + payload.len());
        let line = format!("HPUB {subject} {reply_to} {head} {total}\r\n");
        self.send([line.as_bytes(), headers, payload, b"\r\n"].concat()).await
    }

    /// Waits until the server has taken everything; no message may be on its way.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        self.send("PING\r\n").await?;
        loop {
            let line = self.line().await?;
            if line == "PONG" {
                return Ok(());
            }
            ensure!(line.starts_with("INFO "), "expected PONG, got {line:?}");
        }
    }

    /// The header block and the payload of the next message.
    pub(crate) async fn message(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut line = self.line().await?;
        // The server tells of the account once the handshake is over.
        while line.starts_with("INFO ") {
            line = self.line().await?;
        }
        let mut sizes = line.split(' ').rev().map(str::parse::<usize>);
        let mut size = || sizes.next().context("no size")?.context("a size");
        let total = size()?;
        let head = if line.starts_with("HMSG ") { size()? } else { 0 };
        let mut bytes = vec![0; total + 2];
        within("a payload", self.stream.read_exact(&mut bytes)).await??;
        bytes.truncate(total);
        let payload = bytes.split_off(head);
        Ok((bytes, payload))
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        within("a line of the server", self.stream.read_line(&mut line)).await??;
        Ok(line.trim_end().to_owned())
    }
}
