//! Signing in with an identity provider: to it, back from it, and on to a program that waits.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use prov_core::audit::{Action, Event};
use prov_core::store::{Batch, Entity, Expect, StoreExt};
use prov_core::{Error, RequestFacts, Result, SecretText, SecurityContext, codes as core_codes};
use serde::Deserialize;

use super::AuthService;
use super::events::{account, failed as failed_event};
use super::return_address::check_return_address;
use crate::codes;
use crate::federation::{
    Expected, FederationState, IdToken, Origin, Provider, ProviderState, Ticket, failed,
};
use crate::refresh::later;

/// How long somebody may take at the identity provider.
const STATE_LIFETIME: Duration = Duration::from_mins(10);

/// How somebody wants to sign in with an identity provider.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct FederatedStart {
    /// Where a program on the person's machine waits, and the PKCE challenge (S256) of what it has.
    pub handover: Option<(String, String)>,
    /// How long ago the person may have signed in there, in seconds; 0: anew.
    pub max_age: Option<u32>,
}

impl FederatedStart {
    /// For a program that waits at this address and has the verifier of this challenge.
    #[must_use]
    pub fn for_program(mut self, address: impl Into<String>, challenge: impl Into<String>) -> Self {
        self.handover = Some((address.into(), challenge.into()));
        self
    }

    /// Signed in there at most this many seconds ago.
    #[must_use]
    pub fn within(mut self, seconds: Option<u32>) -> Self {
        self.max_age = seconds;
        self
    }
}

/// Where the browser goes, and what it keeps.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FederatedRedirect {
    /// The identity provider.
    pub location: String,
    /// Tells this sign-in from others by the same browser; [`FederatedAnswer::flow_of`] its `state`.
    pub flow: String,
    /// To be brought back by this browser alone.
    pub browser: SecretText,
    /// How long it is good.
    pub expires_in: Duration,
}

/// What came back from the identity provider by way of the browser.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct FederatedAnswer {
    /// The `state` this service sent.
    pub state: String,
    /// The authorization code.
    pub code: Option<SecretText>,
    /// Why there is none.
    pub error: Option<String>,
    /// Who says so (RFC 9207).
    pub issuer: Option<String>,
    /// What only the browser has that began.
    pub browser: Option<SecretText>,
}

impl FederatedAnswer {
    /// What tells the sign-in of this `state` from others, and no secret.
    #[must_use]
    pub fn flow_of(state: &str) -> String {
        let mut flow = Ticket::pkce_challenge(state);
        flow.truncate(16);
        flow
    }

    /// An answer to this `state` by the browser that has this.
    #[must_use]
    pub fn new(state: impl Into<String>, browser: Option<SecretText>) -> Self {
        Self { state: state.into(), browser, ..Self::default() }
    }

    /// With a code.
    #[must_use]
    pub fn with_code(mut self, code: Option<SecretText>) -> Self {
        self.code = code;
        self
    }

    /// With an error instead.
    #[must_use]
    pub fn with_error(mut self, error: Option<String>) -> Self {
        self.error = error;
        self
    }

    /// By this issuer, as it says.
    #[must_use]
    pub fn by_issuer(mut self, issuer: Option<String>) -> Self {
        self.issuer = issuer;
        self
    }
}

/// What becomes of a sign-in that came back. Nobody is signed in yet: a link that somebody is made to follow ends
/// here, and what nobody fetches ends by itself.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a third way would be a new contract")]
pub enum FederatedOutcome {
    /// The browser that began fetches the outcome, if its user wants it.
    Confirm {
        /// Good once, for [`federated_exchange`](AuthService::federated_exchange), with what the browser has
        /// as the verifier.
        code: SecretText,
        /// For how long.
        expires_in: Duration,
    },
    /// The browser goes on to the program, which fetches the outcome.
    Handover {
        /// Where, with the code that is good once.
        location: String,
    },
}

/// Who fetches a sign-in that came back.
pub(super) struct WaitingFor {
    /// Where a program waits; otherwise the browser does.
    pub(super) address: Option<String>,
    /// The PKCE challenge of what only they have.
    pub(super) challenge: String,
}

