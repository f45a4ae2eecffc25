//! The transcripts of the documents are what `prov` prints: each is made again and compared. With
//! `PROV_WRITE_TRANSCRIPTS=1` it is written instead.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use prov_authz::PolicyFiles;

use crate::people::{ADMIN_PASSWORD, World, password_of};
use crate::server::Home;
use crate::terminal::{Terminal, administrator};
use crate::tools::{prov, run, tool};

/// What stands in a document.
struct Transcript(String);

impl Transcript {
    fn new(title: &str, intro: &str) -> Self {
        Self(format!("# {title}\n\n{intro}\n"))
    }

    fn say(&mut self, text: &str) {
        let _ = write!(self.0, "\n{text}\n");
    }

    /// A command and what it prints; it ends with this code.
    #[track_caller]
    fn run(&mut self, terminal: &Terminal, line: &str, code: i32) {
        let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "\\").collect();
        let mut command = terminal.command(&words[1..]);
        if let Some(solver) = solver() {
            command.env("PROV_SOLVER", solver);
        }
        let (found, out, error) = run(&mut command);
        assert_eq!(found, Some(code), "{line}: {out}{error}");
        let printed = steady(&format!("{out}{error}"));
        let _ = write!(self.0, "\n```console\n$ {line}\n{}\n```\n", printed.trim_end());
    }

    /// A line of a shell that has `prov` and the programs of this folder, and what it prints.
    #[track_caller]
    fn shell(&mut self, terminal: &Terminal, tools: &Path, line: &str, code: i32) {
        let own = terminal.program.parent().unwrap();
        let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
        let path = format!("{}:{}:{path}", tools.display(), own.display());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", line]).current_dir(terminal.path("")).env_clear().env("PATH", path);
        let (found, out, error) = run(&mut command);
        assert_eq!(found, Some(code), "{line}: {out}{error}");
        let printed = masked(&format!("{out}{error}"));
        let _ = write!(self.0, "\n```console\n$ {line}\n{}\n```\n", printed.trim_end());
    }

    /// A file as it is changed between two commands.
    fn file(&mut self, name: &str, text: &str) {
        let _ = write!(self.0, "\n`{name}`:\n\n```cedar\n{}\n```\n", text.trim_end());
    }

    fn keep(&self, name: &str) {
        self.keep_but(name, |_| false);
    }

    /// Lines that may come out otherwise each time are shown and not compared.
    fn keep_but(&self, name: &str, differs: impl Fn(&str) -> bool) {
        let path = Path::new("../docs/transcripts").join(name);
        if std::env::var_os("PROV_WRITE_TRANSCRIPTS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &self.0).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let compared = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !differs(line)).map(str::to_owned).collect()
        };
        let (kept, made) = (compared(&kept), compared(&self.0));
        for (kept, made) in kept.iter().zip(&made) {
            assert_eq!(kept, made, "{name}: write it anew with PROV_WRITE_TRANSCRIPTS=1");
        }
        assert_eq!(kept.len(), made.len(), "{name} ends early");
    }
}

/// The text without what differs each time: ids and times.
fn steady(text: &str) -> String {
    let is_id = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_id) {
        let (before, after) = rest.split_at(start);
        let end = after.find(|c| !is_id(c)).unwrap_or(after.len());
        let (run, after) = after.split_at(end);
        shown.push_str(before);
        shown.push_str(if run.len() == 26 { "…" } else { run });
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// The text without what differs each time: ids, hashes, keys, times.
fn masked(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "+/=-_:.".contains(c);
    let mask = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if word.len() >= 20 && digits > 3 { "…".to_owned() } else { word.to_owned() }
    };
    let (mut shown, mut word) = (String::new(), String::new());
    for c in text.chars() {
        if is_word(c) {
            word.push(c);
        } else {
            shown += &mask(&std::mem::take(&mut word));
            shown.push(c);
        }
    }
    shown + &mask(&word)
}

