//! What a guest prints: lines of the log, of bounded length and number, which can't
//! steer a terminal.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::plugin::limits::Limits;
use crate::plugin::limits::rate::{Meter, Suppressed, UsedUp};
use crate::plugin::state::Shared;
use crate::time;

/// What a guest may write at once. A call works on no more than that.
const MAX_WRITE_BYTES: usize = 4 << 10;

/// How long lines are left out before their number is told.
const REPORT_AFTER: Duration = Duration::from_secs(1);

/// How much all instances of a plugin may log.
#[derive(Debug)]
pub(in crate::plugin) struct LogMeter {
    meter: Meter,
    suppressed: Suppressed,
}

impl LogMeter {
    pub(in crate::plugin) fn new(limits: &Limits) -> Self {
        let (lines, bytes) = (limits.max_log_lines_per_second, limits.max_log_bytes_per_second);
        Self { meter: Meter::new(lines, bytes), suppressed: Suppressed::default() }
    }
}

/// A stream whose lines go to the log, with the plugin's name. All handles of a
/// guest for it are the same stream.
#[derive(Clone)]
pub(in crate::plugin) struct GuestLog(Arc<Stream>);

struct Stream {
    plugin: Arc<Shared>,
    name: &'static str,
    line: Mutex<Vec<u8>>,
}

impl GuestLog {
    pub(in crate::plugin) fn new(plugin: &Arc<Shared>, name: &'static str) -> Self {
        Self(Arc::new(Stream { plugin: Arc::clone(plugin), name, line: Mutex::default() }))
    }
}

impl Stream {
    fn push(&self, mut bytes: &[u8]) {
        let mut line = self.line.lock();
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (rest_of_line, rest) = bytes.split_at(end);
            self.extend(&mut line, rest_of_line);
            self.emit(&mut line);
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.extend(&mut line, bytes);
    }

    fn extend(&self, line: &mut Vec<u8>, bytes: &[u8]) {
        let limit = self.plugin.settings.limits.max_log_line_bytes.max(1);
        for piece in bytes.chunks(limit) {
            if line.len() + piece.len() > limit {
                self.emit(line);
            }
            line.extend_from_slice(piece);
        }
    }

    fn emit(&self, line: &mut Vec<u8>) {
        if self.plugin.may_log(line.len()) {
            let (name, text) = (self.plugin.settings.name.as_str(), printable(line));
            tracing::info!(target: "guest", plugin = name, stream = self.name, "{text}");
        }
        line.clear();
    }
}

/// The guest may never print again, so this can't wait for its next line.
fn report_later(plugin: &Arc<Shared>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return plugin.report_suppressed_lines();
    };
    let plugin = Arc::clone(plugin);
    runtime.spawn(async move {
        time::sleep(REPORT_AFTER).await;
        plugin.report_suppressed_lines();
    });
}

impl Shared {
    /// Whether a line of so many bytes may be logged now. If not, it is counted.
    pub(in crate::plugin) fn may_log(self: &Arc<Self>, bytes: usize) -> bool {
        let Err(used_up) = self.log_meter.meter.take(bytes) else { return true };
        if self.log_meter.suppressed.add() {
            self.report_full_log(used_up);
            report_later(self);
        }
        false
    }

    fn report_full_log(&self, used_up: UsedUp) {
        let (limit, maximum) = match used_up {
            UsedUp::Count(maximum) => ("log-lines-per-second", maximum),
            UsedUp::Bytes(maximum) => ("log-bytes-per-second", maximum),
        };
        self.rate_reached(limit, maximum);
    }

    /// Says how many lines were left out, if any.
    fn report_suppressed_lines(&self) {
        let lines = self.log_meter.suppressed.take();
        if lines > 0 {
            let plugin = self.settings.name.as_str();
            tracing::warn!(plugin, lines, "more was printed than may be logged");
        }
    }
}

/// Control characters are written out: a guest must not steer the operator's
/// terminal, nor forge a line of the log.
pub(in crate::plugin) fn printable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = String::with_capacity(line.len());
    for c in String::from_utf8_lossy(line).chars() {
        if (c.is_control() && c != '\t') || changes_direction(c) {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

/// Characters that show a text in another order than it is written in.
fn changes_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut line = std::mem::take(&mut *self.line.lock());
        if !line.is_empty() {
            self.emit(&mut line);
        }
        self.plugin.report_suppressed_lines();
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

/// That of WASI 0.3.
impl AsyncWrite for GuestLog {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = bytes.get(..MAX_WRITE_BYTES).unwrap_or(bytes);
        self.0.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > MAX_WRITE_BYTES {
            let size = bytes.len();
            let reason = format!("wrote {size} bytes where {MAX_WRITE_BYTES} were permitted");
            return Err(StreamError::Trap(wasmtime::Error::msg(reason)));
        }
        self.0.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestLog {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_codes_and_broken_text_are_written_out() {
        assert_eq!(printable(b"\x1b[2Jhi\x07\tthere\r"), "\\u{1b}[2Jhi\\u{7}\tthere");
        assert_eq!(printable(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(printable("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
        assert_eq!(printable("a\u{202e}b".as_bytes()), "a\\u{202e}b");
    }
}
