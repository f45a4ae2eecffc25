//! How much of the processor the thread of the index takes beside those who record.

use std::time::Duration;

/// What comes within this is written together.
pub(super) const GATHER: Duration = Duration::from_millis(40);

/// How long the thread sleeps when there is no news, and after a failure.
pub(super) const REST: Duration = Duration::from_millis(250);

/// A batch of records that was taken in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    /// How many records.
    pub(super) taken: u64,
    /// How many became durable meanwhile.
    pub(super) came: u64,
    /// How long that took.
    pub(super) worked: Duration,
}

/// The longest rest.
const LONGEST: Duration = Duration::from_secs(5);

impl Batch {
    /// Whether records come faster than it could take them in with its usual rests: whoever records has no
    /// processor to spare then, the index falls behind in any case, and catches up later.
    pub(super) fn is_outrun_by(&self, came: u64, within: Duration) -> bool {
        let came = u128::from(came) * self.worked.as_micros();
        // As much of the time as it works when it takes in a whole span at a time.
        10 * came > 7 * u128::from(self.taken) * within.as_micros()
    }

    /// How long to rest at most: for twice as long as it worked, up to a quarter of a second; when it is outrun,
    /// for nine times as long, up to some seconds. Never for less than it takes until a few more may have come.
    pub(super) fn rest(&self) -> Duration {
        if self.is_outrun_by(self.came, self.worked) {
            return (9 * self.worked).clamp(GATHER, LONGEST);
        }
        (2 * self.worked).clamp(GATHER, REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(taken: u64, came: u64, millis: u64) -> Batch {
        Batch { taken, came, worked: Duration::from_millis(millis) }
    }

    #[test]
    fn it_rests_longer_when_records_come_faster_than_it_could_take_them_in() {
        let millis = Duration::from_millis;
        for (taken, came, worked, rest) in [
            (1, 0, 0, 40),
            (1_000, 700, 10, 40),
            (1_000, 701, 10, 90),
            (10_000, 7_000, 100, 200),
            (10_000, 7_001, 100, 900),
            (32_768, 0, 300, 250),
            (32_768, 50_000, 300, 2_700),
            (32_768, 100_000, 600, 5_000),
        ] {
            assert_eq!(batch(taken, came, worked).rest(), millis(rest), "{taken} {came} {worked}");
        }
    }

    #[test]
    fn what_outran_it_is_over_when_less_comes() {
        let outrun = batch(10_000, 20_000, 100);
        assert!(outrun.is_outrun_by(17_501, REST));
        assert!(!outrun.is_outrun_by(17_500, REST));
        assert!(!outrun.is_outrun_by(0, REST));
    }
}
