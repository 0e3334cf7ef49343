//! The lines that a child process writes, kept and awaited. Knows nothing of
//! what they mean.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::watch,
};

use crate::deadline::{DEADLINE, within, within_time};

/// How many of the last lines a failure shows.
const SHOWN_LINES: usize = 30;

/// Collects a stream line by line, in the background, until it ends.
#[derive(Clone, Debug)]
pub struct Lines {
    collected: watch::Receiver<Vec<String>>,
    deadline: Duration,
}

impl Lines {
    /// Starts to collect from `source`.
    pub fn collect(source: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, collected) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while let Ok(1..) = source.read_until(b'\n', &mut line).await {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                sender.send_modify(|lines| lines.push(text));
                line.clear();
            }
        });
        Self { collected, deadline: DEADLINE }
    }

    /// The same lines, where a single wait may take so long.
    pub fn patient(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// All lines up to now.
    pub fn so_far(&self) -> Vec<String> {
        self.collected.borrow().clone()
    }

    /// How many lines there are up to now: a place to [`wait_from`](Self::wait_from).
    pub fn count(&self) -> usize {
        self.collected.borrow().len()
    }

    /// Waits until `find` picks something out of a line, past ones included.
    pub async fn wait_for<T>(&self, what: &str, find: impl FnMut(&str) -> Option<T>) -> Result<T> {
        self.wait_from(0, what, find).await
    }

    /// Like [`wait_for`](Self::wait_for), but passes over the first `start` lines.
    ///
    /// `find` sees each line once, so it may count.
    pub async fn wait_from<T>(
        &self,
        start: usize,
        what: &str,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        let mut collected = self.collected.clone();
        let mut next = start;
        let mut found = None;
        let waited = within_time(self.deadline, what, async {
            collected
                .wait_for(|lines| {
                    found = lines.iter().skip(next).find_map(|line| find(line));
                    next = next.max(lines.len());
                    found.is_some()
                })
                .await
                .is_ok()
        })
        .await;
        match (found, waited) {
            (Some(found), _) => Ok(found),
            (None, Ok(_)) => bail!("output ended without {what}; it was:\n{}", self.tail()),
            (None, Err(error)) => Err(error.context(format!("output so far:\n{}", self.tail()))),
        }
    }

    /// Waits for the end of the stream and gives every line.
    pub async fn to_end(&self) -> Result<Vec<String>> {
        let mut collected = self.collected.clone();
        within("the end of the output", async { while collected.changed().await.is_ok() {} })
            .await?;
        Ok(self.so_far())
    }

    fn tail(&self) -> String {
        let lines = self.collected.borrow();
        let shown: Vec<_> =
            lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES)).cloned().collect();
        shown.join("\n")
    }
}
