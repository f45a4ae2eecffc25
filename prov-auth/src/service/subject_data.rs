//! What is held about a person.

use async_trait::async_trait;
use prov_core::audit::Action;
use prov_core::store::StoreExt;
use prov_core::{Error, Result, SecurityContext, SubjectData, SubjectRecord, UserId, codes};
use serde::Serialize;

use super::AuthService;
use crate::ApiTokenId;
use crate::federation::FederatedIdentity;
use crate::user::UserRecord;

#[async_trait]
impl SubjectData for AuthService {
    fn holder(&self) -> &'static str {
        "prov-auth"
    }

    async fn export(&self, subject: &UserId) -> Result<Vec<SubjectRecord>> {
        let mut records = Vec::new();
        if let Some(stored) = self.store().load::<UserRecord>(subject.as_str()).await? {
            records.push(record("auth.user", subject.as_str(), &stored.user)?);
        }
        for session in self.sessions_of(subject).await? {
            records.push(record("auth.session", session.id.as_str(), &session.public())?);
        }
        for known in self.devices_of(subject).await? {
            records.push(record("auth.device", known.device.id.as_str(), &known.device)?);
        }
        for told in self.notices.of(subject).await? {
            records.push(record("auth.notice", told.notice.id.as_str(), &told.notice)?);
        }
        for token in self.tokens_of(subject).await? {
            let id: ApiTokenId = token.id.parse()?;
            records.push(record("auth.api_token", &token.id, &token.public(id, None))?);
        }
        for link in
            self.all_with::<FederatedIdentity>(FederatedIdentity::user_term(subject)).await?
        {
            let told = serde_json::json!({"issuer": link.issuer, "linked_at": link.linked_at});
            records.push(record("auth.federated_identity", &link.digest, &told)?);
        }
        Ok(records)
    }

    /// Deletes the account. The last administrator can't be erased.
    async fn erase(&self, context: &SecurityContext, subject: &UserId) -> Result<u64> {
        let result = match self.remove_user(context, subject).await {
            // Erased before, perhaps not completely.
            Err(error) if error.is(crate::codes::USER_UNKNOWN) => {
                let tokens = self.end_api_tokens_of(subject).await?;
                let devices = self.forget_devices_of(subject).await?;
                let notices = self.forget_notices_of(subject).await?;
                Ok(tokens + devices + notices + self.end_everything_of(subject).await?)
            }
            other => other,
        };
        let event = self.event_on_user(context, Action::USER_ERASE, subject.as_str());
        self.conclude(context.request(), event, result).await
    }
}

fn record(kind: &str, id: &str, data: &impl Serialize) -> Result<SubjectRecord> {
    let data = serde_json::to_value(data)
        .map_err(|e| Error::new(codes::INTERNAL).context("exporting a record").source(e))?;
    Ok(SubjectRecord::new(kind, id, data))
}
