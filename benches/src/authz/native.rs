//! The same policies as a programmer would write them into a program: numbers for names, a table by
//! team and workspace, a function for each condition. What an engine could cost at best.

use std::collections::HashMap;
use std::net::IpAddr;

use prov_authz::Circumstances;

use super::workload::{COMMON, Question, Workload};

/// A question with its names as numbers.
pub(super) struct Asked<'a> {
    hostname: &'a str,
    team: usize,
    workspace: usize,
    is_production: bool,
    mfa: bool,
    has_approval: bool,
    hour: i64,
    address: Option<IpAddr>,
}

type Rule = (u32, fn(&Asked<'_>) -> bool);

pub(super) struct Native {
    forbids: [Rule; COMMON],
    permits: HashMap<(usize, usize), Vec<Rule>>,
}

impl Native {
    pub(super) fn new(policies: usize) -> Self {
        let forbids: [Rule; COMMON] = [
            (0, |asked| asked.is_production && !asked.mfa),
            (1, |asked| asked.is_production && !asked.has_approval),
            (2, |asked| asked.is_production && !(8..18).contains(&asked.hour)),
            (3, |asked| asked.is_production && !is_corporate(asked.address)),
            (4, |asked| asked.hostname.starts_with("locked-")),
        ];
        let mut permits: HashMap<_, Vec<Rule>> = HashMap::new();
        for number in (0..policies - COMMON).filter(|number: &usize| number.is_multiple_of(3)) {
            let rule: Rule =
                (u32::try_from(number).unwrap_or(0), |asked| asked.is_production || asked.mfa);
            permits.entry((number / 3, number / 3)).or_default().push(rule);
        }
        Self { forbids, permits }
    }

    /// The question as this engine wants it; made before the clock runs.
    pub(super) fn asked(work: &Workload, question: Question) -> Asked<'_> {
        let Circumstances { mfa_verified, address, time, .. } =
            if question.is_outside { work.outside } else { work.office };
        let groups = work.groups;
        let server = work.servers.get(question.server);
        let hostname = server.and_then(|server| server.attributes.get("hostname")?.as_str());
        Asked {
            hostname: hostname.unwrap_or_default(),
            team: question.person % groups,
            workspace: question.server % groups,
            is_production: true,
            mfa: mfa_verified,
            has_approval: true,
            hour: time.as_second().rem_euclid(86_400) / 3_600,
            address,
        }
    }

    pub(super) fn decide(&self, asked: &Asked<'_>) -> (bool, Vec<u32>) {
        let hold = |rules: &[Rule]| -> Vec<u32> {
            rules.iter().filter(|(_, holds)| holds(asked)).map(|(id, _)| *id).collect()
        };
        let forbids = hold(&self.forbids);
        if !forbids.is_empty() {
            return (false, forbids);
        }
        let permits = self.permits.get(&(asked.team, asked.workspace)).map(|rules| hold(rules));
        let permits = permits.unwrap_or_default();
        (!permits.is_empty(), permits)
    }
}

fn is_corporate(address: Option<IpAddr>) -> bool {
    matches!(address, Some(IpAddr::V4(address)) if address.octets().first() == Some(&10))
}
