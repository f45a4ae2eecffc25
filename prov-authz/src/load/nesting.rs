//! How deep a text may be nested: the parser recurses as deep as its text, and so do the validator,
//! the evaluator and the release of what they made. A bound before all of them is what keeps a text
//! from ending the process.

use super::{Finding, SourceFile};

/// Brackets within brackets.
const DEEPEST: usize = 64;
/// Operators, clauses and `if`s within one policy: a chain of them (`a || b || c`, `if … else if …`) is
/// a tree as deep as it is long.
const MOST_LINKS: usize = 512;
/// Dots within one policy, for the same reason; a long list of conditions has two or three in each.
const MOST_DOTS: usize = 1024;

/// Whether a file of policies may be parsed.
///
/// # Errors
/// Where it is nested too deep.
pub(super) fn check_policies(file: &SourceFile) -> Result<(), Finding> {
    check(file, Syntax::Policies)
}

/// Whether a schema may be parsed.
///
/// # Errors
/// Where it is nested too deep.
pub(super) fn check_schema(file: &SourceFile) -> Result<(), Finding> {
    check(file, Syntax::Schema)
}

/// Whether what starts here may make a tree one level deeper by lengthening a chain: an operator, a
/// further clause, an `if`.
fn is_link(rest: &[u8]) -> bool {
    let single = |byte| matches!(byte, b'!' | b'+' | b'-' | b'*' | b'{');
    let is_long = ["&&", "||", "if"].iter().any(|link| rest.starts_with(link.as_bytes()));
    is_long || rest.first().copied().is_some_and(single)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Policies,
    /// Where `<` is a bracket: `Set<Set<String>>`.
    Schema,
}

fn check(file: &SourceFile, syntax: Syntax) -> Result<(), Finding> {
    let (mut depth, mut links, mut dots) = (0_usize, 0_usize, 0_usize);
    for (place, rest) in Scanner::new(&file.text) {
        let refuse = |what: &str, remedy: &str| {
            Err(Finding::file(&file.name, what, remedy).at(&file.text, place))
        };
        match (rest.first(), syntax) {
            (Some(b'(' | b'[' | b'{'), _) | (Some(b'<'), Syntax::Schema) => depth += 1,
            (Some(b')' | b']' | b'}'), _) | (Some(b'>'), Syntax::Schema) => {
                depth = depth.saturating_sub(1);
            }
            (Some(b';'), Syntax::Policies) => (links, dots) = (0, 0),
            (Some(b'.'), Syntax::Policies) => dots += 1,
            _ => {}
        }
        links += usize::from(syntax == Syntax::Policies && is_link(rest));
        if depth > DEEPEST {
            let remedy = "write it with fewer brackets";
            return refuse("brackets are nested more than 64 deep", remedy);
        }
        if links > MOST_LINKS || dots > MOST_DOTS {
            let remedy = "write it as several policies";
            return refuse("the policy has more than 512 operators or 1,024 dots", remedy);
        }
    }
    Ok(())
}

/// What follows each byte of a Cedar text that is neither in a string nor in a comment.
struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Scanner<'t> {
    const fn new(text: &'t str) -> Self {
        Self { bytes: text.as_bytes(), at: 0 }
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    /// Behind the byte that ends it, or at the end.
    fn skip(&mut self, end: u8, escape: Option<u8>) {
        while let Some(byte) = self.take() {
            if byte == end {
                return;
            }
            if Some(byte) == escape {
                self.at += 1;
            }
        }
    }
}

impl<'t> Iterator for Scanner<'t> {
    /// The place of a byte, and all that starts there.
    type Item = (usize, &'t [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let place = self.at;
            match self.take()? {
                b'"' => self.skip(b'"', Some(b'\\')),
                b'/' if self.bytes.get(self.at) == Some(&b'/') => self.skip(b'\n', None),
                _ => return self.bytes.get(place..).map(|rest| (place, rest)),
            }
        }
    }
}
