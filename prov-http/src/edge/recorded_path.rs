//! The path of a request as its event may have it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use prov_core::id::is_id;

/// What the route says, with the ids that callers named things by, however they spelt them: an auditor must know
/// whose account was read. What else they may write there can be somebody's name, and stays `{name}`.
pub(super) fn recorded_path(route: &str, path: &str) -> String {
    let mut values = path.split('/');
    let told = route.split('/').map(|place| {
        let value = values.next().unwrap_or_default();
        let value = place.starts_with('{').then(|| percent_decode_str(value).decode_utf8().ok());
        let id = value.flatten().filter(|value| is_id(value) || is_uuid(value));
        id.unwrap_or(Cow::Borrowed(place))
    });
    told.collect::<Vec<_>>().join("/")
}

fn is_uuid(value: &str) -> bool {
    let groups: Vec<&str> = value.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
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
            (
                "/users/{id}",
                format!("/users/{}", user.replace('_', "%5F")),
                format!("/users/{user}"),
            ),
            ("/users/{id}", "/users/%ff".to_owned(), "/users/{id}".to_owned()),
            (
                "/users/{id}",
                "/users/user_ALICEALICEALICEALICEALICEA".to_owned(),
                "/users/{id}".to_owned(),
            ),
            ("/kv/{*path}", "/kv/a/b/alice".to_owned(), "/kv/{*path}".to_owned()),
            ("/health", "/health".to_owned(), "/health".to_owned()),
        ] {
            assert_eq!(recorded_path(route, &path), told);
        }
    }
}
