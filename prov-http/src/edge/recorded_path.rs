//! The path of a request as its event may have it.

/// What the route says, with the ids that callers named things by: an auditor must know whose account was
/// read. What else they may write there can be somebody's name, and stays `{name}`.
pub(super) fn recorded_path(route: &str, path: &str) -> String {
    let mut values = path.split('/');
    let told = route.split('/').map(|place| {
        let value = values.next().unwrap_or_default();
        if place.starts_with('{') && is_id(value) { value } else { place }
    });
    told.collect::<Vec<_>>().join("/")
}

/// Whether it is an id that prov makes: a word, an underscore and a ULID; or a UUID.
fn is_id(value: &str) -> bool {
    let ends_well = |text: &str| {
        text.len() == 26
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    };
    let is_word = |text: &str| {
        (2..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let is_uuid = |text: &str| {
        let groups: Vec<&str> = text.split('-').collect();
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    value.rsplit_once('_').is_some_and(|(word, ulid)| is_word(word) && ends_well(ulid))
        || is_uuid(value)
}

#[cfg(test)]
mod tests {
    use super::recorded_path;

    #[test]
    fn ids_stay_and_what_callers_write_freely_does_not() {
        let (user, uuid) =
            ("user_01JQ8ZV7M0000000000000000A", "01932f5e-7cb2-7a1e-8d3b-3f5b8a6c1d20");
        for (route, path, told) in [
            ("/users/{id}", format!("/users/{user}"), format!("/users/{user}")),
            (
                "/users/{id}/keys/{key}",
                format!("/users/{user}/keys/a"),
                format!("/users/{user}/keys/{{key}}"),
            ),
            (
                "/audit/events/{id}",
                format!("/audit/events/{uuid}"),
                format!("/audit/events/{uuid}"),
            ),
            ("/users/{id}", "/users/alice@example.org".to_owned(), "/users/{id}".to_owned()),
            ("/users/{id}", "/users/user_alice".to_owned(), "/users/{id}".to_owned()),
            ("/users/{id}", "/users/%61lice".to_owned(), "/users/{id}".to_owned()),
            ("/kv/{*path}", "/kv/a/b/alice".to_owned(), "/kv/{*path}".to_owned()),
            ("/health", "/health".to_owned(), "/health".to_owned()),
        ] {
            assert_eq!(recorded_path(route, &path), told);
        }
    }
}
