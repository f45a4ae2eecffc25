//! The chain, with tiny counts.

use prov_bench::chain::{Plan, run};
use prov_bench::table::write_json;

#[tokio::test]
async fn every_layer_has_its_row_and_every_budget_its_figure() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { requests: 20, rounds: 2, in_flight: 8, folder: folder.path().to_owned() };
    let report = run(&plan).await.unwrap();

    let names: Vec<&str> = report.rows.iter().map(|row| row.name.as_str()).collect();
    for layer in ["edge", "rate limit", "authentication", "second factor", "policies", "chain"] {
        assert!(names.iter().any(|name| name.contains(layer)), "{layer} in {names:?}");
    }
    let durable = |name: &str| name.contains("chain") || name.contains("durable");
    for row in &report.rows {
        assert_eq!(row.wall.count, 40, "{}", row.name);
        assert_eq!(row.cpu_settled_us.is_some(), durable(&row.name), "{}", row.name);
        assert!(row.whole_us() > 0.0 && row.wall.p50_us > 0.0, "{}", row.name);
    }
    assert_eq!(report.budgets.len(), 4);
    assert!(report.fdatasync.count >= 10);
    let printed = report.to_string();
    assert!(printed.contains("+ rate limit") && printed.contains("fdatasync"), "{printed}");

    let file = folder.path().join("chain.json");
    write_json(&file, &report).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(read["rows"].as_array().unwrap().len(), report.rows.len());
}
