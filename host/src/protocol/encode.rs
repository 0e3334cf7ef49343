//! Writes operations of a client behind what a buffer has.
//!
//! Names are taken as they are: they come from checked types. Whether the server
//! takes a message of this size is the session's business.

use itoa::Buffer;

/// `CONNECT`, with its JSON text.
pub fn connect(out: &mut Vec<u8>, json: &[u8]) {
    write(out, &[b"CONNECT ", json, b"\r\n"]);
}

/// `PING`.
pub fn ping(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PING\r\n");
}

/// `PONG`.
pub fn pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PONG\r\n");
}

/// `SUB`.
pub fn subscribe(out: &mut Vec<u8>, subject: &str, queue_group: Option<&str>, sid: u64) {
    let mut digits = Buffer::new();
    let sid = digits.format(sid).as_bytes();
    match queue_group {
        None => write(out, &[b"SUB ", subject.as_bytes(), b" ", sid, b"\r\n"]),
        Some(group) => {
            let parts = [b"SUB ", subject.as_bytes(), b" ", group.as_bytes(), b" ", sid, b"\r\n"];
            write(out, &parts);
        }
    }
}

/// `UNSUB`: at once, or after the server has sent `max` messages since the `SUB`.
pub fn unsubscribe(out: &mut Vec<u8>, sid: u64, max: Option<u64>) {
    let mut digits = Buffer::new();
    write(out, &[b"UNSUB ", digits.format(sid).as_bytes()]);
    if let Some(max) = max {
        write(out, &[b" ", digits.format(max).as_bytes()]);
    }
    out.extend_from_slice(b"\r\n");
}

/// `PUB`, or `HPUB` if there is a header block.
#[inline]
pub fn publish(
    out: &mut Vec<u8>,
    subject: &str,
    reply_to: Option<&str>,
    headers: &[u8],
    payload: &[u8],
) {
    let mut digits = Buffer::new();
    let total = digits.format(headers.len() + payload.len()).as_bytes();
    // Two copies whose lengths are known: for others a function is called.
    match headers {
        [] => out.extend_from_slice(b"PUB "),
        _ => out.extend_from_slice(b"HPUB "),
    }
    out.extend_from_slice(subject.as_bytes());
    out.push(b' ');
    if let Some(reply_to) = reply_to {
        out.extend_from_slice(reply_to.as_bytes());
        out.push(b' ');
    }
    if !headers.is_empty() {
        out.extend_from_slice(Buffer::new().format(headers.len()).as_bytes());
        out.push(b' ');
    }
    out.extend_from_slice(total);
    out.extend_from_slice(b"\r\n");
    // At once, so that no more follows what may be large.
    out.reserve(headers.len() + payload.len() + 2);
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// What the line of a `PUB` or `HPUB` takes at the most.
#[inline]
pub fn publish_line_length(subject: &str, reply_to: Option<&str>, headers: &[u8]) -> usize {
    // The word, spaces, CR LF, and up to 20 digits for each number.
    let fixed = if headers.is_empty() { 28 } else { 50 };
    fixed + subject.len() + reply_to.map_or(0, str::len)
}

/// What a `PUB` or `HPUB` takes at the most.
#[inline]
pub fn publish_length(
    subject: &str,
    reply_to: Option<&str>,
    headers: &[u8],
    payload: &[u8],
) -> usize {
    publish_line_length(subject, reply_to, headers) + headers.len() + payload.len() + 2
}

fn write(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.reserve(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn operations_have_their_bytes() {
        assert_eq!(written(|out| connect(out, b"{}")), "CONNECT {}\r\n");
        assert_eq!(written(ping), "PING\r\n");
        assert_eq!(written(pong), "PONG\r\n");
        assert_eq!(written(|out| subscribe(out, "a.*", None, 7)), "SUB a.* 7\r\n");
        assert_eq!(written(|out| subscribe(out, "a", Some("q"), 7)), "SUB a q 7\r\n");
        assert_eq!(written(|out| unsubscribe(out, 7, None)), "UNSUB 7\r\n");
        assert_eq!(written(|out| unsubscribe(out, 7, Some(3))), "UNSUB 7 3\r\n");
    }

    #[test]
    fn a_publish_takes_no_more_than_is_counted_for_it() {
        for (reply_to, headers, expected) in [
            (None, "", "PUB a.b 2\r\nhi\r\n"),
            (Some("r"), "", "PUB a.b r 2\r\nhi\r\n"),
            (None, "NATS/1.0\r\n\r\n", "HPUB a.b 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"),
            (Some("r"), "NATS/1.0\r\n\r\n", "HPUB a.b r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"),
        ] {
            let wrote = written(|out| publish(out, "a.b", reply_to, headers.as_bytes(), b"hi"));
            assert_eq!(wrote, expected);
            let line = wrote.find("\r\n").unwrap() + 2;
            assert!(line <= publish_line_length("a.b", reply_to, headers.as_bytes()));
        }
    }
}
