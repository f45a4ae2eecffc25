//! The table of routes: what each is, in words an auditor can read.

use std::borrow::Cow;
use std::time::Duration;

use http::Method;

/// Who may use a route, and how that is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a fourth kind of access would be a new contract")]
pub enum Access {
    /// Anybody; each such line is a decision to defend in review.
    Public,
    /// Whoever is signed in, about themselves; the handler touches only what belongs to the caller.
    SelfService,
    /// Whom the policies allow this action on this part of the API.
    Guarded {
        /// The action: `read`, `list`, `create`, `update`, `delete`, `execute`, `admin`, …
        action: Cow<'static, str>,
        /// The part of the API: `users`, `audit`, `kms-keys`, …
        resource: Cow<'static, str>,
    },
}

/// What a request gets that is sent again with the same `Idempotency-Key`, when the
/// `IdempotencyLayer` (feature `idempotency`) stands before the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a fourth way would be a new contract")]
pub enum Repeat {
    /// The answer of the first, which was kept; nothing is done again.
    Answered,
    /// A refusal, and nothing is done again: the answer held a secret that is shown once, and no
    /// copy of it is kept.
    Withheld,
    /// It is done again, the key is not looked at: the route changes nothing, or asks for no
    /// sign-in, so that nobody's key could be told from another's.
    Executed,
}

/// In a response's extensions: it is the kept answer of an earlier request with the same
/// `Idempotency-Key`; nothing was done for it.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "a mark without content")]
pub struct Replayed;

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path with `{name}` for one segment and `{*name}` for the rest.
    pub path: Cow<'static, str>,
    /// Who may use it.
    pub access: Access,
    /// If set: only with a second factor that is at most this old (RFC 9470).
    pub second_factor_within: Option<Duration>,
    /// If set: only for somebody who has proved who they are at most this long ago (RFC 9470,
    /// `max_age`); by which factors is another question.
    pub signed_in_within: Option<Duration>,
    /// Whether the answer carries the client's `x-request-id` instead of the server's, as a standard
    /// may demand.
    pub echoes_request_id: bool,
    /// What a repeated request gets.
    pub repeat: Repeat,
    /// What a credential with scopes must be good for where anybody signed in may come: an action and a
    /// part of the API. `None`: such a credential is refused there.
    pub own_scope: Option<(&'static str, &'static str)>,
    /// Whether a session may come that is good for nothing but enrolling a second factor.
    pub serves_enrolment: bool,
}

impl Route {
    /// A route for anybody.
    #[must_use]
    pub fn public(method: Method, path: impl Into<Cow<'static, str>>) -> Self {
        Self {
            method,
            path: path.into(),
            access: Access::Public,
            second_factor_within: None,
            signed_in_within: None,
            echoes_request_id: false,
            repeat: Repeat::Executed,
            own_scope: None,
            serves_enrolment: false,
        }
    }

    /// A route for whoever is signed in, about themselves.
    #[must_use]
    pub fn self_service(method: Method, path: impl Into<Cow<'static, str>>) -> Self {
        let repeat = Repeat::Answered;
        Self { access: Access::SelfService, repeat, ..Self::public(method, path) }
    }

    /// A route for whom the policies allow `action` on `resource`.
    #[must_use]
    pub fn guarded(
        method: Method,
        path: impl Into<Cow<'static, str>>,
        action: impl Into<Cow<'static, str>>,
        resource: impl Into<Cow<'static, str>>,
    ) -> Self {
        let access = Access::Guarded { action: action.into(), resource: resource.into() };
        Self { access, ..Self::self_service(method, path) }
    }

    /// Answering with the client's `x-request-id`, if it sent one. The server goes by its own all the
    /// same, in the audit log and in problem documents.
    #[must_use]
    pub fn echoing_request_id(mut self) -> Self {
        self.echoes_request_id = true;
        self
    }

    /// On a self-service route: credentials with scopes may come too, if one covers this action on this
    /// part of the API (`read`, `account`).
    #[must_use]
    pub fn with_scope(mut self, action: &'static str, resource: &'static str) -> Self {
        self.own_scope = Some((action, resource));
        self
    }

    /// The action and the part of the API that a credential with scopes must cover; `None`: no scope
    /// covers this route.
    #[must_use]
    pub fn scope(&self) -> Option<(&str, &str)> {
        match &self.access {
            Access::Guarded { action, resource } => Some((action, resource)),
            Access::SelfService => self.own_scope,
            Access::Public => None,
        }
    }

