//! Measuring a service: CPU time of the whole process per request, and the latency of each request.

use std::convert::Infallible;
use std::io::Write;
use std::time::{Duration, Instant};

use axum::body::Body;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{Request, Response};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

/// What is measured.
pub type Measured = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// One line of the table; times in microseconds.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// How many requests were answered.
    pub requests: usize,
    /// CPU time of the process per request, all threads.
    pub cpu: f64,
    /// Median latency.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Answers that were not 2xx: must be 0 for the figure to mean anything.
    pub refused: usize,
}

/// CPU time of this process so far, all threads.
#[must_use]
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Measures one request after the other. Making the requests is not counted.
pub async fn one_after_another(
    name: &str,
    service: &Measured,
    requests: Vec<Request<Body>>,
) -> Row {
    let count = requests.len();
    let mut latencies = Vec::with_capacity(count);
    let mut refused = 0;
    let before = cpu_time();
    for request in requests {
        let started = Instant::now();
        let Ok(response) = service.clone().oneshot(request).await;
        latencies.push(started.elapsed());
        refused += usize::from(!response.status().is_success());
    }
    row(name, cpu_time().saturating_sub(before), latencies, refused)
}

/// Measures `in_flight` requests at a time.
pub async fn together(
    name: &str,
    service: &Measured,
    requests: Vec<Request<Body>>,
    in_flight: usize,
) -> Row {
    let mut latencies = Vec::with_capacity(requests.len());
    let mut refused = 0;
    let mut waiting = requests.into_iter();
    let mut running = FuturesUnordered::new();
    let before = cpu_time();
    loop {
        while running.len() < in_flight {
            let Some(request) = waiting.next() else { break };
            let service = service.clone();
            running.push(async move {
                let started = Instant::now();
                let Ok(response) = service.oneshot(request).await;
                (started.elapsed(), response.status().is_success())
            });
        }
        let Some((latency, is_success)) = running.next().await else { break };
        latencies.push(latency);
        refused += usize::from(!is_success);
    }
    row(name, cpu_time().saturating_sub(before), latencies, refused)
}

fn row(name: &str, cpu: Duration, mut latencies: Vec<Duration>, refused: usize) -> Row {
    latencies.sort_unstable();
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    let at = |permille: usize| {
        let last = latencies.len().saturating_sub(1);
        latencies.get(last * permille / 1000).copied().map_or(0.0, micros)
    };
    #[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
    let count = latencies.len().max(1) as f64;
    Row {
        name: name.to_owned(),
        requests: latencies.len(),
        cpu: micros(cpu) / count,
        p50: at(500),
        p99: at(990),
        p999: at(999),
        refused,
    }
}

/// The median time of one `fdatasync` of 4 KiB in a preallocated file of this folder, in
/// microseconds: the limit of whatever is durable.
///
/// # Errors
/// When the file can't be written.
pub fn fdatasync_micros(folder: &std::path::Path, rounds: usize) -> std::io::Result<f64> {
    use std::io::Seek;
    let mut file = std::fs::File::create(folder.join("fdatasync"))?;
    file.write_all(&vec![0; 1 << 20])?;
    file.sync_all()?;
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        file.rewind()?;
        file.write_all(&[1; 4096])?;
        let started = Instant::now();
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6))
}
