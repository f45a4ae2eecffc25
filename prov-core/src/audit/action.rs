//! The catalogue of what can happen.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::RetentionClass;
use crate::{Error, Result, codes};

/// What was done, in dotted words: `secret.lease.revoke`. The ones prov itself records are the
/// constants; an embedding application makes its own with [`Action::custom`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Action(Cow<'static, str>);

impl Action {
    /// An action of the embedding application, such as `billing.invoice.create`.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] unless it is two to five dotted words of `a-z`, `0-9` and `_`.
    pub fn custom(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let word = |w: &str| {
            w.starts_with(|c: char| c.is_ascii_lowercase())
                && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        let well_formed = name.len() <= 96
            && (2..=5).contains(&name.split('.').count())
            && name.split('.').all(word);
        if well_formed {
            Ok(Self(Cow::Owned(name)))
        } else {
            Err(Error::new(codes::INVALID_REQUEST)
                .detail("an action is two to five dotted words of `a-z`, `0-9` and `_`"))
        }
    }

    /// The dotted words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Action {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::custom(name)
    }
}

impl From<Action> for String {
    fn from(action: Action) -> Self {
        action.0.into_owned()
    }
}

/// One line of the catalogue.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ActionInfo {
    /// The dotted name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

impl ActionInfo {
    /// How long events of it are kept.
    #[must_use]
    pub fn retention_class(&self) -> RetentionClass {
        RetentionClass::of_action(self.name)
    }
}

