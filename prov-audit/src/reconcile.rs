//! Holding a copy of the log, as somebody else's system gives it back, against the log itself.
//!
//! ```
//! use prov_audit::reconcile::Copied;
//! let line = r#"{"origin":"prov.example/audit/standard","seq":3,"hash":"00","leaf":{"v":1}}"#;
//! let copied = Copied::find(line).unwrap();
//! assert_eq!((copied.origin.as_str(), copied.seq), ("prov.example/audit/standard", 3));
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::log::ExportedLeaf;

/// A record as a copy has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Copied {
    /// Of which log it says it is.
    pub origin: String,
    /// Its place there.
    pub seq: u64,
    /// The hash of its leaf, hexadecimal, as the copy says.
    pub hash: String,
    /// What the leaf says, if the copy has it: as JSON, for a copy may have written it anew.
    pub leaf: Option<Value>,
}

/// What holding a copy against the log came to. It fits when nothing is missing, changed or added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reconciliation {
    /// Whether the copy has exactly what the log has.
    pub fits: bool,
    /// How many records of the log were looked for.
    pub expected: u64,
    /// How many of them the copy has, unchanged.
    pub found: u64,
    /// Ranges of the log that the copy lacks: first and last, at most a hundred.
    pub missing: Vec<(u64, u64)>,
    /// Records that say something else than the log, at most a hundred.
    pub changed: Vec<u64>,
    /// What the copy has and the log has not, at most a hundred.
    pub added: Vec<String>,
    /// How many the copy has more than once: no harm where delivery is at least once.
    pub repeated: u64,
    /// How many lines of the copy are no records of any log.
    pub unreadable: u64,
}

/// More of one kind is not listed.
const LISTED: usize = 100;

impl Copied {
    /// Finds a record in a line of a copy, in any format the log is exported in, or in what a SIEM
    /// makes of it: the fields are looked for by name, wherever they stand.
    #[must_use]
    pub fn find(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with(['{', '[']) {
            return Self::in_json(&serde_json::from_str(line.trim_matches(['[', ',', ']'])).ok()?);
        }
        if line.contains("CEF:0|") {
            return Self::in_cef(line);
        }
        if line.starts_with('<') || line.contains("[prov@32473 ") {
            return Self::in_syslog(line);
        }
        Self::in_csv(line)
    }

    fn in_json(value: &Value) -> Option<Self> {
        // CloudWatch: the message is the line; others hand the whole line on as a text.
        for name in ["message", "_raw"] {
            if let Some(text) = value.get(name).and_then(Value::as_str)
                && let Some(found) = Self::find(text)
            {
                return Some(found);
            }
        }
        let at = |pointers: &[&str]| pointers.iter().find_map(|pointer| value.pointer(pointer));
        let text = |pointers: &[&str]| match at(pointers)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let leaf = match at(&["/leaf", "/event/original", "/raw_data", "/event"]) {
            Some(Value::String(text)) => serde_json::from_str(text).ok(),
            other => other.cloned(),
        };
        Some(Self {
            origin: text(&[
                "/origin",
                "/fields/prov_origin",
                "/observer/name",
                "/unmapped/origin",
            ])?,
            seq: text(&["/seq", "/fields/prov_seq", "/event/sequence", "/unmapped/seq"])?
                .parse()
                .ok()?,
            hash: text(&["/hash", "/fields/prov_hash", "/event/hash", "/unmapped/hash"])?,
            leaf,
        })
    }

