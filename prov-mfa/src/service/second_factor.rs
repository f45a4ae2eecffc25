//! The service as the port that signing in uses.

use async_trait::async_trait;
use prov_core::{
    Amr, FactorMethod, FactorResponse, RequestFacts, Result, SecondFactor, UserId, VerifiedFactor,
};

use super::{Caller, MfaService};

#[async_trait]
impl SecondFactor for MfaService {
    async fn methods(&self, user: &UserId) -> Result<Vec<FactorMethod>> {
        Self::methods(self, user).await
    }

    async fn verify(
        &self,
        user: &UserId,
        response: &FactorResponse,
        request: &RequestFacts,
    ) -> Result<VerifiedFactor> {
        let caller = Caller::signing_in(user, request);
        self.use_up(&caller, user, response, None).await?;
        // Both are one-time passwords in the words of RFC 8176, section 2.
        Ok(VerifiedFactor::new(response.method, [Amr::Otp, Amr::Mfa]))
    }
}
