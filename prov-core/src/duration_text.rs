//! Durations as people write them: `15m`, `1hr`, `24h`, `7d`, `1h 30m`.
//!
//! For serde: `#[serde(with = "prov_core::duration_text")]`.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserialize, Deserializer, Serializer, de};

use crate::{Error, Result, codes};

/// Longer than any duration prov accepts: 100 years.
const LONGEST: Duration = Duration::from_hours(100 * 366 * 24);

/// Reads a duration. A day is 24 hours. Years and months have no fixed length and are refused.
///
/// # Errors
/// [`codes::INVALID_REQUEST`] for text that is no duration, is negative, or is above 100 years.
pub fn parse(text: &str) -> Result<Duration> {
    let refuse = |why: &str| {
        Error::new(codes::INVALID_REQUEST)
            .detail(format!("{why}: write a duration such as `15m`, `1hr`, `24h` or `7d`"))
    };
    if text.len() > 64 {
        return Err(refuse("the duration is too long a text"));
    }
    let span: Span = text.trim().parse().map_err(|_| refuse("not a duration"))?;
    let signed: SignedDuration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| refuse("not a duration of fixed length"))?;
    let duration =
        Duration::try_from(signed).map_err(|_| refuse("a duration can't be negative"))?;
    if duration > LONGEST { Err(refuse("longer than 100 years")) } else { Ok(duration) }
}

/// Writes a duration in the largest unit that divides it: `7d`, `90m`, `1500ms`.
#[must_use]
pub fn format(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    if millis == 0 { "0s".to_owned() } else { format!("{millis}ms") }
}

/// For `#[serde(with = …)]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// For `#[serde(with = …)]`.
///
/// # Errors
/// As [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
    parse(&text).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_api_are_read() {
        for (text, seconds) in
            [("15m", 900), ("1hr", 3600), ("24h", 86_400), ("7d", 604_800), ("1h 30m", 5400)]
        {
            assert_eq!(parse(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn negative_overflowing_and_foreign_texts_are_refused() {
        for text in ["-5m", "", "15", "1 month", "99999999999999d", "200000d", "NaN", "5m\0"] {
            assert!(parse(text).is_err(), "{text} must be refused");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for millis in [0, 1, 1500, 60_000, 90 * 60_000, 604_800_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&format(duration)).unwrap(), duration);
        }
    }
}
