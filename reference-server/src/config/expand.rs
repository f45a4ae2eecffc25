//! `${NAME}` and `${NAME:-default}` inside TOML strings.

use super::{ConfigError, Environment};

/// Expands every string of a table in place.
pub(super) fn expand_table(
    table: &mut toml::Table,
    environment: &Environment,
    origin: &str,
) -> Result<(), ConfigError> {
    for (_, value) in table.iter_mut() {
        expand_value(value, environment, origin)?;
    }
    Ok(())
}

fn expand_value(
    value: &mut toml::Value,
    environment: &Environment,
    origin: &str,
) -> Result<(), ConfigError> {
    match value {
        toml::Value::String(text) if text.contains("${") => {
            *text = expand(text, environment)
                .map_err(|message| ConfigError::Invalid { origin: origin.to_owned(), message })?;
        }
        toml::Value::Table(table) => expand_table(table, environment, origin)?,
        toml::Value::Array(items) => {
            for item in items {
                expand_value(item, environment, origin)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Expands one text. A name without a value and without a default is an error, not an empty text.
fn expand(text: &str, environment: &Environment) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inside, tail)) = after.split_once('}') else {
            return Err(format!("`{text}`: `${{` without `}}`"));
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        match (environment.get(name).filter(|value| !value.is_empty()), default) {
            (Some(value), _) => out.push_str(value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => {
                return Err(format!(
                    "`${{{name}}}` is not set; set it, or write `${{{name}:-default}}`"
                ));
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_defaults_and_plain_text_are_expanded() {
        let environment = Environment::from([("HOST".to_owned(), "kms.internal".to_owned())]);
        let expanded = |text| expand(text, &environment);
        assert_eq!(expanded("https://${HOST}/x").unwrap(), "https://kms.internal/x");
        assert_eq!(expanded("${NONE:-dev}-${HOST}").unwrap(), "dev-kms.internal");
        assert_eq!(expanded("$HOME {x}").unwrap(), "$HOME {x}");
        assert!(expanded("${NONE}").unwrap_err().contains("`${NONE}` is not set"));
        assert!(expanded("${NONE").is_err());
    }
}
