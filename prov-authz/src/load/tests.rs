//! What is remembered between two loads changes what they cost and never what they find.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{CedarOptions, Compiler, Finding, PolicyFiles, SourceFile};

/// `files` files of `each` policies that differ in nothing but their ids.
fn many(files: usize, each: usize) -> PolicyFiles {
    let mut set = PolicyFiles::shipped();
    for file in 0..files {
        let mut text = String::new();
        for number in 0..each {
            write!(text, "@id(\"p{file}-{number}\")\n@description(\"d\")\n{ANY}\n").unwrap();
        }
        set.policies.push(SourceFile::new(format!("z{file}.cedar"), text));
    }
    set
}

const ANY: &str = "permit (principal, action, resource) when { context.mfa_verified };";
const SHIPPED: usize = 32;

fn load(compiler: &Compiler, files: &PolicyFiles) -> Result<String, Vec<Finding>> {
    let set = compiler.compile(&Arc::new(files.clone()), &CedarOptions::default())?;
    Ok(set.revision.to_string())
}

fn change(files: &mut PolicyFiles, name: &str, from: &str, to: &str) {
    let file = files.policies.iter_mut().find(|file| file.name == name).unwrap();
    assert!(file.text.contains(from));
    file.text = file.text.replacen(from, to, 1);
}

#[test]
fn only_what_changed_is_validated_again() {
    let compiler = Compiler::default();
    let mut files = many(10, 10);
    let first = load(&compiler, &files).unwrap();
    assert_eq!(compiler.judged(), SHIPPED + 100);
    assert_eq!(load(&compiler, &files).unwrap(), first);
    assert_eq!(compiler.judged(), SHIPPED + 100, "nothing changed");
    change(&mut files, "z3.cedar", "context.mfa_verified", "!context.mfa_verified");
    assert_ne!(load(&compiler, &files).unwrap(), first);
    assert_eq!(compiler.judged(), SHIPPED + 101, "one of ten policies of one of ten files");
}

#[test]
fn a_template_is_validated_once_and_is_part_of_the_revision() {
    let compiler = Compiler::default();
    let mut files = many(1, 1);
    let plain = load(&compiler, &files).unwrap();
    let judged = compiler.judged();
    let head = "@id(\"t\") @description(\"d\") permit (principal == ?principal, action, resource)";
    let text = format!("{head} when {{ context.mfa_verified }};");
    files.policies.push(SourceFile::new("zz.cedar", text));
    let with_template = load(&compiler, &files).unwrap();
    assert_ne!(with_template, plain);
    assert_eq!(load(&compiler, &files).unwrap(), with_template);
    assert_eq!(compiler.judged(), judged + 1);
    change(&mut files, "zz.cedar", "mfa_verified", "mfa_verfied");
    let found = load(&compiler, &files).unwrap_err();
    assert_eq!((found[0].file.as_str(), found[0].line), ("zz.cedar", 1), "{found:?}");
    assert_eq!(found[0].policy.as_deref(), Some("t"));
    assert_eq!(load(&compiler, &files).unwrap_err(), found, "the second time");
    change(&mut files, "zz.cedar", "mfa_verfied", "mfa_verified");
    change(&mut files, "zz.cedar", "@id(\"t\")", "@id(\"p0-0\")");
    let found = load(&compiler, &files).unwrap_err();
    assert!(found[0].message.contains("stands at z0.cedar:1"), "{found:?}");
}

#[test]
fn a_bad_policy_in_a_changed_file_is_found_as_if_nothing_were_remembered() {
    let compiler = Compiler::default();
    let mut files = many(10, 10);
    load(&compiler, &files).unwrap();
    let bad = [
        ("context.mfa_verified", "context.mfa_verfied"),
        ("context.mfa_verfied", "context."),
        ("context.", "context.mfa_verified && principal in Provisioning::Team::\"p\u{430}y\""),
        ("@id(\"p3-0\")", "@id(\"p4-7\")"),
        ("@description(\"d\")", ""),
        ("@id(\"p4-7\")", ""),
    ];
    for (from, to) in bad {
        change(&mut files, "z3.cedar", from, to);
        let fresh = load(&Compiler::default(), &files).map_err(sorted);
        assert_eq!(load(&compiler, &files).map_err(sorted), fresh, "{to}");
        assert_eq!(load(&compiler, &files).map_err(sorted), fresh, "the second time, {to}");
    }
    assert!(load(&compiler, &files).is_err());
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(ToString::to_string);
    findings
}

#[test]
fn a_changed_schema_is_asked_about_every_policy() {
    let compiler = Compiler::default();
    let mut files = many(2, 10);
    change(&mut files, "z1.cedar", "context.mfa_verified", "context has approval_id");
    load(&compiler, &files).unwrap();
    let before = compiler.judged();
    let schema = &mut files.schema.text;
    *schema = format!("{schema}\n// the same, said otherwise");
    load(&compiler, &files).unwrap();
    assert_eq!(compiler.judged(), 2 * before);
    let renamed = files.schema.text.replace("node_count", "nodes");
    files.schema.text = renamed;
    let findings = load(&compiler, &files).unwrap_err();
    assert!(findings.iter().any(|found| found.message.contains("node_count")), "{findings:?}");
}

