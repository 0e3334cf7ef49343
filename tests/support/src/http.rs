//! Just enough HTTP to read a monitoring page.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::deadline::within;

/// Fetches `path` and parses the answer as JSON.
pub(crate) async fn get_json(address: SocketAddr, path: &str) -> Result<Value> {
    let answer = within(path, get(address, path)).await??;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .with_context(|| format!("no end of headers in the answer to {path}"))?;
    ensure!(head.lines().next().is_some_and(|line| line.contains(" 200 ")), "{path}: {head}");
    serde_json::from_str(body).with_context(|| format!("{path}: {body}"))
}

async fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("connect to the monitoring port {address}"))?;
    // Version 1.0: the body comes unchunked and ends with the connection.
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
