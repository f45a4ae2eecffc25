//! Directories as they are found in the field, and what must not come through them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prov_authz::{
    CedarEngine, CedarOptions, PolicyEngine, PolicyFiles, PolicyReloader, codes, validate_dir,
};
use prov_core::audit::{MemoryRecorder, Outcome};
use prov_core::{Clock, ManualClock, Role, Timestamp};
use tempfile::TempDir;

use crate::world::{NOON, context_of, holder, policy_directory};

const FREEZE: &str = "@id(\"freeze\")\n@description(\"d\")\n\
                      forbid (principal, action, resource is Provisioning::Server);\n";

struct Site {
    engine: Arc<CedarEngine>,
    reloader: PolicyReloader,
    recorder: MemoryRecorder,
    clock: Arc<ManualClock>,
}

impl Site {
    fn over(directory: &Path) -> Self {
        let now: Timestamp = NOON.parse().unwrap();
        let clock = Arc::new(ManualClock::at(now));
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let engine =
            CedarEngine::open(directory, Arc::clone(&shared), CedarOptions::default()).unwrap();
        let (engine, recorder) = (Arc::new(engine), MemoryRecorder::new());
        let reloader =
            PolicyReloader::new(Arc::clone(&engine), directory, Arc::new(recorder.clone()), shared);
        Self { engine, reloader, recorder, clock }
    }

    async fn refresh(&self) -> prov_core::Result<String> {
        let context = context_of(&holder(Role::Admin), true, &*self.clock);
        self.reloader.refresh(&context).await.map(|revision| revision.to_string())
    }

    fn revision(&self) -> String {
        self.engine.revision().to_string()
    }
}

/// The layout that Kubernetes mounts a configuration map with.
struct Mount(TempDir);

impl Mount {
    fn new() -> Self {
        let mount = Self(tempfile::tempdir().unwrap());
        mount.write("..2026_01", &PolicyFiles::shipped());
        symlink("..2026_01", mount.path().join("..data")).unwrap();
        let names = fs::read_dir(mount.path().join("..2026_01")).unwrap();
        for name in names.map(|entry| entry.unwrap().file_name()) {
            let target = Path::new("..data").join(&name);
            symlink(target, mount.path().join(name)).unwrap();
        }
        mount
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, version: &str, files: &PolicyFiles) {
        files.write_missing(&self.path().join(version)).unwrap();
    }

    fn swap(&self, from: &str, to: &str) {
        let next = self.path().join("..data_tmp");
        symlink(to, &next).unwrap();
        fs::rename(next, self.path().join("..data")).unwrap();
        fs::remove_dir_all(self.path().join(from)).unwrap();
    }
}

/// The shipped set; every file of it says which version it is.
fn version(number: usize) -> PolicyFiles {
    let mut files = PolicyFiles::shipped();
    for file in &mut files.policies {
        file.text = format!("{}\n// version {number}\n", file.text);
    }
    files
}

#[test]
fn a_swap_of_a_mounted_volume_is_seen_whole_and_never_as_a_mixture() {
    let mount = Mount::new();
    let site = Site::over(mount.path());
    let known: Vec<String> = (0..8)
        .map(|number| {
            let folder = tempfile::tempdir().unwrap();
            version(number).write_missing(folder.path()).unwrap();
            let report = validate_dir(folder.path(), &CedarOptions::default());
            report.revision.unwrap().to_string()
        })
        .collect();
    let first = site.revision();
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let mut last = "..2026_01".to_owned();
            for round in 0..40 {
                let next = format!("..2026_02_{round}");
                mount.write(&next, &version(round % 8));
                mount.swap(&last, &next);
                last = next;
            }
            done.store(true, Ordering::SeqCst);
        });
        let reading = scope.spawn(|| {
            let mut seen = Vec::new();
            loop {
                let is_last = done.load(Ordering::SeqCst);
                // Never refused: at worst left for the next look.
                seen.push(runtime_block(&site));
                if is_last {
                    return seen;
                }
            }
        });
        swapping.join().unwrap();
        reading.join().unwrap()
    });
    for revision in &seen {
        assert!(*revision == first || known.contains(revision), "a mixture went live");
    }
    assert_eq!(*seen.last().unwrap(), known[39 % 8]);
}

fn runtime_block(site: &Site) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(site.refresh()).unwrap()
}

#[test]
fn a_file_that_vanishes_while_it_is_read_is_no_refusal() {
    let folder = policy_directory();
    let site = Site::over(folder.path());
    let extra = folder.path().join("zz.cedar");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..200 {
                fs::write(folder.path().join(".zz"), FREEZE).unwrap();
                fs::rename(folder.path().join(".zz"), &extra).unwrap();
                fs::remove_file(&extra).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            runtime_block(&site);
        }
    });
    assert_eq!(site.engine.status().last_failure, None);
}

fn git(directory: &Path) -> PathBuf {
    let git = directory.join(".git");
    fs::create_dir_all(git.join("refs/heads")).unwrap();
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    git
}

