//! `prov policy explain`, for people: the answer as a text that begins with the answer.

use std::fmt::Write;

use serde_json::Value;

use crate::terminal::shown;

/// The answer of the API, told.
pub(super) fn text(answer: &Value) -> String {
    let mut told = format!("{}\n", line(answer, "summary"));
    for error in list(answer, "errors") {
        let _ = writeln!(told, "  error: {}", shown(error.as_str().unwrap_or_default()));
    }
    for policy in list(answer, "determined_by") {
        told.push('\n');
        policy_text(policy, &mut told);
    }
    let near = list(answer, "nearest_permits");
    if !near.is_empty() {
        told.push_str("\nWhat comes nearest to permitting it:\n");
    }
    for policy in near {
        policy_text(policy, &mut told);
    }
    let remedies = list(answer, "remedies");
    if !remedies.is_empty() {
        told.push_str("\nIt would be allowed with any one of these (each was decided):\n");
    }
    for remedy in remedies {
        let needs = words(remedy, "needs").replace('_', " ");
        let _ = writeln!(told, "  * {needs}, by {}", words(remedy, "permitted_by"));
    }
    let teams = words(answer, "allowed_to_teams");
    if !teams.is_empty() {
        let _ =
            writeln!(told, "\nFor information: as it stands it is allowed to members of {teams}.");
    }
    let _ = write!(told, "\ndecision {}, revision ", line(answer, "decision_id"));
    told.extend(line(answer, "revision").chars().take(12));
    told
}

fn policy_text(policy: &Value, told: &mut String) {
    let place = place_of(policy);
    let _ = writeln!(told, "{} {}  {place}", line(policy, "effect"), line(policy, "id"));
    let _ = writeln!(told, "  {}", line(policy, "description"));
    for part in list(policy, "parts") {
        let holds = part.get("holds").and_then(Value::as_bool) == Some(true);
        let outcome = match (part.get("error").and_then(Value::as_str), holds) {
            (Some(error), _) => format!("failed: {}", shown(error)),
            (None, true) => "holds".to_owned(),
            (None, false) => "does not hold".to_owned(),
        };
        let _ = writeln!(told, "  {}: {outcome}  {}", line(part, "text"), place_of(part));
        for fact in list(part, "because") {
            fact_text(fact, told);
        }
    }
}

fn fact_text(fact: &Value, told: &mut String) {
    let outcome = match fact.get("holds").and_then(Value::as_bool) {
        Some(true) => "is true",
        Some(false) => "is false",
        None => "can't be evaluated",
    };
    let _ = write!(told, "    {} {outcome}", line(fact, "text"));
    let seen = list(fact, "seen").iter();
    let seen: Vec<_> = seen
        .filter(|seen| line(seen, "expression") != line(fact, "text"))
        .map(|seen| format!("{} is {}", line(seen, "expression"), line(seen, "value")))
        .collect();
    if !seen.is_empty() {
        let _ = write!(told, " ({})", seen.join(", "));
    }
    told.push('\n');
}

fn place_of(value: &Value) -> String {
    let Some(place) = value.get("place").filter(|place| !place.is_null()) else {
        return String::new();
    };
    let number = |name: &str| place.get(name).and_then(Value::as_u64).unwrap_or_default();
    format!("[{}:{}:{}]", line(place, "file"), number("line"), number("column"))
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn words(value: &Value, name: &str) -> String {
    let items = list(value, name).iter().filter_map(Value::as_str);
    items.map(shown).collect::<Vec<_>>().join(", ")
}

fn line(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map(shown).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_denial_reads_from_the_answer_down_to_the_values_and_obeys_nothing() {
        let answer = json!({
            "summary": "denied by `p\u{1b}[2J`", "errors": [], "decision_id": "dec_1",
            "revision": "0123456789abcdef",
            "determined_by": [{
                "id": "p", "description": "d", "effect": "forbid",
                "place": { "file": "a.cedar", "line": 3, "column": 1 },
                "parts": [{
                    "part": "unless", "text": "unless { context.mfa_verified }", "holds": true,
                    "place": null, "error": null,
                    "because": [{ "text": "context.mfa_verified", "holds": false, "seen": [] }],
                }],
            }],
            "nearest_permits": [],
            "remedies": [{ "needs": ["second_factor", "approval"], "permitted_by": ["q"] }],
            "allowed_to_teams": ["sre"],
        });
        assert_eq!(
            text(&answer),
            "denied by `p\\u{1b}[2J`\n\n\
             forbid p  [a.cedar:3:1]\n  d\n  unless { context.mfa_verified }: holds  \n    \
             context.mfa_verified is false\n\n\
             It would be allowed with any one of these (each was decided):\n  \
             * second factor, approval, by q\n\n\
             For information: as it stands it is allowed to members of sre.\n\n\
             decision dec_1, revision 0123456789ab"
        );
    }
}
