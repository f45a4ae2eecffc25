//! What is known of a request before anyone asks who sent it.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use jiff::Timestamp;

use crate::audit::DecisionRecord;
use crate::{RequestId, SecretText};

/// The facts of one request, made once at the edge and shared by every layer as an `Arc`.
#[derive(Debug)]
#[non_exhaustive]
pub struct RequestFacts {
    /// Names this request everywhere.
    pub id: RequestId,
    /// The client's address, canonical (never an IPv4-mapped IPv6 address), as trusted proxies told it.
    pub client: Option<IpAddr>,
    /// The HTTP method; empty for background work.
    pub method: String,
    /// The path, without the query (queries may hold secrets).
    pub path: String,
    /// The path as it is recorded: as its route has it, with ids in their places and `{name}` where callers write
    /// what they like, which may name a person. `None` where nobody has looked: then it is the path.
    pub recorded_path: Option<String>,
    /// What the client calls itself, cut to 256 characters.
    pub user_agent: Option<String>,
    /// What the client presents to be recognised as a device that was here before.
    pub device: Option<SecretText>,
    /// What the client presents to prove that it holds a key, for this request (`DPoP`, RFC 9449, section
    /// 4.1): all of it where it presents several, which is no proof.
    pub proof: Option<SecretText>,
    /// The client's certificate, as DER, if it has proved in the handshake that it is its own. Nobody has
    /// looked where it leads.
    pub certificate: Option<Bytes>,
    /// When it arrived.
    pub received_at: Timestamp,
    recorded: AtomicBool,
    decision: OnceLock<DecisionRecord>,
    found: OnceLock<String>,
}

impl RequestFacts {
    /// The facts of a request of which only id and time are known.
    #[must_use]
    pub fn new(id: RequestId, received_at: Timestamp) -> Self {
        Self {
            id,
            client: None,
            method: String::new(),
            path: String::new(),
            recorded_path: None,
            user_agent: None,
            device: None,
            proof: None,
            certificate: None,
            received_at,
            recorded: AtomicBool::new(false),
            decision: OnceLock::new(),
            found: OnceLock::new(),
        }
    }

    /// From this address. IPv4-mapped IPv6 addresses, which dual-stack sockets give, become IPv4.
    #[must_use]
    pub fn from_client(mut self, client: Option<IpAddr>) -> Self {
        self.client = client.map(|ip| ip.to_canonical());
        self
    }

    /// For this method and path.
    #[must_use]
    pub fn for_target(mut self, method: impl Into<String>, path: impl Into<String>) -> Self {
        self.method = method.into();
        self.path = path.into();
        self
    }

    /// Recorded with this path, in which nobody is named.
    #[must_use]
    pub fn recorded_as(mut self, path: impl Into<String>) -> Self {
        self.recorded_path = Some(path.into());
        self
    }

    /// Sent by this program.
    #[must_use]
    pub fn by_agent(mut self, user_agent: Option<&str>) -> Self {
        self.user_agent = user_agent.map(|text| text.chars().take(256).collect());
        self
    }

    /// From a client that presents this to be recognised.
    #[must_use]
    pub fn by_device(mut self, device: Option<SecretText>) -> Self {
        self.device = device;
        self
    }

    /// From a client that presents this to prove that it holds a key.
    #[must_use]
    pub fn with_proof(mut self, proof: Option<SecretText>) -> Self {
        self.proof = proof;
        self
    }

    /// Over a connection whose client has this certificate.
    #[must_use]
    pub fn with_certificate(mut self, leaf: Option<Bytes>) -> Self {
        self.certificate = leaf;
        self
    }

    /// Notes that an audit event about this request is durable, so that the audit layer need not
    /// write a second one.
    pub fn mark_recorded(&self) {
        self.recorded.store(true, Ordering::Release);
    }

    /// For the layer that decides access: notes by which decision the request may pass or may not,
    /// so that every event about it carries that decision. Only the first is kept.
    pub fn note_decision(&self, decision: DecisionRecord) {
        // Somebody was first, which is what is promised.
        let _ = self.decision.set(decision);
    }

    /// The decision by which the request may pass or may not; `None` when none was needed or none
    /// has been made yet.
    #[must_use]
    pub fn decision(&self) -> Option<&DecisionRecord> {
        self.decision.get()
    }

    /// For a handler that shows what the path names by something else than its id: notes the id, so that the
    /// event of the request says what was read. Only the first is kept.
    pub fn note_found(&self, id: impl Into<String>) {
        // Somebody was first, which is what is promised.
        let _ = self.found.set(id.into());
    }

    /// The id of what the path names, if a handler noted it.
    #[must_use]
    pub fn found(&self) -> Option<&str> {
        self.found.get().map(String::as_str)
    }

    /// Whether an audit event about this request is durable already.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::Acquire)
    }
}
