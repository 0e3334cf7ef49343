//! Header fields: the list that authors build and read, and the block as it
//! travels. Whether a name or a value may be sent is the host's to judge.

use std::fmt;

use crate::bindings::simple_nats::client::types;

/// Header fields in order. Names keep their case, are compared by case, and may
/// repeat.
///
/// ```
/// use simple_nats_guest::Headers;
///
/// let headers = Headers::new().with("Trace", "7").with("Via", "a").with("Via", "b");
/// assert_eq!(headers.get("Trace"), Some("7"));
/// assert_eq!(headers.get_all("Via").collect::<Vec<_>>(), ["a", "b"]);
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    fields: Vec<types::Header>,
}

impl Headers {
    /// No fields.
    #[must_use]
    pub const fn new() -> Self {
        Self { fields: Vec::new() }
    }

    /// These fields and one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.append(name, value);
        self
    }

    /// Adds a field, beside those of the same name.
    pub fn append(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.fields.push(types::Header { name: name.into(), value: value.into() });
    }

    /// Adds a field in place of all of the same name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        let name = name.into();
        self.remove(&name);
        self.append(name, value);
    }

    /// Takes out all fields of a name.
    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|field| field.name != name);
    }

    /// The first value of a name, if it is text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_bytes(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// The first value of a name.
    #[must_use]
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All values of a name that are text, in order.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter()
            .filter(move |(other, _)| *other == name)
            .filter_map(|(_, value)| str::from_utf8(value).ok())
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| (field.name.as_str(), field.value.as_slice()))
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(crate) fn fields(&self) -> &[types::Header] {
        &self.fields
    }

    pub(crate) fn into_fields(self) -> Vec<types::Header> {
        self.fields
    }
}

impl<N: Into<String>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut headers = Self::new();
        fields.into_iter().for_each(|(name, value)| headers.append(name, value));
        headers
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)));
        f.debug_map().entries(fields).finish()
    }
}

/// What the server, or a service, says in place of an answer: 503 (no
/// responders), 404, 408, 409, 100 (heartbeat).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Three digits.
    pub code: u16,
    /// Often empty.
    pub description: String,
}

const VERSION: &[u8] = b"NATS/1.0";

/// A header block as it came; empty where a message has none.
pub(crate) struct HeaderBlock<'a>(pub(crate) &'a [u8]);

impl<'a> HeaderBlock<'a> {
    pub(crate) fn status(&self) -> Option<Status> {
        let line = self.lines().next()?.strip_prefix(VERSION)?.trim_ascii();
        let (code, description) = line.split_at_checked(3)?;
        Some(Status {
            code: str::from_utf8(code).ok()?.parse().ok()?,
            description: String::from_utf8_lossy(description.trim_ascii()).into_owned(),
        })
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.lines().skip(1).take_while(|line| !line.is_empty()).filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            let name = str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
            Some((name, value.get(1..)?.trim_ascii()))
        })
    }

    fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Appends the block of these fields; nothing if there is nothing to say.
pub(crate) fn encode(
    block: &mut Vec<u8>,
    status: Option<&types::Status>,
    fields: &[types::Header],
) {
    if status.is_none() && fields.is_empty() {
        return;
    }
    block.extend_from_slice(VERSION);
    if let Some(status) = status {
        block.extend_from_slice(format!(" {:03} {}", status.code, status.description).as_bytes());
    }
    for field in fields {
        block.extend_from_slice(b"\r\n");
        block.extend_from_slice(field.name.as_bytes());
        block.extend_from_slice(b": ");
        block.extend_from_slice(&field.value);
    }
    block.extend_from_slice(b"\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insert_replaces_all_of_a_name_and_no_other_case() {
        let mut headers = Headers::new().with("A", "1").with("a", "2").with("A", "3");
        headers.insert("A", "4");
        assert_eq!(headers, Headers::new().with("a", "2").with("A", "4"));
    }

    #[test]
    fn block_gives_status_and_fields_in_order() {
        let block = HeaderBlock(b"NATS/1.0 503 No Responders\r\nA: 1\r\nB:x:y \r\nA:\r\n\r\n");
        let status = block.status().unwrap();
        assert_eq!((status.code, status.description.as_str()), (503, "No Responders"));
        let fields: Vec<_> = block.fields().collect();
        assert_eq!(fields, [("A", &b"1"[..]), ("B", b"x:y"), ("A", b"")]);
    }

    #[test]
    fn empty_and_broken_blocks_have_neither() {
        for bytes in [&b""[..], b"NATS/1.0\r\n\r\n", b"NATS/1.0 xyz\r\nno colon\r\n: v\r\n\xff: v"]
        {
            assert_eq!(HeaderBlock(bytes).status(), None);
            assert_eq!(HeaderBlock(bytes).fields().count(), 0);
        }
    }

    #[test]
    fn encoded_block_reads_back() {
        let status = types::Status { code: 7, description: "Odd".into() };
        let headers = Headers::new().with("A", "1").with("B", &b"\xff"[..]);
        let mut block = Vec::new();
        encode(&mut block, Some(&status), headers.fields());
        let block = HeaderBlock(&block);
        assert_eq!(block.status().unwrap(), Status { code: 7, description: "Odd".into() });
        assert_eq!(block.fields().collect::<Headers>(), headers);
    }
}
