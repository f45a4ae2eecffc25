//! OWASP ASVS 5.0.0, chapters V6, V7, V9 and V10: what of each requirement holds, and what shows it.

mod tokens;
mod v10;
mod v6;
mod v7;

use std::fmt::Write as _;

use super::cell;

/// How far a requirement holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Met,
    /// In part; the note says what is missing.
    Partly,
    /// There is nothing it could apply to; the note says why.
    NotApplicable,
}

/// One numbered requirement, in our own words.
#[derive(Debug)]
struct Requirement {
    number: &'static str,
    about: &'static str,
    status: Status,
    evidence: &'static [&'static str],
    note: &'static str,
}

const fn met(
    number: &'static str,
    about: &'static str,
    evidence: &'static [&'static str],
) -> Requirement {
    Requirement { number, about, status: Status::Met, evidence, note: "" }
}

const fn partly(
    number: &'static str,
    about: &'static str,
    evidence: &'static [&'static str],
    note: &'static str,
) -> Requirement {
    Requirement { number, about, status: Status::Partly, evidence, note }
}

const fn not_applicable(
    number: &'static str,
    about: &'static str,
    note: &'static str,
) -> Requirement {
    Requirement { number, about, status: Status::NotApplicable, evidence: &[], note }
}

/// The chapters, each with how many requirements its sections have in version 5.0.0.
const CHAPTERS: &[(&str, &str, &[Requirement], &[usize])] = &[
    ("V6", "Authentication", v6::REQUIREMENTS, &[3, 12, 8, 6, 8, 4, 2, 4]),
    ("V7", "Session management", v7::REQUIREMENTS, &[3, 4, 2, 5, 3, 2]),
    ("V9", "Self-contained tokens", tokens::REQUIREMENTS, &[3, 4]),
    ("V10", "OAuth and OpenID Connect", v10::REQUIREMENTS, &[2, 3, 5, 16, 5, 2, 3]),
];

fn all() -> impl Iterator<Item = &'static Requirement> {
    CHAPTERS.iter().flat_map(|(_, _, requirements, _)| *requirements)
}

/// Everything that is named as showing something.
pub(super) fn evidence() -> impl Iterator<Item = &'static str> {
    all().flat_map(|requirement| requirement.evidence).copied()
}

/// The first requirement without its row, or row without what it needs.
pub(super) fn gaps() -> Option<String> {
    for (chapter, _, requirements, sections) in CHAPTERS {
        let digits = chapter.trim_start_matches('V');
        let counted = sections.iter().enumerate();
        let wanted = counted.flat_map(|(at, count)| {
            (1..=*count).map(move |number| format!("{digits}.{}.{number}", at + 1))
        });
        let there: Vec<_> = requirements.iter().map(|r| r.number.to_owned()).collect();
        if there != wanted.collect::<Vec<_>>() {
            return Some(format!("{chapter}: its rows are not its requirements in their order"));
        }
    }
    let lacks = |r: &&Requirement| match r.status {
        Status::Met => r.evidence.is_empty(),
        Status::Partly => r.evidence.is_empty() || r.note.is_empty(),
        Status::NotApplicable => r.note.is_empty(),
    };
    all().find(lacks).map(|r| format!("{}: nothing shows it, or no reason is given", r.number))
}

/// The page.
pub(super) fn page() -> String {
    let mut page = String::from(
        "# OWASP ASVS 5.0.0: V6, V7, V9 and V10\n\n\
         Made by `cargo xtask evidence` from `xtask/src/evidence/asvs`; a test fails when a requirement has no row, or a row names a test that\n\
         does not exist. Nobody from outside has checked it.\n\n\
         ## How to read it\n\n\
         The numbers are those of version 5.0.0 of the OWASP Application Security Verification Standard, where the requirements stand; the words\n\
         here are ours and only say what each is about. *Met*: the tests named fail without it, or the document named says it. *Partly* says what\n\
         is missing. *Not applicable*: there is nothing that it could apply to.\n\n",
    );
    let count = |status: Status| all().filter(|r| r.status == status).count();
    let _ = writeln!(
        page,
        "Of {} requirements {} are met, {} partly, and {} do not apply.",
        all().count(),
        count(Status::Met),
        count(Status::Partly),
        count(Status::NotApplicable)
    );
    for (chapter, name, requirements, _) in CHAPTERS {
        let _ =
            write!(page, "\n## {chapter} {name}\n\n| | about | | shown by |\n|---|---|---|---|\n");
        for requirement in *requirements {
            let _ = writeln!(page, "{}", row(requirement));
        }
    }
    page
}

fn row(requirement: &Requirement) -> String {
    let Requirement { number, about, status, evidence, note } = requirement;
    let status = match status {
        Status::Met => "met",
        Status::Partly => "partly",
        Status::NotApplicable => "not applicable",
    };
    let shown = cell(evidence);
    let between = if note.is_empty() || shown.is_empty() { "" } else { "<br>" };
    format!("| {number} | {about} | {status} | {note}{between}{shown} |")
}
