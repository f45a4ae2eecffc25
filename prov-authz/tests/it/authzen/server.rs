//! A decision point that listens, and a client.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use http::{Request, Response};
use prov_authz::authzen::{self, AuthzenOptions, AuthzenService};
use prov_authz::{
    AuthzLayer, CedarEngine, CedarOptions, DecisionService, PolicyFiles, PrincipalPage,
    PrincipalSource, ResourceEntity, SourceFile,
};
use prov_core::audit::{Event, MemoryRecorder};
use prov_core::{Principal, PrincipalKind, Role, SecurityContext};
use prov_http::{EdgeLayer, RouteTable};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::Layer;

use crate::world::{clock, context_of};

pub(super) const PUBLIC_URL: &str = "https://pdp.example.com";

/// Users as a directory has them.
#[derive(Debug, Default)]
pub(super) struct Directory(BTreeMap<String, Principal>);

impl Directory {
    /// With a user in these teams.
    pub(super) fn with(mut self, id: &str, name: &str, teams: &[&str]) -> Self {
        let teams = teams.iter().map(|team| team.parse().unwrap());
        let user = Principal::new(PrincipalKind::User, id, name).with_teams(teams);
        self.0.insert(id.to_owned(), user);
        self
    }
}

#[async_trait]
impl PrincipalSource for Directory {
    async fn principal(&self, id: &str) -> prov_core::Result<Option<Principal>> {
        Ok(self.0.get(id).cloned())
    }

    async fn principals(
        &self,
        after: Option<&str>,
        limit: NonZeroU32,
    ) -> prov_core::Result<PrincipalPage> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.0.range::<str, _>((start, Bound::Unbounded));
        let items: Vec<_> = rest.by_ref().take(limit.get() as usize).map(|u| u.1.clone()).collect();
        let next = items.last().filter(|_| rest.next().is_some()).map(|last| last.id.clone());
        Ok(PrincipalPage::new(items, next))
    }
}

/// What stands for authentication: the enforcement point by one token, alice by another.
fn signed_in(request: &Request<axum::body::Body>) -> Option<SecurityContext> {
    let user = |id: &str| Principal::new(PrincipalKind::User, id, id);
    let who = match request.headers().get("authorization")?.to_str().ok()? {
        "Bearer gateway" => user("gateway").with_roles([Role::Admin]),
        "Bearer alice" => user("alice"),
        _ => return None,
    };
    Some(context_of(&who, false, &*clock()))
}

/// A decision point over one schema and its policies.
pub(super) struct Server {
    app: Router,
    recorder: MemoryRecorder,
}

impl Server {
    pub(super) fn new(
        namespace: &str,
        [schema, policies]: [&str; 2],
        (directory, resources): (Directory, &[ResourceEntity]),
        options: AuthzenOptions,
    ) -> Self {
        let mut files = PolicyFiles::shipped();
        files.schema = SourceFile::new("schema.cedarschema", schema);
        files.policies = vec![SourceFile::new("policies.cedar", policies)];
        let cedar = CedarOptions::default().in_namespace(namespace);
        let engine = Arc::new(CedarEngine::from_files(&files, clock(), cedar).unwrap());
        engine.put_entities(resources).unwrap();
        let recorder = MemoryRecorder::new();
        let decisions =
            DecisionService::new(Arc::clone(&engine), Arc::new(recorder.clone()), clock())
                .with_principals(Arc::new(directory));
        let service = Arc::new(AuthzenService::new(Arc::new(decisions), options));
        let (router, _) = authzen::router(service).split_for_parts();
        let table = Arc::new(RouteTable::new(authzen::routes()).unwrap());
        let app = router
            .layer(AuthzLayer::new(engine, clock()))
            .layer(axum::middleware::map_request(async |mut request: Request<_>| {
                if let Some(context) = signed_in(&request) {
                    request.extensions_mut().insert(context);
                }
                request
            }))
            .layer(tower::layer::layer_fn(move |inner| {
                EdgeLayer::new(clock()).with_routes(Arc::clone(&table)).layer(inner)
            }));
        Self { app, recorder }
    }

    /// The certification scenario's.
    pub(super) fn certification() -> Self {
        let texts = [
            include_str!("certification/schema.cedarschema"),
            include_str!("certification/records.cedar"),
        ];
        let directory =
            Directory::default().with("alice", "alice", &[]).with("bob", "bob", &["record-admins"]);
        let options = AuthzenOptions::default()
            .published_at(PUBLIC_URL)
            .unwrap()
            .with_resource_type("record", "Record");
        let record = |id: &'static str, status: &str| {
            ResourceEntity::new("Record", id).with("status", status)
        };
        let records = [record("record-1", "active"), record("record-2", "archived")];
        Self::new("Certification", texts, (directory, &records), options)
    }

    /// What is in the audit log.
    pub(super) fn events(&self) -> Vec<Event> {
        self.recorder.events()
    }

    /// Listens while `client` asks.
    pub(super) async fn while_asked<T>(&self, client: impl AsyncFnOnce(Client) -> T) -> T {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(Client { address: listener.local_addr().unwrap() });
        tokio::select! {
            answered = client => answered,
            _ = axum::serve(listener, self.app.clone()) => panic!("the server ended"),
        }
    }
}

/// Speaks HTTP to a server.
#[derive(Clone, Copy)]
pub(super) struct Client {
    address: std::net::SocketAddr,
}

impl Client {
    /// Sends a message as the enforcement point; answers with status and body.
    pub(super) async fn post(&self, path: &str, message: &Value) -> (u16, Value) {
        let answer = self.send("POST", path, &gateway(&[]), &message.to_string()).await;
        let status = answer.status().as_u16();
        let kind = if status == 200 { "application/json" } else { "application/problem+json" };
        assert_eq!(answer.headers()["content-type"], kind, "{}", answer.body());
        (status, serde_json::from_str(answer.body()).unwrap())
    }

    /// Sends anything.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<String> {
        let headers: String =
            headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: evil.example\r\n{headers}\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        read_response(&answer)
    }
}

/// What the enforcement point sends with a message.
pub(super) fn gateway<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let own = [("authorization", "Bearer gateway"), ("content-type", "application/json")];
    own.into_iter().chain(more.iter().copied()).collect()
}

fn read_response(text: &str) -> Response<String> {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut response = Response::builder().status(status);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        response = response.header(name, value);
    }
    response.body(body.to_owned()).unwrap()
}
