//! The service as the port that signing in uses.

use async_trait::async_trait;
use prov_core::{
    Amr, FactorMethod, FactorResponse, RequestFacts, Result, SecondFactor, UserId, VerifiedFactor,
};

use super::MfaService;
use crate::codes;

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
        match response.method {
            FactorMethod::Totp => self.sign_in_with_totp(user, &response.code, request).await?,
            FactorMethod::BackupCode => {
                self.sign_in_with_backup_code(user, &response.code, request).await?;
            }
            _ => return Err(codes::FACTOR_METHOD_UNKNOWN.into()),
        }
        // Both are one-time passwords in the words of RFC 8176, section 2.
        Ok(VerifiedFactor::new(response.method, [Amr::Otp, Amr::Mfa]))
    }
}
