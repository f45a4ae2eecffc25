//! The sections of `security.toml` and their defaults.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use prov_authz::InventoryPolicy;
use prov_core::duration_text;
use prov_mfa::Discoverable;
use serde::Deserialize;

use super::{ConfigError, list};

/// As many as anybody goes back.
const KEPT_SETS: NonZeroU32 = NonZeroU32::new(100).unwrap();
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $type:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

mod audit;
mod identity;

pub use audit::{
    Audit, AuditAnchoring, AuditBucket, AuditSink, AuditSinkKind, AuditWitness, AuditWitnessing,
};
pub use identity::{Federation, Jwt, Notices, Passwords, WorkloadRule, Workloads};

section! {
    /// Everything the server can be told.
    Config {
        /// `[server]`
        server: Server = Server::default(),
        /// `[bootstrap]`
        bootstrap: Bootstrap = Bootstrap::default(),
        /// `[store]`
        store: Store = Store::default(),
        /// `[jwt]`
        jwt: Jwt = Jwt::default(),
        /// `[passwords]`
        passwords: Passwords = Passwords::default(),
        /// `[federation]`
        federation: Federation = Federation::default(),
        /// `[workloads]`
        workloads: Workloads = Workloads::default(),
        /// `[notices]`
        notices: Notices = Notices::default(),
        /// `[cedar]`
        cedar: Cedar = Cedar::default(),
        /// `[mfa]`
        mfa: Mfa = Mfa::default(),
        /// `[kms]`
        kms: Kms = Kms::default(),
        /// `[secrets]`
        secrets: Secrets = Secrets::default(),
        /// `[audit]`
        audit: Audit = Audit::default(),
        /// `[telemetry]`
        telemetry: Telemetry = Telemetry::default(),
    }
}

impl Config {
    /// Gives a tree of settings its types; an error is the path of the key and what is wrong.
    pub(super) fn deserialize_from(tree: toml::Table) -> Result<Self, (String, String)> {
        serde_path_to_error::deserialize(toml::Value::Table(tree)).map_err(|e| {
            let path = e.path().to_string();
            (path, e.into_inner().to_string().trim_end().to_owned())
        })
    }
}

section! {
    /// `[server]`: how it listens.
    Server {
        /// The address; anything but loopback needs TLS or `--insecure`.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8443)),
        /// How clients reach it from outside, for links and metadata.
        public_url: Option<String> = None,
        /// TLS 1.3; without it only loopback is served.
        tls: Option<Tls> = None,
        /// Networks whose `Forwarded` headers are believed.
        #[serde(deserialize_with = "list::deserialize")]
        trusted_proxies: Vec<String> = Vec::new(),
        /// Requests per client address, `100/min`.
        rate_limit: String = "100/min".to_owned(),
        /// The name of this server among those that share a store; it must never change.
        node: String = "local".to_owned(),
        /// Where generated keys, the audit log and the embedded database live.
        data_dir: PathBuf = PathBuf::from("prov-data"),
        /// The largest request body, in bytes.
        max_body: usize = 1024 * 1024,
        /// Connections at once.
        max_connections: usize = 4096,
        /// Connections at once from one address; behind a proxy every client has the proxy's.
        max_connections_per_address: usize = 256,
        /// How long running requests may take to end when the server stops.
        #[serde(with = "duration_text")]
        drain_timeout: Duration = Duration::from_secs(10),
        /// Serves other addresses than loopback without TLS. Dangerous: tokens travel in the clear.
        insecure: bool = false,
    }
}

section! {
    /// `[server.tls]`: certificate and key as PEM files.
    Tls {
        /// The certificate chain.
        cert: PathBuf = PathBuf::new(),
        /// The private key.
        key: PathBuf = PathBuf::new(),
    }
}

section! {
    /// `[bootstrap]`: the first administrator without a terminal, only while no user exists.
    Bootstrap {
        /// Their name.
        admin_user: String = "admin".to_owned(),
        /// A file with their password.
        admin_password_file: Option<PathBuf> = None,
    }
}

section! {
    /// `[store]`: where records live.
    Store {
        /// `sqlite:path` or `postgres://…`; by default `prov.db` in the data folder.
        url: Option<String> = None,
        /// Seals every record before it reaches the store.
        encrypt: bool = true,
    }
}

