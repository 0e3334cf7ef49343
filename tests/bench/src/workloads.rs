//! What is measured, and how much of it.

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Bytes of each payload.
    pub(crate) payload: usize,
    /// How many messages one run takes.
    pub(crate) messages: u64,
}

/// What a client does with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Takes messages, so many a second or as many as it can.
    Receive { per_second: Option<u32> },
    /// Answers each message, while so many wait for their answers.
    Echo { in_flight: u64 },
    /// Answers each message before the next one is sent.
    RoundTrip,
    /// Publishes.
    Publish,
}

const FULL_SPEED: Kind = Kind::Receive { per_second: None };

/// Everything there is to measure; a run takes a second or two.
pub(crate) const WORKLOADS: [Workload; 10] = [
    Workload { name: "receive 16 B", kind: FULL_SPEED, payload: 16, messages: 1_000_000 },
    Workload { name: "receive 128 B", kind: FULL_SPEED, payload: 128, messages: 1_000_000 },
    Workload { name: "receive 1 KiB", kind: FULL_SPEED, payload: 1_024, messages: 400_000 },
    Workload { name: "receive 16 KiB", kind: FULL_SPEED, payload: 16_384, messages: 40_000 },
    Workload {
        name: "receive 128 B at 50,000/s",
        kind: Kind::Receive { per_second: Some(50_000) },
        payload: 128,
        messages: 100_000,
    },
    Workload {
        name: "echo 16 B, 256 in flight",
        kind: Kind::Echo { in_flight: 256 },
        payload: 16,
        messages: 200_000,
    },
    Workload {
        name: "echo 128 B, 256 in flight",
        kind: Kind::Echo { in_flight: 256 },
        payload: 128,
        messages: 200_000,
    },
    Workload {
        name: "echo 128 B, one at a time",
        kind: Kind::RoundTrip,
        payload: 128,
        messages: 8_000,
    },
    Workload { name: "publish 16 B", kind: Kind::Publish, payload: 16, messages: 1_000_000 },
    Workload { name: "publish 1 KiB", kind: Kind::Publish, payload: 1_024, messages: 400_000 },
];

/// A quick run takes so many times fewer messages.
const QUICK: u64 = 4;

/// Before it is measured, a client handles one message in so many.
const WARM_UP: u64 = 10;

impl Workload {
    /// The same with fewer messages.
    pub(crate) fn quick(self) -> Self {
        Self { messages: self.messages / QUICK, ..self }
    }

    /// What comes before the measured run.
    pub(crate) fn warm_up(self) -> Self {
        Self { messages: self.messages / WARM_UP, ..self }
    }
}
