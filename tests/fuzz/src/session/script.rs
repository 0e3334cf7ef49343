//! What can happen to a connection.

use arbitrary::{Arbitrary, Result, Unstructured};

/// The longest script: more only takes more time.
const MAX_STEPS: usize = 400;

/// A course of events.
#[derive(Debug)]
pub struct Script {
    pub(super) honest: bool,
    pub(super) steps: Vec<Step>,
}

/// One of them. Numbers choose among what there is.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Open,
    Cut {
        link: u8,
    },
    Move,
    /// The client writes, up to so many bytes.
    Write {
        link: u8,
        bytes: usize,
    },
    /// The client reads, up to so many bytes.
    Read {
        link: u8,
        bytes: usize,
    },
    Message {
        link: u8,
        nth: u8,
    },
    Answer {
        link: u8,
        nth: u8,
        status: bool,
    },
    Refuse {
        link: u8,
        nth: u8,
    },
    ServerPing {
        link: u8,
    },
    Info {
        link: u8,
        nth: u8,
    },
    /// Only in a script that is not honest.
    Lie {
        nth: u8,
    },
    Garbage {
        bytes: Vec<u8>,
    },
    Pass {
        seconds: u8,
    },
    Subscribe {
        nth: u8,
        group: bool,
    },
    Unsubscribe {
        nth: u8,
        max: Option<u8>,
    },
    DrainSubscription {
        nth: u8,
    },
    Publish {
        size: u8,
        headers: bool,
    },
    Request {
        max_replies: u8,
        timeout: u8,
        stall: Option<u8>,
    },
    Cancel {
        nth: u8,
    },
    Ping,
    Drain,
    Close,
}

impl<'a> Arbitrary<'a> for Script {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let honest = u.ratio(3_u8, 4)?;
        let mut steps = Vec::new();
        while !u.is_empty() && steps.len() < MAX_STEPS {
            steps.push(Step::arbitrary(u)?);
        }
        Ok(Self { honest, steps })
    }
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let kind = u.int_in_range(0_u8..=39)?;
        let small = |u: &mut Unstructured<'a>| u.int_in_range(0_u8..=3);
        Ok(match kind {
            0 | 1 => Self::Open,
            2 => Self::Cut { link: small(u)? },
            3 => Self::Move,
            4..=7 => Self::Write { link: small(u)?, bytes: portion(u)? },
            8..=12 => Self::Read { link: small(u)?, bytes: portion(u)? },
            13..=15 => Self::Message { link: small(u)?, nth: u.arbitrary()? },
            16 | 17 => {
                Self::Answer { link: small(u)?, nth: u.arbitrary()?, status: u.arbitrary()? }
            }
            18 => Self::Refuse { link: small(u)?, nth: u.arbitrary()? },
            19 => Self::ServerPing { link: small(u)? },
            20 => Self::Info { link: small(u)?, nth: u.arbitrary()? },
            21 | 22 => Self::Lie { nth: u.arbitrary()? },
            23 => Self::Garbage { bytes: u.arbitrary()? },
            24 => Self::Pass { seconds: u.arbitrary()? },
            25..=27 => Self::Subscribe { nth: u.arbitrary()?, group: u.arbitrary()? },
            28 | 29 => Self::Unsubscribe {
                nth: u.arbitrary()?,
                max: if u.arbitrary()? { Some(u.int_in_range(0_u8..=6)?) } else { None },
            },
            30 => Self::DrainSubscription { nth: u.arbitrary()? },
            31 | 32 => Self::Publish { size: u.arbitrary()?, headers: u.arbitrary()? },
            33..=35 => Self::Request {
                max_replies: small(u)?,
                timeout: u.arbitrary()?,
                stall: u.arbitrary()?,
            },
            36 => Self::Cancel { nth: u.arbitrary()? },
            37 => Self::Ping,
            // Rare, since little happens afterwards.
            38 if u.ratio(1_u8, 4)? => Self::Drain,
            39 if u.ratio(1_u8, 8)? => Self::Close,
            _ => Self::Read { link: 0, bytes: usize::MAX },
        })
    }
}

/// Everything, or few bytes.
fn portion(u: &mut Unstructured<'_>) -> Result<usize> {
    Ok(if u.arbitrary()? { usize::MAX } else { usize::from(u8::arbitrary(u)?) })
}

/// What a server may say that does not keep to the protocol, or that means
/// something else than its client believes.
pub(super) const LIES: [&str; 20] = [
    "PONG\r\n",
    "PING\r\n",
    "+OK\r\n",
    "MSG a 1 0\r\n\r\n",
    "MSG a 2 r 1\r\nx\r\n",
    "HMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
    "MSG in.1 1 1\r\nx\r\n",
    "MSG in.1 2 1\r\nx\r\n",
    "MSG in.2 1 1\r\nx\r\n",
    "HMSG in.1 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
    "MSG in.18446744073709551616 1 1\r\nx\r\n",
    "MSG a 18446744073709551615 0\r\n\r\n",
    "-ERR 'Permissions Violation for Subscription to \"in.*\"'\r\n",
    "-ERR 'Permissions Violation for Subscription to \"s.1\"'\r\n",
    "-ERR 'Permissions Violation for Subscription to \"s.1\" using queue \"q\" (sid \"1\")'\r\n",
    "-ERR 'Permissions Violation for Publish to \"in.1\"'\r\n",
    "-ERR 'Permissions Violation for Publish with Reply of \"in.1\" (sid \"1\")'\r\n",
    "INFO {\"max_payload\":-1,\"headers\":false}\r\n",
    "INFO {\"max_payload\":0,\"headers\":true,\"ldm\":true}\r\n",
    "MSG a 1",
];
