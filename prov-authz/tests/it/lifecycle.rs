//! History, rollback, the start after a failure, uploads, signatures: what holds across restarts and
//! nodes.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use prov_authz::{
    BundleSigner, CedarOptions, Claims, PolicyDiff, PolicyEngine, PolicyFeed, PolicyFiles,
    PolicyHistory, PolicyLife, PolicyReloader, PolicySource, SetOrigin, SourceFile, TrustRoot,
    bundle_manifest, codes, sign_bundle,
};
use prov_core::audit::{Action, MemoryRecorder, Outcome};
use prov_core::store::{MemoryStore, Store};
use prov_core::{Clock, HealthCheck, HealthState, Result, Role, SecurityContext};

use crate::world::{ask, clock, context_of, holder, member, policy_directory, server};

const FREEZE: &str = "@id(\"freeze\")\n@description(\"d\")\n\
                      forbid (principal, action, resource is Provisioning::Server);\n";

/// One store, and servers that start and end over it.
struct Site {
    store: Arc<dyn Store>,
    recorder: MemoryRecorder,
    clock: Arc<dyn Clock>,
    trust: Option<TrustRoot>,
    networks: Vec<&'static str>,
}

impl Site {
    fn new() -> Self {
        let clock = clock();
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let networks = vec!["10.0.0.0/8"];
        Self { store, recorder: MemoryRecorder::new(), clock, trust: None, networks }
    }

    async fn start(&self, feed: PolicyFeed) -> Result<PolicyReloader> {
        let options = CedarOptions::default().with_corporate_networks(self.networks.clone());
        let history = PolicyHistory::new(Arc::clone(&self.store));
        let mut life = PolicyLife::new(feed, options).with_history(history);
        life.trust.clone_from(&self.trust);
        PolicyReloader::open(life, Arc::new(self.recorder.clone()), Arc::clone(&self.clock)).await
    }

    async fn on(&self, directory: &Path) -> PolicyReloader {
        self.start(PolicyFeed::Directory(directory.to_owned())).await.unwrap()
    }

    fn admin(&self) -> SecurityContext {
        context_of(&holder(Role::Admin), true, &*self.clock)
    }
}

fn is_frozen(reloader: &PolicyReloader) -> bool {
    let (who, what) = (member(&["sre"]), server("development"));
    !ask(reloader.engine(), &who, "read", &what, true, &Claims::NONE).allowed
}

fn write(directory: &Path, text: &str) {
    fs::write(directory.join("freeze.cedar"), text).unwrap();
}

async fn numbers(reloader: &PolicyReloader) -> Vec<(u64, SetOrigin)> {
    let page = reloader.history().unwrap().list(None, NonZeroU32::new(50).unwrap()).await.unwrap();
    page.items.iter().map(|set| (set.number, set.origin)).collect()
}

#[tokio::test]
async fn a_broken_directory_at_the_start_means_the_last_good_set_and_is_said_loudly() {
    let (site, folder) = (Site::new(), policy_directory());
    write(folder.path(), FREEZE);
    let first = site.on(folder.path()).await;
    assert!(is_frozen(&first));
    let revision = first.engine().revision();
    drop(first);

    write(folder.path(), "forbid (");
    let second = site.on(folder.path()).await;
    assert!(is_frozen(&second), "nothing never means that anything is allowed");
    let status = second.engine().status();
    assert_eq!((status.revision, status.source), (revision, PolicySource::History));
    assert!(status.last_failure.unwrap().findings[0].to_string().starts_with("freeze.cedar:1:"));
    assert_eq!(second.engine().health().await.state, HealthState::Degraded);
    let event = site.recorder.events().pop().unwrap();
    assert_eq!((event.action, event.outcome), (Action::AUTHZ_POLICY_RELOAD, Outcome::Failure));
    assert_eq!(event.context["started_on"], 1);
    assert!(event.context["findings"][0].as_str().unwrap().starts_with("freeze.cedar:1:"));

    fs::remove_file(folder.path().join("freeze.cedar")).unwrap();
    second.refresh(&site.admin()).await.unwrap();
    assert!(!is_frozen(&second));
    assert_eq!(second.engine().health().await.state, HealthState::Up);
    assert_eq!(second.engine().status().source, PolicySource::Directory);
    assert_eq!(numbers(&second).await, [(2, SetOrigin::Directory), (1, SetOrigin::Directory)]);
}

