//! `prov audit tail`: the live tail, taken up again wherever it broke off.

use std::io::{BufRead, BufReader};
use std::thread::sleep;
use std::time::Duration;

use crate::client::Client;
use crate::commands::Part;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::terminal;

/// How long is waited before a stream that broke off is asked for again; twice as long each time.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);

/// Prints events until nobody reads them, or the server refuses.
pub(super) fn follow(
    client: &Client,
    (question, origin): (Option<&str>, Option<&str>),
    after: Option<String>,
) -> Outcome {
    let asked = [("query", question), ("origin", origin)];
    let path = Part::default().of("/api/v1/audit/stream", &asked);
    let (mut last, mut rest, mut was_there) = (after, SHORTEST, false);
    loop {
        match client.stream(&path, last.as_deref()) {
            Ok(answer) => {
                let body = answer.into_body().into_reader();
                was_there = true;
                if read(body, &mut last)? {
                    rest = SHORTEST;
                }
            }
            // What never worked is said at once; what worked once is waited for.
            Err(Failure::Unreachable { .. }) if was_there => {}
            Err(failure) => return Err(failure),
        }
        sleep(rest);
        rest = (rest * 2).min(LONGEST);
    }
}

/// Prints the events of one stream; whether there were any.
fn read(body: impl std::io::Read, last: &mut Option<String>) -> Outcome<bool> {
    let (mut any, mut kind) = (false, String::new());
    for line in BufReader::new(body).lines() {
        // A stream that breaks off is taken up again behind its last event.
        let Ok(line) = line else { break };
        if let Some(id) = line.strip_prefix("id: ") {
            *last = Some(id.to_owned());
        } else if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut kind);
        } else if let Some(data) = line.strip_prefix("data: ") {
            // What is missing is no event: whoever reads the events must not take it for one.
            if kind == "audit" {
                output::print(&terminal::json(data))?;
            } else {
                eprintln!("{}: {}", terminal::shown(&kind), terminal::shown(data));
            }
            any = true;
        }
    }
    Ok(any)
}
