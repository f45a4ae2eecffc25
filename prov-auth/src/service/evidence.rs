//! What the running service can prove.

use async_trait::async_trait;
use prov_core::store::StoreExt;
use prov_core::{Evidence, EvidenceSource, Result};
use serde_json::json;

use super::AuthService;
use crate::session::SessionRecord;
use crate::user::{AdminRoster, UserRecord};

#[async_trait]
impl EvidenceSource for AuthService {
    fn source(&self) -> &'static str {
        "prov-auth"
    }

    async fn collect(&self) -> Result<Vec<Evidence>> {
        let now = self.clock().now();
        let fact = |name: &str, value| Evidence::new(name, now, value);
        let hashing = self.parts.passwords.parameters();
        let usage = self.parts.passwords.usage();
        let users = self.store().load_all::<UserRecord>().await?;
        let sessions = self.store().load_all::<SessionRecord>().await?;
        let roster = self.store().load::<AdminRoster>(AdminRoster::ID).await?;
        let count = |which: fn(&UserRecord) -> bool| users.iter().filter(|u| which(u)).count();
        let keys: Vec<_> = self
            .signing_keys()
            .iter()
            .map(|key| {
                let age = now.duration_since(key.created_at).as_secs();
                json!({"id": key.id, "state": key.state, "created_at": key.created_at, "age_seconds": age})
            })
            .collect();
        Ok(vec![
            fact(
                "auth.password_hashing",
                json!({
                    "algorithm": "argon2id",
                    "memory_kib": hashing.memory_kib,
                    "passes": hashing.passes,
                    "lanes": hashing.lanes,
                    "workers": self.parts.passwords.workers(),
                    "computed": usage.computed,
                    "shed": usage.shed,
                }),
            ),
            fact(
                "auth.users",
                json!({
                    "all": users.len(),
                    "locked": count(|u| u.user.locked),
                    "must_change_password": count(|u| u.user.must_change_password),
                    "administrators": roster.map_or(0, |roster| roster.len()),
                }),
            ),
            fact("auth.sessions", json!({"live": sessions.len()})),
            fact("auth.signing_keys", json!({"keys": keys})),
            fact(
                "auth.tokens",
                json!({
                    "access_lifetime_seconds": self.parts.issuer.lifetime().as_secs(),
                    "refresh_lifetime_seconds": self.options.refresh_lifetime.as_secs(),
                    "second_factor_asked": self.parts.second_factor.is_some(),
                }),
            ),
        ])
    }
}