#[tokio::test]
async fn a_first_start_on_a_broken_or_empty_directory_fails() {
    let (site, folder) = (Site::new(), tempfile::tempdir().unwrap());
    let feed = PolicyFeed::Directory(folder.path().to_owned());
    assert!(site.start(feed.clone()).await.unwrap_err().is(codes::POLICIES_INVALID));
    PolicyFiles::shipped().write_missing(folder.path()).unwrap();
    write(folder.path(), "forbid (");
    assert!(site.start(feed).await.unwrap_err().is(codes::POLICIES_INVALID));
}

#[tokio::test]
async fn starting_again_on_the_same_set_adds_nothing_to_the_history() {
    let (site, folder) = (Site::new(), policy_directory());
    for _ in 0..3 {
        let server = site.on(folder.path()).await;
        server.refresh(&site.admin()).await.unwrap();
        assert_eq!(server.engine().status().number, Some(1));
        assert_eq!(numbers(&server).await.len(), 1);
    }
    assert_eq!(site.recorder.events().len(), 1);
}

#[tokio::test]
async fn a_rollback_holds_until_the_directory_changes_across_restarts_and_nodes() {
    let (site, folder) = (Site::new(), policy_directory());
    let server_one = site.on(folder.path()).await;
    write(folder.path(), FREEZE);
    server_one.refresh(&site.admin()).await.unwrap();
    assert!(is_frozen(&server_one));
    let other_node = site.on(folder.path()).await;

    let kept = server_one.rollback(&site.admin(), 1, Some("the freeze came too early")).await;
    let kept = kept.unwrap();
    assert_eq!((kept.number, kept.origin, kept.same_as), (3, SetOrigin::Rollback, Some(1)));
    assert_eq!(kept.by, "user_ann");
    assert!(!is_frozen(&server_one));
    assert!(server_one.engine().status().is_pinned);
    let event = site.recorder.events().pop().unwrap();
    assert_eq!((event.action, event.outcome), (Action::AUTHZ_POLICY_ROLLBACK, Outcome::Success));

    server_one.refresh(&site.admin()).await.unwrap();
    assert!(!is_frozen(&server_one), "the directory still says otherwise, and is passed over");
    other_node.refresh(&site.admin()).await.unwrap();
    assert!(!is_frozen(&other_node), "the other node follows");
    let restarted = site.on(folder.path()).await;
    assert!(!is_frozen(&restarted), "and so does a restart");

    write(folder.path(), &format!("{FREEZE}// now\n"));
    other_node.refresh(&site.admin()).await.unwrap();
    assert!(is_frozen(&other_node), "what is new goes live");
    assert!(!other_node.engine().status().is_pinned);
    server_one.refresh(&site.admin()).await.unwrap();
    assert!(is_frozen(&server_one));
}

#[tokio::test]
async fn a_reload_that_is_asked_for_ends_a_rollback() {
    let (site, folder) = (Site::new(), policy_directory());
    let server = site.on(folder.path()).await;
    write(folder.path(), FREEZE);
    server.refresh(&site.admin()).await.unwrap();
    server.rollback(&site.admin(), 1, None).await.unwrap();
    assert!(!is_frozen(&server));
    server.reload(&site.admin()).await.unwrap();
    assert!(is_frozen(&server));
    server.refresh(&site.admin()).await.unwrap();
    assert!(is_frozen(&server));
}

#[tokio::test]
async fn a_rollback_brings_the_networks_of_its_time_back() {
    let (mut site, folder) = (Site::new(), policy_directory());
    let old = site.on(folder.path()).await.engine().revision();
    site.networks = vec!["192.168.0.0/16"];
    let server = site.on(folder.path()).await;
    assert_ne!(server.engine().revision(), old);
    server.rollback(&site.admin(), 1, None).await.unwrap();
    assert_eq!(server.engine().revision(), old);
    assert!(server.engine().policy("prod-ip-restriction").unwrap().text.contains("10.0.0.0/8"));
}

#[tokio::test]
async fn a_rollback_to_nothing_or_to_what_was_tampered_with_changes_nothing() {
    let (site, folder) = (Site::new(), policy_directory());
    let server = site.on(folder.path()).await;
    let before = server.engine().revision();
    let error = server.rollback(&site.admin(), 7, None).await.unwrap_err();
    assert!(error.is(prov_core::codes::NOT_FOUND));
    let set = server.history().unwrap().find(1).await.unwrap().unwrap();
    let key = prov_core::store::Key::new("authz.policy_text", set.files[0].parts[0].clone());
    let forged = br#"{"text":"permit (principal, action, resource);"}"#.to_vec();
    let forged = prov_core::store::Batch::new().put(key, forged, prov_core::store::Expect::Any);
    site.store.commit(forged).await.unwrap();
    let error = server.rollback(&site.admin(), 1, None).await.unwrap_err();
    assert!(error.is(prov_core::codes::STORE_CORRUPT), "{error}");
    assert_eq!(server.engine().revision(), before);
}

