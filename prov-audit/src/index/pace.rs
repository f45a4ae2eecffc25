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
    /// How long it took.
    pub(super) worked: Duration,
}

impl Batch {
    /// Whether records come that fast that the thread would have to work for more than half of the time:
    /// whoever records has no processor to spare then, and the index catches up later.
    pub(super) fn is_outrun_by(&self, came: u64, within: Duration) -> bool {
        let came = u128::from(came) * self.worked.as_micros();
        2 * came > u128::from(self.taken) * within.as_micros()
    }

    /// How long to rest: for twice as long as it worked, within bounds, which a third of one processor is at least; or
    /// for nine times as long when it is outrun, which is a tenth.
    pub(super) fn rest(&self) -> Duration {
        if self.is_outrun_by(self.came, self.worked) {
            return (9 * self.worked).max(GATHER);
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
    fn it_rests_longer_when_records_come_faster_than_it_could_take_them_in_half_of_the_time() {
        let millis = Duration::from_millis;
        for (taken, came, worked, rest) in [
            (1, 0, 0, 40),
            (1_000, 500, 10, 40),
            (1_000, 501, 10, 90),
            (10_000, 5_000, 100, 200),
            (10_000, 5_001, 100, 900),
            (65_536, 0, 600, 250),
            (65_536, 100_000, 600, 5_400),
        ] {
            assert_eq!(batch(taken, came, worked).rest(), millis(rest), "{taken} {came} {worked}");
        }
    }

    #[test]
    fn what_outran_it_is_over_when_less_comes() {
        let outrun = batch(10_000, 20_000, 100);
        assert!(outrun.is_outrun_by(12_501, REST));
        assert!(!outrun.is_outrun_by(12_500, REST));
        assert!(!outrun.is_outrun_by(0, REST));
    }
}