/// The solver that `cargo xtask peers` installs.
fn solver() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/prov/peers"));
    let peers = std::env::var_os("PROV_PEERS").map(PathBuf::from).or_else(home)?;
    Some(peers.join("cvc5/cvc5")).filter(|solver| solver.exists())
}

/// A terminal with the shipped policies in the folder `policies`.
fn at_home(program: &Path) -> Terminal {
    let terminal = Terminal::new(program, "http://127.0.0.1:1");
    PolicyFiles::shipped().write_missing(&terminal.path("policies")).unwrap();
    terminal
}

const DEPLOY: &str = "prov policy explain deploy Server web-1 --policies policies --team sre \\\n    \
                      -a hostname=web-1 -a workspace=shop -a environment=production \\\n    \
                      --from 10.0.0.1 --at";

#[test]
fn why_a_decision_is_what_it_is() {
    let Some(program) = prov() else { return };
    let home = at_home(&program);
    let mut told = Transcript::new(
        "Why not, and what would help",
        "The shipped policies, asked without a server. Every way out that is named was decided before \
         it was printed.",
    );
    let noon = "2026-03-02T12:00:00Z";
    told.say(
        "An SRE deploys to production at noon, without a second factor and without an approval:",
    );
    told.run(&home, &format!("{DEPLOY} {noon}"), 0);
    told.say("With both:");
    told.run(&home, &format!("{DEPLOY} {noon} --mfa --approval CHG-1042"), 0);
    told.say("With both, late in the evening, and from elsewhere:");
    let elsewhere = DEPLOY.replace("10.0.0.1", "203.0.113.5");
    told.run(&home, &format!("{elsewhere} 2026-03-02T22:30:00Z --mfa --approval CHG-1042"), 0);
    told.say("An auditor deletes: a `forbid` for which there is no way out.");
    let delete = DEPLOY.replace("deploy", "delete").replace("--team sre", "--team audit");
    told.run(&home, &format!("{delete} {noon} --mfa --approval EMERGENCY-1"), 0);
    told.say("Somebody who is in no team: what comes nearest, and what is missing of it.");
    let nobody = DEPLOY.replace(" --team sre", "").replace("explain deploy", "explain ssh");
    told.run(&home, &format!("{nobody} {noon} --mfa"), 0);
    told.keep("explain.md");
}

const FREEZE: &str = "@id(\"freeze\")\n@description(\"nothing changes in production this week\")\n\
                      forbid (\n  principal,\n  action == Provisioning::Action::\"deploy\",\n  \
                      resource in Provisioning::Environment::\"production\"\n);\n";

#[test]
fn what_a_draft_would_have_changed() {
    let Some(program) = prov() else { return };
    let home = Home::new();
    let folder = home.path().join("policies");
    PolicyFiles::shipped().write_missing(&folder).unwrap();
    let path = format!("cedar.policies_path={}", folder.display());
    let settings = ["--set", &path, "--set", "cedar.corporate_networks=127.0.0.0/8"];
    let world = World::over(home.start_with(&settings));
    world.person("paula", &["viewer"], &["platform-admin"]);
    let paula = Terminal::of(&program, &world, "paula", &password_of("paula"));
    let admin = Terminal::of(&program, &world, "admin", ADMIN_PASSWORD);
    let mut told = Transcript::new(
        "What would a draft have changed?",
        "A server with the shipped policies, and a draft of the next set. The decisions of the last \
         hour are made again by the draft, from the audit log. Nothing is changed by asking.",
    );
    told.say("Paula of the team platform-admin deploys:");
    let asked = "prov policy authorize deploy Server web-1 \\\n    -a hostname=web-1 -a workspace=shop \
                 -a environment=production";
    told.run(&paula, asked, 0);
    told.say("The administrator of prov has a draft in the folder `next`, with one policy more:");
    PolicyFiles::shipped().write_missing(&admin.path("next")).unwrap();
    std::fs::write(admin.path("next/freeze.cedar"), FREEZE).unwrap();
    told.file("next/freeze.cedar", FREEZE);
    told.run(&admin, "prov policy validate next", 0);
    told.run(&admin, "prov policy simulate next --from 1h --output yaml", 0);
    told.keep("simulate.md");
}

