//! How long an explanation takes: of the denial with the most ways out of it, of one that no lever
//! helps, and of an allowance; with the shipped policies, and with many more beside them.
//!
//! `cargo run --release -p prov-authz --example explain_cost`
#![expect(clippy::print_stdout, reason = "an example prints what it measured")]

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use prov_authz::{
    AccessRequest, CedarEngine, CedarOptions, Circumstances, Claims, PolicyEngine, PolicyFiles,
    ResourceEntity, SourceFile,
};
use prov_core::{Principal, PrincipalKind, SystemClock};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{:>9}  {:<44}{:>12}{:>12}", "policies", "", "explain µs", "decide µs");
    for more in [0, 2_000] {
        let engine = engine_with(more)?;
        let (sre, developer) = (member("sre")?, member("developers")?);
        let server = ResourceEntity::new("Server", "web-1")
            .with("hostname", "web-1.example.org")
            .with("workspace", "shop")
            .with("environment", "production");
        let night = Circumstances::new(
            false,
            Some([203, 0, 113, 5].into()),
            "2026-03-02T22:30:00Z".parse()?,
        );
        let noon =
            Circumstances::new(true, Some([10, 0, 0, 1].into()), "2026-03-02T12:00:00Z".parse()?);
        let claims = Claims::NONE.with_approval("CHG-1");
        for (what, request) in [
            (
                "four forbids, two ways out of three and more",
                AccessRequest::by(&sre, night, "deploy", &server),
            ),
            (
                "nothing that helps",
                AccessRequest::by(&developer, noon, "deploy", &server).with_claims(&claims),
            ),
            ("an allowance", AccessRequest::by(&sre, noon, "deploy", &server).with_claims(&claims)),
        ] {
            let explain = median(|| drop(black_box(engine.explain(black_box(&request)))));
            let decide = median(|| drop(black_box(engine.decide(black_box(&request)))));
            println!("{:>9}  {what:<44}{explain:>12.1}{decide:>12.1}", engine.policies().len());
        }
    }
    Ok(())
}

fn member(team: &str) -> Result<Principal, Box<dyn std::error::Error>> {
    let principal = Principal::new(PrincipalKind::User, "user_ann", "ann");
    Ok(principal.with_teams([team.parse()?]))
}

/// The shipped set and as many permits for teams that nobody is in.
fn engine_with(more: usize) -> Result<CedarEngine, Box<dyn std::error::Error>> {
    let mut files = PolicyFiles::shipped();
    let mut text = String::new();
    for at in 0..more {
        write!(
            text,
            "@id(\"more-{at}\") @description(\"x\")\npermit (\n  principal in Provisioning::Team::\"team-{at}\",\n  \
             action == Provisioning::Action::\"deploy\",\n  resource in Provisioning::Environment::\"env-{at}\"\n)\n\
             when {{ context.mfa_verified }};\n"
        )?;
    }
    if more > 0 {
        files.policies.push(SourceFile::new("more.cedar", text));
    }
    let clock = Arc::new(SystemClock::new());
    Ok(CedarEngine::from_files(&files, clock, CedarOptions::default())?)
}

/// The median of many runs in microseconds.
fn median(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<_> = (0..2_000)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}
