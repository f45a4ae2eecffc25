//! Deciding, with tiny counts.

use std::time::Duration;

use prov_bench::authz::{Plan, run};

#[test]
fn every_engine_answers_alike_and_has_its_row() {
    let each = Duration::from_millis(4);
    let report = run(&Plan { policies: vec![20], resources: 50, each, quick: false }).unwrap();
    let names: Vec<_> = report.rows.iter().map(|row| row.engine).collect();
    for engine in ["by hand", "prov", "inventory", "index", "Cedar", "regorus"] {
        assert!(names.iter().any(|name| name.contains(engine)), "{engine} in {names:?}");
    }
    for row in &report.rows {
        assert!(row.cpu_us > 0.0 && row.wall.count > 0, "{row:?}");
        assert_eq!(row.two_cores.is_some(), row.engine == "prov", "{row:?}");
    }
    assert!(report.to_string().contains("per core and s"));
}
