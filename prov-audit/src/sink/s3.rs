//! An archive in a bucket of a store that speaks as S3 does.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use prov_core::{Clock, Error, Result, codes as core_codes};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::client::{Answer, Client};
use super::signature::{Asked, Credentials, Scope, sign};
use super::wire::{SecretFile, Target};
use crate::codes;
use crate::retention::Archive;

/// So much is read at once: less than the longest answer that is read.
const PIECE: usize = 2 << 20;

/// No call takes longer: a store that stalls must not keep pruning from ever being tried again.
const PATIENCE: Duration = Duration::from_mins(2);

/// Keeps archives as objects of a bucket, which must be there; `prefix/standard/….jsonl.zst`. Each node's
/// log needs a prefix of its own. Objects are addressed by path, signed (Signature Version 4) with the
/// hash of what they hold, which the store checks.
#[derive(Debug)]
pub struct S3Archive {
    client: Mutex<Client>,
    credentials: SecretFile,
    region: String,
    /// `/bucket/prefix`, or `/bucket`.
    place: String,
    clock: Arc<dyn Clock>,
}

impl S3Archive {
    /// The store at this URL (`https://s3.eu-central-1.amazonaws.com`) in a region, a bucket and a prefix
    /// (which may be empty), and a file with credentials as the command line of the service keeps them
    /// (`aws_access_key_id = …`).
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for names that can't be.
    pub fn new(
        target: Target,
        region: impl Into<String>,
        (bucket, prefix): (&str, &str),
        credentials: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let region = region.into();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let parts = [("region", region.as_str()), ("bucket", bucket)];
        let prefixes = prefix.split('/').filter(|_| !prefix.is_empty()).map(|p| ("prefix", p));
        for (name, text) in parts.into_iter().chain(prefixes) {
            let is_dots = text.chars().all(|c| c == '.');
            if !(1..=255).contains(&text.len()) || is_dots || !text.chars().all(plain) {
                let what = format!("`{text}` is no {name} of an archive");
                return Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
            }
        }
        let place =
            if prefix.is_empty() { format!("/{bucket}") } else { format!("/{bucket}/{prefix}") };
        let (client, credentials) = (Client::new(target), SecretFile::new(credentials.into()));
        Ok(Self { client: Mutex::new(client), credentials, region, place, clock })
    }

    async fn ask(
        &self,
        method: Method,
        name: &str,
        range: Option<String>,
        body: Bytes,
    ) -> Result<Answer> {
        let credentials = Credentials::read(self.credentials.read().await?.expose())?;
        let unwritable = |e| Error::new(core_codes::INTERNAL).context("writing a header").source(e);
        let mut headers = HeaderMap::new();
        let hash = hex::encode(digest(&SHA256, &body));
        headers.insert("x-amz-content-sha256", HeaderValue::try_from(hash).map_err(unwritable)?);
        if !body.is_empty() {
            let kind = HeaderValue::from_static("application/octet-stream");
            headers.insert("content-type", kind);
        }
        if let Some(range) = range {
            headers.insert("range", HeaderValue::try_from(range).map_err(unwritable)?);
        }
        let mut client = self.client.lock().await;
        let (host, path) = (client.target().authority(), format!("{}/{name}", self.place));
        let scope = Scope { region: &self.region, service: "s3", at: self.clock.now() };
        let asked = Asked { method: &method, path: &path, host: &host, body: &body };
        sign(&mut headers, &credentials, &scope, &asked)?;
        let mut request =
            Request::builder().method(method).uri(path).body(body).map_err(|e| {
                Error::new(core_codes::INTERNAL).context("writing a request").source(e)
            })?;
        *request.headers_mut() = headers;
        timeout(PATIENCE, client.send(request)).await.map_err(|_| {
            Error::new(codes::SINK_FAILED).detail("the archive's store did not answer in time")
        })?
    }
}

#[async_trait]
impl Archive for S3Archive {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.ask(Method::PUT, name, None, bytes).await?.well().map(drop)
    }

    async fn read(&self, name: &str) -> Result<Bytes> {
        let mut whole = Vec::new();
        loop {
            let range = format!("bytes={}-{}", whole.len(), whole.len() + PIECE - 1);
            let answer = self.ask(Method::GET, name, Some(range), Bytes::new()).await?;
            match answer.status {
                StatusCode::NOT_FOUND => {
                    let what = "the archive has no such object";
                    return Err(Error::new(core_codes::NOT_FOUND).detail(what));
                }
                // What was read before ended where a piece ends.
                StatusCode::RANGE_NOT_SATISFIABLE if !whole.is_empty() => return Ok(whole.into()),
                _ => {}
            }
            let (is_piece, body) =
                (answer.status == StatusCode::PARTIAL_CONTENT, answer.well()?.body);
            whole.extend_from_slice(&body);
            if !is_piece || body.len() < PIECE {
                return Ok(whole.into());
            }
        }
    }
}
