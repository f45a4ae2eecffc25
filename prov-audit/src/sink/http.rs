//! Any receiver that takes events as the body of a POST.

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use prov_core::{Error, Result, codes as core_codes};

use super::client::{Answer, Client};
use super::wire::{SecretFile, Target};
use super::{Batch, Receiver};
use crate::codes;
use crate::format::Format;

/// Posts batches to a URL. Any status of 200 to 299 confirms a batch; nothing else does, and no
/// redirect is followed.
#[derive(Debug)]
pub struct HttpReceiver {
    client: Client,
    format: Format,
    authorization: Authorization,
    headers: HeaderMap,
}

/// What the `Authorization` header says.
#[derive(Debug, Default)]
pub(super) struct Authorization {
    scheme: &'static str,
    secret: Option<SecretFile>,
}

impl Authorization {
    pub(super) fn new(scheme: &'static str, secret: PathBuf) -> Self {
        Self { scheme, secret: Some(SecretFile::new(secret)) }
    }

    /// Adds the header; the secret is read anew each time, so that it can be changed.
    pub(super) async fn add_to(&self, headers: &mut HeaderMap) -> Result<()> {
        let Some(secret) = &self.secret else { return Ok(()) };
        let secret = secret.read().await?;
        let value = zeroize::Zeroizing::new(format!("{} {}", self.scheme, secret.expose()));
        let mut value = HeaderValue::from_str(&value).map_err(|e| {
            Error::new(codes::SINK_FAILED).detail("the secret can't stand in a header").source(e)
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(())
    }
}

/// Posts a body to a path.
pub(super) async fn post(
    client: &mut Client,
    path: &str,
    content_type: &'static str,
    authorization: &Authorization,
    mut headers: HeaderMap,
    body: impl Into<Bytes>,
) -> Result<Answer> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    authorization.add_to(&mut headers).await?;
    let mut request = Request::new(body.into());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path.parse().map_err(|e| {
        Error::new(codes::SINK_FAILED).detail(format!("`{path}` is no path of a URL")).source(e)
    })?;
    *request.headers_mut() = headers;
    client.send(request).await
}

impl HttpReceiver {
    /// Posts to this URL in this format.
    #[must_use]
    pub fn new(target: Target, format: Format) -> Self {
        let (authorization, headers) = (Authorization::default(), HeaderMap::new());
        Self { client: Client::new(target), format, authorization, headers }
    }

    /// With the bearer token that stands in this file, read whenever it is needed.
    #[must_use]
    pub fn bearer(mut self, file: impl Into<PathBuf>) -> Self {
        self.authorization = Authorization::new("Bearer", file.into());
        self
    }

    /// With a further header, which is no secret.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when it can't be one.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let refuse =
            || Error::new(core_codes::INVALID_REQUEST).detail(format!("`{name}: …` is no header"));
        let parsed: HeaderName = name.parse().map_err(|e| refuse().source(e))?;
        self.headers.insert(parsed, value.parse().map_err(|e| refuse().source(e))?);
        Ok(self)
    }
}

#[async_trait]
impl Receiver for HttpReceiver {
    fn kind(&self) -> &'static str {
        "http"
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<()> {
        let path = self.client.target().path().to_owned();
        let (kind, body) = (self.format.media_type(), batch.text(self.format));
        let headers = self.headers.clone();
        let sent = post(&mut self.client, &path, kind, &self.authorization, headers, body).await;
        sent?.well().map(drop)
    }
}
