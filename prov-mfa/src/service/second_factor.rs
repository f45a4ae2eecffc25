//! The service as the port that signing in uses.

use std::sync::Arc;

use async_trait::async_trait;
use prov_core::{
    Enrolment, FactorMethod, FactorResponse, NoticeBoard, RequestFacts, Result, Role, SecondFactor,
    TeamName, UserId, VerifiedFactor,
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
        self.use_up(&caller, user, response, None).await
    }

    fn tell_on(&self, board: Arc<dyn NoticeBoard>) {
        // Who came first stays: all that ask over one store have one board.
        let _ = self.board.set(board);
    }

    async fn enrolment(
        &self,
        user: &UserId,
        roles: &[Role],
        teams: &[TeamName],
    ) -> Result<Enrolment> {
        Self::enrolment(self, user, roles, teams).await
    }

    /// Where passkeys are not configured any more, a user's other factors can still be answered with.
    #[cfg(feature = "webauthn")]
    async fn passkey_options(
        &self,
        user: &UserId,
        request: &RequestFacts,
    ) -> Result<Option<serde_json::Value>> {
        match self.ask_user(&Caller::signing_in(user, request), user).await {
            Ok(begun) => Ok(begun.map(|begun| begun.options)),
            Err(error) if error.is(crate::codes::PASSKEYS_NOT_CONFIGURED) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
