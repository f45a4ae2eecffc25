//! How the end of a record is stored: nanoseconds since 1970 in 64 bits.

use jiff::Timestamp;

/// The stored form. An end beyond the year 2262 becomes the last nanosecond that fits, one before
/// 1678 the first.
pub(crate) fn to_number(end: Timestamp) -> i64 {
    let nanoseconds = end.as_nanosecond();
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds > 0 { i64::MAX } else { i64::MIN })
}

/// The end in a stored form.
pub(crate) fn from_number(number: i64) -> Timestamp {
    // Every 64-bit number of nanoseconds lies within the years 1677 to 2262, which jiff can say.
    Timestamp::from_nanosecond(i128::from(number)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_come_back_to_the_nanosecond_and_saturate() {
        let exact: Timestamp = "2026-05-06T07:08:09.123456789Z".parse().unwrap();
        assert_eq!(from_number(to_number(exact)), exact);
        assert_eq!(to_number(Timestamp::MAX), i64::MAX);
        assert_eq!(to_number(Timestamp::MIN), i64::MIN);
        assert!(from_number(i64::MAX) > "2262-01-01T00:00:00Z".parse().unwrap());
        assert!(from_number(i64::MIN) < "1678-01-01T00:00:00Z".parse().unwrap());
    }
}
