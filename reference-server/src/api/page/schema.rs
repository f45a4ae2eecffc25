//! Schemas in words.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Escaped, Prose, anchor, object, text};

/// Schemas inside schemas are written out this deep; ours are named long before.
const DEEPEST: usize = 8;

/// What kind of value a schema describes, in a few words with links.
pub(super) fn kind_of(schema: &Value) -> String {
    kind(schema, 0)
}

fn kind(schema: &Value, depth: usize) -> String {
    if depth > DEEPEST {
        return "…".to_owned();
    }
    if let Some(name) = text(schema, "$ref").rsplit('/').next().filter(|name| !name.is_empty()) {
        return format!("<a href=\"#{}\">{}</a>", anchor(&["schema", name]), Escaped(name));
    }
    for (member, join) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(parts) = schema.get(member).and_then(Value::as_array) {
            let parts: Vec<_> = parts.iter().map(|part| kind(part, depth + 1)).collect();
            return parts.join(join);
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<_> = values.iter().map(literal).collect();
        return values.join(" or ");
    }
    if let Some(value) = schema.get("const") {
        return literal(value);
    }
    plain(schema, depth)
}

/// By its `type`, which is one name or several.
fn plain(schema: &Value, depth: usize) -> String {
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => return "any value".to_owned(),
    };
    let words = names.into_iter().map(|name| match name {
        "array" => match schema.get("items") {
            Some(items) => format!("list of {}", kind(items, depth + 1)),
            None => "list".to_owned(),
        },
        "object" => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("map to {}", kind(values, depth + 1)),
            _ if schema.get("properties").is_some() => members_at(schema, depth + 1),
            _ => "object".to_owned(),
        },
        other => match text(schema, "format") {
            "" => Escaped(other).to_string(),
            format => format!("{} ({})", Escaped(other), Escaped(format)),
        },
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn literal(value: &Value) -> String {
    let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("<code>{}</code>", Escaped(&plain))
}

/// The members of an object, or what else the schema describes.
pub(super) fn members(schema: &Value) -> String {
    members_at(schema, 0)
}

fn members_at(schema: &Value, depth: usize) -> String {
    if schema.get("properties").is_none() {
        return format!("<p>{}</p>", kind(schema, depth));
    }
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut list = String::from("<dl>");
    for (name, member) in object(schema, "properties") {
        let must = if required.contains(&name.as_str()) { " <small>required</small>" } else { "" };
        // Writing to a string does not fail.
        let _ = write!(
            list,
            "<dt><code>{}</code>{must} {}</dt><dd>{}</dd>",
            Escaped(name),
            kind(member, depth + 1),
            Prose(text(member, "description")),
        );
    }
    list.push_str("</dl>");
    list
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_are_put_into_words() {
        for (schema, words) in [
            (json!({ "type": "string", "format": "date-time" }), "string (date-time)"),
            (json!({ "type": ["string", "null"] }), "string or null"),
            (json!({ "type": "array", "items": { "type": "integer" } }), "list of integer"),
            (
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
                "map to string",
            ),
            (json!({ "enum": ["a", 1] }), "<code>a</code> or <code>1</code>"),
            (
                json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/User" }] }),
                "null or <a href=\"#schema-User\">User</a>",
            ),
            (json!({}), "any value"),
        ] {
            assert_eq!(kind_of(&schema), words, "{schema}");
        }
    }

    #[test]
    fn a_schema_without_end_has_an_end_here() {
        let mut schema = json!({ "type": "string" });
        for _ in 0..100 {
            schema = json!({ "type": "array", "items": schema });
        }
        assert!(kind_of(&schema).len() < 200);
    }
}
