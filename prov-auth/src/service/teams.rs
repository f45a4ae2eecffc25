//! Teams.

use std::num::NonZeroU32;

use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, Scan, StoreExt};
use prov_core::{Error, Result, SecurityContext, TeamName, codes as core_codes};

use super::AuthService;
use crate::codes;
use crate::team::Team;
use crate::user::UserRecord;

/// A part of the list of teams.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TeamPage {
    /// The teams, by name.
    pub teams: Vec<Team>,
    /// After which name the rest follows, if there is a rest.
    pub next: Option<String>,
}

impl AuthService {
    /// Makes the teams that the shipped policies name, where they are missing.
    ///
    /// # Errors
    /// When the store can't be written.
    pub async fn ensure_shipped_teams(&self) -> Result<()> {
        for name in TeamName::SHIPPED {
            let team = Team::new(name.parse()?, None, self.clock().now());
            match self.store().create(&team).await {
                Ok(_) => {}
                Err(error) if error.is(core_codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes a team.
    ///
    /// # Errors
    /// [`codes::TEAM_EXISTS`]; or the description is too long.
    pub async fn create_team(
        &self,
        context: &SecurityContext,
        name: &TeamName,
        description: Option<String>,
    ) -> Result<Team> {
        let result = self.make_team(name, description).await;
        let event = self.event(Action::TEAM_CREATE).in_context(context).on("team", name.as_str());
        self.conclude(context.request(), event, result).await
    }

    async fn make_team(&self, name: &TeamName, description: Option<String>) -> Result<Team> {
        let acceptable =
            |text: &String| text.chars().count() <= 256 && !text.chars().any(char::is_control);
        if !description.as_ref().is_none_or(acceptable) {
            return Err(Error::new(core_codes::INVALID_REQUEST)
                .field("description", "256 characters at most, no control characters"));
        }
        let team = Team::new(name.clone(), description, self.clock().now());
        match self.store().create(&team).await {
            Ok(_) => Ok(team),
            Err(error) if error.is(core_codes::CONFLICT) => Err(codes::TEAM_EXISTS.into()),
            Err(error) => Err(error),
        }
    }

    /// A page of teams, by name.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn teams(&self, limit: NonZeroU32, after: Option<String>) -> Result<TeamPage> {
        let scan = Scan::kind(Team::KIND).limit(limit).after(after);
        let page = self.store().list::<Team>(&scan).await?;
        let teams = page.items.into_iter().map(|stored| stored.entity).collect();
        Ok(TeamPage { teams, next: page.next })
    }

    /// Deletes a team that nobody belongs to and no shipped policy names.
    ///
    /// # Errors
    /// [`codes::TEAM_IN_USE`]; [`codes::TEAM_UNKNOWN`].
    pub async fn delete_team(&self, context: &SecurityContext, name: &TeamName) -> Result<()> {
        let result = self.remove_team(name).await;
        let event = self.event(Action::TEAM_DELETE).in_context(context).on("team", name.as_str());
        self.conclude(context.request(), event, result).await
    }

    async fn remove_team(&self, name: &TeamName) -> Result<()> {
        let stored = self.store().load::<Team>(name.as_str()).await?;
        let stored = stored.ok_or(codes::TEAM_UNKNOWN)?;
        let member = self.store().find::<UserRecord>(UserRecord::team_term(name.as_str())).await?;
        if stored.shipped || member.is_some() {
            return Err(codes::TEAM_IN_USE.into());
        }
        // Whoever joined since the team was read has written it again: then this fails.
        let batch = Batch::new().delete(Team::key(name.as_str()), Expect::Version(stored.version));
        self.store().commit(batch).await.map(drop)
    }
}
