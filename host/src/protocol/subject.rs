//! Subjects and their kin, checked before they are written.
//!
//! The line protocol separates by spaces and line ends, so an unchecked name
//! from a guest could change the meaning of a line or add one. These types are
//! only made by a check. What a plugin may use is not known here.

use super::error::{SubjectError, SubjectFault, quote};
use super::word::Word;

/// The longest subject or name. Far more than servers take, which bound the line it
/// is on; a bound on the work that a single one makes.
pub(super) const MAX_NAME_BYTES: usize = 64 << 10;

/// A subject that can be published to: no wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject<'a>(&'a str);

/// A subject that can be subscribed to, perhaps with wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubjectPattern<'a>(&'a str);

/// A pattern that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnedPattern(Box<str>);

/// The name of a queue group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueueGroup<'a>(&'a str);

impl<'a> Subject<'a> {
    /// Checks a subject.
    #[inline]
    pub fn new(value: &'a str) -> Result<Self, SubjectError> {
        match check_tokens(value, Wildcards::Refused) {
            Ok(()) => Ok(Self(value)),
            Err(fault) => Err(refuse("subject", value.as_bytes(), fault)),
        }
    }

    /// Checks a subject that may not even be text, such as a message's reply-to.
    ///
    /// # Errors
    /// As for [`new`](Self::new), and if it is not UTF-8.
    #[inline]
    pub fn from_bytes(value: &'a [u8]) -> Result<Self, SubjectError> {
        match text(value) {
            Some(text) => Self::new(text),
            None => Err(refuse("subject", value, SubjectFault::NotText)),
        }
    }

    /// The subject as text.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl<'a> SubjectPattern<'a> {
    /// Checks a pattern.
    pub fn new(value: &'a str) -> Result<Self, SubjectError> {
        match check_tokens(value, Wildcards::Taken) {
            Ok(()) => Ok(Self(value)),
            Err(fault) => Err(refuse("subject pattern", value.as_bytes(), fault)),
        }
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// A copy to keep.
    pub fn to_owned(&self) -> OwnedPattern {
        OwnedPattern(self.0.into())
    }

    /// Whether a message on `subject` is one for this pattern.
    #[inline]
    pub fn matches(&self, subject: &str) -> bool {
        covers(self.0, subject)
    }

    /// Whether every subject that `other` matches is matched by this one too.
    pub fn covers(&self, other: SubjectPattern<'_>) -> bool {
        covers(self.0, other.0)
    }
}

impl OwnedPattern {
    /// The pattern, which needs no further check.
    pub fn get(&self) -> SubjectPattern<'_> {
        SubjectPattern(&self.0)
    }
}

