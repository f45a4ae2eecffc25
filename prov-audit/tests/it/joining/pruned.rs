//! What a log prunes leaves the same stub in its mirrors, and nothing that must still be kept goes.

use prov_audit::{PruneEnd, Retention};
use prov_core::ManualClock;
use prov_core::audit::Actor;
use prov_core::store::MemoryStore;

use super::*;

pub(super) const DAY: Duration = Duration::from_hours(24);

/// Nodes whose time is ours.
pub(super) struct Years {
    dir: tempfile::TempDir,
    pub(super) clock: ManualClock,
    pub(super) store: Arc<MemoryStore>,
}

impl Years {
    pub(super) fn new() -> Self {
        let clock = ManualClock::at("2020-01-01T00:00:00Z".parse().unwrap());
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        Self { dir: tempfile::tempdir().unwrap(), clock, store }
    }

    async fn open(&self, name: &str, standard: Duration) -> Node {
        self.open_with(name, standard, false, join_options()).await
    }

    pub(super) async fn open_with(
        &self,
        name: &str,
        standard: Duration,
        ml_dsa_44: bool,
        join: JoinOptions,
    ) -> Node {
        let store = Arc::<MemoryStore>::clone(&self.store);
        let origin = format!("prov.example/audit/{name}");
        let mut retention = Retention::default();
        retention.standard = standard;
        let clock = Arc::new(self.clock.clone());
        let options = LogOptions::new(self.dir.path().join(name), origin, store, clock)
            .segment_bytes(64 << 10)
            .checkpoint_every(Duration::from_millis(50))
            .retention(retention)
            .with_ml_dsa_44(ml_dsa_44)
            .index_patience(Duration::from_secs(20));
        let log = Arc::new(Log::open(options).await.unwrap());
        let joining = log.join(join).await.unwrap();
        Node { name: name.to_owned(), dir: self.dir.path().join(name), log, joining }
    }

    pub(super) async fn record(&self, node: &Node, count: usize) {
        let all = (0..count).map(|_| {
            let actor = Actor::account(PrincipalKind::User, "user_1", "alice");
            let event = Event::new(&self.clock, Action::KMS_ENCRYPT, Outcome::Success).by(actor);
            node.log.record(event)
        });
        for recorded in join_all(all).await {
            recorded.unwrap();
        }
    }
}

