//! `wasi:logging@0.1.0-draft`: lines for the log of the host.

use wasmtime::component::{HasSelf, Linker};

use crate::plugin::bindings_foreign::logging::LoggingImports;
use crate::plugin::bindings_foreign::logging::wasi::logging::logging::{Host, Level};
use crate::plugin::state::State;
use crate::plugin::stdio::printable;

/// Longer texts are cut.
const MAX_TEXT_BYTES: usize = 8 * 1024;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    LoggingImports::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl Host for State {
    fn log(&mut self, level: Level, context: String, message: String) {
        let plugin = self.settings().name.as_str();
        let (context, message) = (cut(&context), cut(&message));
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(target: "guest", plugin, context, "{message}")
            };
        }
        match level {
            Level::Trace => line!(trace),
            Level::Debug => line!(debug),
            Level::Info => line!(info),
            Level::Warn => line!(warn),
            Level::Error | Level::Critical => line!(error),
        }
    }
}

fn cut(text: &str) -> String {
    let bytes = text.as_bytes();
    printable(bytes.get(..MAX_TEXT_BYTES).unwrap_or(bytes))
}
