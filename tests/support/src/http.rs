//! Just enough HTTP to read a monitoring page, or to use an admin port.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::deadline::within;

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

impl HttpAnswer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| self.body.clone())
    }
}

/// Sends a request without a body; `headers` are lines such as `Accept: text/plain`.
pub async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
) -> Result<HttpAnswer> {
    let exchange = exchange(address, method, path, headers);
    let answer = within(path, exchange).await?.with_context(|| format!("ask {address}"))?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .with_context(|| format!("no end of headers in the answer to {path}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(HttpAnswer { status: status.context("no status")?, body: body.to_owned() })
}

/// Fetches `path` and parses the answer as JSON.
pub(crate) async fn get_json(address: SocketAddr, path: &str) -> Result<Value> {
    let answer = http(address, "GET", path, &[]).await?;
    ensure!(answer.status == 200, "{path}: {answer:?}");
    answer.json()
}

async fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    // Version 1.0: the body comes unchunked and ends with the connection.
    let mut request = format!("{method} {path} HTTP/1.0\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
