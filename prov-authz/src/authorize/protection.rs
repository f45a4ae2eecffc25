use std::borrow::Cow;

use prov_http::{Access, MatchedRoute};

use crate::{Claims, ResourceEntity};

/// What must hold for a request to go on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Protection {
    /// Nothing.
    Public,
    /// Somebody is signed in.
    SignedIn,
    /// The policies permit it.
    Permitted {
        /// Doing this.
        action: Cow<'static, str>,
        /// To this.
        resource: Box<ResourceEntity>,
        /// With what the request says about itself.
        claims: Box<Claims>,
    },
    /// Nothing is known about it: refused.
    Unknown,
}

impl Protection {
    /// The policies must permit this action on this resource.
    #[must_use]
    pub fn permitted(action: impl Into<Cow<'static, str>>, resource: ResourceEntity) -> Self {
        Self::Permitted {
            action: action.into(),
            resource: Box::new(resource),
            claims: Box::default(),
        }
    }

    /// What the route table says of a route.
    #[must_use]
    pub fn of_route(route: Option<&MatchedRoute>) -> Self {
        match route.map(|route| &route.0.access) {
            None => Self::Unknown,
            Some(Access::Public) => Self::Public,
            Some(Access::SelfService) => Self::SignedIn,
            Some(Access::Guarded { action, resource }) => {
                Self::permitted(action.clone(), ResourceEntity::api(resource.clone()))
            }
        }
    }
}
