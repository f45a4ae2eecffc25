use std::sync::Arc;

use prov_core::{Error, Result, SecretText, codes as core_codes};
use unicode_normalization::UnicodeNormalization;

use super::{BreachedPasswords, blocklist, strength};
use crate::codes;

/// Which passwords people may choose.
///
/// 8 to 128 characters of any kind, counted after NFKC (NIST SP 800-63B, section 3.1.1.2: no rules of
/// composition), and none that anybody would try first: not a common one, not a word of the site,
/// not the user's own name, also when decorated with digits and signs; not one on a
/// [list](BreachedPasswords) of those that were stolen elsewhere; and none that can be guessed in fewer
/// attempts than [`fewest_guesses`](Self::fewest_guesses), as `zxcvbn` estimates it, which knows 30,000
/// passwords, 90,000 words and names, dates, keyboards and sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordPolicy {
    /// The fewest characters, 8 at least.
    pub shortest: usize,
    /// Words of this site, in lower case: the company's name, the product's.
    pub site_words: Vec<String>,
    /// How many attempts a guesser who knows how people choose needs at least; 10⁸ unless said
    /// otherwise, what eight random characters are worth at least. With 0 only what stands on the lists
    /// of `zxcvbn` is refused.
    pub fewest_guesses: u64,
    /// Passwords that were stolen elsewhere.
    pub breached: Option<Arc<BreachedPasswords>>,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            shortest: Self::SHORTEST,
            site_words: vec!["prov".to_owned()],
            fewest_guesses: 100_000_000,
            breached: None,
        }
    }
}

impl PasswordPolicy {
    /// The fewest characters a policy may ask for.
    pub const SHORTEST: usize = 8;
    /// The most characters a password may have.
    pub const LONGEST: usize = 128;
    /// NFKC makes a text longer by a factor of 18 at most and shorter hardly at all: what has more
    /// bytes than this has too many characters, and is not normalised to find out.
    const MOST_BYTES: usize = 8 * Self::LONGEST;

    /// With these words of the site besides the usual ones.
    #[must_use]
    pub fn with_site_words(mut self, words: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.site_words.extend(words.into_iter().map(|word| word.as_ref().to_lowercase()));
        self
    }

    /// Asking for at least this many characters.
    #[must_use]
    pub fn with_shortest(mut self, shortest: usize) -> Self {
        self.shortest = shortest.clamp(Self::SHORTEST, Self::LONGEST);
        self
    }

    /// Refusing what takes fewer guesses than this.
    #[must_use]
    pub fn with_fewest_guesses(mut self, guesses: u64) -> Self {
        self.fewest_guesses = guesses;
        self
    }

    /// Refusing what stands on this list.
    #[must_use]
    pub fn with_breached(mut self, list: Arc<BreachedPasswords>) -> Self {
        self.breached = Some(list);
        self
    }

    /// The form in which a password is hashed: NFKC, so that it is the same on every keyboard.
    /// Refuses only what could never have been chosen.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`], naming `field`, for an empty or too long text or one with
    /// NUL.
    pub fn prepare(password: &SecretText, field: &str) -> Result<SecretText> {
        let text = password.expose();
        let refuse =
            |message: &str| Err(Error::new(core_codes::INVALID_REQUEST).field(field, message));
        if text.is_empty() {
            return refuse("give a password");
        }
        if text.contains('\0') {
            return refuse("a password can't contain NUL");
        }
        if text.len() > Self::MOST_BYTES {
            return refuse("a password has 128 characters at most");
        }
        let mut prepared = String::with_capacity(text.len() * 2);
        prepared.extend(text.nfkc());
        let prepared = SecretText::new(prepared);
        if prepared.expose().chars().count() > Self::LONGEST {
            return refuse("a password has 128 characters at most");
        }
        Ok(prepared)
    }

    /// Prepares a new password and checks that it may be chosen by somebody known by `names`.
    ///
    /// # Errors
    /// [`PASSWORD_REFUSED`](codes::PASSWORD_REFUSED), naming `field`, when it is too short or too
    /// easily guessed; and as [`PasswordPolicy::prepare`].
    pub fn accept(&self, password: &SecretText, field: &str, names: &[&str]) -> Result<SecretText> {
        let prepared = Self::prepare(password, field)?;
        let text = prepared.expose();
        if text.chars().count() < self.shortest.max(Self::SHORTEST) {
            return Err(Error::new(codes::PASSWORD_REFUSED)
                .field(field, format!("a password has at least {} characters", self.shortest)));
        }
        let mut words = self.site_words.clone();
        for name in names {
            words.push(name.to_lowercase());
            // Of an address, people also use what stands before the `@`.
            words.extend(name.split('@').next().map(str::to_lowercase));
        }
        if let Some(why) = self.weakness(text, &words) {
            return Err(Error::new(codes::PASSWORD_REFUSED).field(field, why));
        }
        Ok(prepared)
    }

