//! What a sink of the configuration becomes.

use std::sync::Arc;
use std::time::Duration;

use prov_audit::Retention;
use prov_audit::format::Format;
use prov_audit::sink::{
    CloudwatchReceiver, ElasticsearchReceiver, FileReceiver, HttpReceiver, NatsReceiver, Receiver,
    RelpReceiver, SinkOptions, SplunkReceiver, SyslogReceiver, Target, TargetOptions,
};
use prov_core::{Error, Result, SystemClock, codes};

use super::ConfigError;
use super::sections::{Audit, AuditSink, AuditSinkKind};

/// Makes every sink once, without connecting: what is wrong is said before anything starts.
pub(super) fn check(audit: &Audit) -> std::result::Result<(), ConfigError> {
    for (at, sink) in audit.sinks.iter().enumerate() {
        let twice = audit.sinks.iter().take(at).any(|before| before.name == sink.name);
        let named = if sink.name.is_empty() { at.to_string() } else { sink.name.clone() };
        let wrong = if twice {
            Some("there is another sink with this name".to_owned())
        } else {
            sink.build(audit).err().map(|error| error.public_detail().to_owned())
        };
        if let Some(wrong) = wrong {
            let message = format!("`audit.sinks` ({named}): {wrong}");
            return Err(ConfigError::Invalid { origin: "the configuration".to_owned(), message });
        }
    }
    Ok(())
}

impl Audit {
    /// How long events are kept at least.
    #[must_use]
    pub fn retention(&self) -> Retention {
        const DAY: Duration = Duration::from_hours(24);
        Retention::new(DAY * self.retention_days, DAY * self.retention_break_glass_days)
    }
}

impl AuditSink {
    /// The sink, not connected yet.
    ///
    /// # Errors
    /// When something is missing, means nothing to a sink of this kind, or can't be read.
    pub fn build(&self, audit: &Audit) -> Result<(SinkOptions, Box<dyn Receiver>)> {
        let on_failure = self.on_failure.unwrap_or(audit.on_sink_failure);
        let options = SinkOptions::new(&self.name)
            .standard(on_failure)
            .break_glass(self.on_failure_break_glass.unwrap_or(on_failure))
            .max_lag(self.max_lag);
        options.check()?;
        Ok((options, self.receiver()?))
    }

    fn receiver(&self) -> Result<Box<dyn Receiver>> {
        let kind = self.kind.ok_or_else(|| {
            refuse(
                "`type` is missing: `file`, `http`, `syslog`, `relp`, `splunk`, `elasticsearch`, \
                 `cloudwatch` or `nats`",
            )
        })?;
        self.means_nothing(kind)?;
        let format = self.format.unwrap_or(Format::Jsonl);
        Ok(match kind {
            AuditSinkKind::File => {
                let folder = needed(self.path.as_ref(), "path")?;
                let mut files = FileReceiver::new(folder, format)?;
                if let Some(bytes) = self.rotate_bytes {
                    files = files.rotate_at(bytes);
                }
                Box::new(files.keep(self.keep_files.unwrap_or(0)))
            }
            AuditSinkKind::Http => {
                let http = HttpReceiver::new(self.target(&["http", "https"])?, format);
                Box::new(match &self.token_file {
                    Some(file) => http.bearer(file),
                    None => http,
                })
            }
            AuditSinkKind::Syslog => Box::new(SyslogReceiver::new(self.target(&["tcp", "tls"])?)),
            AuditSinkKind::Relp => Box::new(RelpReceiver::new(self.target(&["relp", "tls"])?)),
            AuditSinkKind::Splunk => {
                let token = needed(self.token_file.as_ref(), "token_file")?;
                Box::new(SplunkReceiver::new(self.target(&["http", "https"])?, token)?)
            }
            AuditSinkKind::Cloudwatch => Box::new(self.cloudwatch()?),
            AuditSinkKind::Nats => {
                let nats = NatsReceiver::new(
                    self.target(&["nats", "tls"])?,
                    needed(self.subject.as_ref(), "subject")?,
                )?;
                Box::new(match &self.token_file {
                    Some(file) => nats.token(file),
                    None => nats,
                })
            }
            AuditSinkKind::Elasticsearch => {
                let index = needed(self.index.as_ref(), "index")?;
                let target = self.target(&["http", "https"])?;
                let cluster = ElasticsearchReceiver::new(target, index)?;
                Box::new(match &self.token_file {
                    Some(file) => cluster.api_key(file),
                    None => cluster,
                })
            }
        })
    }

    fn cloudwatch(&self) -> Result<CloudwatchReceiver> {
        let names = (
            needed(self.group.as_ref(), "group")?.clone(),
            needed(self.stream.as_ref(), "stream")?.clone(),
        );
        CloudwatchReceiver::new(
            self.target(&["http", "https"])?,
            needed(self.region.as_ref(), "region")?,
            names,
            needed(self.credentials_file.as_ref(), "credentials_file")?,
            Arc::new(SystemClock::new()),
        )
    }

    fn target(&self, schemes: &[&str]) -> Result<Target> {
        let url = needed(self.url.as_ref(), "url")?;
        if !schemes.iter().any(|scheme| url.starts_with(&format!("{scheme}://"))) {
            return Err(refuse(&format!("`url` begins with `{}://`", schemes.join("://` or `"))));
        }
        let options = TargetOptions::default()
            .ca(self.ca.clone())
            .known_by(self.client_cert.clone(), self.client_key.clone())
            .insecure(self.insecure);
        Target::new(url, &options)
    }

    /// A setting that a sink of this kind would pass over is a mistake of whoever wrote it.
    fn means_nothing(&self, kind: AuditSinkKind) -> Result<()> {
        use AuditSinkKind::{Cloudwatch, Elasticsearch, File, Http, Nats, Splunk};
        let is_tls = self
            .url
            .as_ref()
            .is_some_and(|url| url.starts_with("https://") || url.starts_with("tls://"));
        let set = [
            ("path", self.path.is_some(), kind == File),
            ("rotate_bytes", self.rotate_bytes.is_some(), kind == File),
            ("keep_files", self.keep_files.is_some(), kind == File),
            ("url", self.url.is_some(), kind != File),
            ("format", self.format.is_some(), matches!(kind, File | Http)),
            (
                "token_file",
                self.token_file.is_some(),
                matches!(kind, Http | Splunk | Elasticsearch | Nats),
            ),
            ("index", self.index.is_some(), kind == Elasticsearch),
            ("group", self.group.is_some(), kind == Cloudwatch),
            ("stream", self.stream.is_some(), kind == Cloudwatch),
            ("region", self.region.is_some(), kind == Cloudwatch),
            ("credentials_file", self.credentials_file.is_some(), kind == Cloudwatch),
            ("subject", self.subject.is_some(), kind == Nats),
            ("ca", self.ca.is_some(), is_tls),
            ("client_cert", self.client_cert.is_some(), is_tls),
            ("client_key", self.client_key.is_some(), is_tls),
            ("insecure", self.insecure, kind != File && !is_tls),
        ];
        match set.into_iter().find(|(_, is_set, has_meaning)| *is_set && !has_meaning) {
            Some((name, ..)) => Err(refuse(&format!("`{name}` means nothing to this sink"))),
            None => Ok(()),
        }
    }
}

fn needed<'s, T>(setting: Option<&'s T>, name: &str) -> Result<&'s T> {
    setting.ok_or_else(|| refuse(&format!("`{name}` is missing")))
}

fn refuse(what: &str) -> Error {
    Error::new(codes::INVALID_REQUEST).detail(what.to_owned())
}
