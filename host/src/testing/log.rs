//! What a plugin prints and what its host says of it.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Where the host logs what a guest prints.
const GUEST: &str = "guest";

/// Lines, in their order. Cheap to clone; all clones are the same log.
#[derive(Clone)]
pub(super) struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    dispatch: Dispatch,
}

struct Line {
    is_guests: bool,
    text: String,
}

impl Log {
    pub(super) fn new() -> Self {
        let lines = Arc::<Mutex<Vec<Line>>>::default();
        let recorder = Recorder { lines: Arc::clone(&lines) };
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(recorder));
        Self { lines, dispatch }
    }

    /// What is logged on this thread meanwhile goes here.
    pub(super) fn record<T>(&self, work: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&self.dispatch, work)
    }

    /// What the plugin printed or logged.
    pub(super) fn of_guest(&self) -> Vec<String> {
        let lines = self.lines.lock();
        lines.iter().filter(|line| line.is_guests).map(|line| line.text.clone()).collect()
    }

    /// That, and what the host said of it.
    pub(super) fn all(&self) -> Vec<String> {
        let lines = self.lines.lock();
        let shown = |line: &Line| {
            if line.is_guests { line.text.clone() } else { format!("[host] {}", line.text) }
        };
        lines.iter().map(shown).collect()
    }
}

struct Recorder {
    lines: Arc<Mutex<Vec<Line>>>,
}

impl<S: Subscriber> Layer<S> for Recorder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        // A guest's own levels are its author's business.
        let most = if metadata.target() == GUEST { Level::TRACE } else { Level::WARN };
        let is_ours = metadata.target().starts_with(env!("CARGO_CRATE_NAME"));
        (is_ours || metadata.target() == GUEST) && *metadata.level() <= most
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let is_guests = event.metadata().target() == GUEST;
        let text = if is_guests || text.fields.is_empty() {
            text.message
        } else {
            format!("{}{}", text.message, text.fields)
        };
        self.lines.lock().push(Line { is_guests, text });
    }
}

/// An event in words.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a text does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            // There is only one.
            "plugin" => Ok(()),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
