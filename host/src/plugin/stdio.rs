//! What a guest prints, and its view of the system: clocks, random numbers, the
//! log, and nothing else.

use bytes::Bytes;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use super::settings::PluginSettings;

/// Longer lines are cut into several.
const MAX_LINE_BYTES: usize = 8 * 1024;

/// A plugin's view of the system. What it prints goes to the log.
pub(super) fn plugin_context(settings: &PluginSettings) -> WasiCtx {
    let mut builder = confined(settings);
    builder.stdout(GuestLog::new(settings, "stdout")).stderr(GuestLog::new(settings, "stderr"));
    builder.build()
}

/// A command's: it prints where the host prints, like any other program.
pub(super) fn command_context(settings: &PluginSettings) -> WasiCtx {
    let mut builder = confined(settings);
    builder.arg(&settings.name).args(&settings.arguments).inherit_stdout().inherit_stderr();
    builder.build()
}

fn confined(settings: &PluginSettings) -> WasiCtxBuilder {
    let mut builder = WasiCtxBuilder::new();
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    builder.envs(&settings.environment);
    builder
}

/// A stream whose lines go to the log, with the plugin's name.
#[derive(Clone)]
struct GuestLog {
    plugin: String,
    stream: &'static str,
    line: Vec<u8>,
}

impl GuestLog {
    fn new(settings: &PluginSettings, stream: &'static str) -> Self {
        Self { plugin: settings.name.clone(), stream, line: Vec::new() }
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            self.extend(line);
            self.emit();
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.extend(bytes);
    }

    fn extend(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(MAX_LINE_BYTES) {
            if self.line.len() + piece.len() > MAX_LINE_BYTES {
                self.emit();
            }
            self.line.extend_from_slice(piece);
        }
    }

    fn emit(&mut self) {
        let text = printable(&self.line);
        self.line.clear();
        tracing::info!(target: "guest", plugin = self.plugin, stream = self.stream, "{text}");
    }
}

/// Control characters are written out: a guest must not steer the operator's
/// terminal, nor forge a line of the log.
pub(super) fn printable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = String::with_capacity(line.len());
    for c in String::from_utf8_lossy(line).chars() {
        if c.is_control() && c != '\t' {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.emit();
        }
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and that is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
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
    }
}