impl<'a> QueueGroup<'a> {
    /// Checks the name of a queue group.
    pub fn new(value: &'a str) -> Result<Self, SubjectError> {
        let fault = if value.is_empty() {
            Some(SubjectFault::Empty)
        } else if value.len() > MAX_NAME_BYTES {
            Some(SubjectFault::Long)
        } else {
            value.bytes().position(is_separator).map(|at| character(value, at))
        };
        match fault {
            None => Ok(Self(value)),
            Some(fault) => Err(refuse("queue group", value.as_bytes(), fault)),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// Checks that a client name can be a part of inbox subjects.
pub fn check_client_name(name: &str) -> Result<(), SubjectError> {
    check_name("client name", name)
}

/// Checks that subjects can begin with `prefix`.
pub fn check_inbox_prefix(prefix: &str) -> Result<(), SubjectError> {
    check_name("inbox prefix", prefix)
}

fn check_name(what: &'static str, name: &str) -> Result<(), SubjectError> {
    let fault = match name.chars().find(|c| matches!(c, '*' | '>')) {
        Some(wildcard) => Err(SubjectFault::WildcardCharacter(wildcard)),
        None => check_tokens(name, Wildcards::Refused),
    };
    fault.map_err(|fault| refuse(what, name.as_bytes(), fault))
}

#[derive(Clone, Copy, PartialEq)]
enum Wildcards {
    Taken,
    Refused,
}

#[inline]
fn check_tokens(value: &str, wildcards: Wildcards) -> Result<(), SubjectFault> {
    if value.len() > MAX_NAME_BYTES {
        return Err(SubjectFault::Long);
    }
    if is_plain(value.as_bytes()) { Ok(()) } else { check_each(value, wildcards) }
}

/// Bytes as text, if they are UTF-8. Most names are ASCII, and to look at each byte of
/// one for UTF-8 would cost as much as all else there is to check.
#[inline]
fn text(value: &[u8]) -> Option<&str> {
    if !value.is_ascii() {
        return std::str::from_utf8(value).ok();
    }
    // SAFETY: it is ASCII, and so it is UTF-8.
    #[expect(unsafe_code, reason = "the standard library looks at each byte for UTF-8")]
    Some(unsafe { std::str::from_utf8_unchecked(value) })
}

/// Whether there is nothing in it that needs a closer look: neither empty tokens nor
/// any character that is, or could be, more than a part of one. Goes by eight bytes at
/// a time, since each publish is checked.
#[inline]
fn is_plain(value: &[u8]) -> bool {
    // None if it is not plain, else whether it ends in a dot. A dot behind a dot, or in
    // front of everything, is the end of an empty token.
    let dot_behind = |bytes: [u8; 8], dot_before: u64| {
        let word = Word::new(bytes);
        let dots = word.equal(b'.');
        let empty = dots & ((dots << 8) | dot_before);
        let special = [0x7f, b'*', b'>'].map(|byte| word.any_equal(byte));
        let special = special.into_iter().fold(word.any_below(b' ' + 1), |all, one| all | one);
        (special | empty == 0).then_some(dots >> 56)
    };
    let (words, rest) = value.as_chunks::<8>();
    let first = 1 << 7;
    let Some(_) = words.iter().try_fold(first, |dot, &word| dot_behind(word, dot)) else {
        return false;
    };
    let last = match value.last_chunk::<8>() {
        _ if rest.is_empty() => Some(0),
        // Some of them for the second time.
        Some(&last) => dot_behind(last, 0),
        None => {
            let mut last = [b'x'; 8];
            last.iter_mut().zip(rest).for_each(|(place, &byte)| *place = byte);
            dot_behind(last, first)
        }
    };
    last.is_some() && value.last().is_some_and(|&byte| byte != b'.')
}

/// One pass over the bytes: `length` and `wildcard` tell of the token in hand.
fn check_each(value: &str, wildcards: Wildcards) -> Result<(), SubjectFault> {
    let mut length = 0_usize;
    let mut wildcard = 0_u8;
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b'.' => {
                check_token(length, wildcard, wildcards)?;
                if length == 1 && wildcard == b'>' {
                    return Err(SubjectFault::FullWildcardNotLast);
                }
                (length, wildcard) = (0, 0);
            }
            b'*' | b'>' => {
                wildcard = byte;
                length += 1;
            }
            _ if is_separator(byte) => return Err(character(value, at)),
            _ => length += 1,
        }
    }
    if value.is_empty() {
        return Err(SubjectFault::Empty);
    }
    check_token(length, wildcard, wildcards)
}

#[inline]
fn check_token(length: usize, wildcard: u8, wildcards: Wildcards) -> Result<(), SubjectFault> {
    match length {
        0 => Err(SubjectFault::EmptyToken),
        // Only a token of its own is a wildcard; `a*` is a plain one.
        1 if wildcard != 0 && wildcards == Wildcards::Refused => {
            Err(SubjectFault::Wildcard(char::from(wildcard)))
        }
        _ => Ok(()),
    }
}

fn is_separator(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

#[cold]
fn character(value: &str, at: usize) -> SubjectFault {
    let character = value.as_bytes().get(at).copied().map_or('\0', char::from);
    SubjectFault::Character { character, at }
}

#[cold]
fn refuse(what: &'static str, value: &[u8], fault: SubjectFault) -> SubjectError {
    SubjectError { what, value: quote(value), fault }
}

/// What both begin with needs no look at its tokens. Most patterns of a list differ
/// behind it in a token that is none of the wildcards.
fn covers(pattern: &str, other: &str) -> bool {
    let (pattern, other) = (pattern.as_bytes(), other.as_bytes());
    // Where the token begins in which they differ.
    let (mut token, mut common) = (0, 0);
    for (&one, &other) in pattern.iter().zip(other) {
        if one != other {
            break;
        }
        common += 1;
        if one == b'.' {
            token = common;
        }
    }
    if common == pattern.len() && common == other.len() {
        return true;
    }
    match (pattern.get(token..), other.get(token..)) {
        (Some(pattern @ [b'*' | b'>', ..]), Some(other)) => covers_tokens(pattern, other),
        _ => false,
    }
}

fn covers_tokens(pattern: &[u8], other: &[u8]) -> bool {
    let mut others = other.split(|&byte| byte == b'.');
    for token in pattern.split(|&byte| byte == b'.') {
        match (token, others.next()) {
            (_, None) => return false,
            (b">", Some(_)) => return true,
            (b"*", Some(b">")) => return false,
            (b"*", Some(_)) => {}
            (token, Some(other)) if token == other => {}
            _ => return false,
        }
    }
    others.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_plain_subject_is_one_that_a_look_at_each_byte_takes(
            text in "[ab.*>\\x20\\x7f\\x00é]{0,20}",
        ) {
            let each = check_each(&text, Wildcards::Refused);
            prop_assert_eq!(check_tokens(&text, Wildcards::Refused), each);
            // Others may be plain, too.
            prop_assert!(!is_plain(text.as_bytes()) || each.is_ok());
            let is_dull = !text.contains(['*', '>']) && each.is_ok();
            prop_assert_eq!(is_plain(text.as_bytes()), is_dull);
        }

        #[test]
        fn bytes_are_a_subject_if_they_are_the_text_of_one(
            bytes in prop::collection::vec(
                prop_oneof![4 => Just(b'a'), 1 => Just(b'.'), 1 => any::<u8>()], 0..20,
            ),
        ) {
            let text = std::str::from_utf8(&bytes).ok();
            let expected = text.and_then(|text| Subject::new(text).ok());
            prop_assert_eq!(Subject::from_bytes(&bytes).ok(), expected);
        }

        #[test]
        fn what_two_patterns_begin_with_changes_nothing(
            pattern in "[ab*>.]{1,8}",
            other in "[ab*>.]{1,8}",
        ) {
            let by_tokens = covers_tokens(pattern.as_bytes(), other.as_bytes());
            // Of equal ones that are no patterns there is nothing to say.
            let is_pattern = SubjectPattern::new(&pattern).is_ok();
            prop_assert!(!is_pattern || covers(&pattern, &other) == by_tokens);
        }
    }

    #[test]
    fn a_subject_has_visible_tokens_between_dots() {
        for good in ["a", "a.b.c", "orders.new", "a*", "a.b>c", "größe.ü", "$SYS.x", "_INBOX.1"]
        {
            assert_eq!(Subject::new(good).map(|s| s.as_str()), Ok(good));
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\r\nPUB x 1", "a\0", "\u{7f}"] {
            assert!(Subject::new(bad).is_err(), "{bad:?}");
            assert!(SubjectPattern::new(bad).is_err(), "{bad:?}");
        }
        for wild in ["*", ">", "a.*", "a.>", "*.a", "a.*.b"] {
            assert!(Subject::new(wild).is_err(), "{wild:?}");
            assert!(SubjectPattern::new(wild).is_ok(), "{wild:?}");
        }
        let longest = "x".repeat(MAX_NAME_BYTES);
        assert!(Subject::new(&longest).is_ok() && QueueGroup::new(&longest).is_ok());
        let longer = format!("{longest}x");
        assert!(Subject::new(&longer).is_err() && QueueGroup::new(&longer).is_err());
        for misplaced in [">.a", "a.>.b"] {
            assert!(SubjectPattern::new(misplaced).is_err(), "{misplaced:?}");
        }
    }

    #[test]
    fn an_error_quotes_the_value_and_says_why() {
        let error = Subject::new("a b\n").unwrap_err().to_string();
        assert_eq!(
            error,
            r#"subject "a b\n" has ' ' at byte 1: spaces and control characters can't be part of it"#
        );
        let error = Subject::from_bytes(b"a\xff").unwrap_err().to_string();
        assert_eq!(error, "subject \"a\u{fffd}\" is not UTF-8 text");
        let long = Subject::new(&"x.".repeat(500)).unwrap_err().to_string();
        assert!(long.len() < 250, "{long}");
    }

    #[test]
    fn a_queue_group_is_one_word() {
        assert!(QueueGroup::new("workers.*").is_ok());
        for bad in ["", "a b", "a\r\n", "a\0"] {
            assert!(QueueGroup::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_client_name_can_be_part_of_a_subject() {
        assert!(check_client_name("orders.europe-1").is_ok());
        assert!(check_inbox_prefix("_INBOX.a").is_ok());
        for bad in ["", "a b", "a*", ">", "a..b", "a."] {
            assert!(check_client_name(bad).is_err(), "{bad:?}");
            assert!(check_inbox_prefix(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn patterns_match_by_token() {
        let matches = |pattern, subject| SubjectPattern::new(pattern).unwrap().matches(subject);
        for (pattern, subject) in
            [("a", "a"), ("*", "a"), (">", "a"), (">", "a.b"), ("a.*", "a.b"), ("a.>", "a.b.c")]
        {
            assert!(matches(pattern, subject), "{pattern} {subject}");
        }
        for (pattern, subject) in
            [("a", "b"), ("a", "a.b"), ("*", "a.b"), ("a.>", "a"), ("a.*", "a"), ("a.b", "a")]
        {
            assert!(!matches(pattern, subject), "{pattern} {subject}");
        }
    }

    #[test]
    fn a_pattern_covers_what_matches_no_more_than_it() {
        let covers = |a, b| SubjectPattern::new(a).unwrap().covers(SubjectPattern::new(b).unwrap());
        for (a, b) in
            [(">", ">"), (">", "*.a"), ("a.>", "a.*"), ("a.>", "a.>"), ("*.*", "a.*"), ("*", "a")]
        {
            assert!(covers(a, b), "{a} {b}");
        }
        for (a, b) in
            [("*", ">"), ("a.*", "a.>"), ("a", "*"), ("a.>", ">"), ("a.>", "a"), ("a.b", "a.*")]
        {
            assert!(!covers(a, b), "{a} {b}");
        }
    }
}
