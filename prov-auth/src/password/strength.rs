//! How many attempts a guesser needs who knows how people choose passwords.

use zxcvbn::feedback::Suggestion;

/// Whoever guesses goes through lists first. Those of `zxcvbn` (30,000 passwords, and words and names) have fewer
/// entries than this, so that everything on them takes fewer guesses.
const LISTED: u64 = 100_000;

/// Why `text` is too weak, if it takes fewer than `fewest` guesses, or stands on a list; `words` are known to the
/// guesser.
///
/// The estimate reads 100 characters at most, so that its cost is bounded.
pub(super) fn weakness(text: &str, words: &[String], fewest: u64) -> Option<String> {
    let fewest = fewest.max(LISTED);
    let known: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    let estimate = zxcvbn::zxcvbn(text, &known);
    if estimate.guesses() >= fewest {
        return None;
    }
    let hint = estimate
        .feedback()
        .and_then(|feedback| feedback.suggestions().iter().find(|s| is_of_use(**s)))
        .map_or_else(|| "take a few unrelated words".to_owned(), Suggestion::to_string);
    let hint = hint.trim_end_matches('.');
    Some(format!(
        "this password is guessed after about 10^{:.0} attempts, and 10^{:.0} are asked for: {hint}",
        estimate.guesses_log10().max(0.0).floor(),
        digits(fewest),
    ))
}

/// Rules of composition are no advice.
fn is_of_use(suggestion: Suggestion) -> bool {
    !matches!(
        suggestion,
        Suggestion::NoNeedForSymbolsDigitsOrUppercaseLetters
            | Suggestion::CapitalizationDoesntHelpVeryMuch
            | Suggestion::AllUppercaseIsAlmostAsEasyToGuessAsAllLowercase
    )
}

fn digits(number: u64) -> u32 {
    number.checked_ilog10().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: u64 = 100_000_000;
    const LISTED_PASSWORDS: &str = "1q2w3e4r5t6y kcj9wx5n buttercu peaches1 02051981 monolith antigone \
        swallows angelofwar ironmaid stairway welkom01 qw12er34 hobiecat clubpenguin rosemari 34524815 herkules \
        mason123 littlejo markhegarty superfre paladine m7hsqstm teufelo7 adidas11 antihero flashnet ifoptfcor \
        ybrbnjcbr dimanche moviebuf mossyoak";

    #[test]
    fn what_people_take_for_strong_is_measured_and_what_is_strong_passes() {
        for weak in [
            "qazwsxedcrfv",
            "trustno1trustno1",
            "jennifer19841206",
            "MargaretThatcher",
            "drowssap1990",
            "zaq12wsxcde3",
            "blink182blink182",
        ] {
            assert!(weakness(weak, &[], ASKED).is_some(), "{weak}");
        }
        for strong in ["purple teapot singing", "x7Kq!vR2", "t4bl3-l4mp-r1v3r", "8f3c9a1e77"] {
            assert_eq!(weakness(strong, &[], ASKED), None, "{strong}");
        }
    }

    /// Words from all parts of the list of 30,000 passwords, none of which stands on our own.
    #[test]
    fn the_embedded_list_counts_also_where_no_estimate_is_asked_for() {
        for listed in LISTED_PASSWORDS.split(' ') {
            assert!(weakness(listed, &[], 0).is_some(), "{listed}");
        }
        for guessable in ["MargaretThatcher", "jennifer19841206"] {
            assert!(weakness(guessable, &[], ASKED).is_some(), "{guessable}");
            assert_eq!(weakness(guessable, &[], 0), None, "no estimate was asked for: {guessable}");
        }
    }

    #[test]
    fn words_of_the_user_and_the_site_are_known_to_the_guesser() {
        let text = "Wolkenkuckucksheim42";
        assert_eq!(weakness(text, &[], ASKED), None);
        let told = weakness(text, &["wolkenkuckucksheim".to_owned()], ASKED).unwrap();
        assert!(told.contains("10^8 are asked for"), "{told}");
        assert!(!told.contains(text), "no message repeats the password: {told}");
    }

    #[test]
    fn texts_made_to_be_costly_are_measured_in_bounded_time() {
        let started = std::time::Instant::now();
        for text in ["a1".repeat(64), "p4$$w0rd@".repeat(14), "19841206".repeat(16)] {
            let _ = weakness(&text, &["a1a1".to_owned()], ASKED);
        }
        let (took, patience) = (started.elapsed(), std::time::Duration::from_secs(20));
        assert!(took < patience, "a text could keep a thread busy: {took:?}");
    }
}
