use std::str::FromStr;

use cedar_policy::PolicySet;

use super::*;

fn parts_of(text: &str) -> Vec<(Part, String)> {
    let set = PolicySet::from_str(text).unwrap();
    let policy = set.policies().next().unwrap();
    clauses(policy.as_ref()).iter().map(|clause| (clause.part, clause.text())).collect()
}

#[test]
fn clauses_come_apart_as_they_are_written() {
    let parts = parts_of(
        "permit (principal, action, resource)
         when { context.a && context.b }  // both
         unless { context.c ||
                  context.d }
         when { !context.e };",
    );
    let expected = [
        (Part::When, "when { context.a && context.b }"),
        (Part::Unless, "unless { context.c || context.d }"),
        (Part::When, "when { !context.e }"),
    ];
    assert_eq!(parts, expected.map(|(part, text)| (part, text.to_owned())));
}

#[test]
fn a_negation_is_no_unless_and_a_policy_without_conditions_has_no_clause() {
    assert_eq!(parts_of("permit (principal, action, resource);"), []);
    let negation = parts_of("permit (principal, action, resource) when { !(context.a) };");
    assert_eq!(negation[0].0, Part::When);
    let doubled = parts_of("permit (principal, action, resource) unless { !context.a };");
    assert_eq!(doubled, [(Part::Unless, "unless { !context.a }".to_owned())]);
}

#[test]
fn one_line_drops_comments_but_not_what_stands_in_a_text() {
    assert_eq!(one_line("a // b\n  c"), "a c");
    assert_eq!(one_line("x like \"http://*\" &&\ny"), "x like \"http://*\" && y");
}
