//! `prov audit tail`: the live tail, taken up again wherever it broke off.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

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
    let mut states = States { goes_on: after.is_some(), known: BTreeMap::new() };
    let (mut last, mut rest, mut was_there) = (after, SHORTEST, false);
    loop {
        match client.stream(&path, last.as_deref()) {
            Ok(answer) => {
                let body = answer.into_body().into_reader();
                was_there = true;
                let mut print = |kind: &str, data: &str| states.print(kind, data);
                match read(body, &mut last, &mut print)? {
                    ControlFlow::Break(()) => return Ok(()),
                    ControlFlow::Continue(true) => rest = SHORTEST,
                    ControlFlow::Continue(false) => {}
                }
            }
            // What never worked is said at once; what worked once is waited for.
            Err(failure) if was_there && passes(&failure) => {}
            Err(failure) => return Err(failure),
        }
        sleep(rest);
        rest = (rest * 2).min(LONGEST);
    }
}

/// Whether a server that was there may be there again: it starts anew, or has too much to do.
fn passes(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable { .. } => true,
        Failure::Problem(problem) => problem.status == 429 || problem.status >= 500,
        _ => false,
    }
}

/// Gives each event of one stream, its kind and its data, for as long as they are wanted; whether there were
/// any. Only behind an event that was given as a whole is the stream taken up again.
fn read(
    body: impl Read,
    last: &mut Option<String>,
    give: &mut dyn FnMut(&str, &str) -> Outcome<bool>,
) -> Outcome<ControlFlow<(), bool>> {
    let (mut any, mut id, mut kind, mut data) = (false, None, String::new(), None::<String>);
    for line in BufReader::new(body).lines() {
        let Ok(line) = line else { break };
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => id = Some(value.to_owned()),
            "event" => value.clone_into(&mut kind),
            "data" => {
                let before = data.take().map(|data| data + "\n").unwrap_or_default();
                data = Some(before + value);
            }
            // An empty line ends an event; what breaks off before it is no event yet.
            "" if line.is_empty() => {
                if let Some(data) = data.take() {
                    if !give(&kind, &data)? {
                        return Ok(ControlFlow::Break(()));
                    }
                    any = true;
                    *last = id.take().or(last.take());
                }
                (id, kind) = (None, String::new());
            }
            // A comment, or what is not known yet.
            _ => {}
        }
    }
    Ok(ControlFlow::Continue(any))
}

/// What was said of the logs.
struct States {
    /// Whether an earlier tail may have said something.
    goes_on: bool,
    /// What is wrong with each log, if anything is.
    known: BTreeMap<String, Option<String>>,
}

impl States {
    /// Prints an event; false when nobody reads any more.
    fn print(&mut self, kind: &str, data: &str) -> Outcome<bool> {
        // What is missing is no event: whoever reads the events must not take it for one.
        if kind == "audit" {
            return output::print_while_read(&terminal::json(data));
        }
        if kind != "alarm" || self.are_new(data) {
            eprintln!("{}: {}", terminal::shown(kind), terminal::shown(data));
        }
        Ok(true)
    }

    /// Whether this says of a log what was not said before: a stream that is taken up again says how each is.
    fn are_new(&mut self, data: &str) -> bool {
        let Ok(log) = serde_json::from_str::<Value>(data) else { return true };
        let text = |pointer| log.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let alarm = text("/alarm/kind");
        let known = self.known.insert(text("/origin").unwrap_or_default(), alarm.clone());
        known.map_or(alarm.is_some() || self.goes_on, |known| known != alarm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": alive\n\nid: a-1\nevent: audit\ndata: {\"seq\":0}\n\n\
        id: a-2\nevent: gap\ndata: {}\n\nid: a-3\nevent: audit\ndata: {\"seq\":2}\n\n";

    /// What is given of a stream that ends so, and behind what it is taken up again.
    fn given(stream: &str) -> (Vec<(String, String)>, Option<String>) {
        let (mut all, mut last) = (Vec::new(), Some("a-0".to_owned()));
        let mut give = |kind: &str, data: &str| {
            all.push((kind.to_owned(), data.to_owned()));
            Ok(true)
        };
        let read = read(stream.as_bytes(), &mut last, &mut give).unwrap();
        assert_eq!(read, ControlFlow::Continue(!all.is_empty()));
        (all, last)
    }

    #[test]
    fn a_stream_that_breaks_off_anywhere_loses_and_repeats_nothing() {
        let (whole, last) = given(STREAM);
        assert_eq!((whole.len(), last.as_deref()), (3, Some("a-3")));
        assert_eq!(whole[0], ("audit".to_owned(), "{\"seq\":0}".to_owned()));
        for end in 0..STREAM.len() {
            let (first, last) = given(STREAM.get(..end).unwrap());
            let last = last.unwrap();
            // What the server gives behind that id.
            let begins = STREAM.find(&format!("id: {last}\n"));
            let rest = begins.map_or(0, |at| at + STREAM.get(at..).unwrap().find("\n\n").unwrap());
            let both = [first, given(STREAM.get(rest..).unwrap()).0].concat();
            assert_eq!(both, whole, "broken off at {end}, taken up behind {last}");
        }
    }

    #[test]
    fn a_stream_is_read_as_other_servers_may_write_it() {
        let (all, last) =
            given("id:x\r\ndata:1\r\ndata: 2\r\nretry: 5\r\n\r\nid: y\n\ndata: 3\n\n");
        let data: Vec<_> = all.iter().map(|(_, data)| data.as_str()).collect();
        assert_eq!((data, last.as_deref()), (vec!["1\n2", "3"], Some("x")));
    }

    #[test]
    fn when_nobody_reads_any_more_the_rest_is_not_asked_for() {
        let mut last = None;
        let mut count = 0;
        let mut give = |_: &str, _: &str| {
            count += 1;
            Ok(count < 2)
        };
        let read = read(STREAM.as_bytes(), &mut last, &mut give).unwrap();
        assert_eq!((read, count, last.as_deref()), (ControlFlow::Break(()), 2, Some("a-1")));
    }

    #[test]
    fn how_a_log_is_is_said_when_it_is_new() {
        let sick = r#"{"origin": "a", "alarm": {"kind": "gap"}}"#;
        let worse = r#"{"origin": "a", "alarm": {"kind": "fork"}}"#;
        let (well, other) = (r#"{"origin": "a"}"#, r#"{"origin": "b"}"#);
        let mut states = States { goes_on: false, known: BTreeMap::new() };
        let said = [well, sick, sick, worse, well, well, other].map(|data| states.are_new(data));
        assert_eq!(said, [false, true, false, true, true, false, false]);
        // An earlier tail may have said that something was wrong with it.
        let mut states = States { goes_on: true, known: BTreeMap::new() };
        assert_eq!([well, well, sick].map(|data| states.are_new(data)), [true, false, true]);
    }

    #[test]
    fn a_server_that_starts_anew_is_waited_for_and_a_refusal_is_not() {
        let problem = |status: u16| {
            let document = serde_json::json!({
                "type": "x", "code": "x.y", "title": "x", "status": status, "detail": "x",
            });
            Failure::Problem(serde_json::from_value(document).unwrap())
        };
        assert!(passes(&problem(503)) && passes(&problem(429)));
        let away = Failure::Unreachable { server: String::new(), why: String::new() };
        assert!(passes(&away) && !passes(&problem(403)) && !passes(&problem(404)));
    }
}
