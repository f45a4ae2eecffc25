//! How much an application has to write itself.

const BEGIN: &str = "the application's own security: begin";
const END: &str = "the application's own security: end";

/// The lines between the marks, without blank ones and comments.
fn own_lines(source: &str) -> usize {
    let (_, rest) = source.split_once(BEGIN).expect("a beginning");
    let (own, _) = rest.split_once(END).expect("an end");
    let lines = own.lines().skip(1).map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn an_application_is_secured_in_at_most_twenty_lines_of_its_own() {
    let layers = own_lines(include_str!("../../src/secure_axum_app.rs"));
    let listening = own_lines(include_str!("../../src/bin/secure_axum_app.rs"));
    assert!(layers >= 10 && listening >= 1, "the marks stand around something");
    assert!(layers + listening <= 20, "{layers} + {listening} lines");
}

#[test]
fn programs_stay_readable() {
    let programs = [
        include_str!("../../src/bin/secure_axum_app.rs"),
        include_str!("../../src/bin/request_flow.rs"),
    ];
    for program in programs {
        assert!(program.lines().count() <= 80);
    }
}
