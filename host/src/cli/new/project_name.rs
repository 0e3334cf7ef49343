//! Names for projects.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The longest name; file systems and package registries take more.
const MAX_LENGTH: usize = 64;

/// What cargo takes for no package, in the letters that are allowed here: words
/// of the language and names of its own.
const RESERVED: &str = "abstract alloc as async await become box break build const continue core \
    crate deps do dyn else enum examples extern false final fn for gen if impl in incremental let \
    loop macro match mod move mut override priv pub ref return self static std struct super test \
    trait true try type typeof unsafe unsized use virtual where while yield";

/// A name that is a folder, a package in every language, and a token of NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProjectName(String);

impl ProjectName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no name.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum ProjectNameError {
    #[error("a name has small letters, digits and `-`, begins with a letter, and ends with no `-`")]
    Letters,
    #[error("a name has {MAX_LENGTH} characters at the most")]
    TooLong,
    #[error("this word means something else to cargo; add to it")]
    Reserved,
}

impl FromStr for ProjectName {
    type Err = ProjectNameError;

    fn from_str(text: &str) -> Result<Self, ProjectNameError> {
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !text.starts_with(|c: char| c.is_ascii_lowercase())
            || !text.chars().all(is_allowed)
            || text.ends_with('-')
        {
            return Err(ProjectNameError::Letters);
        }
        if text.len() > MAX_LENGTH {
            return Err(ProjectNameError::TooLong);
        }
        if RESERVED.split_whitespace().any(|word| word == text) {
            return Err(ProjectNameError::Reserved);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_small_letters_digits_and_dashes() {
        for good in ["greeter", "a", "order-desk2", &"a".repeat(64)] {
            assert_eq!(good.parse::<ProjectName>().unwrap().as_str(), good);
        }
        for bad in
            ["", "Greeter", "1st", "-a", "a-", "a_b", "a.b", "../a", "a/b", "a b", "gr\u{fc}n"]
        {
            assert_eq!(bad.parse::<ProjectName>(), Err(ProjectNameError::Letters), "{bad:?}");
        }
        assert_eq!("a".repeat(65).parse::<ProjectName>(), Err(ProjectNameError::TooLong));
    }

    #[test]
    fn words_of_cargo_are_no_names() {
        for word in ["fn", "test", "deps"] {
            assert_eq!(word.parse::<ProjectName>(), Err(ProjectNameError::Reserved), "{word}");
        }
        assert!("tests".parse::<ProjectName>().is_ok());
    }
}
