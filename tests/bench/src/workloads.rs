//! What is measured, and how much of it.

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Bytes of each payload.
    pub(crate) payload: usize,
    /// How many messages one run takes, over all clients.
    pub(crate) messages: u64,
    /// How many clients of the same kind, in one process, with a connection each.
    pub(crate) clients: usize,
}

/// What a client does with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Takes messages, so many a second or as many as it can. Each client gets
    /// all of them.
    Receive { per_second: Option<u32> },
    /// Takes messages and reads one of their header fields.
    ReceiveHeaders,
    /// Answers each message, while so many wait for their answers.
    Echo { in_flight: u64 },
    /// Answers each message before the next one is sent.
    RoundTrip,
    /// Publishes.
    Publish,
    /// Requests, while so many wait for their answers. For one, it blocks.
    Request { in_flight: u64 },
}

/// As many as they can.
pub(crate) const RECEIVE: Kind = Kind::Receive { per_second: None };

/// A workload of one client.
pub(crate) const fn workload(
    name: &'static str,
    kind: Kind,
    payload: usize,
    messages: u64,
) -> Workload {
    Workload { name, kind, payload, messages, clients: 1 }
}

/// The same with so many clients.
pub(crate) const fn among(clients: usize, workload: Workload) -> Workload {
    Workload { clients, ..workload }
}

const ECHO: Kind = Kind::Echo { in_flight: 256 };

/// Everything there is to measure; a run takes a second or two.
pub(crate) const WORKLOADS: [Workload; 17] = [
    workload("receive 16 B", RECEIVE, 16, 1_000_000),
    workload("receive 128 B", RECEIVE, 128, 1_000_000),
    workload("receive 1 KiB", RECEIVE, 1_024, 400_000),
    workload("receive 16 KiB", RECEIVE, 16_384, 40_000),
    workload("receive 128 B with headers", Kind::ReceiveHeaders, 128, 400_000),
    workload("receive 128 B at 50,000/s", Kind::Receive { per_second: Some(50_000) }, 128, 100_000),
    workload("publish 16 B", Kind::Publish, 16, 1_000_000),
    workload("publish 128 B", Kind::Publish, 128, 1_000_000),
    workload("publish 1 KiB", Kind::Publish, 1_024, 400_000),
    workload("publish 16 KiB", Kind::Publish, 16_384, 40_000),
    workload("echo 16 B, 256 in flight", ECHO, 16, 200_000),
    workload("echo 128 B, 256 in flight", ECHO, 128, 200_000),
    workload("echo 128 B, one at a time", Kind::RoundTrip, 128, 8_000),
    workload("request 128 B, 64 in flight", Kind::Request { in_flight: 64 }, 128, 100_000),
    workload("request 128 B, one at a time", Kind::Request { in_flight: 1 }, 128, 8_000),
    among(100, workload("fan-out 128 B to 100", RECEIVE, 128, 1_000_000)),
    among(100, workload("fan-in 128 B from 100", Kind::Publish, 128, 1_000_000)),
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

    /// How many of the messages are each client's.
    pub(crate) fn messages_of_each(self) -> u64 {
        self.messages / self.clients as u64
    }
}
