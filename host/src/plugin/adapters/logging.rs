//! `wasi:logging@0.1.0-draft`: lines for the log of the host.

use wasmtime::component::{HasSelf, Linker};

use crate::plugin::loading::bindings_foreign::logging::LoggingImports;
use crate::plugin::loading::bindings_foreign::logging::wasi::logging::logging::{Host, Level};
use crate::plugin::state::State;
use crate::plugin::wasi::stdio::printable;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    LoggingImports::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl Host for State {
    fn log(&mut self, level: Level, context: String, message: String) {
        let settings = self.settings();
        let cut = |text: &str| {
            let bytes = text.as_bytes();
            printable(bytes.get(..settings.limits.max_log_line_bytes).unwrap_or(bytes))
        };
        let (context, message) = (cut(&context), cut(&message));
        if !self.plugin.may_log(context.len().saturating_add(message.len())) {
            return;
        }
        let plugin = settings.name.as_str();
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