    /// Part of enrolling a second factor: a session that is good for nothing else may come.
    #[must_use]
    pub fn during_enrolment(mut self) -> Self {
        self.serves_enrolment = true;
        self
    }

    /// Only with a second factor at most this old.
    #[must_use]
    pub fn with_second_factor(mut self, within: Duration) -> Self {
        self.second_factor_within = Some(within);
        self
    }

    /// Only for somebody who has proved who they are at most this long ago: what is done here outlives
    /// the session, and who got hold of a token alone must not be able to.
    #[must_use]
    pub fn with_recent_sign_in(mut self, within: Duration) -> Self {
        self.signed_in_within = Some(within);
        self
    }

    /// Its answer holds a secret that is shown once, so no answer is kept for a repeated request.
    #[must_use]
    pub fn with_secret_answer(mut self) -> Self {
        self.repeat = Repeat::Withheld;
        self
    }

    /// It changes nothing, whatever its method: a repeated request is simply done again.
    #[must_use]
    pub fn without_effect(mut self) -> Self {
        self.repeat = Repeat::Executed;
        self
    }
}

/// The route a request was matched to; in the request's extensions, put there by the
/// [`EdgeLayer`](crate::EdgeLayer).
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct MatchedRoute(pub std::sync::Arc<Route>);

/// All routes. A request that matches none does not exist, whatever stands behind the layers.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    tree: matchit::Router<Vec<std::sync::Arc<Route>>>,
    routes: Vec<std::sync::Arc<Route>>,
}

/// What the table says of a method and a path.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "these three are all there is")]
pub enum Lookup {
    /// This route.
    Found(MatchedRoute),
    /// The path takes other methods only.
    WrongMethod(Vec<Method>),
    /// No such path.
    Unknown,
}

impl RouteTable {
    /// A table of these routes.
    ///
    /// # Errors
    /// When two routes are the same, or two paths can't be told apart.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> prov_core::Result<Self> {
        let refuse = |route: &Route, why: &str| {
            prov_core::Error::new(prov_core::codes::INTERNAL)
                .context(format!("route {} {}: {why}", route.method, route.path))
        };
        let mut table = Self::default();
        for route in routes {
            let route = std::sync::Arc::new(route);
            table.routes.push(std::sync::Arc::clone(&route));
            let known = table.routes.iter().filter(|r| r.path == route.path).count() > 1;
            if !known {
                let first = vec![std::sync::Arc::clone(&route)];
                table
                    .tree
                    .insert(route.path.to_string(), first)
                    .map_err(|e| refuse(&route, &e.to_string()))?;
                continue;
            }
            let methods =
                table.tree.at_mut(&route.path).map_err(|e| refuse(&route, &e.to_string()))?.value;
            if methods.iter().any(|r| r.method == route.method) {
                return Err(refuse(&route, "stands in the table twice"));
            }
            methods.push(route);
        }
        Ok(table)
    }

    /// All routes, in the order they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().map(AsRef::as_ref)
    }

    /// The route of a request. HEAD goes where GET goes (RFC 9110, section 9.3.2).
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Lookup {
        let Ok(matched) = self.tree.at(path) else { return Lookup::Unknown };
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        match matched.value.iter().find(|route| route.method == wanted) {
            Some(route) => Lookup::Found(MatchedRoute(std::sync::Arc::clone(route))),
            None => Lookup::WrongMethod(matched.value.iter().map(|r| r.method.clone()).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_found_by_method_and_path() {
        let table = RouteTable::new([
            Route::public(Method::GET, "/livez"),
            Route::guarded(Method::GET, "/users/{id}", "read", "users"),
            Route::guarded(Method::DELETE, "/users/{id}", "delete", "users"),
        ])
        .unwrap();
        let Lookup::Found(route) = table.find(&Method::DELETE, "/users/user_1") else { panic!() };
        assert_eq!(route.0.path, "/users/{id}");
        assert!(matches!(table.find(&Method::HEAD, "/livez"), Lookup::Found(_)));
        assert!(matches!(table.find(&Method::POST, "/livez"), Lookup::WrongMethod(_)));
        for path in ["/users/a/b", "/users/", "/nowhere", ""] {
            assert!(matches!(table.find(&Method::GET, path), Lookup::Unknown), "{path}");
        }
    }

    #[test]
    fn the_same_route_twice_is_refused() {
        let route = || Route::public(Method::GET, "/a/{id}");
        assert!(RouteTable::new([route(), route()]).is_err());
    }
}