    fn in_syslog(line: &str) -> Option<Self> {
        let (_, structure) = line.split_once("[prov@32473 ")?;
        let field = |name: &str| {
            let (_, rest) = structure.split_once(&format!("{name}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let leaf = structure.split_once("] ").and_then(|(_, text)| serde_json::from_str(text).ok());
        Some(Self {
            origin: field("origin")?,
            seq: field("seq")?.parse().ok()?,
            hash: field("hash")?,
            leaf,
        })
    }

    fn in_cef(line: &str) -> Option<Self> {
        let field = |name: &str| {
            let (_, rest) = line.split_once(&format!(" {name}="))?;
            Some(rest.split(' ').next()?.to_owned())
        };
        let raw = line.split_once(" rawEvent=").map(|(_, raw)| unescaped(raw));
        Some(Self {
            origin: field("cs1")?,
            seq: field("cn1")?.parse().ok()?,
            hash: field("cs2")?,
            leaf: raw.and_then(|raw| serde_json::from_str(&raw).ok()),
        })
    }

    fn in_csv(line: &str) -> Option<Self> {
        let cells = cells(line);
        let [_, seq, hash, .., origin, leaf] = cells.as_slice() else { return None };
        let leaf = serde_json::from_str(leaf).ok();
        Some(Self { origin: origin.clone(), seq: seq.parse().ok()?, hash: hash.clone(), leaf })
    }
}

/// Holds a copy against the log.
#[derive(Debug)]
pub struct Reconciler {
    origin: String,
    copied: BTreeMap<u64, (String, Option<Value>)>,
    result: Reconciliation,
    /// The end of what was looked at in the log.
    next: Option<u64>,
}

impl Reconciler {
    /// Of a copy of the log with this name.
    #[must_use]
    pub fn new(origin: impl Into<String>) -> Self {
        let (copied, result) = (BTreeMap::new(), Reconciliation::default());
        Self { origin: origin.into(), copied, result, next: None }
    }

    /// Takes a line of the copy.
    pub fn copied(&mut self, line: &str) {
        if line.trim().trim_matches(['[', ']']).is_empty() || line.starts_with("log,seq,hash,") {
            return;
        }
        let Some(found) = Copied::find(line) else {
            self.result.unreadable += 1;
            return;
        };
        if found.origin != self.origin {
            let what = format!("record {} of `{}`", found.seq, found.origin);
            list(&mut self.result.added, what);
            return;
        }
        let is = (found.hash, found.leaf);
        match self.copied.get(&found.seq) {
            Some(known) if *known == is => self.result.repeated += 1,
            Some(_) => list(&mut self.result.changed, found.seq),
            None => {
                self.copied.insert(found.seq, is);
            }
        }
    }

    /// Takes the next leaf of the log.
    pub fn logged(&mut self, leaf: &ExportedLeaf) {
        self.result.expected += 1;
        self.next = Some(leaf.seq + 1);
        let Some((hash, copied)) = self.copied.remove(&leaf.seq) else {
            match self.result.missing.last_mut() {
                Some((_, last)) if *last + 1 == leaf.seq => *last = leaf.seq,
                _ => list(&mut self.result.missing, (leaf.seq, leaf.seq)),
            }
            return;
        };
        let same_leaf = copied.is_some_and(|copied| {
            serde_json::from_slice::<Value>(&leaf.leaf).is_ok_and(|logged| logged == copied)
        });
        if same_leaf && hash == hex::encode(leaf.hash) {
            self.result.found += 1;
        } else {
            list(&mut self.result.changed, leaf.seq);
        }
    }

    /// What it came to.
    #[must_use]
    pub fn finish(mut self) -> Reconciliation {
        for (seq, _) in std::mem::take(&mut self.copied) {
            list(&mut self.result.added, format!("record {seq} of `{}`", self.origin));
        }
        let result = &mut self.result;
        result.fits = result.missing.is_empty()
            && result.changed.is_empty()
            && result.added.is_empty()
            && result.unreadable == 0;
        self.result
    }
}

fn list<T>(all: &mut Vec<T>, one: T) {
    if all.len() < LISTED {
        all.push(one);
    }
}

/// The cells of a line by RFC 4180.
fn cells(line: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let (mut quoted, mut characters) = (false, line.chars().peekable());
    while let Some(c) = characters.next() {
        let Some(cell) = all.last_mut() else { return all };
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(String::new()),
            c => cell.push(c),
        }
    }
    all
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, c == '\\') {
            (_, true) => match characters.next() {
                Some('n') => plain.push('\n'),
                Some('r') => plain.push('\r'),
                Some(other) => plain.push(other),
                None => {}
            },
            (c, false) => plain.push(c),
        }
    }
    plain
}