/// Somebody whom an identity provider vouches for.
pub(super) struct Vouched {
    pub(super) token: IdToken,
    pub(super) origin: Origin,
}

/// An answer of a token endpoint (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<String>,
    access_token: Option<String>,
}

impl AuthService {
    /// Sends a browser to the identity provider `name`: code flow with PKCE, `state` and `nonce`, each
    /// good once and for ten minutes.
    ///
    /// # Errors
    /// [`codes::ISSUER_UNKNOWN`]; [`codes::FEDERATION_UNCONFIGURED`] without a public URL or a way out;
    /// [`codes::PROVIDER_UNAVAILABLE`]; [`core_codes::INVALID_REQUEST`] for an address that is not one of
    /// the person's own machine.
    pub async fn federated_start(
        &self,
        name: &str,
        start: FederatedStart,
    ) -> Result<FederatedRedirect> {
        let provider = self.federation.provider(name)?;
        let redirect_uri = self.redirect_uri(name)?;
        if let Some((address, challenge)) = &start.handover {
            check_return_address(address)?;
            Ticket::presented(challenge).ok_or_else(|| {
                Error::new(core_codes::INVALID_REQUEST)
                    .field("code_challenge", "43 characters of base64url (RFC 7636, S256)")
            })?;
        }
        let outbound = self.federation.outbound()?;
        let published = provider.fresh(outbound, self.clock()).await?;
        // Never what a browser has from elsewhere: whoever put it there would know it.
        let browser = Ticket::generate()?;
        let (state, nonce, verifier) =
            (Ticket::generate()?, Ticket::generate()?, Ticket::generate()?);
        let record = FederationState {
            digest: state.digest(),
            issuer: name.to_owned(),
            nonce: nonce.text().expose().to_owned(),
            verifier: verifier.text().expose().to_owned(),
            browser: browser.digest(),
            max_age: start.max_age,
            handover: start.handover,
            expires_at: later(self.clock().now(), STATE_LIFETIME),
        };
        self.store().create(&record).await?;
        let scopes = std::iter::once("openid")
            .chain(provider.issuer.scopes.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ");
        let challenge = Ticket::pkce_challenge(&record.verifier);
        let max_age = start.max_age.map(|seconds| seconds.to_string());
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", &provider.issuer.client_id),
            ("redirect_uri", &redirect_uri),
            ("scope", &scopes),
            ("state", state.text().expose()),
            ("nonce", &record.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        query.extend(max_age.as_deref().map(|seconds| ("max_age", seconds)));
        let endpoint = &published.metadata.authorization_endpoint;
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        let location = format!("{endpoint}{joint}{}", form(&query));
        let (flow, browser) =
            (FederatedAnswer::flow_of(state.text().expose()), browser.text().clone());
        Ok(FederatedRedirect { location, flow, browser, expires_in: STATE_LIFETIME })
    }

    /// Takes what came back from the identity provider `name`.
    ///
    /// # Errors
    /// [`codes::FEDERATION_FAILED`] for whatever does not hold; [`codes::FEDERATION_REFUSED`] when the
    /// provider or the person refused; [`codes::FEDERATION_ACCOUNT_REFUSED`] when no rule lets them in;
    /// [`codes::PROVIDER_UNAVAILABLE`].
    pub async fn federated_callback(
        &self,
        name: &str,
        answer: &FederatedAnswer,
        request: &RequestFacts,
    ) -> Result<FederatedOutcome> {
        let event = self.about_issuer(self.event(Action::AUTH_LOGIN_FEDERATED), name);
        let (vouched, handover) = match self.vouched_for(name, answer).await {
            Ok(vouched) => vouched,
            Err(error) => {
                self.record(request, with_reason(failed_event(event, &error), &error)).await?;
                return Err(error);
            }
        };
        let result = self.signed_in_by(name, &vouched, handover).await;
        let (event, result) = match result {
            Ok((user, outcome)) => {
                (event.by(account(&user)).with("user", user.id.as_str()), Ok(outcome))
            }
            Err(error) => (event, Err(error)),
        };
        self.conclude(request, event, result).await
    }

    /// About the provider of this name. What a stranger writes where there is none is not kept.
    pub(super) fn about_issuer(&self, event: Event, name: &str) -> Event {
        match self.federation.provider(name) {
            Ok(_) => event.on("issuer", name),
            Err(_) => event,
        }
    }

    async fn signed_in_by(
        &self,
        name: &str,
        vouched: &Vouched,
        handover: WaitingFor,
    ) -> Result<(crate::User, FederatedOutcome)> {
        let provider = self.federation.provider(name)?;
        let id = self.federated_account(&provider.issuer, vouched).await?;
        // After the rules have changed what they change, and before the account is read: a revocation
        // from here on ends what is issued.
        let generation = self.parts.revocations.generation();
        let stored = self.load_user(&id).await?;
        if stored.user.locked {
            return Err(codes::FEDERATION_ACCOUNT_REFUSED.into());
        }
        let user = stored.user.clone();
        let outcome = self.hand_over(&stored, vouched, generation, handover).await?;
        Ok((user, outcome))
    }

    /// Whoever the identity provider vouches for, and who waits for them.
    async fn vouched_for(
        &self,
        name: &str,
        answer: &FederatedAnswer,
    ) -> Result<(Vouched, WaitingFor)> {
        let provider = self.federation.provider(name)?;
        let state = self.claim_state(name, answer).await?;
        let outbound = self.federation.outbound()?;
        let published = provider.fresh(outbound, self.clock()).await?;
        // RFC 9207, section 2.4: another issuer's answer is refused before anything is done with it.
        let told = answer.issuer.as_deref();
        let demanded = published.metadata.authorization_response_iss_parameter_supported;
        if told.is_some_and(|iss| iss != provider.issuer.issuer) || (demanded && told.is_none()) {
            return Err(failed("the answer names another issuer, or none"));
        }
        if let Some(error) = &answer.error {
            let reason: String = error.chars().filter(char::is_ascii_graphic).take(64).collect();
            return Err(Error::new(codes::FEDERATION_REFUSED).context(reason));
        }
        let code = answer.code.as_ref().ok_or_else(|| failed("neither a code nor an error"))?;
        let tokens = self.redeem(&provider, &published, &state, code).await?;
        let compact = tokens.id_token.ok_or_else(|| failed("no ID token"))?;
        let expected = Expected {
            issuer: &provider.issuer,
            nonce: &state.nonce,
            access_token: tokens.access_token.as_deref(),
            max_age: state.max_age,
            now: self.clock().now(),
        };
        let token = match IdToken::open(&compact, &published.keys, &expected) {
            // A key may be new, also under an id that is known.
            Err(error) if error.is(codes::TOKEN_FORGED) => {
                let newest = provider.asked_again(outbound, self.clock()).await?;
                IdToken::open(&compact, &newest.keys, &expected)
            }
            other => other,
        };
        let token = token.map_err(|error| match error {
            error if error.is(codes::FEDERATION_FAILED) => error,
            error => failed("the ID token does not hold").source(error),
        })?;
        let origin = self.origin(&provider, &token);
        let waiting = match (state.handover, &answer.browser) {
            (Some((address, challenge)), _) => WaitingFor { address: Some(address), challenge },
            // The ticket of the browser, which the state was claimed with, is as good as a verifier.
            (None, Some(browser)) => {
                let challenge = Ticket::pkce_challenge(browser.expose());
                WaitingFor { address: None, challenge }
            }
            (None, None) => return Err(failed("the answer comes by no browser")),
        };
        Ok((Vouched { token, origin }, waiting))
    }

    fn origin(&self, provider: &Provider, token: &IdToken) -> Origin {
        let (digests, issuer) = (self.federation.digests(), &provider.issuer);
        Origin {
            issuer: issuer.name.clone(),
            subject: digests.subject(&issuer.issuer, &token.subject),
            session: token.session.as_ref().map(|sid| digests.session(&issuer.issuer, sid)),
            handover: None,
        }
    }

    /// Takes a state, once, for the issuer and the browser it was made for.
    async fn claim_state(&self, name: &str, answer: &FederatedAnswer) -> Result<FederationState> {
        let ticket =
            Ticket::presented(&answer.state).ok_or_else(|| failed("the state is not one"))?;
        let found = self.store().load::<FederationState>(&ticket.digest()).await?;
        let found = found.ok_or_else(|| failed("the state is unknown, used or too old"))?;
        let browser = answer.browser.as_ref().and_then(|text| Ticket::presented(text.expose()));
        // Somebody else's browser must not be able to use a state up.
        if !browser.is_some_and(|ticket| found.is_of_browser(&ticket)) {
            return Err(failed("the answer comes by another browser than the one that began"));
        }
        let key = FederationState::key(&found.digest);
        let spent = Batch::new().delete(key, Expect::Version(found.version));
        self.store().commit(spent).await.map_err(|error| {
            if error.is(core_codes::CONFLICT) { failed("the state was used before") } else { error }
        })?;
        // A mix-up: an answer sent to the address of another issuer (RFC 9700, section 2.1).
        if found.issuer != name {
            return Err(failed("the state was made for another issuer"));
        }
        Ok(found.entity)
    }

    /// Redeems a code at the token endpoint (RFC 6749, section 4.1.3; RFC 7636, section 4.5).
    async fn redeem(
        &self,
        provider: &Provider,
        published: &ProviderState,
        state: &FederationState,
        code: &SecretText,
    ) -> Result<TokenAnswer> {
        let redirect_uri = self.redirect_uri(&provider.issuer.name)?;
        let mut body = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &state.verifier),
        ];
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = published
            .metadata
            .token_endpoint
            .parse()
            .map_err(|e| Error::new(codes::PROVIDER_UNAVAILABLE).source(e))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(FORM));
        headers.insert(ACCEPT, http::HeaderValue::from_static("application/json"));
        let client_id = provider.issuer.client_id.as_str();
        match &provider.secret {
            Some(secret) if takes_basic(published) => {
                headers.insert(AUTHORIZATION, basic(client_id, secret)?);
            }
            Some(secret) => {
                body.extend([("client_id", client_id), ("client_secret", secret.expose())]);
            }
            None => body.push(("client_id", client_id)),
        }
        *request.body_mut() = Bytes::from(form(&body));
        let response = self.federation.outbound()?.fetch(request).await?;
        match response.status() {
            StatusCode::OK => serde_json::from_slice(response.body())
                .map_err(|e| failed("the token endpoint's answer can't be read").source(e)),
            status if status.is_client_error() => {
                Err(failed("the token endpoint refused the code").source(status.to_string()))
            }
            status => Err(Error::new(codes::PROVIDER_UNAVAILABLE).source(status.to_string())),
        }
    }

    /// Each issuer has an address of its own: an answer tells by where it arrives whose it is.
    fn redirect_uri(&self, name: &str) -> Result<String> {
        let base = self.options.public_url.as_deref();
        let base = base.ok_or_else(|| Error::new(codes::FEDERATION_UNCONFIGURED))?;
        Ok(format!("{base}/api/v1/auth/oidc/{name}/callback"))
    }

    /// The context of what this service does by itself because an identity provider said so.
    pub(super) fn on_behalf_of_issuers(&self) -> Result<SecurityContext> {
        SecurityContext::system("federation", self.clock())
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The reason of a failure, for the audit trail: never what the provider or a browser wrote.
fn with_reason(event: Event, error: &Error) -> Event {
    let source = std::error::Error::source(error);
    let inner = source.and_then(|source| source.downcast_ref::<Error>());
    match inner {
        Some(inner) => event.with("reason", inner.code().name()),
        None => event,
    }
}

fn takes_basic(published: &ProviderState) -> bool {
    // OpenID Connect Discovery 1.0, section 3: by default, basic.
    let methods = published.metadata.token_endpoint_auth_methods_supported.as_ref();
    methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"))
}

/// RFC 6749, section 2.3.1: both are form-encoded before they are joined.
fn basic(client_id: &str, secret: &SecretText) -> Result<http::HeaderValue> {
    use base64::Engine as _;
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose()));
    let text = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair));
    let mut value = http::HeaderValue::try_from(text)
        .map_err(|e| Error::new(core_codes::INTERNAL).context("a client's secret").source(e))?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
