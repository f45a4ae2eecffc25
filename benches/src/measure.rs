//! Clocks, distributions, and what the machine is doing besides.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// CPU time of this process so far, all threads, user and system.
#[must_use]
pub fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(spent.tv_nsec).unwrap_or(0))
}

/// How long things took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Distribution {
    /// How many were measured.
    pub count: usize,
    /// Half took at most this many microseconds.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p999_us: f64,
}

impl Distribution {
    /// Of these times.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |thousandth: usize| {
            let place = (times.len() * thousandth / 1000).min(times.len().saturating_sub(1));
            times.get(place).copied().map_or(0.0, micros)
        };
        Self { count: times.len(), p50_us: at(500), p99_us: at(990), p999_us: at(999) }
    }
}

/// In microseconds.
#[must_use]
pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The middle of some figures; nothing of none.
#[must_use]
pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

/// Where the figures were read.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Machine {
    /// Processors this process may use.
    pub processors: usize,
    /// The load of the last minute, when the run began: above zero, others were at work.
    pub load: String,
}

impl Machine {
    /// This one, now.
    #[must_use]
    pub fn now() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

/// A file whose blocks are there already, to sync 4 KiB of.
#[derive(Debug)]
pub struct Disk {
    file: File,
    next: u64,
}

impl Disk {
    const BLOCK: usize = 4096;
    const BLOCKS: u64 = 1024;

    /// A file in this folder.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        let file = File::create(folder.join("syncs"))?;
        for block in 0..Self::BLOCKS {
            file.write_all_at(&[0; Self::BLOCK], block * Self::BLOCK as u64)?;
        }
        file.sync_all()?;
        Ok(Self { file, next: 0 })
    }

    /// How long one write and one `fdatasync` take.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&mut self) -> std::io::Result<Duration> {
        let start = Instant::now();
        self.file.write_all_at(&[1; Self::BLOCK], self.next * Self::BLOCK as u64)?;
        self.file.sync_data()?;
        self.next = (self.next + 1) % Self::BLOCKS;
        Ok(start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_read_from_the_sorted_times() {
        let times = (1..=1000).rev().map(Duration::from_micros).collect();
        let read = Distribution::of(times);
        let rounded = [read.p50_us, read.p99_us, read.p999_us].map(f64::round);
        assert_eq!((read.count, rounded), (1000, [501.0, 991.0, 1000.0]));
        assert_eq!(Distribution::of(Vec::new()).count, 0);
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn cpu_time_grows_with_work_and_not_with_waiting() {
        let before = cpu_time();
        let mut sum = 0_u64;
        while cpu_time() < before + Duration::from_millis(5) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(sum > 0);
    }
}
