//! `[audit]` and what is below it.

use std::path::PathBuf;
use std::time::Duration;

use prov_audit::format::Format;
use prov_audit::sink::OnFailure;
use prov_core::duration_text;
use serde::Deserialize;

use super::{DAY, MINUTE, list};

section! {
    /// `[audit]`: the log.
    Audit {
        /// Where it lies; by default `audit` in the data folder.
        path: Option<PathBuf> = None,
        /// How many days events are kept at least; over the API only longer.
        retention_days: u32 = 365,
        /// The same, for emergency access: seven years.
        retention_break_glass_days: u32 = 2555,
        /// Whether checkpoints are signed with ML-DSA-44 besides Ed25519.
        ml_dsa_44: bool = false,
        /// A folder that events are copied to before they are pruned; nowhere unless set.
        archive: Option<PathBuf> = None,
        /// A bucket in the place of that folder: `[audit.bucket]`.
        bucket: Option<AuditBucket> = None,
        /// Whom events are delivered to: `[[audit.sinks]]`.
        sinks: Vec<AuditSink> = Vec::new(),
        /// What happens to events while a sink that does not say otherwise can't deliver them:
        /// `spool`, `fail_closed` or `fail_open`.
        on_sink_failure: OnFailure = OnFailure::Spool,
        /// Whether the logs of the servers that share the store are asked together, each with a verified copy
        /// of the others': with PostgreSQL, unless set.
        join: Option<bool> = None,
        /// The keys of the logs that are joined, `name+hash+base64` each; none: all that show themselves.
        #[serde(deserialize_with = "list::deserialize")]
        join_keys: Vec<String> = Vec::new(),
        /// The keys for ML-DSA-44 of logs of other servers of which nothing is taken in that is not signed with
        /// them too.
        #[serde(deserialize_with = "list::deserialize")]
        join_ml_dsa_44_keys: Vec<String> = Vec::new(),
        /// `[audit.witnessing]`
        witnessing: AuditWitnessing = AuditWitnessing::default(),
        /// `[audit.witness]`
        witness: AuditWitness = AuditWitness::default(),
        /// `[audit.anchoring]`
        anchoring: AuditAnchoring = AuditAnchoring::default(),
    }
}

section! {
    /// `[audit.bucket]`: where events are copied to before they are pruned, in a store that speaks as S3.
    AuditBucket {
        /// Where the store is: `https://s3.eu-central-1.amazonaws.com`.
        url: String = String::new(),
        /// Its region.
        region: String = String::new(),
        /// The bucket, which must be there.
        bucket: String = String::new(),
        /// What the names of the objects begin with; each server needs one of its own.
        prefix: String = String::new(),
        /// A file with credentials as AWS keeps them: `aws_access_key_id = …`.
        credentials_file: Option<PathBuf> = None,
        /// Certificates (PEM) that the store's own must be signed by; those of the system unless set.
        ca: Option<PathBuf> = None,
        /// Sends events to other machines in the clear. Dangerous.
        insecure: bool = false,
    }
}

section! {
    /// `[audit.anchoring]`: the authority that time-stamps the log (RFC 3161).
    AuditAnchoring {
        /// Where it takes requests; without it nobody is asked. Only a hash is sent.
        tsa_url: Option<String> = None,
        /// The roots (PEM) that its certificate must lead to.
        ca_path: Option<PathBuf> = None,
        /// How often it is asked.
        #[serde(with = "duration_text")]
        interval: Duration = Duration::from_secs(DAY),
        /// How long an answer may take.
        #[serde(with = "duration_text")]
        patience: Duration = Duration::from_secs(30),
    }
}

section! {
    /// `[audit.witnessing]`: those who vouch for this server's log.
    AuditWitnessing {
        /// A file that says which witnesses there are, where, and how many of them are enough (C2SP
        /// tlog-policy); without it nobody is asked.
        policy_path: Option<PathBuf> = None,
        /// How often they are asked.
        #[serde(with = "duration_text")]
        interval: Duration = Duration::from_secs(MINUTE),
        /// How long one of them may take.
        #[serde(with = "duration_text")]
        patience: Duration = Duration::from_secs(10),
        /// Certificates (PEM) that theirs must be signed by; those of the system unless set.
        ca_path: Option<PathBuf> = None,
        /// Asks witnesses on other machines without TLS too. What is sent is no secret.
        insecure: bool = false,
    }
}

section! {
    /// `[audit.witness]`: this server as a witness for the logs of others.
    AuditWitness {
        /// Its name in cosignatures, which must never change; by default the issuer and `/witness`.
        name: Option<String> = None,
        /// The keys of the logs it watches, `name+hash+base64` each; none: it vouches for nobody.
        #[serde(deserialize_with = "list::deserialize")]
        logs: Vec<String> = Vec::new(),
    }
}

section! {
    /// `[[audit.sinks]]`: somebody that events are delivered to.
    AuditSink {
        /// Its name, by which it knows after a restart where it was.
        name: String = String::new(),
        /// What it is: `file`, `http`, `syslog`, `relp`, `splunk`, `elasticsearch`, `cloudwatch` or
        /// `nats`.
        #[serde(rename = "type")]
        kind: Option<AuditSinkKind> = None,
        /// The folder of a file sink.
        path: Option<PathBuf> = None,
        /// A file is left for the next one before it gets larger, in bytes.
        rotate_bytes: Option<u64> = None,
        /// So many files are kept; all of them unless set.
        keep_files: Option<u32> = None,
        /// Where the receiver is: `https://…`, or `tls://host:6514` and `tcp://…` for syslog.
        url: Option<String> = None,
        /// The format, where the kind leaves a choice (`file`, `http`); `jsonl` unless set.
        format: Option<Format> = None,
        /// A file with the token: a bearer token, of Splunk's collector, an API key, or of NATS.
        token_file: Option<PathBuf> = None,
        /// The index or data stream of Elasticsearch.
        index: Option<String> = None,
        /// The group of `CloudWatch` Logs.
        group: Option<String> = None,
        /// The stream in that group.
        stream: Option<String> = None,
        /// Its region.
        region: Option<String> = None,
        /// A file with credentials as AWS keeps them: `aws_access_key_id = …`.
        credentials_file: Option<PathBuf> = None,
        /// The subject of NATS, which a stream of `JetStream` takes.
        subject: Option<String> = None,
        /// Certificates (PEM) that the receiver's own must be signed by; those of the system unless set.
        ca: Option<PathBuf> = None,
        /// A certificate (PEM) to be known by.
        client_cert: Option<PathBuf> = None,
        /// Its private key.
        client_key: Option<PathBuf> = None,
        /// Sends events to other machines in the clear. Dangerous.
        insecure: bool = false,
        /// What happens to events while it can't deliver them.
        on_failure: Option<OnFailure> = None,
        /// The same, for emergency access; as `on_failure` unless set.
        on_failure_break_glass: Option<OnFailure> = None,
        /// How old the oldest undelivered event may be before it fails closed or open.
        #[serde(with = "duration_text")]
        max_lag: Duration = Duration::from_secs(MINUTE),
    }
}

/// What a sink is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AuditSinkKind {
    /// Files of lines.
    File,
    /// The body of a POST.
    Http,
    /// RFC 5424 over TCP or TLS.
    Syslog,
    /// The same, each message confirmed by the receiver.
    Relp,
    /// Splunk's HTTP event collector.
    Splunk,
    /// Elasticsearch or `OpenSearch`.
    Elasticsearch,
    /// `CloudWatch` Logs.
    Cloudwatch,
    /// NATS `JetStream`.
    Nats,
}
