//! Reading and changing users without losing a race.

use std::collections::BTreeSet;

use prov_core::store::{Batch, Entity, Expect, StoreExt, Stored};
use prov_core::{
    Error, News, Principal, PrincipalKind, Result, Role, SecurityContext, TeamName, UserId,
    codes as core_codes,
};

use super::AuthService;
use crate::codes;
use crate::team::Team;
use crate::user::{AdminRoster, UserRecord, UsernameReservation};
use crate::{User, Username};

/// How often a change is tried again when somebody else was faster.
pub(super) const RACES: usize = 32;

impl AuthService {
    /// The user of this name, if there is one.
    pub(super) async fn find_by_name(&self, name: &Username) -> Result<Option<Stored<UserRecord>>> {
        let digest = self.installation.username_digest(name);
        match self.store().load::<UsernameReservation>(&digest).await? {
            Some(held) => self.store().load(held.user.as_str()).await,
            None => Ok(None),
        }
    }

    /// The user of this id.
    pub(super) async fn load_user(&self, id: &UserId) -> Result<Stored<UserRecord>> {
        let found = self.store().load::<UserRecord>(id.as_str()).await?;
        found.ok_or_else(|| codes::USER_UNKNOWN.into())
    }

    /// Reads a user, changes it and writes it back, again whenever somebody else was faster.
    pub(super) async fn change_user(
        &self,
        id: &UserId,
        change: &(dyn Fn(&mut UserRecord) -> Result<()> + Sync),
    ) -> Result<Stored<UserRecord>> {
        self.change_user_and_tell(id, change, |_, _| None).await
    }

    /// As [`change_user`](Self::change_user), telling the user at the same moment what `news` makes of the
    /// account as it was and as it is.
    pub(super) async fn change_user_and_tell(
        &self,
        id: &UserId,
        change: &(dyn Fn(&mut UserRecord) -> Result<()> + Sync),
        news: impl Fn(&UserRecord, &UserRecord) -> Option<News>,
    ) -> Result<Stored<UserRecord>> {
        for _ in 0..RACES {
            let before = self.load_user(id).await?;
            let mut after = before.entity.clone();
            change(&mut after)?;
            after.user.updated_at = self.clock().now();
            let told = match news(&before.entity, &after) {
                Some(news) => Some(self.notices.write(id, news).await?.1),
                None => None,
            };
            let is_told = told.is_some();
            let batch = told.unwrap_or_default();
            let batch = batch.with(after.put(Expect::Version(before.version))?);
            let batch = self.with_roster(batch, Some(&before.user), Some(&after.user)).await?;
            let joined = joined_teams(&before.user.teams, &after.user.teams);
            let batch = self.with_teams(batch, &joined).await?;
            match self.store().commit(batch).await {
                Ok(version) => {
                    if is_told {
                        self.notices.bell.notify_one();
                    }
                    self.api_tokens.take_owner(&after.user, version);
                    return Ok(Stored { entity: after, version });
                }
                Err(error) if error.is(core_codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(core_codes::CONFLICT).context(format!("{RACES} lost races for a user")))
    }

    /// Keeps the roster of administrators in step with a change, in the same batch.
    pub(super) async fn with_roster(
        &self,
        batch: Batch,
        before: Option<&User>,
        after: Option<&User>,
    ) -> Result<Batch> {
        let (was, is) =
            (before.filter(|u| u.is_usable_admin()), after.filter(|u| u.is_usable_admin()));
        if was.is_some() == is.is_some() {
            return Ok(batch);
        }
        let kept = self.store().load::<AdminRoster>(AdminRoster::ID).await?;
        let (mut roster, expect) = match kept {
            Some(kept) => (kept.entity, Expect::Version(kept.version)),
            None => (AdminRoster::default(), Expect::Absent),
        };
        if let Some(user) = is {
            roster.add(&user.id);
        } else if let Some(user) = was {
            roster.remove(&user.id)?;
        }
        Ok(batch.with(roster.put(expect)?))
    }

    /// Writes every team again that somebody joins: one that is deleted meanwhile fails the batch.
    pub(super) async fn with_teams(&self, mut batch: Batch, teams: &[TeamName]) -> Result<Batch> {
        for name in teams {
            let Some(team) = self.store().load::<Team>(name.as_str()).await? else {
                return Err(Error::new(codes::TEAM_UNKNOWN)
                    .field("teams", format!("there is no team `{name}`")));
            };
            let put = team.entity.put(Expect::Version(team.version))?;
            batch = batch.with(put);
        }
        Ok(batch)
    }
}

fn joined_teams(before: &[TeamName], after: &[TeamName]) -> Vec<TeamName> {
    after.iter().filter(|team| !before.contains(team)).cloned().collect()
}

/// Roles, each once, the most powerful first.
pub(super) fn roles_of(roles: &[Role]) -> Vec<Role> {
    roles.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Teams, each once, sorted.
pub(super) fn teams_of(teams: &[TeamName]) -> Vec<TeamName> {
    teams.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Refuses to let somebody give, or act on, more than they hold: whoever may create users or reset
/// passwords could otherwise make themselves administrator. An administrator holds everything, and
/// so does prov itself.
pub(super) fn must_hold(
    context: &SecurityContext,
    roles: &[Role],
    teams: &[TeamName],
) -> Result<()> {
    let actor: &Principal = context.principal();
    if actor.kind == PrincipalKind::System || actor.has_role(Role::Admin) {
        return Ok(());
    }
    let holds = roles.iter().all(|role| actor.has_role(*role))
        && teams.iter().all(|team| actor.teams.contains(team));
    if holds { Ok(()) } else { Err(codes::GRANT_REFUSED.into()) }
}
