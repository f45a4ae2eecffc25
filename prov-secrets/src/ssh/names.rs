//! Names that stand in certificates: principals, host names, extensions, roles.

use prov_core::{Error, Principal, PrincipalKind, Result, codes as core_codes};

use crate::codes;

/// What is replaced by the caller's user name in a role's principals.
const USERNAME: &str = "{{username}}";

/// Accounts a system or its image comes with. A user of this name gets no such principal from `{{username}}`: whoever may
/// choose a user name must not choose `root` with it. A role may still name them literally.
const SYSTEM_ACCOUNTS: [&str; 36] = [
    "root",
    "toor",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "lp",
    "mail",
    "news",
    "uucp",
    "proxy",
    "www-data",
    "backup",
    "list",
    "irc",
    "nobody",
    "sshd",
    "messagebus",
    "postgres",
    "admin",
    "adm",
    "operator",
    // The first account of cloud images, which may do everything.
    "almalinux",
    "azureuser",
    "centos",
    "cloud-user",
    "core",
    "debian",
    "ec2-user",
    "fedora",
    "opc",
    "rocky",
    "ubuntu",
    "vagrant",
];

/// Extensions OpenSSH knows (`PROTOCOL.certkeys`).
const EXTENSIONS: [&str; 6] = [
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
    "no-touch-required",
];

fn invalid(field: &'static str, why: &'static str) -> Error {
    Error::new(core_codes::INVALID_REQUEST).field(field, why)
}

/// Refuses what is no principal: 1 to 64 characters of letters, digits and `._-@+:`, starting with a
/// letter, a digit or `_`. No comma, no space, no line end, nothing a list could be split at.
pub(crate) fn check_principal(text: &str) -> Result<()> {
    let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-@+:".contains(c));
    if first && rest && text.len() <= 64 {
        Ok(())
    } else {
        Err(invalid(
            "principals",
            "a principal has 1 to 64 letters, digits and `._-@+:` and starts with none of the signs",
        ))
    }
}

/// Refuses what is neither a principal nor a template of one.
pub(crate) fn check_template(text: &str) -> Result<()> {
    check_principal(&text.replace(USERNAME, "u"))
}

/// The principal a template gives for this caller; `None` when the caller has none by it.
pub(crate) fn render(template: &str, caller: &Principal) -> Option<String> {
    if !template.contains(USERNAME) {
        return Some(template.to_owned());
    }
    // A workload chooses its name itself.
    if caller.kind != PrincipalKind::User || caller.name.contains(['{', '}']) {
        return None;
    }
    let rendered = template.replace(USERNAME, &caller.name);
    let reserved = SYSTEM_ACCOUNTS.contains(&rendered.to_ascii_lowercase().as_str())
        || rendered.starts_with("systemd-");
    (!reserved && check_principal(&rendered).is_ok()).then_some(rendered)
}

/// Refuses what is no host name or address: no pattern, no upper case, no empty label.
pub(crate) fn check_hostname(text: &str) -> Result<()> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let address = text.parse::<std::net::IpAddr>().is_ok();
    if address || (text.len() <= 253 && text.split('.').all(label)) {
        Ok(())
    } else {
        Err(invalid(
            "hostnames",
            "a host name has labels of `a-z`, `0-9` and `-`, separated by dots; or an address",
        ))
    }
}

/// Refuses what is no extension of OpenSSH's and no vendor's (`name@domain`).
pub(crate) fn check_extension(name: &str) -> Result<()> {
    let vendor = name.len() <= 64
        && name
            .split_once('@')
            .is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "@._-".contains(c));
    if vendor || EXTENSIONS.contains(&name) {
        Ok(())
    } else {
        Err(invalid(
            "extensions",
            "not an extension of OpenSSH, such as `permit-pty`, nor of a vendor, such as `x@example.org`",
        ))
    }
}

/// Refuses what is no name of a role: 1 to 64 characters of `a-z`, `0-9`, `-` and `_`, starting with a
/// letter. `host` is the rule for host certificates.
pub(crate) fn check_role(name: &str) -> Result<()> {
    let well_formed = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c));
    if well_formed && name != super::authority::HOST_ROLE {
        Ok(())
    } else {
        Err(invalid("name", "1 to 64 characters of `a-z`, `0-9`, `-` and `_`, not `host`"))
    }
}

/// Refuses a stable id that could be mistaken for more than one part of a certificate's key id.
pub(crate) fn check_holder(id: &str) -> Result<()> {
    if (1..=256).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Error::new(codes::SSH_PRINCIPAL_REFUSED)
            .detail("the caller's id can't stand in a certificate"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Principal {
        Principal::new(PrincipalKind::User, "user_1", name)
    }

    #[test]
    fn nothing_that_could_split_a_list_is_a_principal() {
        for text in ["alice", "svc-1", "team:sre", "a@b.example", "_apt", "1a"] {
            assert!(check_principal(text).is_ok(), "{text}");
        }
        let long = "a".repeat(65);
        for text in ["", "a,b", "a b", "a\nb", "a\0", "-a", "*", "é", "a/b", "a\"b", &long] {
            assert!(check_principal(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn a_user_named_like_a_system_account_gets_no_such_principal() {
        assert_eq!(render(USERNAME, &user("alice")).as_deref(), Some("alice"));
        assert_eq!(render("adm-{{username}}", &user("alice")).as_deref(), Some("adm-alice"));
        for name in
            ["root", "Root", "ubuntu", "ec2-user", "systemd-network", "a,b", "", "{{username}}"]
        {
            assert_eq!(render(USERNAME, &user(name)), None, "{name}");
        }
        assert_eq!(render("root", &user("alice")).as_deref(), Some("root"), "literally, it may");
        let workload = Principal::new(PrincipalKind::Workload, "w", "alice");
        assert_eq!(render(USERNAME, &workload), None);
    }

    #[test]
    fn host_names_are_names_and_not_patterns() {
        for name in ["web-1.example.org", "localhost", "127.0.0.1", "2001:db8::1"] {
            assert!(check_hostname(name).is_ok(), "{name}");
        }
        for name in ["", "*.example.org", "a..b", "-a", "A.b", "a_b", "a,b", "a b", "a\n", "?"] {
            assert!(check_hostname(name).is_err(), "{name:?} must be refused");
        }
    }

    #[test]
    fn unknown_extensions_are_refused() {
        assert!(check_extension("permit-pty").is_ok());
        assert!(check_extension("login@example.org").is_ok());
        for name in ["permit-everything", "", "@", "a@", "permit-pty\0", "force-command"] {
            assert!(check_extension(name).is_err(), "{name:?} must be refused");
        }
    }
}