#[test]
fn what_holds_of_every_request() {
    let Some(program) = prov() else { return };
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    if solver().is_none() {
        // Says what is missing, or fails where it must be there.
        let _ = tool(home.join(".cache/prov/peers/cvc5/cvc5"));
        return;
    }
    let home = at_home(&program);
    let mut told = Transcript::new(
        "What holds of every request",
        "Invariants of the shipped policies, proved by an SMT solver for every request there is.",
    );
    told.run(&home, "prov policy prove", 0);
    told.say("Somebody lets developers deploy to production in an emergency. Does that permit more than before?");
    let changed = "@id(\"emergency-deploy\")\n@description(\"developers deploy in an emergency\")\n\
                   permit (\n  principal in Provisioning::Team::\"developers\",\n  \
                   action == Provisioning::Action::\"deploy\",\n  resource\n)\n\
                   when { context has approval_id && context.approval_id like \"EMERGENCY-*\" };\n";
    PolicyFiles::shipped().write_missing(&home.path("next")).unwrap();
    std::fs::write(home.path("next/emergency.cedar"), changed).unwrap();
    told.file("next/emergency.cedar", changed);
    told.run(&home, "prov policy prove next --against policies --no-more", 1);
    // Which requests the solver shows is its own choice.
    told.keep_but("prove.md", |line| line.trim().is_empty() || line.starts_with("          "));
}

/// The folder of a verifier that is none of ours.
fn foreign_verifier() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
    let program = tool(cache.join("prov-peers/aics-tlog-0.2.1/bin/aics-tlog"))?;
    program.parent().map(Path::to_owned)
}

#[test]
fn one_event_is_verified_offline_by_others() {
    let (Some(tools), Some((world, admin))) = (foreign_verifier(), administrator()) else { return };
    let team = serde_json::json!({ "name": "payments" });
    world.admin.post("/api/v1/teams", &team).expect(201);
    let key = world.server.home.data().join("audit/standard/log.vkey");
    std::fs::copy(key, admin.path("log.vkey")).unwrap();
    let found = admin.json(&["audit", "query", "--action", "team.create"]);
    let event = found["items"][0]["id"].as_str().unwrap().to_owned();
    let mut told = Transcript::new(
        "One event, verified without us",
        "An auditor was handed the public key of a log when it was set up, `log.vkey`. Now the team `payments` is in question: who made it, \
         and was that entered later? The server's administrator hands over three files:",
    );
    admin.ok(&["audit", "proof", &event, "--save", "case-7"]);
    told.0.push_str("\n```console\n$ prov audit proof 01a2… --save case-7\n```\n");
    told.say("The auditor needs no server, and nothing of ours. The event is what was written, byte for byte:");
    told.shell(&admin, &tools, "cat case-7.leaf", 0);
    told.say(
        "The proof is a C2SP tlog-proof: the event's place, the hashes beside its way to the root, and a checkpoint with the log's signature.",
    );
    told.shell(&admin, &tools, "cat case-7.tlog-proof", 0);
    told.say("`aics-tlog`, an implementation of these formats that is not ours, takes the parts one by one:");
    told.shell(&admin, &tools, "sed '1,2d;/^$/,$d' case-7.tlog-proof > hashes", 0);
    told.shell(&admin, &tools, "sed '1,/^$/d' case-7.tlog-proof > checkpoint", 0);
    let verify = "aics-tlog verify-inclusion --leaf case-7.leaf --proof hashes --checkpoint checkpoint \\\n    \
                  --index $(sed -n 's/^index //p' case-7.tlog-proof) --vkey-file log.vkey";
    told.shell(&admin, &tools, verify, 0);
    told.say("Somebody who changes one word of the event:");
    told.shell(&admin, &tools, "sed -i s/payments/payrolls/ case-7.leaf", 0);
    told.shell(&admin, &tools, verify, 1);
    // Numbers are those of one run.
    told.keep_but("evidence.md", |line| line.chars().any(|c| c.is_ascii_digit() || c == '…'));
}
