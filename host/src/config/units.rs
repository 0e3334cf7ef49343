//! Values that are written with their unit.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use thiserror::Error;

/// A number of bytes, written like `64MiB` or `64 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

/// A time, written like `250ms` or `1m 30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Time(pub Duration);

/// A text that is no size, or no time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnitError {
    /// No number with a unit of size.
    #[error("{0:?} is no size such as \"64 MiB\"; units are B, KiB, MiB, GiB, kB, MB and GB")]
    Size(String),
    /// More than can be counted.
    #[error("{0:?} is more than can be counted")]
    Large(String),
    /// No time.
    #[error("{text:?} is no time such as \"500ms\" or \"30s\": {reason}")]
    Time {
        /// What was written.
        text: String,
        /// Why.
        reason: String,
    },
    /// No time at all.
    #[error("{0:?} is no time in which anything can be done")]
    Zero(String),
}

/// The larger ones first: of two that fit, the larger one is shown.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

impl Size {
    /// What a schema calls the format of such a text.
    pub const FORMAT: &str = "byte-size";
}

impl Time {
    /// What a schema calls the format of such a text.
    pub const FORMAT: &str = "duration-text";
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError::Size(text.to_owned());
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
        let unit = unit.strip_prefix(' ').unwrap_or(unit);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        if number.is_empty() {
            return Err(wrong());
        }
        let large = || UnitError::Large(text.to_owned());
        let number: u64 = number.parse().map_err(|_| large())?;
        number.checked_mul(*factor).map(Self).ok_or_else(large)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        let (unit, factor) = UNITS.iter().find(fits).unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl FromStr for Time {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match humantime::parse_duration(text) {
            Ok(Duration::ZERO) => Err(UnitError::Zero(text.to_owned())),
            Ok(duration) => Ok(Self(duration)),
            Err(error) => Err(UnitError::Time { text: text.to_owned(), reason: error.to_string() }),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": Self::FORMAT,
            "description": "A number and a unit, such as `500 B`, `64 KiB`, `256 MiB` or `1 GiB`; also kB, MB and GB.",
        })
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": Self::FORMAT,
            "description": "A number and a unit, such as `500ms`, `30s`, `5m` or `1h 30m`.",
        })
    }
}

impl TryFrom<String> for Size {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl TryFrom<String> for Time {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Result<u64, UnitError> {
        text.parse().map(|Size(bytes)| bytes)
    }

    #[test]
    fn a_size_without_a_known_unit_is_refused() {
        for wrong in
            ["", "64", "MiB", "64mib", "64 M", "-1B", "1.5GiB", "64  MiB", "64MiB ", "\u{664}B"]
        {
            assert!(matches!(size(wrong), Err(UnitError::Size(_))), "{wrong:?}");
        }
        for large in ["99999999999999999999B", "99999999999999GiB"] {
            assert!(matches!(size(large), Err(UnitError::Large(_))), "{large:?}");
        }
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("2 GB"), Ok(2_000_000_000));
        for text in ["0B", "1B", "1023B", "1KiB", "512KiB", "3MB", "256MiB", "1GiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_time_is_more_than_nothing() {
        assert!(matches!("0s".parse::<Time>(), Err(UnitError::Zero(_))));
        assert!(matches!("5".parse::<Time>(), Err(UnitError::Time { .. })));
        let Time(time) = "1m 30s".parse().unwrap();
        assert_eq!(time, Duration::from_secs(90));
    }
}
