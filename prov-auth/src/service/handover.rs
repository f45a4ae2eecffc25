//! From a sign-in at an identity provider to whoever fetches it: good once, and nobody's until then.

use std::time::Duration;

use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, StoreExt, Stored};
use prov_core::{Enrolment, Error, RequestFacts, Result, SecretText, codes as core_codes};

use super::AuthService;
use super::events::{account, failed};
use super::federation::{FederatedOutcome, Vouched, WaitingFor, form};
use super::proof::Proof;
use super::user_changes::RACES;
use crate::federation::{Handover, Origin, Ticket, same};
use crate::login::ChallengeRecord;
use crate::refresh::later;
use crate::session::SessionRecord;
use crate::user::UserRecord;
use crate::{LoginOutcome, User, codes};

/// How long somebody may take to fetch a sign-in.
const LIFETIME: Duration = Duration::from_mins(1);
/// How long a code is remembered that was used: who presents it again ends what it gave.
const REMEMBERED: Duration = Duration::from_mins(10);

/// What came of a code.
enum Exchanged {
    Done(Box<User>, LoginOutcome),
    /// It was used before, and what it gave has ended: so many sessions and challenges.
    Again(usize),
}

impl AuthService {
    pub(super) async fn hand_over(
        &self,
        stored: &Stored<UserRecord>,
        vouched: &Vouched,
        generation: u64,
        waiting: WaitingFor,
    ) -> Result<FederatedOutcome> {
        let code = Ticket::generate()?;
        let digest = code.digest();
        let record = Handover {
            challenge: waiting.challenge,
            user: stored.user.id.clone(),
            amr: vouched.token.amr.clone(),
            authenticated_at: vouched.token.authenticated_at,
            origin: Origin { handover: Some(digest.clone()), ..vouched.origin.clone() },
            digest,
            generation,
            used: false,
            expires_at: later(self.clock().now(), LIFETIME),
        };
        self.store().create(&record).await?;
        let code = code.text().clone();
        let Some(address) = waiting.address else {
            return Ok(FederatedOutcome::Confirm { code, expires_in: LIFETIME });
        };
        let joint = if address.contains('?') { '&' } else { '?' };
        let location = format!("{address}{joint}{}", form(&[("code", code.expose())]));
        Ok(FederatedOutcome::Handover { location })
    }

    /// What a program, or a browser, gets for the code of a sign-in: tokens, or a challenge when a second factor
    /// is due. `code` is good once, and for whoever has the verifier; of a browser that began by itself, that is
    /// what it was given. A second use ends what the first one gave (RFC 6749, section 4.1.2).
    ///
    /// # Errors
    /// [`codes::HANDOVER_INVALID`]; and as signing in.
    pub async fn federated_exchange(
        &self,
        code: &SecretText,
        verifier: &SecretText,
        request: &RequestFacts,
    ) -> Result<LoginOutcome> {
        let event = self.event(Action::AUTH_LOGIN_FEDERATED);
        match self.exchange_handover(code, verifier, request).await {
            Ok(Exchanged::Done(user, outcome)) => {
                let event = event.by(account(&user)).on("user", user.id.as_str());
                self.record(request, event).await?;
                Ok(outcome)
            }
            Ok(Exchanged::Again(ended)) => {
                let error = Error::new(codes::HANDOVER_INVALID);
                let event = failed(event, &error).with("reason", "code_used_before");
                self.record(request, event.with("ended", ended)).await?;
                Err(error)
            }
            Err(error) => self.conclude(request, event, Err(error)).await,
        }
    }

    async fn exchange_handover(
        &self,
        code: &SecretText,
        verifier: &SecretText,
        request: &RequestFacts,
    ) -> Result<Exchanged> {
        let invalid = || Error::new(codes::HANDOVER_INVALID);
        let ticket = Ticket::presented(code.expose()).ok_or_else(invalid)?;
        // Before anything is spent: a client that was not told a nonce yet asks again. Of strangers, who have no
        // code, no proof is looked at.
        self.store().load::<Handover>(&ticket.digest()).await?.ok_or_else(invalid)?;
        let bound_to = self.proved_possession(request).await?;
        let (found, was_used) = self.claim_handover(&ticket.digest()).await?;
        if was_used {
            return self.end_what_it_gave(&found.digest).await.map(Exchanged::Again);
        }
        // Spent before the verifier is looked at: nobody tries verifiers out.
        if !same(&Ticket::pkce_challenge(verifier.expose()), &found.challenge) {
            return Err(invalid());
        }
        let stored = self.load_user(&found.user).await.map_err(|_| invalid())?;
        if stored.user.locked {
            return Err(invalid());
        }
        let user = Box::new(stored.user.clone());
        let proof = Proof {
            amr: found.amr.clone(),
            authenticated_at: found.authenticated_at,
            origin: Some(found.origin.clone()),
            enrolment: Enrolment::NotAsked,
            bound_to,
        };
        // Unless somebody presents it again at this moment.
        let once = Batch::new().check(Handover::key(&found.digest), Expect::Version(found.version));
        // In the generation of the sign-in: what was revoked since ends this one as well.
        let outcome = self.after_proof(stored, proof, found.generation, request, &once).await;
        let outcome = outcome
            .map_err(|error| if error.is(core_codes::CONFLICT) { invalid() } else { error })?;
        Ok(Exchanged::Done(user, outcome))
    }

    /// Notes that a code was presented; and whether it was before.
    async fn claim_handover(&self, digest: &str) -> Result<(Stored<Handover>, bool)> {
        for _ in 0..RACES {
            let found = self.store().load::<Handover>(digest).await?;
            let found = found.ok_or_else(|| Error::new(codes::HANDOVER_INVALID))?;
            let was_used = found.used;
            let expires_at = later(self.clock().now(), REMEMBERED);
            let entity = Handover { used: true, expires_at, ..found.entity };
            match self.store().replace(found.version, &entity).await {
                Ok(version) => return Ok((Stored { entity, version }, was_used)),
                Err(error) if error.is(core_codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(core_codes::CONFLICT).context(format!("{RACES} lost races for a code")))
    }

    /// Ends whatever a code has given; how much it was.
    async fn end_what_it_gave(&self, digest: &str) -> Result<usize> {
        let term = || Origin::handover_term(digest);
        let sessions = self.all_with::<SessionRecord>(term()).await?;
        for session in &sessions {
            self.kill(&session.id).await?;
        }
        let waiting = self.remove_all::<ChallengeRecord>(term()).await?;
        Ok(sessions.len() + usize::try_from(waiting).unwrap_or(usize::MAX))
    }
}
