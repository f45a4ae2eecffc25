//! Starting, bootstrapping, starting again, and asking.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::report::{Report, Served};
use super::{Child, Client};
use crate::Failure;
use crate::measure::{Machine, median, micros};

/// What is asked of both servers.
const PATH: &str = "/api/v1/auth/me";
/// How long a server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked whether it is.
const PAUSE: Duration = Duration::from_millis(1);

/// How much is measured, and of which programs.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "whoever measures says all of it")]
pub struct Plan {
    /// The reference server.
    pub server: PathBuf,
    /// The program that serves bare axum: `PROGRAM bare PATH DOCUMENT`.
    pub bare: PathBuf,
    /// How many requests each server answers.
    pub requests: usize,
    /// Over how many connections at once.
    pub connections: usize,
    /// How often the reference server is started on the database that is there.
    pub starts: usize,
    /// Where its data lies meanwhile.
    pub folder: PathBuf,
}

/// Measures both servers.
///
/// # Errors
/// When one can't be started, or answers what it must not.
pub async fn run(plan: &Plan) -> Result<Report, Failure> {
    let machine = Machine::now();
    let folder = tempfile::tempdir_in(&plan.folder)?;
    let data = folder.path().join("data");
    let token = first_start(&plan.server, &data).await?;

    let mut ready = Vec::new();
    for _ in 1..plan.starts.max(1) {
        let server = start(&plan.server, &data).await?;
        ready.push(until_ready(&server).await?);
        server.stop().await?;
    }
    let server = start(&plan.server, &data).await?;
    ready.push(until_ready(&server).await?);
    let idle_mib = server.resident_mib()?;
    let (_, document) = Client::connect(&server.address).await?.get(PATH, Some(&token)).await?;
    let document = String::from_utf8(document)?;

    let bare = Child::start(&plan.bare, ["bare", PATH, &document]).await?;
    let bare_idle_mib = bare.resident_mib()?;
    // A part of them to each in turn, so that a busy machine is busy for both.
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(served(&bare, None, plan).await?);
        ours.push(served(&server, Some(&token), plan).await?);
    }
    let ours = summary(&ours, idle_mib, server.resident_mib()?);
    let theirs = summary(&theirs, bare_idle_mib, bare.resident_mib()?);
    bare.stop().await?;
    server.stop().await?;
    Ok(Report::new(machine, plan, median(ready), ours, theirs))
}

/// Into how many parts the requests are cut.
const ROUNDS: usize = 5;

/// Makes the database and the first user; gives an access token.
async fn first_start(program: &Path, data: &Path) -> Result<String, Failure> {
    let mut server = start(program, data).await?;
    let token = server.token().await?;
    until_ready(&server).await?;
    let mut client = Client::connect(&server.address).await?;
    let (name, password) = ("admin", "violet anchors drift slowly");
    let first = json!({ "token": token, "username": name, "password": password });
    client.post("/api/v1/auth/bootstrap", &first).await?;
    let login = json!({ "username": name, "password": password });
    let answer = client.post("/api/v1/auth/login", &login).await?;
    drop(client);
    server.stop().await?;
    let token = answer.get("access_token").and_then(Value::as_str).ok_or("no access token")?;
    Ok(token.to_owned())
}

async fn start(program: &Path, data: &Path) -> Result<Child, Failure> {
    let data = data.to_str().ok_or("the folder's name is no UTF-8")?;
    let limit = "server.rate_limit=1000000/s";
    let arguments = ["--listen", "127.0.0.1:0", "--data-dir", data, "--set", limit];
    Child::start(program, arguments).await
}

/// Milliseconds from its start until it says that it is ready.
async fn until_ready(server: &Child) -> Result<f64, Failure> {
    while server.started.elapsed() < PATIENCE {
        if let Ok(mut client) = Client::connect(&server.address).await
            && let Ok((StatusCode::OK, _)) = client.get("/readyz", None).await
        {
            return Ok(server.started.elapsed().as_secs_f64() * 1e3);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err("the server does not get ready".into())
}

/// One part of the requests: how many a second, microseconds of CPU for each, and how long each took.
async fn served(child: &Child, token: Option<&str>, plan: &Plan) -> Result<Part, Failure> {
    let before = child.cpu_time()?;
    let requests = plan.requests.div_ceil(ROUNDS);
    let load = Client::load(&child.address, PATH, token, requests, plan.connections).await?;
    let count = load.each.count as f64;
    Ok(Part {
        per_second: count / load.wall.as_secs_f64(),
        cpu_us: micros(child.cpu_time()?.saturating_sub(before)) / count,
        p50_us: load.each.p50_us,
        p99_us: load.each.p99_us,
    })
}

struct Part {
    per_second: f64,
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
}

fn summary(parts: &[Part], idle_mib: f64, after_mib: f64) -> Served {
    let middle = |of: fn(&Part) -> f64| median(parts.iter().map(of).collect());
    Served {
        idle_mib,
        after_mib,
        per_second: middle(|part| part.per_second),
        cpu_us: middle(|part| part.cpu_us),
        p50_us: middle(|part| part.p50_us),
        p99_us: middle(|part| part.p99_us),
    }
}
