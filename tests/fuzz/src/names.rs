//! Names, headers and rules: what is accepted can be written, and a wider rule
//! allows more.

use arbitrary::{Arbitrary, Unstructured};

use crate::policy::{ServerRules, SubjectRules};
use crate::protocol::{
    ClientOp, HeaderBlock, Headers, QueueGroup, Subject, SubjectPattern, check_client_name,
    check_inbox_prefix,
};

/// Two names, a header field and a server.
#[derive(Debug)]
pub struct Names<'a> {
    one: String,
    other: String,
    header: (&'a str, &'a [u8]),
    server: &'a str,
}

impl<'a> Arbitrary<'a> for Names<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            one: name(u)?,
            other: name(u)?,
            header: (u.arbitrary()?, u.arbitrary()?),
            server: u.arbitrary()?,
        })
    }
}

/// Tokens that are likely to meet one another, and some that are not.
fn name(u: &mut Unstructured<'_>) -> arbitrary::Result<String> {
    const TOKENS: [&str; 12] =
        ["a", "b", "*", ">", "*", ">", "a*", ">>", "", "$JS", "$SYS", "a b\r\n"];
    let mut tokens = Vec::new();
    for _ in 0..u.int_in_range(1_u8..=5)? {
        tokens.push(match u.int_in_range(0_u8..=15)? {
            14.. => u.arbitrary()?,
            known => TOKENS[usize::from(known) % TOKENS.len()],
        });
    }
    Ok(tokens.join("."))
}

/// What is accepted is harmless, and patterns mean what their subjects say.
pub fn check(names: &Names<'_>) {
    for name in [&names.one, &names.other] {
        accepted_names_are_written_whole(name);
    }
    if let (Ok(one), Ok(other)) =
        (SubjectPattern::new(&names.one), SubjectPattern::new(&names.other))
    {
        covering_is_matching_more(one, other);
        rules_allow_what_they_cover(one, other);
    }
    headers_come_back(names.header.0, names.header.1);
    if let Ok(rules) = ServerRules::new([names.server]) {
        assert!(!rules.allow("", 4222) && !names.server.contains(['\r', '\n', ' ', '/', '@']));
    }
}

fn accepted_names_are_written_whole(name: &str) {
    let subject = Subject::new(name).is_ok();
    let pattern = SubjectPattern::new(name).is_ok();
    let group = QueueGroup::new(name).is_ok();
    assert!(pattern || !subject, "a subject is a pattern too");
    assert!(group || !pattern, "a pattern is one word");
    for check in [check_client_name, check_inbox_prefix] {
        assert!(subject || check(name).is_err(), "a prefix is a subject too");
    }
    let mut ops = Vec::new();
    if subject {
        for reply_to in [None, Some(name)] {
            ops.push(ClientOp::Pub { subject: name, reply_to, payload: b"\r\n" });
            let headers = b"NATS/1.0\r\n\r\n";
            ops.push(ClientOp::HPub { subject: name, reply_to, headers, payload: b"" });
        }
    }
    if pattern {
        ops.push(ClientOp::Sub { subject: name, queue_group: None, sid: 1 });
    }
    if group {
        ops.push(ClientOp::Sub { subject: "a", queue_group: Some(name), sid: 1 });
    }
    for op in ops {
        let mut written = Vec::new();
        op.encode(&mut written);
        assert_eq!(ClientOp::decode(&written), Some((op, written.len())));
        let line = written.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let odd = line.iter().filter(|&&byte| byte < b' ' || byte == 0x7f).count();
        assert_eq!(odd, 1, "only the line's own end");
    }
}

/// Subjects that stand for all that a pattern matches: `>` as one token and as
/// two, wildcards as tokens that nothing else has.
fn witnesses(pattern: SubjectPattern<'_>) -> Vec<String> {
    const FRESH: &str = "\u{2042}";
    let plain = |token| if token == "*" { FRESH } else { token };
    let tokens: Vec<_> = pattern.as_str().split('.').map(plain).collect();
    let subject = tokens.join(".");
    match subject.strip_suffix('>').filter(|rest| rest.is_empty() || rest.ends_with('.')) {
        Some(rest) => vec![format!("{rest}{FRESH}"), format!("{rest}{FRESH}.{FRESH}")],
        None => vec![subject],
    }
}

fn covering_is_matching_more(one: SubjectPattern<'_>, other: SubjectPattern<'_>) {
    assert!(one.covers(one));
    let witnesses = witnesses(other);
    for subject in &witnesses {
        assert!(Subject::new(subject).is_ok() && other.matches(subject), "{other:?} {subject:?}");
    }
    let all = witnesses.iter().all(|subject| one.matches(subject));
    assert_eq!(one.covers(other), all, "{one:?} {other:?}");
}

fn rules_allow_what_they_cover(rule: SubjectPattern<'_>, asked: SubjectPattern<'_>) {
    let (Ok(narrow), Ok(wide)) =
        (SubjectRules::new([rule.as_str()]), SubjectRules::new([rule.as_str(), asked.as_str()]))
    else {
        unreachable!("patterns are rules");
    };
    assert!(wide.allow_pattern(asked) && wide.allow_pattern(rule));
    assert!(!SubjectRules::default().allow_pattern(asked));
    if narrow.allow_pattern(asked) {
        assert!(rule.covers(asked));
        for subject in witnesses(asked) {
            assert!(Subject::new(&subject).is_ok_and(|subject| narrow.allow_subject(subject)));
        }
    }
    for reserved in ["$JS", "$JS.API", "$SYS.REQ.PING"] {
        let named = rule.as_str().split('.').next() == reserved.split('.').next();
        let allowed = Subject::new(reserved).is_ok_and(|subject| narrow.allow_subject(subject));
        assert_eq!(allowed, named && rule.matches(reserved), "{rule:?} {reserved}");
    }
}

fn headers_come_back(name: &str, value: &[u8]) {
    let mut headers = Headers::new();
    if headers.push(name, value).is_err() {
        assert!(headers.is_empty());
        return;
    }
    assert!(headers.push("b", value).is_ok() && headers.push(name, b"").is_ok());
    let trimmed = trim(value);
    let fields: Vec<_> = HeaderBlock::new(headers.as_bytes()).fields().collect();
    assert_eq!(
        fields,
        [(name.as_bytes(), trimmed), (b"b", trimmed), (name.as_bytes(), b"".as_slice())]
    );
    assert_eq!(HeaderBlock::new(headers.as_bytes()).status(), None);
}

fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |at| at + 1);
    &value[start..end]
}
