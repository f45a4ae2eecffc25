//! Passwords that anybody would try first.

use std::collections::HashSet;
use std::sync::LazyLock;

static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("common.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_ascii_whitespace)
        .collect()
});

/// Rows and runs that fingers walk along, forwards; backwards is looked for as well.
const WALKS: [&str; 11] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "qsdfghjklm",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
    "!@#$%^&*()",
];

/// What people put after a word to please a rule; more than this is an effort of its own.
const MOST_DECORATION: usize = 6;

/// Whether `password` is a common one, one of `words`, or either with the usual decoration: a
/// capital, digits or signs around it, `0` for `o` and the like, or itself twice.
pub(super) fn blocks(password: &str, words: &[String]) -> bool {
    let plain = password.to_lowercase();
    let listed =
        |text: &str| COMMON.contains(text) || words.iter().any(|w| !w.is_empty() && w == text);
    is_repetition(&plain)
        || is_walk(&plain)
        || cores(&plain).iter().any(|core| {
            listed(core) || listed(&without_substitutions(core)) || is_repetition_of(core, &listed)
        })
}

/// The text, and the text without the decoration after it, before it, and on both sides.
fn cores(plain: &str) -> Vec<String> {
    let ornament = |c: char| !c.is_alphabetic();
    let trim_end = |text: &str| trimmed(text, text.trim_end_matches(ornament));
    let trim_start = |text: &str| trimmed(text, text.trim_start_matches(ornament));
    let (end, start) = (trim_end(plain), trim_start(plain));
    let both = trim_start(&end);
    // `p4ssw0rd!1` has digits inside that stand for letters: undo them first, then trim.
    let undone = trim_end(&without_substitutions(plain));
    // …and `passw0rd1` loses its `1` before it would become an `l`.
    let last = plain.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
    let last_undone = without_substitutions(&trimmed(plain, last));
    vec![plain.to_owned(), end, start, both, undone, last_undone]
}

/// `shorter`, unless more went than the usual decoration.
fn trimmed(text: &str, shorter: &str) -> String {
    let gone = text.chars().count().saturating_sub(shorter.chars().count());
    if gone <= MOST_DECORATION { shorter.to_owned() } else { text.to_owned() }
}

fn without_substitutions(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '0' => 'o',
            '1' | '!' => 'i',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            other => other,
        })
        .collect()
}

/// Whether it is at most three characters, again and again: `aaaaaaaa`, `12121212`, `abcabcabc`.
fn is_repetition(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=3).any(|unit| {
        chars.len() > unit && chars.iter().zip(chars.iter().skip(unit)).all(|(a, b)| a == b)
    })
}

/// Whether it is one listed word, twice or more.
fn is_repetition_of(text: &str, listed: &dyn Fn(&str) -> bool) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (2..=4).filter(|times| chars.len().is_multiple_of(*times)).any(|times| {
        let unit: String = chars.iter().take(chars.len() / times).collect();
        !unit.is_empty() && unit.repeat(times) == text && listed(&unit)
    })
}

/// Whether it is a walk along the keyboard or the alphabet, or two parts that are each a walk or a
/// repetition: `qwertyuiop`, `abc12345`, `11112222`.
fn is_walk(text: &str) -> bool {
    let simple = |part: &str| {
        let backwards: String = part.chars().rev().collect();
        part.chars().count() >= 3
            && (is_repetition(part)
                || WALKS.iter().any(|walk| walk.contains(part) || walk.contains(&backwards)))
    };
    let chars: Vec<char> = text.chars().collect();
    simple(text)
        || (3..chars.len()).any(|at| {
            let (head, tail): (String, String) =
                (chars.iter().take(at).collect(), chars.iter().skip(at).collect());
            simple(&head) && simple(&tail)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anybody_would_try_first_is_blocked() {
        let words = ["provisioning-hq".to_owned(), "alice.smith".to_owned()];
        for password in [
            "password",
            "Password1",
            "P@ssw0rd!",
            "p455w0rd2024",
            "12345678",
            "87654321",
            "qwertyuiop",
            "1qaz2wsx",
            "1q2w3e4r",
            "abcd1234",
            "abc12345",
            "aaaaaaaa",
            "12121212",
            "iloveyou!",
            "Summer2024!",
            "letmein123",
            "adminadmin",
            "Alice.Smith",
            "alice.smith99",
            "Provisioning-HQ1",
            "correcthorsebatterystaple",
            "11112222",
            "dragon1987",
            "!!welcome",
            "zxcvbnm123",
            "MONKEYMONKEY",
        ] {
            assert!(blocks(password, &words), "{password} must be blocked");
        }
    }

    #[test]
    fn what_nobody_would_try_is_not() {
        for password in [
            "purple teapot singing",
            "x7Kq!vR2mZ",
            "love83920187465529",
            "mot de passe à moi seul",
            "пароль-которого-нет",
            "summer rain on tin",
            "t4bl3-l4mp-r1v3r",
            "8f3c9a1e77",
        ] {
            assert!(!blocks(password, &[]), "{password} must not be blocked");
        }
    }

    #[test]
    fn the_list_is_read_in_lower_case_and_has_no_empty_word() {
        assert!(COMMON.len() > 500, "{}", COMMON.len());
        assert!(COMMON.iter().all(|word| word.to_lowercase() == **word && !word.is_empty()));
    }
}
