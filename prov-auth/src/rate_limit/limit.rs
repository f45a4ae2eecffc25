//! How many requests in how long.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use governor::Quota;
use prov_core::{Error, Result};

use crate::codes;

/// The largest count that is kept apart from no limit.
const MOST: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();

/// How many requests one address may send in a second, minute or hour: `100/min`. All of them may come
/// at once; they are given back evenly. A count above a million counts as a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    count: NonZeroU32,
    per: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl RateLimit {
    /// So many per second.
    #[must_use]
    pub const fn per_second(count: NonZeroU32) -> Self {
        Self { count, per: Unit::Second }
    }

    /// So many per minute.
    #[must_use]
    pub const fn per_minute(count: NonZeroU32) -> Self {
        Self { count, per: Unit::Minute }
    }

    /// So many per hour.
    #[must_use]
    pub const fn per_hour(count: NonZeroU32) -> Self {
        Self { count, per: Unit::Hour }
    }

    /// As the generic cell rate algorithm knows it.
    pub(super) fn quota(self) -> Quota {
        // One must take some nanoseconds to come back.
        let count = self.count.min(MOST);
        match self.per {
            Unit::Second => Quota::per_second(count),
            Unit::Minute => Quota::per_minute(count),
            Unit::Hour => Quota::per_hour(count),
        }
    }

    /// In how long a bucket that was used up is full again.
    pub(super) const fn refill(self) -> Duration {
        match self.per {
            Unit::Second => Duration::from_secs(1),
            Unit::Minute => Duration::from_mins(1),
            Unit::Hour => Duration::from_hours(1),
        }
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per {
            Unit::Second => "s",
            Unit::Minute => "min",
            Unit::Hour => "h",
        };
        write!(f, "{}/{per}", self.count)
    }
}

impl FromStr for RateLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || Error::new(codes::RATE_LIMIT_REFUSED);
        let (count, per) = text.split_once('/').ok_or_else(refused)?;
        let per = match per.trim() {
            "s" | "sec" | "second" => Unit::Second,
            "m" | "min" | "minute" => Unit::Minute,
            "h" | "hr" | "hour" => Unit::Hour,
            _ => return Err(refused()),
        };
        let count = count.trim();
        // `+5` would be read as a number as well.
        if !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused());
        }
        Ok(Self { count: count.parse().map_err(|e| refused().source(e))?, per })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_written() {
        for (text, canonical) in
            [("100/min", "100/min"), (" 5 / s ", "5/s"), ("1/hour", "1/h"), ("7/minute", "7/min")]
        {
            assert_eq!(text.parse::<RateLimit>().unwrap().to_string(), canonical);
        }
        let limit = RateLimit::per_minute(NonZeroU32::new(100).unwrap());
        assert_eq!("100/min".parse::<RateLimit>().unwrap(), limit);
    }

    #[test]
    fn odd_limits_are_refused() {
        for text in
            ["", "100", "/min", "0/min", "-1/min", "+1/min", "1/day", "1e3/s", "4294967296/s"]
        {
            assert!(text.parse::<RateLimit>().unwrap_err().is(codes::RATE_LIMIT_REFUSED), "{text}");
        }
    }
}