section! {
    /// `[cedar]`: policies.
    Cedar {
        /// A folder with `schema.cedarschema` and `*.cedar`: plain, mounted by Kubernetes, or in a
        /// git checkout. Without it the shipped set.
        policies_path: Option<PathBuf> = None,
        /// Takes what is uploaded through the API, for every server over the store; not together
        /// with `policies_path`. Until the first upload the shipped set.
        from_store: bool = false,
        /// The keys that policy sets are signed with, `name+hash+base64` each; without any, sets need
        /// no signature.
        #[serde(deserialize_with = "list::deserialize")]
        trust_root: Vec<String> = Vec::new(),
        /// How many of those keys must have signed a set.
        threshold: usize = 1,
        /// How many of the sets that were in force are kept.
        history: NonZeroU32 = KEPT_SETS,
        /// Loads changes of the folder while running.
        hot_reload: bool = true,
        /// How late a change is seen at most; a file event is seen at once.
        #[serde(with = "duration_text")]
        reload_interval: Duration = Duration::from_secs(MINUTE),
        /// The networks `prod-ip-restriction` lets in.
        #[serde(deserialize_with = "list::deserialize")]
        corporate_networks: Vec<String> = vec!["10.0.0.0/8".to_owned()],
        /// What is decided about resources that nobody entered: `open`, they are what the asker says;
        /// `closed`, nothing.
        inventory: InventoryPolicy = InventoryPolicy::Open,
    }
}

section! {
    /// `[mfa]`: second factors.
    Mfa {
        /// What authenticator apps show.
        totp_issuer: String = "Provisioning".to_owned(),
        /// Attempts per user and factor within the window.
        rate_limit: u32 = 5,
        /// The window.
        #[serde(with = "duration_text")]
        rate_limit_window: Duration = Duration::from_secs(5 * MINUTE),
        /// Steps of 30 seconds by which the clock of an authenticator app may differ: 1 or 0.
        totp_drift_steps: u8 = 1,
        /// The domain that passkeys are for; by default that of `server.public_url`, else `localhost`
        /// on a loopback address. Passkeys are bound to it for ever.
        webauthn_rp_id: Option<String> = None,
        /// The origins whose pages may ask for passkeys; by default `server.public_url`, else the
        /// domain over `https`.
        #[serde(deserialize_with = "list::deserialize")]
        webauthn_origins: Vec<String> = Vec::new(),
        /// Whether passkeys sign in without a user name: `required`, `preferred` or `discouraged`.
        webauthn_discoverable: Discoverable = Discoverable::Preferred,
        /// Root certificates (PEM files) of the makers whose authenticators are accepted; none:
        /// everybody's are.
        #[serde(deserialize_with = "list::deserialize")]
        webauthn_attestation_roots: Vec<String> = Vec::new(),
        /// The models (AAGUIDs) of these makers that are accepted; none: all of them.
        #[serde(deserialize_with = "list::deserialize")]
        webauthn_attestation_models: Vec<String> = Vec::new(),
    }
}

/// Which backend wraps data keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KmsBackendName {
    /// Keys in the store, wrapped under the root key.
    Local,
    /// Keys wrapped to age recipients. The keys of the store's own records stay under the root key:
    /// anybody could wrap a key to a public recipient, and so forge records.
    Age,
}

section! {
    /// `[kms]`: keys.
    Kms {
        /// The backend.
        backend: KmsBackendName = KmsBackendName::Local,
        /// Where the root key lies; by default `root.key` in the data folder.
        root_key_path: Option<PathBuf> = None,
        /// `[kms.age]`
        age: KmsAge = KmsAge::default(),
    }
}

section! {
    /// `[kms.age]`: the files of the age backend.
    KmsAge {
        /// Recipients, one in a line.
        public_key_path: Option<PathBuf> = None,
        /// Identities.
        private_key_path: Option<PathBuf> = None,
    }
}

