//! Trust bundles over the SPIFFE Workload API, from a server that is not ours.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prov_auth::codes::WORKLOAD_REFUSED;
use prov_auth::{TrustBundle, TrustBundles, WorkloadApi, Workloads};
use prov_core::{
    Attempt, Authenticator, Clock, Health, HealthCheck, HealthState, ManualClock, Presented,
    RequestFacts, RequestId, SystemClock,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::task::JoinSet;

use crate::python::Script;
use crate::user_fixture::House;
use crate::workload_tokens::{domain, workloads};

const PATH: &str = "/ns/prov/sa/api";
const PATIENCE: Duration = Duration::from_secs(25);

struct World {
    house: House,
    folder: tempfile::TempDir,
    agent: Option<Script>,
    api: Arc<WorkloadApi>,
    programs: Arc<Workloads>,
    _following: JoinSet<()>,
}

/// Starts the agent whose socket is in this folder.
fn agent(folder: &Path) -> Option<Script> {
    let socket = folder.join("agent.sock").display().to_string();
    let module = "spiffe._proto.workload_pb2_grpc";
    let mut script = Script::start("workload_api.py", module, &[&socket])?;
    assert_eq!(script.line(), "ready");
    Some(script)
}

impl World {
    /// A house that listens to an agent that is not there yet.
    async fn new() -> Self {
        let (house, folder) = (House::new().await, tempfile::tempdir().unwrap());
        // The peer goes by the machine's clock.
        house.clock.set(SystemClock::new().now());
        let socket = format!("unix://{}", folder.path().join("agent.sock").display());
        let api = WorkloadApi::new(&socket, Arc::new(house.clock.clone()));
        let api = Arc::new(api.unwrap());
        let programs = workloads(&house, api.bundles());
        let mut following = JoinSet::new();
        following.spawn(api.clone().follow(std::future::pending()));
        Self { house, folder, agent: None, api, programs, _following: following }
    }

    async fn with_agent() -> Option<Self> {
        let mut world = Self::new().await;
        world.agent = Some(agent(world.folder.path())?);
        Some(world)
    }

    fn tell(&mut self, command: &str) -> String {
        self.agent.as_mut().unwrap().ask(&[command.to_owned()]).remove(0)
    }

    /// A certificate and a token of the authority that the agent has now.
    fn documents(&mut self) -> (Bytes, String) {
        assert_eq!(self.tell(&format!("svid {PATH}")), "done");
        let leaf = CertificateDer::from_pem_file(self.folder.path().join("svid.pem")).unwrap();
        (Bytes::copy_from_slice(&leaf), self.tell(&format!("jwt prov-api {PATH}")))
    }

    fn ask(&self, look: impl FnOnce(Presented<'_>) -> Attempt) -> bool {
        let facts = RequestFacts::new(
            RequestId::generate(&self.house.clock).unwrap(),
            self.house.clock.now(),
        );
        match look(Presented::new(&facts)) {
            Attempt::Authenticated(who) => {
                who.principal.id == format!("spiffe://example.org{PATH}")
            }
            Attempt::Refused(_) => false,
            Attempt::NotRequested => panic!("a document was presented"),
        }
    }

    /// Whether both documents hold, or neither.
    fn hold(&self, documents: &(Bytes, String)) -> Option<bool> {
        let chain = [documents.0.clone()];
        let by_certificate =
            self.ask(|asked| self.programs.authenticate(&asked.with_certificates(Some(&chain))));
        let bearer = format!("Bearer {}", documents.1);
        let by_token =
            self.ask(|asked| self.programs.authenticate(&asked.with_authorization(Some(&bearer))));
        (by_certificate == by_token).then_some(by_token)
    }

    #[track_caller]
    fn wait(&self, documents: &(Bytes, String), wanted: bool) -> impl Future<Output = ()> {
        let until = async move {
            while self.hold(documents) != Some(wanted) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        async move {
            let within = tokio::time::timeout(PATIENCE, until).await;
            within.unwrap_or_else(|_| panic!("still not {wanted}: {:?}", self.hold(documents)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_are_known_by_what_the_agent_says_and_its_rotations_are_followed() {
    let Some(mut world) = World::with_agent().await else { return };
    let first = world.documents();
    world.wait(&first, true).await;
    assert_eq!(world.api.health().await.state, HealthState::Up);
    // The next authority is published beside the one that signs, then takes its place.
    world.tell("both");
    let second = world.documents();
    world.wait(&second, true).await;
    world.wait(&first, true).await;
    world.tell("rotate");
    let third = world.documents();
    world.wait(&third, true).await;
    world.wait(&first, false).await;
    world.wait(&second, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_agent_takes_back_is_trusted_no_longer() {
    let Some(mut world) = World::with_agent().await else { return };
    let documents = world.documents();
    world.wait(&documents, true).await;
    world.tell("withdraw");
    world.wait(&documents, false).await;
    assert_eq!(world.api.health().await.state, HealthState::Degraded);
    world.tell("rotate");
    let documents = world.documents();
    world.wait(&documents, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_away_cuts_nobody_off_until_an_hour_has_gone() {
    let Some(mut world) = World::with_agent().await else { return };
    let documents = world.documents();
    world.wait(&documents, true).await;
    drop(world.agent.take());
    let gone = async {
        let both = |health: Health| health.detail.is_some_and(|why| why.contains("and keys"));
        while !both(world.api.health().await) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    assert_eq!(world.hold(&documents), Some(true), "the agent is only away");
    // The hand of the clock goes on, the time of day does not: the documents have not ended.
    let now = world.house.clock.now();
    world.house.wait(Duration::from_hours(1));
    world.house.clock.set(now);
    world.wait(&documents, false).await;
    world.agent = agent(world.folder.path());
    let documents = world.documents();
    world.wait(&documents, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_comes_later_is_heard_then_and_until_then_nobody_is_known() {
    let mut world = World::new().await;
    assert_eq!(world.api.health().await.state, HealthState::Degraded);
    let nobody =
        (Bytes::from_static(b"x"), "x.eyJzdWIiOiJzcGlmZmU6Ly9leGFtcGxlLm9yZy94In0.x".to_owned());
    assert_eq!(world.hold(&nobody), Some(false));
    let Some(script) = agent(world.folder.path()) else { return };
    world.agent = Some(script);
    let documents = world.documents();
    world.wait(&documents, true).await;
    // What a file says of a domain counts, and not what the agent says of it.
    let pinned = TrustBundles::new([(domain(), TrustBundle::default())]);
    let joined = TrustBundles::joined([pinned, world.api.bundles()]);
    let strict = workloads(&world.house, joined);
    let (chain, facts) = ([documents.0.clone()], world.house.facts());
    match strict.authenticate(&Presented::new(&facts).with_certificates(Some(&chain))) {
        Attempt::Refused(error) => assert!(error.is(WORKLOAD_REFUSED), "{error:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_a_socket_of_this_machine_is_asked() {
    let clock = Arc::new(ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap()));
    for endpoint in [
        "",
        "/run/agent.sock",
        "unix:run/agent.sock",
        "unix://host/agent.sock",
        "unix:///",
        "unix:///run/agent.sock?x=y",
        "tcp://127.0.0.1:8081",
        "tcp://192.0.2.1:8081",
        "https://example.org",
    ] {
        assert!(WorkloadApi::new(endpoint, clock.clone()).is_err(), "{endpoint}");
    }
    for endpoint in ["unix:///run/agent.sock", "unix:/run/agent.sock"] {
        WorkloadApi::new(endpoint, clock.clone()).unwrap();
    }
}
