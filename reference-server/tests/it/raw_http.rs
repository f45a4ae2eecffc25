//! HTTP/1.1 by hand, for what no decent client sends.

use std::io::{Read, Write};
use std::net::TcpStream;

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::client::Answer;
use crate::server::PATIENCE;

/// Sends bytes as they are, and reads the answer until the server closes. An answer that comes
/// before everything was sent counts: that is how a body that is too large is refused.
pub(crate) fn exchange(address: &str, bytes: &[u8], asked: &str) -> Answer {
    parse(&answered(address, bytes), asked)
}

/// What comes back for these bytes, an answer or not, until the server closes.
pub(crate) fn answered(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut writer = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The server may close before it has read everything.
            let _ = writer.write_all(bytes);
        });
        read_answer(&mut stream)
    })
}

/// Everything until the end of the connection, which a reset is as well.
pub(crate) fn read_answer(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut some) = (Vec::new(), [0; 8192]);
    while let Ok(read @ 1..) = stream.read(&mut some) {
        all.extend_from_slice(&some[..read]);
    }
    all
}

pub(crate) fn parse(bytes: &[u8], asked: &str) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end =
        end.unwrap_or_else(|| panic!("{asked}: no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    Answer { asked: asked.to_owned(), status, headers, body: bytes[end + 4..].to_owned() }
}
