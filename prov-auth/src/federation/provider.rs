//! What an issuer publishes: where its endpoints are, and its keys. Fetched with bounds, kept in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{Request, Uri};
use prov_core::{Clock, Error, Result, SecretText};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Issuer, IssuerRecord};
use crate::fetch::Fetch;
use crate::{VerificationKeys, codes};

/// How old what an issuer publishes may be when somebody signs in.
pub(crate) const FRESH_FOR: Duration = Duration::from_mins(10);
/// How often an issuer is asked at most, whatever anybody sends.
const ASK_AT_MOST_EVERY: Duration = Duration::from_secs(30);
/// More keys than any issuer needs.
const MOST_KEYS: usize = 64;

/// Where the endpoints are (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    pub(crate) jwks_uri: String,
    #[serde(default)]
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// RFC 9207, section 3.
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    pub(crate) code_challenge_methods_supported: Option<Vec<String>>,
}

/// What was last fetched.
#[derive(Debug)]
pub(crate) struct ProviderState {
    pub(crate) metadata: Metadata,
    pub(crate) keys: VerificationKeys,
    fetched_at: Duration,
}

/// One issuer, with what it published.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) issuer: Issuer,
    pub(crate) secret: Option<SecretText>,
    state: ArcSwapOption<ProviderState>,
    /// When it was last asked, by the second hand; whoever asks holds the lock.
    asked: tokio::sync::Mutex<Option<Duration>>,
    /// Whether somebody presented what its keys can't tell.
    wanted: AtomicBool,
}

impl Provider {
    pub(crate) fn new(record: &IssuerRecord) -> Self {
        Self {
            issuer: record.issuer.clone(),
            secret: record.secret(),
            state: ArcSwapOption::empty(),
            asked: tokio::sync::Mutex::new(None),
            wanted: AtomicBool::new(false),
        }
    }

    /// What is known, however old.
    pub(crate) fn known(&self) -> Option<Arc<ProviderState>> {
        self.state.load_full()
    }

    /// Notes that newer keys may be there.
    pub(crate) fn want_keys(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Whether it is time to ask again beside the requests.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        let is_old = |state: Arc<ProviderState>| now.saturating_sub(state.fetched_at) >= FRESH_FOR;
        self.wanted.load(Ordering::Relaxed) || self.known().is_none_or(is_old)
    }

    /// What it publishes, at most [`FRESH_FOR`] old; what was known before, when it can't be asked.
    ///
    /// # Errors
    /// [`codes::PROVIDER_UNAVAILABLE`] when nothing is known and it can't be asked.
    pub(crate) async fn fresh(
        &self,
        fetch: &dyn Fetch,
        clock: &dyn Clock,
    ) -> Result<Arc<ProviderState>> {
        let is_fresh = |state: &Arc<ProviderState>| {
            clock.monotonic().saturating_sub(state.fetched_at) < FRESH_FOR
        };
        if let Some(state) = self.known().filter(is_fresh) {
            return Ok(state);
        }
        self.asked_again(fetch, clock).await
    }

    /// What it publishes now, unless it was asked a moment ago.
    ///
    /// # Errors
    /// As [`Provider::fresh`].
    pub(crate) async fn asked_again(
        &self,
        fetch: &dyn Fetch,
        clock: &dyn Clock,
    ) -> Result<Arc<ProviderState>> {
        let mut asked = self.asked.lock().await;
        let now = clock.monotonic();
        let just_asked = asked.is_some_and(|at| now.saturating_sub(at) < ASK_AT_MOST_EVERY);
        if !just_asked {
            *asked = Some(now);
            self.wanted.store(false, Ordering::Relaxed);
            match self.fetch_all(fetch, now).await {
                Ok(state) => self.state.store(Some(Arc::new(state))),
                Err(error) => {
                    tracing::warn!(issuer = %self.issuer.name, ?error, "an issuer can't be asked");
                }
            }
        }
        self.known()
            .ok_or_else(|| Error::new(codes::PROVIDER_UNAVAILABLE).retry_after(ASK_AT_MOST_EVERY))
    }

    async fn fetch_all(&self, fetch: &dyn Fetch, now: Duration) -> Result<ProviderState> {
        let base = self.issuer.issuer.trim_end_matches('/');
        let found = format!("{base}/.well-known/openid-configuration");
        let metadata: Metadata = read(fetch, &found).await?;
        // OpenID Connect Discovery 1.0, section 4.3: exactly the same.
        if metadata.issuer != self.issuer.issuer {
            return Err(unusable("its document names another issuer"));
        }
        if !is_for_browsers(&metadata.authorization_endpoint) {
            return Err(unusable("its authorization endpoint is not https"));
        }
        let methods = metadata.code_challenge_methods_supported.as_ref();
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
            return Err(unusable("it does not take PKCE with S256"));
        }
        let jwks: Value = read(fetch, &metadata.jwks_uri).await?;
        let count = jwks.get("keys").and_then(Value::as_array).map_or(0, Vec::len);
        if count > MOST_KEYS {
            return Err(unusable("it publishes more keys than anybody needs"));
        }
        let keys = VerificationKeys::from_foreign_jwks(&jwks)?;
        Ok(ProviderState { metadata, keys, fetched_at: now })
    }
}

/// Reads a JSON document.
async fn read<T: DeserializeOwned>(fetch: &dyn Fetch, url: &str) -> Result<T> {
    let uri: Uri = url.parse().map_err(|e| unusable("a URL of it is none").source(e))?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri;
    let response = fetch.fetch(request).await?;
    if response.status() != http::StatusCode::OK {
        let status = response.status();
        return Err(unusable("a document is not there").source(status.to_string()));
    }
    serde_json::from_slice(response.body())
        .map_err(|e| unusable("a document can't be read").source(e))
}

/// A browser is sent there, with what it says in the clear: only https, or this very machine.
fn is_for_browsers(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    plain && (uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_here))
}

fn unusable(why: &'static str) -> Error {
    Error::new(codes::PROVIDER_UNAVAILABLE).context(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_sent_to_https_or_this_machine() {
        for url in ["https://idp.example.com/auth?x=1", "http://127.0.0.1:9/a", "http://[::1]/a"] {
            assert!(is_for_browsers(url), "{url}");
        }
        for url in ["http://idp.example.com/", "javascript:alert(1)", "https://a@b/", "/auth", ""] {
            assert!(!is_for_browsers(url), "{url}");
        }
    }
}