#[tokio::test]
async fn the_difference_of_two_sets_is_told_by_policy() {
    let (site, folder) = (Site::new(), policy_directory());
    let server = site.on(folder.path()).await;
    write(folder.path(), FREEZE);
    fs::remove_file(folder.path().join("staging.cedar")).unwrap();
    let path = folder.path().join("production.cedar");
    let text = fs::read_to_string(&path).unwrap().replace("duration(\"18h\")", "duration(\"17h\")");
    fs::write(path, format!("// moved\n{text}")).unwrap();
    server.refresh(&site.admin()).await.unwrap();
    let diff = server.history().unwrap().diff(1, 2).await.unwrap();
    let added: Vec<_> = diff.added.iter().map(|policy| policy.id.as_str()).collect();
    assert_eq!(added, ["freeze"]);
    assert!(!diff.removed.is_empty());
    assert!(diff.removed.iter().all(|policy| policy.file == "staging.cedar"));
    assert!(diff.changed.iter().any(|policy| policy.after.text.contains("17h")));
    assert!(diff.changed.iter().all(|policy| policy.before.text.contains("18h")), "only these");
    assert!(!diff.schema_changed);
    assert!(PolicyDiff::between(&PolicyFiles::shipped(), &PolicyFiles::shipped()).is_empty());
}

#[tokio::test]
async fn old_sets_go_and_those_that_stay_can_be_read() {
    let site = Site::new();
    let folder = policy_directory();
    let history = PolicyHistory::new(Arc::clone(&site.store)).keeping(NonZeroU32::new(3).unwrap());
    let feed = PolicyFeed::Directory(folder.path().to_owned());
    let life = PolicyLife::new(feed, CedarOptions::default()).with_history(history);
    let recorder = Arc::new(site.recorder.clone());
    let server = PolicyReloader::open(life, recorder, Arc::clone(&site.clock)).await.unwrap();
    for round in 0..6 {
        write(folder.path(), &format!("{FREEZE}// {round}\n"));
        server.refresh(&site.admin()).await.unwrap();
    }
    let kept: Vec<_> = numbers(&server).await.into_iter().map(|(number, _)| number).collect();
    assert_eq!(kept, [7, 6, 5]);
    let history = server.history().unwrap();
    for number in kept {
        let set = history.find(number).await.unwrap().unwrap();
        let files = history.files(&set).await.unwrap();
        assert_eq!(files.policies.len(), 6);
    }
    let texts = prov_core::store::Scan::kind("authz.policy_text");
    let texts = site.store.scan(&texts).await.unwrap().records.len();
    assert_eq!(texts, 6 + 3, "the shipped files and three of the changed one");
}

fn uploaded(extra: &str) -> PolicyFiles {
    let mut files = PolicyFiles::shipped();
    if !extra.is_empty() {
        files.policies.push(SourceFile::new("freeze.cedar", extra));
    }
    files
}

#[tokio::test]
async fn an_upload_is_in_force_on_every_node_and_after_a_restart() {
    let site = Site::new();
    let (one, two) = (site.start(PolicyFeed::Store).await, site.start(PolicyFeed::Store).await);
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(!is_frozen(&one));
    assert_eq!(one.engine().status().source, PolicySource::BuiltIn);
    let kept = one.upload(&site.admin(), uploaded(FREEZE), Some("audit week")).await.unwrap();
    assert_eq!((kept.origin, kept.reason.as_deref()), (SetOrigin::Upload, Some("audit week")));
    two.refresh(&site.admin()).await.unwrap();
    let three = site.start(PolicyFeed::Store).await.unwrap();
    for server in [&one, &two, &three] {
        assert!(is_frozen(server));
        assert_eq!(server.engine().status().source, PolicySource::Store);
    }
    one.upload(&site.admin(), uploaded(""), None).await.unwrap();
    two.rollback(&site.admin(), 1, None).await.unwrap();
    one.refresh(&site.admin()).await.unwrap();
    assert!(is_frozen(&one));
}

