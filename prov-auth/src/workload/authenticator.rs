//! Programs before the layer that asks who sent a request.

use std::sync::Arc;

use arc_swap::ArcSwap;
use prov_core::{
    Attempt, Authentication, AuthenticationMethod, Authenticator, Clock, Error, Identity,
    Presented, Result, Timestamp,
};

use super::jwt_svid::{self, refused};
use super::{SpiffeId, TrustBundles, WorkloadRules};
use crate::Revocations;

/// Knows programs by their SVIDs, from memory alone.
///
/// A JWT-SVID stands in the `Authorization` header as a bearer token, an X509-SVID is the client certificate
/// of the connection, which the server has put into the request's extensions
/// ([`PeerCertificates`](prov_http::PeerCertificates)). Beside the token of a person, the document of the program that acts for them
/// is the certificate, or a JWT-SVID in the header `workload-identity-token`; see
/// [`AuthnLayer::acting_by`](crate::AuthnLayer::acting_by).
#[derive(Debug)]
pub struct Workloads {
    bundles: Arc<TrustBundles>,
    rules: ArcSwap<WorkloadRules>,
    audience: Vec<String>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
}

impl Workloads {
    /// Programs of these trust domains, as these rules say; JWT-SVIDs must name one of `audience`.
    #[must_use]
    pub fn new(
        bundles: Arc<TrustBundles>,
        rules: WorkloadRules,
        audience: impl IntoIterator<Item = impl Into<String>>,
        revocations: Arc<Revocations>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let audience = audience.into_iter().map(Into::into).collect();
        Self { bundles, rules: ArcSwap::from_pointee(rules), audience, revocations, clock }
    }

    /// Other rules from now on.
    pub fn set_rules(&self, rules: WorkloadRules) {
        self.rules.store(Arc::new(rules));
    }

    /// Whose this token is; `None` when it is no JWT-SVID.
    fn by_token(&self, token: &str) -> Option<Result<Identity>> {
        let claimed = jwt_svid::claimed(token)?;
        let now = self.clock.now();
        let opened =
            jwt_svid::open(token, &claimed, &self.bundles, &self.audience, now.as_second());
        Some(opened.and_then(|svid| self.identity(&svid.id, svid.ends)))
    }

    #[cfg(feature = "x509-svid")]
    fn by_certificates(&self, presented: &Presented<'_>) -> Option<Result<Identity>> {
        let chain = presented.certificates.filter(|chain| !chain.is_empty())?;
        let opened = super::x509_svid::open(chain, &self.bundles, self.clock.now());
        Some(opened.and_then(|svid| self.identity(&svid.id, svid.ends)))
    }

    #[cfg(not(feature = "x509-svid"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn by_certificates(&self, _: &Presented<'_>) -> Option<Result<Identity>> {
        None
    }

    fn identity(&self, id: &SpiffeId, ends: Timestamp) -> Result<Identity> {
        self.revocations.require_known()?;
        let principal = self.rules.load().principal(id);
        let principal = principal.ok_or_else(|| refused("no rule knows the program"))?;
        let mut authentication =
            Authentication::new(AuthenticationMethod::WorkloadSvid, self.clock.now())
                .in_generation(self.revocations.generation());
        authentication.expires_at = Some(ends);
        Ok(Identity { principal, authentication })
    }
}

impl Authenticator for Workloads {
    fn scheme(&self) -> &'static str {
        "Bearer"
    }

    fn authenticate(&self, presented: &Presented<'_>) -> Attempt {
        let bearer = presented.authorization.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_start_matches(' '))
        });
        let found = match (presented.authorization, presented.workload_token) {
            // Something else was presented; a certificate is no reason to overlook that.
            (Some(_), _) => bearer.and_then(|token| self.by_token(token)),
            (None, Some(token)) => {
                Some(self.by_token(token).unwrap_or_else(|| Err(refused("no JWT-SVID"))))
            }
            (None, None) => self.by_certificates(presented),
        };
        match found {
            None => Attempt::NotRequested,
            Some(Ok(identity)) => Attempt::Authenticated(Arc::new(identity)),
            Some(Err(error)) => Attempt::Refused(as_refusal(error)),
        }
    }
}

/// A document that does not hold is no fault of the request's form.
fn as_refusal(error: Error) -> Error {
    if error.kind() == prov_core::Kind::InvalidRequest {
        return refused("the document does not hold").source(error);
    }
    error
}