#[test]
fn a_policy_that_moves_is_spoken_of_where_it_stands_now() {
    let compiler = Compiler::default();
    let mut files = many(2, 2);
    change(&mut files, "z1.cedar", "context.mfa_verified", "context.oops");
    let line = |files: &PolicyFiles| {
        let found = load(&compiler, files).unwrap_err();
        (found[0].file.clone(), found[0].line, found[0].column)
    };
    assert_eq!(line(&files), ("z1.cedar".to_owned(), 3, 45));
    change(&mut files, "z1.cedar", "@id", "// one\n// two\n@id");
    assert_eq!(line(&files), ("z1.cedar".to_owned(), 5, 45));
    let judged = compiler.judged();
    let moved = files.policies.pop().unwrap();
    files.policies.push(SourceFile::new("zz.cedar", format!("\n{}", moved.text)));
    assert_eq!(line(&files), ("zz.cedar".to_owned(), 6, 45));
    assert_eq!(compiler.judged(), judged);
}

#[test]
fn what_earlier_sets_were_made_of_is_forgotten_in_the_end() {
    let compiler = Compiler::default();
    for round in 0..400 {
        let mut files = many(1, 1);
        let id = format!("@id(\"round-{round}\")");
        change(&mut files, "z0.cedar", "@id(\"p0-0\")", &id);
        load(&compiler, &files).unwrap();
    }
    let (files, verdicts) = compiler.remembered();
    assert!(files < 300 && verdicts < 350, "{files} files and {verdicts} verdicts");
}

mod depth {
    use super::*;

    /// In a thread with the stack of a test or of a worker.
    fn refusal(name: &str, text: String) -> Option<Finding> {
        let mut files = PolicyFiles::shipped();
        if name == files.schema.name {
            files.schema.text.push_str(&text);
        } else {
            files.policies.push(SourceFile::new(name, text));
        }
        let small = std::thread::Builder::new().stack_size(2 << 20);
        let load = small.spawn(move || load(&Compiler::default(), &files).err());
        load.unwrap().join().unwrap().and_then(|found| found.into_iter().next())
    }

    fn policy(condition: &str) -> String {
        format!(
            "@id(\"deep\")\n@description(\"d\")\npermit (principal, action, resource)\n\
             when {{ {condition} }};\n"
        )
    }

    #[test]
    fn nesting_of_any_kind_and_any_depth_never_ends_the_process() {
        for depth in [65, 100_000] {
            let nested = |open: &str, inner: &str, close: &str| {
                format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
            };
            let conditions = [
                nested("(", "true", ")"),
                nested("[", "1", "]"),
                nested("{a: ", "1", "}"),
                nested("!(", "true", ")"),
                nested("if (", "true", ") then true else false"),
                nested("[{a: (", "1", ")}]"),
            ];
            for condition in conditions {
                let found = refusal("deep.cedar", policy(&condition)).unwrap();
                assert_eq!((found.file.as_str(), found.line), ("deep.cedar", 4), "{found}");
                assert!(found.message.contains("64 deep") && found.remedy.is_some(), "{found}");
            }
            let types = [nested("Set<", "String", ">"), nested("{a: ", "String", "}")];
            for (number, deep) in types.into_iter().enumerate() {
                let text = format!("\nnamespace Deep {{ type T{number} = {deep}; }}\n");
                let found = refusal("schema.cedarschema", text).unwrap();
                assert!(found.message.contains("64 deep"), "{found}");
            }
        }
    }

    #[test]
    fn chains_of_any_length_never_end_the_process() {
        for length in [500, 1_100, 200_000] {
            let chains = [
                vec!["true"; length].join(" && "),
                vec!["principal == principal"; length].join(" || "),
                format!("{} == 1", vec!["1"; length].join(" + ")),
                format!("{} == 1", vec!["1"; length].join(" * ")),
                format!("principal{}", ".a".repeat(2 * length)),
                format!("{}true", "if true then true else ".repeat(length)),
                "!".repeat(length) + "true",
                "-".repeat(length) + "1 == 1",
                vec!["true }"; length].join(" when { ") + " when { true",
            ];
            for chain in chains {
                let found = refusal("long.cedar", policy(&chain));
                let is_long = found.is_some_and(|found| found.message.contains("512 operators"));
                assert_eq!(is_long, length > 512, "{chain:.60} {length}");
            }
        }
    }

    #[test]
    fn brackets_in_strings_and_comments_are_no_nesting() {
        let shut = "(".repeat(500);
        let text = format!(
            "// {shut}\n{}",
            policy(&format!("context has reason && context.reason == \"\\\"{shut}\""))
        );
        assert_eq!(refusal("flat.cedar", text), None);
    }
}
