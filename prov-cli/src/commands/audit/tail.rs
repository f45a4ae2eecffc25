//! `prov audit tail`: the live tail, taken up again wherever it broke off.

use std::io::{BufRead, BufReader};
use std::thread::sleep;
use std::time::Duration;

use crate::client::{Client, segment};
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::terminal;

/// How long is waited before a stream that broke off is asked for again; twice as long each time.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);

/// Prints events until nobody reads them, or the server refuses.
pub(super) fn follow(client: &Client, question: Option<&str>, after: Option<String>) -> Outcome {
    let path = match question {
        Some(question) => format!("/api/v1/audit/stream?query={}", segment(question)),
        None => "/api/v1/audit/stream".to_owned(),
    };
    let (mut last, mut rest, mut was_there) = (after, SHORTEST, false);
    loop {
        match client.stream(&path, last.as_deref()) {
            Ok(body) => {
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
    let mut any = false;
    for line in BufReader::new(body).lines() {
        // A stream that breaks off is taken up again behind its last event.
        let Ok(line) = line else { break };
        if let Some(id) = line.strip_prefix("id: ") {
            *last = Some(id.to_owned());
        } else if let Some(data) = line.strip_prefix("data: ") {
            output::print(&terminal::json(data))?;
            any = true;
        }
    }
    Ok(any)
}