#[tokio::test]
async fn an_upload_that_is_not_valid_is_refused_recorded_and_changes_nothing() {
    let site = Site::new();
    let server = site.start(PolicyFeed::Store).await.unwrap();
    let before = server.engine().revision();
    let mut evil = uploaded("");
    evil.policies.push(SourceFile::new("../../etc/x.cedar", FREEZE));
    let mut twice = uploaded(FREEZE);
    twice.policies.push(SourceFile::new("freeze.cedar", FREEZE));
    let empty = PolicyFiles::new(PolicyFiles::shipped().schema.text, Vec::new());
    let large = uploaded(&format!("{FREEZE}{}", " ".repeat(1 << 20)));
    for files in [uploaded("forbid ("), evil, twice, empty, large] {
        let error = server.upload(&site.admin(), files, None).await.unwrap_err();
        assert!(error.is(codes::POLICIES_INVALID), "{error}");
        let event = site.recorder.events().pop().unwrap();
        assert_eq!((event.action, event.outcome), (Action::AUTHZ_POLICY_UPLOAD, Outcome::Failure));
    }
    assert_eq!(server.engine().revision(), before);
    let folder = policy_directory();
    let directory = site.on(folder.path()).await;
    let error = directory.upload(&site.admin(), uploaded(""), None).await.unwrap_err();
    assert!(error.is(codes::POLICIES_ELSEWHERE));
}

fn signed(files: &PolicyFiles, version: u64, signers: &[&BundleSigner]) -> String {
    let list = bundle_manifest(files, version);
    signers.iter().fold(list, |note, signer| sign_bundle(&note, signer).unwrap())
}

fn sign_directory(directory: &Path, version: u64, signers: &[&BundleSigner]) {
    let files = PolicyFiles::read(directory).unwrap();
    fs::write(directory.join("bundle.note"), signed(&files, version, signers)).unwrap();
}

#[tokio::test]
async fn an_unsigned_or_older_set_is_refused_from_the_directory_also_after_a_restart() {
    let (mut site, folder) = (Site::new(), policy_directory());
    let (ann, bob) =
        (BundleSigner::generate("ann").unwrap(), BundleSigner::generate("bob").unwrap());
    site.trust = Some(TrustRoot::new([ann.verifier_key(), bob.verifier_key()], 2).unwrap());
    let feed = PolicyFeed::Directory(folder.path().to_owned());
    assert!(site.start(feed.clone()).await.unwrap_err().to_string().contains("refused"));
    sign_directory(folder.path(), 4, &[&ann]);
    assert!(site.start(feed).await.is_err(), "one of two");
    sign_directory(folder.path(), 4, &[&ann, &bob]);
    let server = site.on(folder.path()).await;
    assert_eq!(server.engine().status().bundle_version, Some(4));

    write(folder.path(), FREEZE);
    server.refresh(&site.admin()).await.unwrap_err();
    assert!(!is_frozen(&server), "a file that nobody signed");
    sign_directory(folder.path(), 5, &[&ann, &bob]);
    server.refresh(&site.admin()).await.unwrap();
    assert!(is_frozen(&server));
    fs::remove_file(folder.path().join("freeze.cedar")).unwrap();
    sign_directory(folder.path(), 4, &[&ann, &bob]);
    server.refresh(&site.admin()).await.unwrap_err();
    assert!(is_frozen(&server), "an older set, as good as its signatures are");
    let restarted = site.on(folder.path()).await;
    assert!(is_frozen(&restarted), "a restart forgets no version");
    assert!(
        restarted.engine().status().last_failure.unwrap().findings[0].message.contains("older")
    );
    restarted.rollback(&site.admin(), 1, None).await.unwrap();
    assert!(!is_frozen(&restarted), "an administrator may go back, and leaves an event");
}

#[tokio::test]
async fn an_unsigned_upload_and_a_rollback_to_an_unsigned_set_are_refused() {
    let mut site = Site::new();
    let before_trust = site.start(PolicyFeed::Store).await.unwrap();
    before_trust.upload(&site.admin(), uploaded(FREEZE), None).await.unwrap();
    let ann = BundleSigner::generate("ann").unwrap();
    site.trust = Some(TrustRoot::new([ann.verifier_key()], 1).unwrap());
    let refused = site.start(PolicyFeed::Store).await.unwrap_err();
    assert!(refused.is(codes::POLICIES_INVALID), "what is in force was never signed: {refused}");

    let mut site = Site::new();
    site.trust = Some(TrustRoot::new([ann.verifier_key()], 1).unwrap());
    let server = site.start(PolicyFeed::Store).await.unwrap();
    assert!(server.upload(&site.admin(), uploaded(FREEZE), None).await.is_err());
    let note = signed(&uploaded(FREEZE), 1, &[&ann]);
    let bundle = uploaded(FREEZE).with_bundle(Some(note));
    server.upload(&site.admin(), bundle, None).await.unwrap();
    assert!(is_frozen(&server));
    let eve = BundleSigner::generate("eve").unwrap();
    site.trust = Some(TrustRoot::new([eve.verifier_key()], 1).unwrap());
    assert!(site.start(PolicyFeed::Store).await.is_err(), "signed by nobody who counts today");
}
