use std::sync::Arc;

use http::header::HeaderValue;
use prov_core::{Authenticator, Clock};
use prov_http::EdgeLayer;
use tower_layer::Layer;

use super::Authn;
use super::possession::Proofs;
use crate::ProofVerifier;

/// Puts the [`SecurityContext`](prov_core::SecurityContext) of whoever sent a request into its
/// extensions, and into those of the response for the layers outside. Refuses everybody else.
///
/// Rules:
/// * The authenticators are asked in order; the first that knows the credential decides.
/// * A route that is [`Access::Public`](prov_http::Access::Public) is passed through whatever is
///   presented; a credential that holds is attached, one that does not is ignored.
/// * Any other route, and every request that was matched to none, needs a credential that holds: 401
///   with `WWW-Authenticate` (RFC 6750, section 3) otherwise. The answer does not say what was wrong
///   with it; the [`Refusal`](prov_http::Refusal) in the response's extensions has the reason as the
///   source of its error.
/// * A route that asks for a recent sign-in
///   ([`with_recent_sign_in`](prov_http::Route::with_recent_sign_in)) refuses an older one: 401 with
///   `insufficient_user_authentication` and `max_age` (RFC 9470, section 3).
/// * A credential that is bound to a key or a certificate is taken only with the proof that these are its
///   sender's: a DPoP proof for this request (RFC 9449, section 7), or that certificate on this very
///   connection (RFC 8705, section 3). So it is of no use to whoever steals it; nor is it taken as `Bearer`.
/// * More than one `Authorization` header is refused: two readers could each believe another one.
/// * Whatever stood in the request's extensions as a security context before is removed.
///
/// Without an [`EdgeLayer`] outside, the layer makes the facts of the request itself; the client's
/// address is then the socket's.
///
/// ```
/// use std::sync::Arc;
/// use prov_auth::{AuthnLayer, Revocations, SigningKeys, TokenOptions, TokenVerifier};
/// use prov_core::{Clock, Result, store::Store};
///
/// async fn layer(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<AuthnLayer> {
///     let keys = SigningKeys::open(store.clone(), clock.clone(), Default::default()).await?;
///     let revocations = Revocations::open(store, clock.clone()).await?;
///     let options = TokenOptions::new("https://prov.example.com", ["orchestrator"]);
///     let tokens = TokenVerifier::new(Arc::new(keys), revocations, clock.clone(), &options)?;
///     Ok(AuthnLayer::new(vec![Arc::new(tokens)], clock))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct AuthnLayer {
    pub(super) shared: Arc<Shared>,
}

/// What all services of the layer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) authenticators: Vec<Arc<dyn Authenticator>>,
    /// Knows programs that act for whoever was authenticated.
    pub(super) programs: Option<Arc<dyn Authenticator>>,
    pub(super) edge: EdgeLayer,
    pub(super) challenges: Challenges,
    /// Checks proofs; without it, no credential that is bound to a key is taken.
    pub(super) proofs: Option<Proofs>,
}

/// The values of `WWW-Authenticate`, made once.
#[derive(Debug)]
pub(super) struct Challenges {
    /// Nothing was presented.
    pub(super) sign_in: HeaderValue,
    /// What was presented does not hold.
    pub(super) invalid_token: HeaderValue,
    /// The request contradicts itself.
    pub(super) invalid_request: HeaderValue,
}

impl AuthnLayer {
    /// Asks these authenticators, in this order.
    #[must_use]
    pub fn new(authenticators: Vec<Arc<dyn Authenticator>>, clock: Arc<dyn Clock>) -> Self {
        Self::made_of(authenticators, None, EdgeLayer::new(clock), None)
    }

    fn made_of(
        authenticators: Vec<Arc<dyn Authenticator>>,
        programs: Option<Arc<dyn Authenticator>>,
        edge: EdgeLayer,
        verifier: Option<Arc<ProofVerifier>>,
    ) -> Self {
        let challenges = Challenges::of(&authenticators, verifier.is_some());
        let proofs = verifier.map(Proofs::new);
        Self { shared: Arc::new(Shared { authenticators, programs, edge, challenges, proofs }) }
    }

    /// Taking credentials that are bound to keys, with the proofs that this one finds to hold (DPoP).
    #[must_use]
    pub fn with_proofs(self, verifier: Arc<ProofVerifier>) -> Self {
        let Shared { authenticators, programs, edge, .. } = &*self.shared;
        Self::made_of(authenticators.clone(), programs.clone(), edge.clone(), Some(verifier))
    }

    /// Knowing programs as well: by themselves, asked before all others; and beside the token of a person,
    /// where they act for that person. Whatever is done then needs the permission of both
    /// ([`Authentication::actor`](prov_core::Authentication::actor)), and a document of a program that
    /// does not hold is refused, whatever else is presented.
    #[must_use]
    pub fn acting_by(self, programs: Arc<dyn Authenticator>) -> Self {
        let mut authenticators = vec![Arc::clone(&programs)];
        authenticators.extend(self.shared.authenticators.iter().cloned());
        let verifier = self.shared.proofs.as_ref().map(|proofs| Arc::clone(&proofs.verifier));
        Self::made_of(authenticators, Some(programs), self.shared.edge.clone(), verifier)
    }
}

const INVALID_TOKEN: &str = "Bearer realm=\"prov\", error=\"invalid_token\"";

impl Challenges {
    fn of(authenticators: &[Arc<dyn Authenticator>], takes_proofs: bool) -> Self {
        let mut schemes: Vec<String> = Vec::new();
        for authenticator in authenticators {
            let challenge = format!("{} realm=\"prov\"", authenticator.scheme());
            if !schemes.contains(&challenge) {
                schemes.push(challenge);
            }
        }
        schemes.extend(takes_proofs.then(Proofs::challenge));
        let sign_in = schemes.join(", ");
        let invalid_token = if takes_proofs {
            format!("{INVALID_TOKEN}, {}", Proofs::challenge())
        } else {
            INVALID_TOKEN.to_owned()
        };
        Self {
            sign_in: HeaderValue::try_from(sign_in)
                .unwrap_or_else(|_| HeaderValue::from_static("Bearer realm=\"prov\"")),
            invalid_token: HeaderValue::try_from(invalid_token)
                .unwrap_or_else(|_| HeaderValue::from_static(INVALID_TOKEN)),
            invalid_request: HeaderValue::from_static(
                "Bearer realm=\"prov\", error=\"invalid_request\"",
            ),
        }
    }
}

impl<S> Layer<S> for AuthnLayer {
    type Service = Authn<S>;

    fn layer(&self, inner: S) -> Authn<S> {
        Authn { inner, shared: Arc::clone(&self.shared) }
    }
}
