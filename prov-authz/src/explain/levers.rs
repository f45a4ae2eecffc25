use std::net::IpAddr;

use serde::Serialize;

use crate::{AccessRequest, Circumstances, Claims};

/// Something the asker could change about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzLever))]
#[non_exhaustive]
pub enum Lever {
    /// Prove yourself by a second factor.
    SecondFactor,
    /// Name an approval.
    Approval,
    /// Name an emergency approval.
    EmergencyApproval,
    /// Come back at noon (UTC).
    BusinessHours,
    /// Ask from a corporate network.
    CorporateNetwork,
    /// Ask without `force`.
    WithoutForce,
}

/// A way to pull a lever twice makes no sense, so each row is one kind of lever.
const CHOICES: [&[Lever]; 5] = [
    &[Lever::SecondFactor],
    &[Lever::Approval, Lever::EmergencyApproval],
    &[Lever::BusinessHours],
    &[Lever::CorporateNetwork],
    &[Lever::WithoutForce],
];

impl Lever {
    /// What of the context it changes.
    pub(super) const fn attribute(self) -> &'static str {
        match self {
            Self::SecondFactor => "mfa_verified",
            Self::Approval | Self::EmergencyApproval => "approval_id",
            Self::BusinessHours => "time",
            Self::CorporateNetwork => "ip_address",
            Self::WithoutForce => "force",
        }
    }

    /// Whether the request is not that way already.
    pub(super) fn changes(self, request: &AccessRequest<'_>, corporate: Option<IpAddr>) -> bool {
        let approval = request.claims.approval_id.as_deref();
        match self {
            Self::SecondFactor => !request.circumstances.mfa_verified,
            Self::Approval => approval.is_none(),
            Self::EmergencyApproval => !approval.is_some_and(|id| id.starts_with("EMERGENCY-")),
            Self::BusinessHours => true,
            Self::CorporateNetwork => corporate.is_some(),
            Self::WithoutForce => request.claims.force == Some(true),
        }
    }

    /// Pulls it. Does nothing where it can't be pulled.
    fn pull(self, now: &mut Circumstances, claims: &mut Claims, corporate: Option<IpAddr>) {
        match self {
            Self::SecondFactor => now.mfa_verified = true,
            Self::Approval => claims.approval_id = Some("APPROVAL".to_owned()),
            Self::EmergencyApproval => claims.approval_id = Some("EMERGENCY-APPROVAL".to_owned()),
            Self::BusinessHours => {
                let noon = now.time.strftime("%Y-%m-%dT12:00:00Z").to_string();
                now.time = noon.parse().unwrap_or(now.time);
            }
            Self::CorporateNetwork => now.address = corporate.or(now.address),
            Self::WithoutForce => claims.force = None,
        }
    }

    /// As a person reads it.
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::SecondFactor => "a second factor",
            Self::Approval => "an approval",
            Self::EmergencyApproval => "an emergency approval",
            Self::BusinessHours => "business hours",
            Self::CorporateNetwork => "a corporate network",
            Self::WithoutForce => "no force",
        }
    }
}

/// What the request would be with these levers pulled.
pub(super) fn pulled(
    request: &AccessRequest<'_>,
    levers: &[Lever],
    corporate: Option<IpAddr>,
) -> (Circumstances, Claims) {
    let (mut circumstances, mut claims) = (request.circumstances, request.claims.clone());
    for lever in levers {
        lever.pull(&mut circumstances, &mut claims, corporate);
    }
    (circumstances, claims)
}

/// Every combination of the levers that are of use, the small ones first.
pub(super) fn combinations(is_of_use: impl Fn(Lever) -> bool) -> Vec<Vec<Lever>> {
    let mut all: Vec<Vec<Lever>> = vec![Vec::new()];
    for choice in CHOICES {
        let with = |lever: &Lever| {
            let extended = all.iter().map(|some| [some.as_slice(), &[*lever]].concat());
            extended.collect::<Vec<_>>()
        };
        let more: Vec<_> =
            choice.iter().filter(|lever| is_of_use(**lever)).flat_map(with).collect();
        all.extend(more);
    }
    all.retain(|levers| !levers.is_empty());
    all.sort_by_key(|levers| (levers.len(), levers.clone()));
    all
}

/// `a second factor, an approval and business hours`.
pub(super) fn in_words(levers: &[Lever]) -> String {
    let words: Vec<_> = levers.iter().map(|lever| lever.in_words()).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_all_there_and_the_smallest_first() {
        let all = combinations(|_| true);
        assert_eq!(all.len(), 2 * 3 * 2 * 2 * 2 - 1);
        assert!(all.is_sorted_by_key(Vec::len));
        let both = |levers: &&Vec<Lever>| {
            levers.contains(&Lever::Approval) && levers.contains(&Lever::EmergencyApproval)
        };
        assert_eq!(all.iter().find(both), None);
    }

    #[test]
    fn levers_read_as_a_sentence() {
        use Lever::{Approval, BusinessHours, SecondFactor};
        assert_eq!(in_words(&[SecondFactor]), "a second factor");
        assert_eq!(
            in_words(&[SecondFactor, Approval, BusinessHours]),
            "a second factor, an approval and business hours"
        );
    }
}
