//! Passwords that were stolen elsewhere, as an operator's list.

use std::fmt;
use std::io::BufRead;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use prov_core::{Error, Result, codes};

/// The longest line that can be one of a list.
const LONGEST_LINE: usize = 1024;

/// A list of stolen passwords that is asked without a network: eight bytes of memory for each, found in
/// logarithmic time.
///
/// A line of the list is a password, or the SHA-1 of one in hexadecimal with or without a count behind a
/// colon, as the downloads of Pwned Passwords have it. Of each the first 64 bits of the SHA-1 are kept:
/// among ten million entries, one innocent password in 1.8 trillion is refused by mistake, and none
/// that is listed passes. The hash hides nothing and protects nothing; it is the form of the downloads.
///
/// ```
/// let list = prov_auth::BreachedPasswords::read(&b"hunter2\n"[..]).unwrap();
/// assert!(list.contains("hunter2") && !list.contains("hunter3"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BreachedPasswords(Box<[u64]>);

impl BreachedPasswords {
    /// Reads a list, line by line. Empty lines and those that start with `#` and a blank are left out.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] when it can't be read, or a line has more than 1 KiB: that is no list.
    pub fn read(list: impl BufRead) -> Result<Self> {
        let mut entries = Vec::new();
        let mut lines = list.bounded_lines();
        while let Some(line) = lines.next_line()? {
            if line.is_empty() || line.starts_with(b"# ") {
                continue;
            }
            entries.push(listed(line).unwrap_or_else(|| entry(line)));
        }
        entries.sort_unstable();
        entries.dedup();
        Ok(Self(entries.into_boxed_slice()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this password is listed, as it is or in lower case.
    #[must_use]
    pub fn contains(&self, password: &str) -> bool {
        let is_listed = |text: &str| self.0.binary_search(&entry(text.as_bytes())).is_ok();
        is_listed(password) || is_listed(&password.to_lowercase())
    }
}

impl fmt::Debug for BreachedPasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BreachedPasswords({})", self.len())
    }
}

/// Lines of bounded length, without their ends, in one buffer.
struct Lines<R> {
    reader: R,
    line: Vec<u8>,
}

trait BoundedLines: BufRead + Sized {
    fn bounded_lines(self) -> Lines<Self> {
        Lines { reader: self, line: Vec::new() }
    }
}

impl<R: BufRead> BoundedLines for R {}

impl<R: BufRead> Lines<R> {
    fn next_line(&mut self) -> Result<Option<&[u8]>> {
        let refuse = |why: &'static str| {
            Error::new(codes::INVALID_REQUEST)
                .detail("the list of passwords can't be read")
                .context(why)
        };
        self.line.clear();
        let limit = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
        let mut bounded = std::io::Read::take(&mut self.reader, limit);
        let read = bounded.read_until(b'\n', &mut self.line);
        let read = read.map_err(|e| refuse("reading a line").source(e))?;
        if read == LONGEST_LINE {
            return Err(refuse("a line has more than 1 KiB"));
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok((read > 0).then(|| line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

/// The entry of a line in the form of the downloads: 40 hexadecimal digits, perhaps a colon and a count.
fn listed(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let (hash, count) = text.split_once(':').unwrap_or((text, "0"));
    let is_count = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
    if hash.len() != 40 || !is_count || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(hash.get(..16)?, 16).ok()
}

fn entry(password: &[u8]) -> u64 {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, password);
    digest.as_ref().first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_and_the_form_of_the_downloads_are_one_list() {
        // SHA-1 of `password` and of `P@ssw0rd`, as published.
        let text = "# stolen\nhunter2\r\n\n\
            5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:10434004\n\
            21bd12dc183f740ee76f27b78eb39c8ad972a757\nSchoeneAussicht";
        let list = BreachedPasswords::read(text.as_bytes()).unwrap();
        assert_eq!(list.len(), 4);
        for listed in ["hunter2", "Hunter2", "password", "P@ssw0rd", "SchoeneAussicht"] {
            assert!(list.contains(listed), "{listed}");
        }
        for other in ["hunter3", "", "p@ssw0rd", "schoeneaussicht", "# stolen"] {
            assert!(!list.contains(other), "{other}");
        }
        assert_eq!(format!("{list:?}"), "BreachedPasswords(4)");
    }

    #[test]
    fn a_file_that_is_no_list_is_refused_without_being_kept() {
        let endless = vec![b'x'; 1 << 20];
        let error = BreachedPasswords::read(&endless[..]).unwrap_err();
        assert!(error.is(codes::INVALID_REQUEST));
        assert!(BreachedPasswords::read(&b""[..]).unwrap().is_empty());
    }

    #[test]
    fn an_entry_takes_eight_bytes_and_all_are_found() {
        let lines: Vec<String> = (0..50_000).map(|n| format!("stolen-{n}")).collect();
        let text = lines.join("\n");
        let list = BreachedPasswords::read(text.as_bytes()).unwrap();
        assert_eq!(size_of_val(&*list.0), 8 * 50_000);
        assert!((0..50_000).all(|n| list.contains(&format!("stolen-{n}"))));
        assert!((50_000..60_000).all(|n| !list.contains(&format!("stolen-{n}"))));
    }
}
