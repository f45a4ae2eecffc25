//! Certificates per second on one core, beside the bare Ed25519 signature over as many bytes.
//!
//! `cargo run --release -p prov-secrets --example ssh_sign_throughput`
#![expect(clippy::print_stdout, reason = "an example that prints its figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::Ed25519KeyPair;
use prov_core::audit::MemoryRecorder;
use prov_core::store::MemoryStore;
use prov_core::{
    Authentication, AuthenticationMethod, Clock, Error, Identity, Principal, PrincipalKind,
    RequestFacts, RequestId, Result, Role, SecurityContext, SystemClock, codes,
};
use prov_secrets::ssh::{Ssh, SshAuthority, SshSignRequest};
use prov_secrets::{Handle, IssueRequest, LeaseId, Leases, SecretEngine, Wish};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti a@b";
const ROUNDS: u32 = 20_000;

fn report(what: &str, took: Duration, limit: Duration) {
    let each = took / ROUNDS;
    let rate = f64::from(ROUNDS) / took.as_secs_f64();
    let share = limit.as_secs_f64() / took.as_secs_f64();
    println!("{what:<44} {rate:>9.0}/s  {each:>9.1?} each  {share:>5.2} of the bare signature");
}

/// The signature alone, over as many bytes as a certificate has.
fn bare() -> Result<Duration> {
    let pair = Ed25519KeyPair::generate().map_err(|_| Error::new(codes::INTERNAL))?;
    let message = [7_u8; 380];
    let started = Instant::now();
    for _ in 0..ROUNDS {
        std::hint::black_box(pair.sign(std::hint::black_box(&message)));
    }
    Ok(started.elapsed())
}

/// Plan and certificate: role, merge, serial, key parsing, signature, text. No lease.
async fn engine(
    authority: &SshAuthority,
    caller: &Principal,
    clock: &dyn Clock,
) -> Result<Duration> {
    let params = serde_json::json!({"kind": "user", "public_key": KEY});
    let params = params.as_object().cloned().unwrap_or_default();
    let started = Instant::now();
    for _ in 0..ROUNDS {
        let now = clock.now();
        let wish = Wish::new(LeaseId::generate(clock)?, caller.clone(), "default", now)
            .with_params(params.clone());
        let plan = authority.plan(&wish).await?;
        let handle = Handle::new(wish.lease, wish.role).with_facts(plan.facts);
        let ends = now.checked_add(plan.ttl).unwrap_or(now);
        let request =
            IssueRequest::new(handle, caller.id.clone(), now, ends).with_input(plan.input);
        std::hint::black_box(authority.issue(&request).await?);
    }
    Ok(started.elapsed())
}

/// The service with lease and audit event, both in memory.
async fn service(ssh: &Ssh, ctx: &SecurityContext) -> Result<Duration> {
    let started = Instant::now();
    for _ in 0..ROUNDS {
        std::hint::black_box(ssh.sign_user(ctx, SshSignRequest::new(KEY)).await?);
    }
    Ok(started.elapsed())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let clock = Arc::new(SystemClock::new());
    let store = Arc::new(MemoryStore::new(Arc::<SystemClock>::clone(&clock)));
    let recorder = Arc::new(MemoryRecorder::new());
    let principal =
        Principal::new(PrincipalKind::User, "user_1", "alice").with_roles([Role::Developer]);
    let authentication = Authentication::new(AuthenticationMethod::AccessToken, clock.now());
    let request = RequestFacts::new(RequestId::generate(&clock)?, clock.now());
    let identity = Arc::new(Identity { principal: principal.clone(), authentication });
    let ctx = SecurityContext::new(identity, Arc::new(request));
    let authority = SshAuthority::open(
        Arc::<MemoryStore>::clone(&store),
        Arc::<SystemClock>::clone(&clock),
        Arc::<MemoryRecorder>::clone(&recorder),
    )
    .await?;
    let leases = Leases::builder(store, Arc::<SystemClock>::clone(&clock), recorder)
        .engine(Arc::<SshAuthority>::clone(&authority))
        .open()
        .await?;
    let ssh = Ssh::new(Arc::clone(&authority), leases, Arc::<SystemClock>::clone(&clock))?;
    let limit = bare()?;
    report("bare Ed25519 signature (the limit)", limit, limit);
    report("certificate: plan and sign", engine(&authority, &principal, &clock).await?, limit);
    report("certificate with lease and event, in memory", service(&ssh, &ctx).await?, limit);
    Ok(())
}
