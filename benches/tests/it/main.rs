//! The benches run, and what they measure is answered.

#[cfg(test)]
mod tests {
    use prov_bench::chain::{Counts, run};

    #[tokio::test(flavor = "multi_thread")]
    async fn every_row_of_the_chain_is_answered_without_a_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let counts = Counts { plain: 20, fresh: 3, durable: 64 };
        let rows = run(counts, folder.path()).await.unwrap();
        assert_eq!(rows.len(), 10);
        for row in rows {
            assert_eq!(row.refused, 0, "{}", row.name);
            assert!(row.requests > 0 && row.cpu > 0.0, "{}", row.name);
        }
    }
}
