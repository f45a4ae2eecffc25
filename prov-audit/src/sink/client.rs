//! HTTP/1.1 to one receiver, over one connection that is kept.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{HOST, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use prov_core::{Error, Result};

use super::wire::{Target, quoted};
use crate::codes;

/// More of an answer than this is not read.
const LARGEST_ANSWER: usize = 4 << 20;

/// A receiver that speaks HTTP.
pub(crate) struct Client {
    target: Target,
    open: Option<Open>,
}

/// A connection: what sends on it, and what moves its bytes, which nobody else does.
struct Open {
    sender: SendRequest<Full<Bytes>>,
    driver: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
    used: bool,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The answer, if its status says that all is well.
    pub(crate) fn well(self) -> Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(Error::new(codes::SINK_FAILED).detail(format!(
            "answered {}: {}",
            self.status.as_u16(),
            quoted(&self.body)
        )))
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(|e| {
            let what = format!("answered what is no JSON: {}", quoted(&self.body));
            Error::new(codes::SINK_FAILED).detail(what).source(e)
        })
    }
}

impl Client {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, open: None }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Sends a request whose URI is a path, and reads the answer. A connection that was kept and that
    /// the receiver has closed meanwhile is made anew.
    pub(crate) async fn send(&mut self, request: Request<Bytes>) -> Result<Answer> {
        let (mut parts, body) = request.into_parts();
        let host = HeaderValue::try_from(self.target.authority())
            .map_err(|e| Error::new(codes::SINK_FAILED).detail("no name for a host").source(e))?;
        parts.headers.insert(HOST, host);
        loop {
            // Taken: a call that is dropped leaves no half-used connection behind.
            let mut kept = self.open.take();
            let mut open = match kept.take_if(is_alive) {
                Some(open) => open,
                None => connect(&self.target).await?,
            };
            let request = Request::from_parts(parts.clone(), Full::new(body.clone()));
            match exchange(&mut open, request).await {
                Ok((answer, reusable)) => {
                    open.used = true;
                    self.open = reusable.then_some(open);
                    return Ok(answer);
                }
                Err(_) if open.used => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether a connection that was kept has not ended.
fn is_alive(open: &mut Open) -> bool {
    (&mut open.driver).now_or_never().is_none() && !open.sender.is_closed()
}

async fn connect(target: &Target) -> Result<Open> {
    let stream = target.connect().await?;
    let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(|e| failed(target, e))?;
    Ok(Open { sender, driver: Box::pin(driver), used: false })
}

/// Sends and reads while the connection is driven; whether it can be used again.
async fn exchange(open: &mut Open, request: Request<Full<Bytes>>) -> Result<(Answer, bool)> {
    let Open { sender, driver, .. } = open;
    let broken = |e: hyper::Error| {
        let what =
            if e.is_parse() { "answered what is no HTTP" } else { "broke the connection off" };
        Error::new(codes::SINK_FAILED).detail(what).source(e)
    };
    let exchange = async {
        sender.ready().await.map_err(broken)?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
        let body = body.map_err(|e| {
            Error::new(codes::SINK_FAILED).detail("its answer is too long, or broke off").source(e)
        })?;
        Ok(Answer { status, body: body.to_bytes() })
    };
    let mut exchange = std::pin::pin!(exchange);
    let mut ended = false;
    let answer = loop {
        tokio::select! {
            answer = &mut exchange => break answer,
            _ = &mut *driver, if !ended => ended = true,
        }
    };
    answer.map(|answer| (answer, !ended))
}

fn failed(target: &Target, error: hyper::Error) -> Error {
    let what = format!("connecting to {}", target.authority());
    Error::new(codes::SINK_FAILED).detail(what).source(error)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("target", &self.target).finish_non_exhaustive()
    }
}
