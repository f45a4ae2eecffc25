//! The nine steps, with the facts each left behind; and three requests that get less far.

use std::fmt;
use std::path::Path;

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use prov_audit::{AuditRecord, Query};
use prov_core::RequestId;
use prov_core::audit::RetentionClass;

use super::house::RATE_LIMIT;
use super::people::OFFICE;
use super::{Answer, House, Person, SERVER};
use crate::Failure;

/// An address of somebody else.
const ELSEWHERE: [u8; 4] = [10, 9, 9, 9];
/// More requests than any address may send here.
const TOO_MANY: usize = 100;

/// One step of the flow, in words.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// What it found or made.
    pub facts: String,
}

/// A request that was refused.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Refused {
    /// What was wrong with it.
    pub why: &'static str,
    /// The answer's status.
    pub status: StatusCode,
    /// The problem: its code and what it says.
    pub problem: String,
    /// The policies that stood against it.
    pub policies: Vec<String>,
    /// Its place in the log; what the rate limit turns away costs no write.
    pub seq: Option<u64>,
}

/// What the walk showed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Walk {
    /// The nine steps of the request that was allowed.
    pub steps: Vec<Step>,
    /// Its events, oldest first.
    pub events: Vec<AuditRecord>,
    /// Its answer.
    pub answer: Answer,
    /// Those that were not.
    pub refused: Vec<Refused>,
    /// How many events the log holds, each of which was verified.
    pub verified: u64,
}

/// Walks through everything, in this folder.
///
/// # Errors
/// When a component fails, or answers what it must not.
pub async fn walk(folder: &Path) -> Result<Walk, Failure> {
    let house = House::open(folder).await?;
    let mut sam = Person::in_sre(&house, "sam").await?;
    let password_only = sam.sign_in(&house).await?;
    sam.enroll_app(&house, &password_only).await?;
    let two_factors = sam.sign_in(&house).await?;

    let answer = house.ask(OFFICE, deploy(&two_factors, Some("CHG-4711"))?).await?;
    let events = events_of(&house, &answer).await?;
    let steps = steps(&answer, &events)?;
    let refused = vec![
        refused(&house, "without an approval", deploy(&two_factors, None)?).await?,
        refused(&house, "by password only", deploy(&password_only, Some("CHG-4711"))?).await?,
        flooded(&house).await?,
    ];
    let report = house.log.verify(RetentionClass::Standard).await?;
    house.log.close().await?;
    if !report.intact {
        return Err("the log does not verify".into());
    }
    Ok(Walk { steps, events, answer, refused, verified: report.records })
}

fn deploy(token: &str, approval: Option<&str>) -> Result<Request<Body>, Failure> {
    let mut request = Request::builder().method(Method::POST).uri(format!("/deployments/{SERVER}"));
    request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    if let Some(id) = approval {
        request = request.header("x-approval", id);
    }
    Ok(request.body(Body::empty())?)
}

/// What the log holds of a request, oldest first.
async fn events_of(house: &House, answer: &Answer) -> Result<Vec<AuditRecord>, Failure> {
    let id: RequestId = answer.request_id.parse()?;
    let query = Query::new().request_id(id);
    let mut events = house.log.query(&query).await?.items;
    events.reverse();
    Ok(events)
}

/// What each part left behind: the layers beside the answer, the handler in it, all of them in the log.
fn steps(answer: &Answer, events: &[AuditRecord]) -> Result<Vec<Step>, Failure> {
    let who = answer.context.as_ref().ok_or("nobody was authenticated")?;
    let decision = answer.decision.as_ref().ok_or("nothing was decided")?;
    let [name, id] = [&who.principal().name, &who.principal().id];
    let facts = who.request();
    let [a, b, c, d] = OFFICE;
    let amr: Vec<_> = who.authentication().amr.iter().map(|amr| amr.as_str()).collect();
    let token = who.authentication().token_id.as_deref().unwrap_or_default();
    let proved = who.authentication().authenticated_at;
    let said = |name: &str| answer.document.get(name).cloned().unwrap_or_default();
    let (lease, until) = (answer.text("lease_id")?, answer.text("valid_before")?);
    let recorded: Vec<_> =
        events.iter().map(|e| format!("#{} {} {}", e.seq, e.action, e.outcome.as_str())).collect();
    let step = |name, facts| Step { name, facts };
    Ok(vec![
        step(
            "request",
            format!("{} {} {} from {a}.{b}.{c}.{d}", facts.id, facts.method, facts.path),
        ),
        step("rate limit", format!("within {RATE_LIMIT} for this address")),
        step("authentication", format!("{name} ({id}) by access token {token}")),
        step("second factor", format!("{} at {proved}", amr.join("+"))),
        step("policies", format!("{} allowed by {}", decision.id, decision.policies.join(", "))),
        step("credential", format!("SSH certificate {} until {until}, {lease}", said("serial"))),
        step(
            "operation",
            format!(
                "{} bytes of configuration decrypted under {}",
                said("configuration_bytes"),
                answer.text("configuration_key")?
            ),
        ),
        step("audit", recorded.join(", ")),
        step("response", answer.status.to_string()),
    ])
}

async fn refused(
    house: &House,
    why: &'static str,
    request: Request<Body>,
) -> Result<Refused, Failure> {
    let answer = house.ask(OFFICE, request).await?;
    let seq = events_of(house, &answer).await?.last().map(|event| event.seq);
    refusal(why, &answer, seq)
}

/// Asks for something that is open to everybody until it is too often.
async fn flooded(house: &House) -> Result<Refused, Failure> {
    for _ in 0..TOO_MANY {
        let request = Request::get("/.well-known/jwks.json").body(Body::empty())?;
        let answer = house.ask(ELSEWHERE, request).await?;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            return refusal("too often", &answer, None);
        }
    }
    Err("the rate limit let everything through".into())
}

fn refusal(why: &'static str, answer: &Answer, seq: Option<u64>) -> Result<Refused, Failure> {
    let detail = answer.text("detail").unwrap_or_default();
    let problem = format!("{}: {detail}", answer.text("code")?);
    let policies = answer.decision.as_ref().map(|made| made.policies.clone()).unwrap_or_default();
    Ok(Refused { why, status: answer.status, problem, policies, seq })
}

impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Step { name, facts }) in (1..).zip(&self.steps) {
            writeln!(f, "{number}. {name:<15} {facts}")?;
        }
        writeln!(f, "\nThe same request, refused:")?;
        for Refused { why, status, problem, seq, .. } in &self.refused {
            let recorded = seq.map_or("not recorded".to_owned(), |seq| format!("audit #{seq}"));
            writeln!(f, "   {why:<20} {} {problem} ({recorded})", status.as_u16())?;
        }
        write!(f, "\nThe log: {} events, verified.", self.verified)
    }
}