/// How many events a node finds in the log of another.
async fn found(node: &Node, of: &str) -> u64 {
    let query = Query::new().origin(format!("prov.example/audit/{of}")).action("kms.encrypt");
    node.log.count(&query, CountBy::Nothing).await.unwrap().total
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pruned_is_a_stub_in_the_mirrors_too() {
    let years = Years::new();
    let one = years.open("one", 365 * DAY).await;
    let two = years.open("two", 365 * DAY).await;
    years.record(&one, 1500).await;
    // Not before the others have it.
    years.clock.advance(DAY);
    run_until(&[&one, &two], &one, 1500).await;
    years.clock.advance(366 * DAY);
    years.record(&one, 700).await;
    run_until(&[&one, &two], &one, 2200).await;
    let pruned = one.log.prune().await.unwrap();
    let before = pruned[0].to;
    assert!(before > 1000 && before < 1600, "{pruned:?}");
    let followed = || two.of("one").is_some_and(|log| log.pruned == before);
    beside(&[&one, &two], until("the mirror is pruned", followed)).await;
    let report = verify(&two.mirror_of("one"), one.log.verifier_key(STANDARD)).unwrap();
    assert!(report.intact && report.pruned == before, "{report:?}");
    let left = found(&one, "one").await;
    assert!((700..1200).contains(&left), "{left}");
    // The index follows the mirror in a moment; its counts are then of what is left.
    for _ in 0..400 {
        if found(&two, "one").await == left {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(found(&two, "one").await, left);
    assert_eq!(two.alarm_of("one"), None);
    // A node that comes later has the hashes of what it never saw.
    let three = years.open("three", 365 * DAY).await;
    let size = one.log.size(STANDARD);
    run_until(&[&one, &two, &three], &one, size).await;
    let report = verify(&three.mirror_of("one"), one.log.verifier_key(STANDARD)).unwrap();
    assert!(report.intact && report.pruned == before, "{report:?}");
    assert_eq!(found(&three, "one").await, left);
    // Nor is a proof lost of what is gone.
    let name = one.log.verifier_key(STANDARD).name();
    for (index, size) in [(300, before), (7, 2200)] {
        let (proof, _) = three.log.joined_inclusion_proof(name, index, Some(size)).await.unwrap();
        let own = one.log.inclusion_proof(STANDARD, index, Some(size)).await.unwrap();
        assert_eq!((proof.root, proof.hashes), (own.root, own.hashes));
        let (proof, _) = three.log.joined_consistency_proof(name, index, Some(size)).await.unwrap();
        let own = one.log.consistency_proof(STANDARD, index, Some(size)).await.unwrap();
        assert_eq!((proof.root, proof.hashes), (own.root, own.hashes));
    }
    // Both go on after a restart.
    let mirrors = [two.mirror_of("one"), three.mirror_of("one")];
    for node in [two, three] {
        node.log.close().await.unwrap();
    }
    let two = years.open("two", 365 * DAY).await;
    let three = years.open("three", 365 * DAY).await;
    years.record(&one, 300).await;
    run_until(&[&one, &two, &three], &one, size + 300).await;
    for mirror in mirrors {
        let report = verify(&mirror, one.log.verifier_key(STANDARD)).unwrap();
        assert!(report.intact && report.pruned == before, "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_can_not_make_the_others_forget_early() {
    let years = Years::new();
    let hasty = years.open("one", 10 * DAY).await;
    let two = years.open("two", 365 * DAY).await;
    years.record(&hasty, 1500).await;
    run_until(&[&hasty, &two], &hasty, 1500).await;
    years.clock.advance(30 * DAY);
    years.record(&hasty, 700).await;
    run_until(&[&hasty, &two], &hasty, 2200).await;
    let before = hasty.log.prune().await.unwrap()[0].to;
    assert!(before > 1000);
    let raised = || two.alarm_of("one") == Some(JoinAlarmKind::PrunedEarly);
    beside(&[&hasty, &two], until("it is noticed", raised)).await;
    assert_eq!(two.of("one").unwrap().pruned, 0);
    assert!(found(&two, "one").await >= 2200, "everything is still here");
    let report = verify(&two.mirror_of("one"), hasty.log.verifier_key(STANDARD)).unwrap();
    assert!(report.intact, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pruned_that_another_node_still_lacks() {
    let years = Years::new();
    let one = years.open("one", 10 * DAY).await;
    let two = years.open("two", 10 * DAY).await;
    let known = || two.of("one").is_some() && one.of("two").is_some();
    beside(&[&one, &two], until("they know each other", known)).await;
    beside(&[&one, &two], tokio::time::sleep(Duration::from_millis(800))).await;
    years.record(&one, 1500).await;
    years.clock.advance(20 * DAY);
    years.record(&one, 700).await;
    one.log.checkpoint(STANDARD).await.unwrap();
    let pruned = one.log.prune().await.unwrap();
    assert_eq!((pruned[0].to, &pruned[0].until), (0, &PruneEnd::Sink));
    // Nor by a run of the program that does not know yet who needs what.
    one.log.close().await.unwrap();
    drop(one);
    let one = years.open("one", 10 * DAY).await;
    let pruned = one.log.prune().await.unwrap();
    assert_eq!((pruned[0].to, &pruned[0].until), (0, &PruneEnd::Sink));
    beside(&[&one], tokio::time::sleep(Duration::from_millis(600))).await;
    let pruned = one.log.prune().await.unwrap();
    assert_eq!((pruned[0].to, &pruned[0].until), (0, &PruneEnd::Sink));
    run_until(&[&one, &two], &one, 2200).await;
    let pruned = || async { one.log.prune().await.unwrap()[0].to };
    beside(&[&one, &two], async {
        for _ in 0..100 {
            if pruned().await > 1000 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("nothing is pruned though everybody has it");
    })
    .await;
}
