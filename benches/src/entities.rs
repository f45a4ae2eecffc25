//! What it costs to keep and to search an inventory, beside Cedar's own `Entities`.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedar_policy::{Entities, Entity, EntityUid, RestrictedExpression};
use prov_authz::{
    CedarEngine, CedarOptions, Circumstances, Claims, ResourceEntity, ResourceSearch,
};
use prov_core::{Clock, Principal, PrincipalKind, SystemClock};
use serde::Serialize;

use crate::Failure;
use crate::measure::{Distribution, Machine, micros};

/// What is measured.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the arguments of a program")]
pub struct Plan {
    /// Numbers of entities.
    pub sizes: Vec<usize>,
    /// Changes of one entity at each size.
    pub changes: usize,
    /// Cedar's own changes at each size; it works the closure of all entities out each time.
    pub cedar_changes: usize,
    /// Beyond this number Cedar's own are not measured.
    pub cedar_until: usize,
}

/// The figures.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// One for each number of entities.
    pub rows: Vec<Row>,
}

/// The figures of one number of entities.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// How many are known.
    pub entities: usize,
    /// Bytes of memory for each; none when the machine does not tell.
    pub bytes_each: f64,
    /// Entering all at once, microseconds for each.
    pub load_each_us: f64,
    /// Changing an attribute of one, and putting it in force.
    pub change: Distribution,
    /// Moving one to another workspace.
    pub moved: Distribution,
    /// Finding one by its name.
    pub find_us: f64,
    /// Searching everything that somebody may do something to, microseconds for each 10,000 entities.
    pub search_10k_us: f64,
    /// Every action on one resource.
    pub actions: Distribution,
    /// Cedar's own `upsert_entities` of one.
    pub cedar_change: Option<Distribution>,
}

/// Measures.
///
/// # Errors
/// When the engine can't be made.
pub fn run(plan: &Plan) -> Result<Report, Failure> {
    let machine = Machine::now();
    let rows = plan.sizes.iter().map(|size| row(plan, *size)).collect::<Result<_, _>>()?;
    Ok(Report { machine, rows })
}

/// A server; the workspaces have 100 each.
fn server(at: usize, revision: usize) -> ResourceEntity {
    let environment = ["production", "staging", "development"];
    ResourceEntity::new("Server", format!("srv-{at:07}"))
        .with("hostname", format!("srv-{at:07}.r{revision}.internal"))
        .with("workspace", format!("w-{}", at / 100))
        .with("environment", environment.get(at / 100 % 3).copied().unwrap_or_default())
}

fn workspace(at: usize) -> ResourceEntity {
    let environment = ["production", "staging", "development"];
    ResourceEntity::new("Workspace", format!("w-{at}"))
        .with("name", format!("w-{at}"))
        .with("owner_id", "user_x")
        .with("environment", environment.get(at % 3).copied().unwrap_or_default())
}

fn row(plan: &Plan, size: usize) -> Result<Row, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default())?;
    let all: Vec<_> = (0..size)
        .map(|at| if at % 101 == 100 { workspace(at / 101) } else { server(at - at / 101, 0) })
        .collect();
    let (before, start) = (resident(), Instant::now());
    engine.put_entities(&all)?;
    let load = start.elapsed();
    let bytes_each = (resident() - before).max(0.0) / size as f64;
    drop(all);

    let servers = size - size / 101;
    let spread = |at: usize| at.wrapping_mul(7_919) % servers;
    let change =
        timed(plan.changes, |at| engine.put_entities(&[server(spread(at), at + 1)]).map(drop))?;
    let moved = timed(plan.changes, |at| {
        let one =
            server(spread(at), at).with("workspace", format!("w-{}", (at * 31) % (size / 100 + 1)));
        engine.put_entities(&[one]).map(drop)
    })?;
    let known = engine.entities();
    let names: Vec<_> = (0..10_000).map(|at| format!("srv-{:07}", spread(at))).collect();
    let start = Instant::now();
    let found = names.iter().filter(|name| black_box(known.find("Server", name)).is_some()).count();
    let find_us = micros(start.elapsed()) / found as f64;

    let dana =
        Principal::new(PrincipalKind::User, "user_dana", "dana").with_teams(["sre".parse()?]);
    let now = Circumstances::new(true, Some([10, 0, 0, 1].into()), clock.now());
    let search = search(&engine, &dana, now)?;
    let search_10k_us = micros(search) * 10_000.0 / servers as f64;
    let one = ResourceEntity::new("Server", format!("srv-{:07}", spread(5)));
    let actions = timed(plan.changes, |_| {
        engine
            .permitted_actions(&dana, now, &one, &Claims::NONE)
            .map(|actions| drop(black_box(actions)))
    })?;
    let cedar_change = (size <= plan.cedar_until).then(|| cedar(plan, size)).transpose()?;
    let load_each_us = micros(load) / size as f64;
    Ok(Row {
        entities: size,
        bytes_each,
        load_each_us,
        change,
        moved,
        find_us,
        search_10k_us,
        actions,
        cedar_change,
    })
}