macro_rules! actions {
    ($($constant:ident = $name:literal, $meaning:literal;)*) => {
        impl Action {
            $(#[doc = $meaning] pub const $constant: Self = Self(Cow::Borrowed($name));)*
        }

        /// Every action prov records, with its meaning.
        pub const CATALOGUE: &[ActionInfo] =
            &[$(ActionInfo { name: $name, meaning: $meaning }),*];
    };
}

actions! {
    API_REQUEST = "api.request", "A request was answered that has no more specific event.";
    API_RATE_LIMITED = "api.rate_limited", "A request was refused because its address sent too many.";
    AUTH_BOOTSTRAP = "auth.bootstrap", "The first administrator was created.";
    AUTH_LOGIN = "auth.login", "A user signed in, or tried to.";
    AUTH_ISSUER_CREATE = "auth.issuer.create", "An identity provider was entered.";
    AUTH_ISSUER_DELETE = "auth.issuer.delete", "An identity provider was removed, and what began there ended.";
    AUTH_LOGIN_FEDERATED = "auth.login.federated", "Somebody came back from an identity provider.";
    AUTH_LOGIN_MFA = "auth.login.mfa", "The second step of signing in.";
    AUTH_STEP_UP = "auth.step_up", "A signed-in user proved themselves again.";
    AUTH_LOGOUT = "auth.logout", "A user signed out.";
    AUTH_LOGOUT_BACKCHANNEL = "auth.logout.backchannel", "An identity provider said that somebody has signed out there.";
    AUTH_TOKEN_REFRESH = "auth.token.refresh", "A refresh token was exchanged.";
    AUTH_TOKEN_REUSE = "auth.token.reuse", "A spent refresh token was presented: its whole family was revoked.";
    AUTH_TOKEN_REVOKE = "auth.token.revoke", "A token was revoked.";
    AUTH_TOKEN_REFUSED = "auth.token.refused", "A token was presented that does not hold.";
    AUTH_API_TOKEN_CREATE = "auth.api_token.create", "An API token was made.";
    AUTH_API_TOKEN_ROTATE = "auth.api_token.rotate", "An API token got a new value.";
    AUTH_API_TOKEN_DELETE = "auth.api_token.delete", "An API token was deleted.";
    AUTH_SESSION_EVICT = "auth.session.evict", "A session was ended because its user has too many.";
    AUTH_SESSION_REVOKE = "auth.session.revoke", "A session was ended by its user or an administrator.";
    AUTH_DEVICE_NEW = "auth.device.new", "A user signed in on a device that was never seen before.";
    AUTH_DEVICE_FORGET = "auth.device.forget", "A device of a user is not recognised any more.";
    AUTH_NOTICE_PIN = "auth.notice.pin", "A user is to be told of attempts in vain, or of something that ends soon.";
    AUTH_NOTICE_DELIVER = "auth.notice.deliver", "A user was told outside of prov what happened to their account.";
    AUTH_PASSWORD_CHANGE = "auth.password.change", "A password was changed by its user.";
    AUTH_PASSWORD_RESET = "auth.password.reset", "A password was reset by an administrator.";
    AUTH_KEY_CREATE = "auth.key.create", "A signing key was made.";
    AUTH_KEY_ROTATE = "auth.key.rotate", "The active signing key changed.";
    USER_CREATE = "user.create", "A user was created.";
    USER_UPDATE = "user.update", "A user's details were changed.";
    USER_DELETE = "user.delete", "A user was deleted.";
    USER_LOCK = "user.lock", "A user was locked.";
    USER_UNLOCK = "user.unlock", "A user was unlocked.";
    USER_ROLES_SET = "user.roles.set", "A user's roles were set.";
    USER_TEAMS_SET = "user.teams.set", "A user's teams were set.";
    USER_ERASE = "user.erase", "What is held about a person was erased.";
    TEAM_CREATE = "team.create", "A team was created.";
    TEAM_DELETE = "team.delete", "A team was deleted.";
    MFA_TOTP_ENROLL = "mfa.totp.enroll", "A TOTP secret was made for a user.";
    MFA_TOTP_CONFIRM = "mfa.totp.confirm", "A TOTP secret was confirmed by its first code.";
    MFA_TOTP_DISABLE = "mfa.totp.disable", "A TOTP factor was removed.";
    MFA_VERIFY = "mfa.verify", "A second factor was checked.";
    MFA_LIMITED = "mfa.limited", "Too many attempts at a second factor.";
    MFA_BACKUP_CODES_GENERATE = "mfa.backup_codes.generate", "A set of backup codes was made.";
    MFA_BACKUP_CODE_USE = "mfa.backup_code.use", "A backup code was used up.";
    MFA_PASSKEY_BEGIN = "mfa.passkey.begin", "A passkey was asked for: to be made, or to be proved.";
    MFA_PASSKEY_ADD = "mfa.passkey.add", "A passkey was registered.";
    MFA_PASSKEY_REMOVE = "mfa.passkey.remove", "A passkey was removed.";
    MFA_PASSKEY_CLONED = "mfa.passkey.cloned", "The counter of a passkey went back: it may have been copied, and was refused.";
    MFA_DEVICE_RENAME = "mfa.device.rename", "A second factor got another name.";
    MFA_POLICY_SET = "mfa.policy.set", "It was set who must have a second factor.";
    MFA_ENROLMENT_DUE = "mfa.enrolment.due", "A user signed in who must have a second factor and has none.";
    MFA_RESET = "mfa.reset", "An administrator removed a user's second factors.";
    AUTHZ_DECISION = "authz.decision", "A decision was asked for and given.";
    AUTHZ_ENTITY_DELETE = "authz.entity.delete", "An entity was taken out of the inventory.";
    AUTHZ_ENTITY_SET = "authz.entity.set", "Entities were entered into the inventory, or changed.";
    AUTHZ_POLICY_ROLLBACK = "authz.policy.rollback", "An earlier policy set was put in force again, or could not be.";
    AUTHZ_POLICY_SHADOW = "authz.policy.shadow", "A policy set began or ceased to be tried beside the one in force.";
    AUTHZ_POLICY_SIMULATE = "authz.policy.simulate", "Recorded decisions were made again by a draft.";
    AUTHZ_POLICY_UPLOAD = "authz.policy.upload", "A policy set was uploaded and put in force, or refused.";
    AUTHZ_POLICY_RELOAD = "authz.policy.reload", "A policy set was loaded, or refused and the old one kept.";
    AUTHZ_GRANT_CREATE = "authz.grant.create", "A permission was granted until a time, or was refused to be.";
    AUTHZ_GRANT_REVOKE = "authz.grant.revoke", "A granted permission was taken back.";
    AUTHZ_GRANT_EXPIRE = "authz.grant.expire", "A granted permission ended by itself.";
    KMS_KEY_CREATE = "kms.key.create", "A key was created.";
    KMS_KEY_ROTATE = "kms.key.rotate", "A key got a new version.";
    KMS_KEY_DISABLE = "kms.key.disable", "A key was disabled.";
    KMS_KEY_ENABLE = "kms.key.enable", "A key was enabled.";
    KMS_ENCRYPT = "kms.encrypt", "Data was encrypted.";
    KMS_DECRYPT = "kms.decrypt", "Data was decrypted, or could not be.";
    KMS_DATA_KEY_GENERATE = "kms.data_key.generate", "A data key was handed out.";
    KMS_REWRAP = "kms.rewrap", "A ciphertext was wrapped again under the newest version of its key.";
    SECRET_ISSUE = "secret.issue", "A short-lived credential was handed out.";
    SECRET_LEASE_RENEW = "secret.lease.renew", "A lease was renewed.";
    SECRET_LEASE_REVOKE = "secret.lease.revoke", "A lease was revoked.";
    SECRET_LEASE_EXPIRE = "secret.lease.expire", "A lease ended by itself and was cleaned up.";
    SECRET_ROLE_SET = "secret.role.set", "The rules for a kind of credential were set.";
    SECRET_ROLE_DELETE = "secret.role.delete", "The rules for a kind of credential were deleted.";
    SSH_CA_CREATE = "ssh.ca.create", "An SSH certificate authority was made.";
    SSH_USER_SIGN = "ssh.user.sign", "An SSH user certificate was signed.";
    SSH_HOST_SIGN = "ssh.host.sign", "An SSH host certificate was signed.";
    SSH_KEY_GENERATE = "ssh.key.generate", "An SSH key pair was made and handed out.";
    SSH_CERTIFICATE_REVOKE = "ssh.certificate.revoke", "An SSH certificate was revoked.";
    AUDIT_QUERY = "audit.query", "The audit log was read.";
    AUDIT_EXPORT = "audit.export", "The audit log was exported.";
    AUDIT_VERIFY = "audit.verify", "The audit log was verified.";
    AUDIT_HOLD_PLACE = "audit.hold.place", "A legal hold was placed: what it is about is neither pruned nor erased.";
    AUDIT_HOLD_RELEASE = "audit.hold.release", "A legal hold was released.";
    AUDIT_LOG_FULL = "audit.log.full", "The disk of the audit log is full: events are refused from here on.";
    AUDIT_LOG_RESUMED = "audit.log.resumed", "There is room again, and the audit log goes on.";
    AUDIT_LOG_TAMPERED = "audit.log.tampered", "A file of the open audit log was deleted, replaced or changed.";
    AUDIT_RETENTION_PRUNE = "audit.retention.prune", "Events that are older than they must be kept are about to be removed.";
    AUDIT_RETENTION_SET = "audit.retention.set", "How long events are kept was set.";
    AUDIT_SINK_FAILING = "audit.sink.failing", "A receiver of the audit log has not taken events for a while.";
    AUDIT_SINK_GAP = "audit.sink.gap", "Events were left out of what a receiver of the audit log gets.";
    AUDIT_SINK_RESUMED = "audit.sink.resumed", "A receiver of the audit log takes events again.";
    AUDIT_SUBJECT_ERASE_BEGIN = "audit.subject.erase_begin", "The key of a person's data in the log is about to be destroyed.";
    AUDIT_SUBJECT_ERASE = "audit.subject.erase", "The key of a person's data in the log was destroyed.";
    AUDIT_ANCHOR = "audit.anchor", "A checkpoint of the audit log was time-stamped by an authority.";
    AUDIT_ANCHOR_FAILING = "audit.anchor.failing", "The audit log could not be time-stamped.";
    AUDIT_ANCHOR_RESUMED = "audit.anchor.resumed", "The audit log is time-stamped again.";
    AUDIT_JOIN_ALARM = "audit.join.alarm", "The log of a node does not fit what was seen of it: forged, forked, changed, or with a gap.";
    AUDIT_JOIN_LOG = "audit.join.log", "The log of another node is mirrored from here on, under the key that it shows.";
    AUDIT_JOIN_RESUMED = "audit.join.resumed", "The log of a node fits what was seen of it again.";
    AUDIT_WITNESS_COSIGN = "audit.witness.cosign", "A checkpoint of another log was found to continue what was seen of it, and cosigned.";
    AUDIT_WITNESS_FAILING = "audit.witness.failing", "A witness has not cosigned a checkpoint of the audit log for a while, or says that it does not continue what it saw.";
    AUDIT_WITNESS_REFUSE = "audit.witness.refuse", "A checkpoint of another log was not shown to continue what was seen of it: perhaps the log was forked.";
    AUDIT_WITNESS_RESUMED = "audit.witness.resumed", "A witness cosigns checkpoints of the audit log again.";
    SERVER_START = "server.start", "The server started.";
    SERVER_STOP = "server.stop", "The server stopped.";
    SERVER_CONFIG_RELOAD = "server.config.reload", "The configuration was read again.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_has_more_than_forty_unique_well_formed_names() {
        let names: BTreeSet<_> = CATALOGUE.iter().map(|info| info.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        assert!(names.len() > 40);
        for name in names {
            assert!(Action::custom(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn odd_names_are_refused() {
        for name in ["login", "", "a.b.c.d.e.f", "Auth.login", "auth..login", "auth.log\nin"] {
            assert!(Action::custom(name).is_err(), "{name:?}");
        }
    }
}