section! {
    /// `[secrets]`: short-lived credentials.
    Secrets {
        /// How late the end of a lease is seen at most, when the wall clock was set; otherwise a
        /// lease ends when it is due.
        #[serde(with = "duration_text")]
        cleanup_interval: Duration = Duration::from_secs(1),
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TelemetryFormat {
    /// One JSON object in a line.
    Json,
    /// For people.
    Text,
}

section! {
    /// `[telemetry]`: what the server says of itself.
    Telemetry {
        /// A filter as `tracing` understands it.
        log: String = "info".to_owned(),
        /// How lines look.
        format: TelemetryFormat = TelemetryFormat::Text,
    }
}

impl Config {
    /// The sections in which `next` differs in something that only a restart applies.
    #[must_use]
    pub fn sections_that_need_a_restart(&self, next: &Self) -> Vec<&'static str> {
        let mut reloaded = next.clone();
        // These are applied while running.
        reloaded.server.rate_limit.clone_from(&self.server.rate_limit);
        reloaded.telemetry.log.clone_from(&self.telemetry.log);
        if self.server.tls.is_some() && next.server.tls.is_some() {
            reloaded.server.tls.clone_from(&self.server.tls);
        }
        [
            ("server", self.server == reloaded.server),
            ("bootstrap", self.bootstrap == reloaded.bootstrap),
            ("store", self.store == reloaded.store),
            ("jwt", self.jwt == reloaded.jwt),
            ("passwords", self.passwords == reloaded.passwords),
            ("federation", self.federation == reloaded.federation),
            ("workloads", self.workloads == reloaded.workloads),
            ("notices", self.notices == reloaded.notices),
            ("cedar", self.cedar == reloaded.cedar),
            ("mfa", self.mfa == reloaded.mfa),
            ("kms", self.kms == reloaded.kms),
            ("secrets", self.secrets == reloaded.secrets),
            ("audit", self.audit == reloaded.audit),
            ("telemetry", self.telemetry == reloaded.telemetry),
        ]
        .into_iter()
        .filter_map(|(name, same)| (!same).then_some(name))
        .collect()
    }

    /// Whether any program can be known, so that clients are asked for certificates.
    #[must_use]
    pub fn knows_programs(&self) -> bool {
        self.workloads.endpoint.is_some() || !self.workloads.bundles.is_empty()
    }

    /// Where records live.
    #[must_use]
    pub fn store_url(&self) -> String {
        self.store
            .url
            .clone()
            .unwrap_or_else(|| format!("sqlite:{}", self.server.data_dir.join("prov.db").display()))
    }

    /// Where the root key lies.
    #[must_use]
    pub fn root_key_path(&self) -> PathBuf {
        self.kms.root_key_path.clone().unwrap_or_else(|| self.server.data_dir.join("root.key"))
    }

    /// Where the audit log lies.
    #[must_use]
    pub fn audit_path(&self) -> PathBuf {
        self.audit.path.clone().unwrap_or_else(|| self.server.data_dir.join("audit"))
    }
}

fn check_policies(cedar: &Cedar) -> Result<(), ConfigError> {
    let refuse = |message: &str| {
        let (origin, message) = ("the configuration".to_owned(), message.to_owned());
        Err(ConfigError::Invalid { origin, message })
    };
    if cedar.policies_path.is_some() && cedar.from_store {
        return refuse(
            "`cedar`: policies come from `policies_path` or `from_store`, not from both",
        );
    }
    if cedar.trust_root.is_empty() {
        return if cedar.threshold == 1 {
            Ok(())
        } else {
            refuse("`cedar.threshold` without `cedar.trust_root` asks for nobody's signature")
        };
    }
    if cedar.policies_path.is_none() && !cedar.from_store {
        return refuse("`cedar.trust_root` without `policies_path` or `from_store` guards nothing");
    }
    match prov_authz::TrustRoot::new(&cedar.trust_root, cedar.threshold) {
        Ok(_) => Ok(()),
        Err(error) => refuse(&format!("`cedar.trust_root`: {}", error.public_detail())),
    }
}

fn check_audit(audit: &Audit) -> Result<(), ConfigError> {
    if audit.retention_days == 0 || audit.retention_break_glass_days < audit.retention_days {
        let message = "`audit.retention_days`: at least 1, and `retention_break_glass_days` not less \
                       than it";
        let (origin, message) = ("the configuration".to_owned(), message.to_owned());
        return Err(ConfigError::Invalid { origin, message });
    }
    super::sinks::check(audit)?;
    super::bucket::check(audit)?;
    super::witnesses::check(audit)
}

/// What types can't say: rules over several settings, and lower bounds.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let refuse = |message: &str| {
        Err(ConfigError::Invalid {
            origin: "the configuration".to_owned(),
            message: message.to_owned(),
        })
    };
    let server = &config.server;
    if !server.listen.ip().is_loopback() && server.tls.is_none() && !server.insecure {
        return refuse(
            "`server.listen` is not a loopback address and `server.tls` is not set: tokens would \
             travel in the clear; set `server.tls`, or say `--insecure`",
        );
    }
    check_policies(&config.cedar)?;
    check_audit(&config.audit)?;
    identity::check(config)?;
    let cleanup = config.secrets.cleanup_interval;
    if !(Duration::from_millis(100)..=Duration::from_secs(60 * MINUTE)).contains(&cleanup) {
        return refuse("`secrets.cleanup_interval`: from `100ms` to `1h`");
    }
    Ok(())
}