fn timed(
    count: usize,
    mut act: impl FnMut(usize) -> prov_core::Result<()>,
) -> Result<Distribution, Failure> {
    let mut times = Vec::with_capacity(count);
    for at in 0..count {
        let start = Instant::now();
        act(at)?;
        times.push(start.elapsed());
    }
    Ok(Distribution::of(times))
}

/// Every part of a search, one after the other.
fn search(engine: &CedarEngine, who: &Principal, now: Circumstances) -> Result<Duration, Failure> {
    const PART: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
    let search = ResourceSearch::new(who, now, "ssh", "Server");
    let (start, mut after) = (Instant::now(), None);
    loop {
        after = engine.permitted_resources(&search, after.as_ref(), PART)?.next;
        if after.is_none() {
            return Ok(start.elapsed());
        }
    }
}

/// The same change by Cedar itself.
fn cedar(plan: &Plan, size: usize) -> Result<Distribution, Failure> {
    let uid = |kind: &str, id: &str| -> Result<EntityUid, Failure> {
        Ok(format!("Provisioning::{kind}::\"{id}\"").parse()?)
    };
    let entity = |of: &ResourceEntity| -> Result<Entity, Failure> {
        let text =
            |name: &str| of.attributes.get(name).and_then(|v| v.as_str()).unwrap_or_default();
        let attributes: HashMap<_, _> = of
            .attributes
            .keys()
            .map(|name| (name.clone(), RestrictedExpression::new_string(text(name).to_owned())))
            .collect();
        let mut parents = HashSet::from([uid("Environment", text("environment"))?]);
        if of.entity.kind == "Server" {
            parents.insert(uid("Workspace", text("workspace"))?);
        }
        Ok(Entity::new(uid(&of.entity.kind, &of.entity.id)?, attributes, parents)?)
    };
    let all = (0..size)
        .map(|at| if at % 101 == 100 { workspace(at / 101) } else { server(at - at / 101, 0) })
        .map(|of| entity(&of))
        .collect::<Result<Vec<_>, _>>()?;
    let mut known = Entities::from_entities(all, None)?;
    let mut times = Vec::new();
    for at in 0..plan.cedar_changes {
        let one = entity(&server(at * 7, at + 1))?;
        let start = Instant::now();
        known = known.upsert_entities([one], None)?;
        times.push(start.elapsed());
    }
    Ok(Distribution::of(times))
}

/// Resident memory of this process in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = status.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0.0);
    pages * 4096.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>9} {:>8} {:>8} {:>10} {:>10} {:>8} {:>11} {:>11} {:>13} {:>7}",
            "entities",
            "bytes",
            "load µs",
            "change µs",
            "move µs",
            "find µs",
            "10k search",
            "11 actions",
            "Cedar's µs",
            "ratio"
        )?;
        for row in &self.rows {
            let cedar = row.cedar_change.map(|c| c.p50_us);
            let shown = cedar.map_or_else(|| "-".to_owned(), |us| format!("{us:.0}"));
            let ratio = cedar
                .map_or_else(|| "-".to_owned(), |us| format!("{:.0}x", us / row.change.p50_us));
            writeln!(
                f,
                "{:>9} {:>8.0} {:>8.2} {:>10.1} {:>10.1} {:>8.2} {:>8.1} ms {:>8.1} µs {:>13} {:>7}",
                row.entities,
                row.bytes_each,
                row.load_each_us,
                row.change.p50_us,
                row.moved.p50_us,
                row.find_us,
                row.search_10k_us / 1e3,
                row.actions.p50_us,
                shown,
                ratio
            )?;
        }
        write!(f, "{} processors, load {}", self.machine.processors, self.machine.load)
    }
}