#[tokio::test]
async fn the_commit_of_a_checkout_is_the_version_of_its_set() {
    let root = tempfile::tempdir().unwrap();
    let policies = root.path().join("deploy/policies");
    PolicyFiles::shipped().write_missing(&policies).unwrap();
    let git = git(root.path());
    let (one, two, three) = ("1".repeat(40), "2".repeat(40), "3".repeat(64));
    let packed = format!("# pack-refs with: peeled\n{one} refs/heads/main\n^{two}\n");
    fs::write(git.join("packed-refs"), packed).unwrap();
    let site = Site::over(&policies);
    let commit = || site.engine.status().commit;
    site.refresh().await.unwrap();
    assert_eq!(commit(), Some(one), "a packed reference");
    fs::write(git.join("refs/heads/main"), format!("{two}\n")).unwrap();
    site.refresh().await.unwrap();
    assert_eq!(commit(), Some(two), "a loose one goes before it");
    fs::write(git.join("HEAD"), format!("{three}\n")).unwrap();
    site.refresh().await.unwrap();
    assert_eq!(commit(), Some(three.clone()), "a detached head, of SHA-256");
    assert_eq!(site.recorder.events().len(), 0, "the same policies at another commit");
    fs::write(git.join("HEAD"), "ref: refs/heads/../../../etc/passwd\n").unwrap();
    site.refresh().await.unwrap();
    assert_eq!(commit(), None);

    // A worktree: a file instead of the directory, and references elsewhere.
    let worktree = tempfile::tempdir().unwrap();
    PolicyFiles::shipped().write_missing(worktree.path()).unwrap();
    let own = git.join("worktrees/w");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::write(own.join("commondir"), "../..\n").unwrap();
    fs::write(worktree.path().join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
    let site = Site::over(worktree.path());
    site.refresh().await.unwrap();
    assert_eq!(site.engine.status().commit, Some("2".repeat(40)));
}

#[tokio::test]
async fn a_half_checked_out_tree_is_not_read_and_a_lock_that_is_left_is_said() {
    let folder = policy_directory();
    let git = git(folder.path());
    let site = Site::over(folder.path());
    let before = site.revision();
    fs::write(git.join("index.lock"), "").unwrap();
    fs::write(folder.path().join("freeze.cedar"), FREEZE).unwrap();
    assert_eq!(site.refresh().await.unwrap(), before, "git is at work");
    assert_eq!(site.engine.status().last_failure, None);
    let context = context_of(&holder(Role::Admin), true, &*site.clock);
    assert!(site.reloader.reload(&context).await.unwrap_err().is(codes::POLICIES_BUSY));
    fs::remove_file(git.join("index.lock")).unwrap();
    assert_ne!(site.refresh().await.unwrap(), before);

    fs::write(git.join("index.lock"), "").unwrap();
    site.refresh().await.unwrap();
    site.clock.advance(std::time::Duration::from_secs(61));
    let error = site.refresh().await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(site.engine.status().last_failure.unwrap().findings[0].message.contains("index.lock"));
    assert_eq!(site.recorder.events().last().unwrap().outcome, Outcome::Failure);
}

#[tokio::test]
async fn what_is_no_policy_file_is_refused_with_name_and_remedy_and_the_old_set_stays() {
    let folder = policy_directory();
    let site = Site::over(folder.path());
    let before = site.revision();
    let bad = folder.path().join("bad.cedar");
    let large = || fs::write(&bad, vec![b' '; 50 << 20]).unwrap();
    let cases: [(&str, &dyn Fn()); 5] = [
        ("bad.cedar: the file is larger than 1 MiB; split it", &large),
        ("bad.cedar:2:4: the file is not UTF-8", &|| fs::write(&bad, b"//\n// \xff\xfe").unwrap()),
        ("bad.cedar: the file can't be read", &|| symlink("bad.cedar", &bad).unwrap()),
        ("bad.cedar: this is no regular file", &|| symlink("/dev/zero", &bad).unwrap()),
        ("bad.cedar: this is no regular file", &|| fs::create_dir(&bad).unwrap()),
    ];
    for (said, make) in cases {
        make();
        site.refresh().await.unwrap_err();
        let found = site.engine.status().last_failure.unwrap().findings[0].to_string();
        assert!(found.starts_with(said), "{found}");
        assert!(found.contains("; "), "a remedy: {found}");
        assert_eq!(site.revision(), before);
        let event = site.recorder.events().pop().unwrap();
        assert_eq!(event.outcome, Outcome::Failure);
        assert!(event.context["findings"][0].as_str().unwrap().starts_with("bad.cedar"));
        let gone = fs::remove_file(&bad).or_else(|_| fs::remove_dir(&bad));
        gone.unwrap();
    }
    site.refresh().await.unwrap();
    assert_eq!(site.engine.status().last_failure, None);
}

#[tokio::test]
async fn a_directory_that_links_to_itself_is_refused() {
    let folder = policy_directory();
    let place = folder.path().join("set");
    PolicyFiles::shipped().write_missing(&place).unwrap();
    let site = Site::over(&place);
    fs::remove_dir_all(&place).unwrap();
    symlink("set", &place).unwrap();
    site.refresh().await.unwrap_err();
    let found = site.engine.status().last_failure.unwrap().findings[0].to_string();
    assert!(found.contains("can't be read"), "{found}");
}
