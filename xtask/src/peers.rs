//! The real servers and tools the tests talk to, as Debian packages.

use crate::steps::{Outcome, answers, in_ci, run};

/// One peer: the package, and a program that shows it is there.
struct Peer {
    package: &'static str,
    program: &'static str,
    probe: &'static [&'static str],
    used_for: &'static str,
}

const PEERS: &[Peer] = &[
    Peer {
        package: "openssh-server",
        program: "sh",
        probe: &["-c", "test -x /usr/sbin/sshd"],
        used_for: "logging in with certificates of our authority",
    },
    Peer {
        package: "openssh-client",
        program: "ssh",
        probe: &["-V"],
        used_for: "logging in with certificates of our authority",
    },
    Peer {
        package: "postgresql",
        program: "sh",
        probe: &["-c", "ls /usr/lib/postgresql/*/bin/initdb"],
        used_for: "the PostgreSQL store",
    },
    Peer { package: "age", program: "age", probe: &["--version"], used_for: "age-wrapped files" },
    Peer {
        package: "oathtool",
        program: "oathtool",
        probe: &["--version"],
        used_for: "one-time passwords of a second implementation",
    },
    Peer {
        package: "golang-go",
        program: "go",
        probe: &["version"],
        used_for: "verifying the audit log with Go's x/mod",
    },
    Peer {
        package: "golang-golang-x-mod-dev",
        program: "sh",
        probe: &["-c", "test -d /usr/share/gocode/src/golang.org/x/mod/sumdb"],
        used_for: "verifying the audit log with Go's x/mod",
    },
    Peer { package: "curl", program: "curl", probe: &["--version"], used_for: "the walk by hand" },
];

/// Installs what is missing. Without the rights to do so it is a visible skip; in CI, a failure.
pub(crate) fn install() -> Outcome {
    let missing: Vec<&Peer> =
        PEERS.iter().filter(|peer| !answers(peer.program, peer.probe)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|peer| peer.package).collect();
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(&packages);
    let installed = run("apt-get", &["update", "-qq"]).and_then(|()| run("apt-get", &arguments));
    match installed {
        Err(why) if in_ci() => Err(format!("peers are missing: {why}")),
        Err(why) => {
            println!("SKIPPED installing {}: {why}", packages.join(" "));
            for peer in missing {
                println!("  without {}: no test of {}", peer.package, peer.used_for);
            }
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
