//! Running all arrangements in turn.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::body::Body;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Request, StatusCode, header};
use prov_http::PeerAddr;
use tower::ServiceExt;

use super::arrangement::{Arrangement, PATH, Served, Token, all};
use super::house::House;
use super::report::{Report, Row};
use crate::Failure;
use crate::measure::{Disk, Distribution, Machine, cpu_time, median, micros};

/// How much is measured, and where.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "whoever measures says all of it")]
pub struct Plan {
    /// Requests of each arrangement in a round.
    pub requests: usize,
    /// Rounds that count; one more goes before them to warm up.
    pub rounds: usize,
    /// Requests at once, where there are many.
    pub in_flight: usize,
    /// Where the database and the log are made; deleted afterwards.
    pub folder: PathBuf,
}

/// What one arrangement took.
#[derive(Default)]
struct Taken {
    cpu: Vec<f64>,
    settled: Vec<f64>,
    times: Vec<Duration>,
}

/// Measures everything.
///
/// # Errors
/// When a part can't be opened, or a request is answered by anything but 200.
pub async fn run(plan: &Plan) -> Result<Report, Failure> {
    let machine = Machine::now();
    let folder = tempfile::tempdir_in(&plan.folder)?;
    let house = House::open(folder.path()).await?;
    let mut disk = Disk::open(folder.path())?;
    let tokens = house.tokens(plan.requests * (plan.rounds + 1))?;
    let arrangements = all(&house, plan.in_flight)?;
    let mut taken: Vec<Taken> = arrangements.iter().map(|_| Taken::default()).collect();
    let mut syncs = Vec::new();
    for (round, fresh) in tokens.chunks(plan.requests.max(1)).enumerate() {
        let warm = round > 0;
        for (arrangement, taken) in arrangements.iter().zip(&mut taken) {
            if arrangement.audited {
                // Just before, and when the one before has settled: the disk as the log will find it.
                for _ in 0..(plan.requests / 40).clamp(5, 100) {
                    syncs.push(disk.sync()?);
                }
            }
            let requests = requests(arrangement.token, fresh, tokens.first())?;
            let part = one_round(&house, arrangement, requests).await?;
            if warm {
                taken.cpu.extend(part.cpu);
                taken.settled.extend(part.settled);
                taken.times.extend(part.times);
            }
        }
    }
    house.log.close().await?;
    let rows = arrangements.iter().zip(taken).map(|(of, taken)| row(of, taken)).collect();
    Ok(Report::new(machine, plan, Distribution::of(syncs), rows))
}

/// The requests of a round, made before the clock runs.
fn requests(
    token: Token,
    fresh: &[String],
    known: Option<&String>,
) -> Result<Vec<Request<Body>>, Failure> {
    let client = PeerAddr(SocketAddr::from(([10, 1, 2, 3], 40_000)));
    let request = |own: &String| {
        let authorization = match token {
            Token::Fresh => own,
            Token::Known => known.unwrap_or(own),
        };
        let request = Request::get(PATH)
            .header(header::HOST, "bench.example")
            .header(header::USER_AGENT, "prov-bench")
            .header(header::AUTHORIZATION, authorization)
            .extension(client);
        Ok(request.body(Body::empty())?)
    };
    fresh.iter().map(request).collect()
}

async fn one_round(
    house: &House,
    arrangement: &Arrangement,
    requests: Vec<Request<Body>>,
) -> Result<Taken, Failure> {
    let count = requests.len() as f64;
    let before = cpu_time();
    let times = drive(&arrangement.service, requests, arrangement.in_flight).await?;
    let each = |since: Duration| micros(cpu_time().saturating_sub(since)) / count;
    let cpu = vec![each(before)];
    let mut settled = Vec::new();
    if arrangement.audited {
        // The index follows behind the answers; what it costs belongs to the requests all the same.
        house.settle().await?;
        settled.push(each(before));
    }
    Ok(Taken { cpu, settled, times })
}

/// Hands all requests over, so many at once, and says how long each took.
async fn drive(
    service: &Served,
    requests: Vec<Request<Body>>,
    in_flight: usize,
) -> Result<Vec<Duration>, Failure> {
    if in_flight > 1 {
        let calls = requests.into_iter().map(|request| call(service.clone(), request));
        return stream::iter(calls).buffer_unordered(in_flight).try_collect().await;
    }
    let mut times = Vec::with_capacity(requests.len());
    for request in requests {
        times.push(call(service.clone(), request).await?);
    }
    Ok(times)
}

async fn call(service: Served, request: Request<Body>) -> Result<Duration, Failure> {
    let start = Instant::now();
    let response = match service.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let took = start.elapsed();
    if response.status() == StatusCode::OK {
        return Ok(took);
    }
    Err(format!("a request was answered by {}", response.status()).into())
}

fn row(of: &Arrangement, taken: Taken) -> Row {
    let settled = (!taken.settled.is_empty()).then(|| median(taken.settled));
    Row::new(of.name, of.in_flight, median(taken.cpu), settled, Distribution::of(taken.times))
}
