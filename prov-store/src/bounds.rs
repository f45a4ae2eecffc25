//! The range of ids that a scan covers, so that a database can walk its index instead of matching
//! patterns.

use prov_core::store::Scan;

/// Ids from `lower` (included) to `upper` (excluded; open when there is none), in byte order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) lower: String,
    pub(crate) upper: Option<String>,
}

impl Bounds {
    /// The bounds of `scan`: its prefix, from its cursor on.
    pub(crate) fn of(scan: &Scan) -> Self {
        let lower = match &scan.after {
            // The first text after `after` in byte order.
            Some(after) if *after >= scan.prefix => format!("{after}\0"),
            _ => scan.prefix.clone(),
        };
        Self { lower, upper: successor(&scan.prefix) }
    }
}

/// The first text that is greater than every text with this prefix; none for the empty prefix.
/// UTF-8 keeps the order of code points, so it is enough to raise the last one that can be raised.
fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // The range of `char` leaves the surrogates out by itself.
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_is_above_everything_with_the_prefix_and_nothing_else() {
        assert_eq!(successor(""), None);
        assert_eq!(successor("a").as_deref(), Some("b"));
        assert_eq!(successor("a/").as_deref(), Some("a0"));
        assert_eq!(successor("a\u{D7FF}").as_deref(), Some("a\u{E000}"), "over the surrogates");
        assert_eq!(successor("a\u{10FFFF}").as_deref(), Some("b"), "the last character carries");
        assert_eq!(successor("\u{10FFFF}"), None);
    }

    #[test]
    fn a_cursor_before_the_prefix_changes_nothing() {
        let scan = Scan::kind("k").with_prefix("m").after(Some("a".to_owned()));
        assert_eq!(Bounds::of(&scan).lower, "m");
        let scan = Scan::kind("k").with_prefix("m").after(Some("m1".to_owned()));
        assert_eq!(Bounds::of(&scan).lower, "m1\0");
        let scan = Scan::kind("k").with_prefix("m").after(Some("z".to_owned()));
        assert_eq!(Bounds::of(&scan), Bounds { lower: "z\0".into(), upper: Some("n".into()) });
    }
}
