//! How many second factors one core checks, claims and records in a second, beside the bare
//! arithmetic: `cargo run --release -p prov-mfa --example totp_throughput`.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prov_core::audit::MemoryRecorder;
use prov_core::store::MemoryStore;
use prov_core::{
    Authentication, AuthenticationMethod, Clock, FactorMethod, FactorResponse, Identity,
    ManualClock, Principal, PrincipalKind, RequestFacts, RequestId, SecondFactor, SecurityContext,
    UserId,
};
use prov_mfa::{MfaConfig, MfaService};
use totp_rs::Totp;

const CHECKS: u32 = 50_000;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
async fn main() -> Result<(), Box<dyn Error>> {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse()?);
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let store = Arc::new(MemoryStore::new(Arc::clone(&shared)));
    let recorder = Arc::new(MemoryRecorder::new());
    let mfa = MfaService::new(store, recorder, shared, MfaConfig::default())?;

    let user = UserId::generate(&clock)?;
    let facts = Arc::new(RequestFacts::new(RequestId::generate(&clock)?, clock.now()));
    let identity = Identity {
        principal: Principal::new(PrincipalKind::User, user.as_str(), "alice"),
        authentication: Authentication::new(AuthenticationMethod::AccessToken, clock.now()),
    };
    let context = SecurityContext::new(Arc::new(identity), Arc::clone(&facts));
    let begun = mfa.enroll(&context, "bench").await?;
    let app = Totp::from_url(begun.otpauth_uri.expose())?;
    let code = || app.generate(clock.now().as_second().unsigned_abs()).to_string();
    mfa.verify_totp(&context, &begun.id, &code().into()).await?;

    let mut checking = Duration::ZERO;
    for _ in 0..CHECKS {
        // Two steps on: now and then an app shows the same digits twice in a row, which hold once.
        clock.advance(Duration::from_mins(1));
        let response = FactorResponse::new(FactorMethod::Totp, code().into());
        let started = Instant::now();
        mfa.verify(&user, &response, &facts).await?;
        checking += started.elapsed();
    }

    let mut arithmetic = Duration::ZERO;
    for _ in 0..CHECKS {
        clock.advance(Duration::from_secs(30));
        let (code, second) = (code(), clock.now().as_second().unsigned_abs());
        let started = Instant::now();
        let step = app.check(&code, second);
        arithmetic += started.elapsed();
        step.ok_or("a code must hold")?;
    }

    let per_second = |took: Duration| f64::from(CHECKS) / took.as_secs_f64();
    println!("check, claim once and record: {:>10.0}/s", per_second(checking));
    println!("bare arithmetic:              {:>10.0}/s", per_second(arithmetic));
    Ok(())
}
