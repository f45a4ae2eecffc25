//! The same policies in Rego, one rule for each, evaluated by regorus.

use std::fmt::Write as _;

use prov_core::TeamName;
use regorus::{Engine, Value};

use super::workload::{COMMON, Question, Workload};
use crate::Failure;

/// What Cedar's extension types do is done beforehand: the hour and the network are in the input.
const COMMON_RULES: &str = r#"
package bench
import rego.v1
default allow := false
allow if { count(permits) > 0; count(forbids) == 0 }
forbids contains "deploy-mfa" if { input.action == "deploy"; input.resource.environment == "production"; not input.context.mfa_verified }
forbids contains "deploy-approval" if { input.action == "deploy"; input.resource.environment == "production"; not input.context.approval_id }
forbids contains "deploy-hours" if { input.action == "deploy"; input.resource.environment == "production"; not in_hours }
in_hours if { input.context.hour >= 8; input.context.hour < 18 }
forbids contains "corporate" if { input.resource.environment == "production"; not input.context.is_corporate }
forbids contains "not-marked" if { input.resource.type == "Server"; startswith(input.resource.hostname, "locked-") }
"#;

pub(super) struct Rego(Engine);

impl Rego {
    pub(super) fn new(policies: usize) -> Result<Self, Failure> {
        let mut text = String::new();
        for number in 0..policies - COMMON {
            let group = number / 3;
            let of_team = format!("\"team-{group}\" in input.principal.teams");
            let of_workspace = format!("input.resource.workspace == \"workspace-{group}\"");
            let id = format!("\"group-{number}\"");
            let _ = match number % 3 {
                0 => writeln!(
                    text,
                    "permits contains {id} if {{ input.action in {{\"read\", \"deploy\"}}; {of_team}; \
                     {of_workspace}; ready }}"
                ),
                1 => writeln!(
                    text,
                    "forbids contains {id} if {{ input.action == \"delete\"; {of_workspace}; \
                     not input.context.mfa_verified }}"
                ),
                _ => writeln!(
                    text,
                    "permits contains {id} if {{ input.action == \"ssh\"; {of_team}; {of_workspace}; \
                     input.resource.type == \"Server\"; input.context.is_corporate }}"
                ),
            };
        }
        text.push_str("ready if input.resource.environment == \"production\"\n");
        text.push_str("ready if input.context.mfa_verified\n");
        let mut engine = Engine::new();
        engine
            .add_policy("common.rego".to_owned(), COMMON_RULES.to_owned())
            .map_err(|e| e.to_string())?;
        // The engine takes files of up to a mebibyte.
        let lines: Vec<_> = text.lines().collect();
        for (at, lines) in lines.chunks(2_000).enumerate() {
            let text = format!("package bench\nimport rego.v1\n{}\n", lines.join("\n"));
            engine.add_policy(format!("bench-{at}.rego"), text).map_err(|e| e.to_string())?;
        }
        Ok(Self(engine))
    }

    /// The question as this engine wants it; made before the clock runs.
    pub(super) fn input(work: &Workload, question: Question) -> Result<Value, Failure> {
        let asked = work.asked(question).ok_or("no such question")?;
        let mut resource = asked.resource.attributes.clone();
        resource.insert("type".to_owned(), "Server".into());
        let teams: Vec<_> = asked.principal.teams.iter().map(TeamName::as_str).collect();
        let input = serde_json::json!({
            "principal": { "id": asked.principal.id, "teams": teams },
            "action": "deploy",
            "resource": resource,
            "context": {
                "mfa_verified": asked.circumstances.mfa_verified,
                "approval_id": asked.claims.approval_id,
                "hour": asked.circumstances.time.as_second().rem_euclid(86_400) / 3_600,
                "is_corporate": !question.is_outside,
            },
        });
        Ok(Value::from_json_str(&input.to_string()).map_err(|e| e.to_string())?)
    }

    pub(super) fn decide(&mut self, input: Value) -> Option<bool> {
        self.0.set_input(input);
        self.0.eval_rule("data.bench.allow".to_owned()).ok()?.as_bool().ok().copied()
    }
}