    /// Why a text would be guessed, if it would.
    fn weakness(&self, text: &str, words: &[String]) -> Option<String> {
        if blocklist::blocks(text, words) {
            return Some(
                "this password is among the first that anybody would try: take a few unrelated words"
                    .to_owned(),
            );
        }
        if self.breached.as_ref().is_some_and(|list| list.contains(text)) {
            return Some(
                "this password has been stolen elsewhere and is tried by everybody: take another one"
                    .to_owned(),
            );
        }
        strength::weakness(text, words, self.fewest_guesses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(text: &str) -> Result<SecretText> {
        PasswordPolicy::default().accept(&SecretText::new(text), "password", &["alice@example.org"])
    }

    #[test]
    fn length_is_counted_in_characters_after_normalisation() {
        assert!(accept("sieben7").is_err());
        assert!(accept("acht-8ch").is_ok());
        // 7 characters with combining accents: 14 code points before, 7 after.
        assert!(accept("e\u{301}o\u{301}a\u{301}i\u{301}u\u{301}y\u{301}c\u{301}").is_err());
        assert!(accept(&"ß€☃".repeat(42)).is_err(), "a repetition");
        let row: Vec<char> = ('一'..).take(128).collect();
        let longest: String = (0..128).map(|at| row[at * 37 % 128]).collect();
        assert!(accept(&longest).is_ok());
        assert!(accept(&format!("{longest}x")).is_err());
        assert!(accept(&row.iter().collect::<String>()).is_err(), "a sequence");
        // U+FDFA alone becomes 18 characters.
        assert!(accept(&"\u{fdfa}".repeat(8)).is_err());
    }

    #[test]
    fn compatible_forms_are_one_password() {
        let wide = accept("ｐｕｒｐｌｅ ｔｅａｐｏｔ").unwrap();
        assert_eq!(wide, accept("purple teapot").unwrap());
    }

    #[test]
    fn nul_empty_and_endless_texts_are_refused_by_field() {
        let endless = "x".repeat(1 << 20);
        for text in ["", "nul\0nul\0nul", &endless] {
            let error =
                PasswordPolicy::prepare(&SecretText::new(text), "new_password").unwrap_err();
            assert!(error.is(core_codes::INVALID_REQUEST));
            assert_eq!(error.fields()[0].field, "new_password");
        }
    }

    #[test]
    fn the_users_own_names_and_the_sites_words_are_refused() {
        for text in ["alice@example.org", "Alice@Example.org1", "password1"] {
            let error = accept(text).unwrap_err();
            assert!(error.is(codes::PASSWORD_REFUSED), "{text}: {error}");
        }
        let site = PasswordPolicy::default().with_site_words(["ACME-Cloud"]);
        assert!(site.accept(&SecretText::new("acme-cloud42"), "password", &[]).is_err());
    }

    #[test]
    fn what_is_guessed_or_was_stolen_is_refused_without_being_repeated() {
        let list = BreachedPasswords::read(&b"violet anchors drift slowly\n"[..]).unwrap();
        let listed = PasswordPolicy::default().with_breached(Arc::new(list));
        let refused = |policy: &PasswordPolicy, text: &str| {
            let error = policy.accept(&SecretText::new(text), "password", &[]).unwrap_err();
            assert!(error.is(codes::PASSWORD_REFUSED), "{error}");
            assert!(!format!("{error:?}").contains(text));
            error.fields()[0].message.clone()
        };
        assert!(accept("violet anchors drift slowly").is_ok());
        assert!(refused(&listed, "Violet anchors drift slowly").contains("stolen elsewhere"));
        // The list is asked after normalisation, as the password will be hashed.
        assert!(refused(&listed, "violet\u{a0}anchors drift slowly").contains("stolen elsewhere"));
        let usual = PasswordPolicy::default();
        assert!(refused(&usual, "qazwsxedcrfv").contains("attempts"));
        let lax = PasswordPolicy::default().with_fewest_guesses(0);
        assert!(lax.accept(&SecretText::new("MargaretThatcher"), "password", &[]).is_ok());
        assert!(refused(&lax, "qazwsxedcrfv").contains("10^5"), "it stands on a list");
    }

    #[test]
    fn no_composition_is_asked_for() {
        for text in ["onlylowercaseletters", "2938471056", "a passphrase of words"] {
            assert!(accept(text).is_ok(), "{text}");
        }
    }
}
