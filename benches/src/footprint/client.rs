//! An HTTP client that keeps its connections.

use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Failure;
use crate::measure::Distribution;

/// One connection.
#[derive(Debug)]
pub struct Client {
    send: SendRequest<Body>,
    /// Drives the connection; ends with it.
    driver: JoinSet<()>,
    address: String,
}

/// What many requests took.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Load {
    /// All of them together.
    pub wall: Duration,
    /// Each.
    pub each: Distribution,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (send, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        Ok(Self { send, driver, address: address.to_owned() })
    }

    /// Gets a document.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn get(
        &mut self,
        path: &str,
        token: Option<&str>,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let mut request = Request::get(path).header(header::HOST, &self.address);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(Body::empty())?).await
    }

    /// Posts a document, and reads the one that comes back.
    ///
    /// # Errors
    /// When the answer is no success.
    pub async fn post(&mut self, path: &str, document: &Value) -> Result<Value, Failure> {
        let request = Request::post(path)
            .header(header::HOST, &self.address)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(document.to_string()))?;
        let (status, body) = self.send(request).await?;
        if status.is_success() {
            return Ok(serde_json::from_slice(&body)?);
        }
        Err(format!("{path}: {status} {}", String::from_utf8_lossy(&body)).into())
    }

    async fn send(&mut self, request: Request<Body>) -> Result<(StatusCode, Vec<u8>), Failure> {
        let response = self.send.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes().to_vec()))
    }

    /// Gets the same document so many times over so many connections at once.
    ///
    /// # Errors
    /// When any answer is not 200.
    pub async fn load(
        address: &str,
        path: &str,
        token: Option<&str>,
        requests: usize,
        connections: usize,
    ) -> Result<Load, Failure> {
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(Self::connect(address).await?);
        }
        let each = requests.div_ceil(connections.max(1));
        let start = Instant::now();
        let all = clients.into_iter().map(|client| client.repeat(path, token, each));
        let times = futures_util::future::try_join_all(all).await?;
        let wall = start.elapsed();
        Ok(Load { wall, each: Distribution::of(times.into_iter().flatten().collect()) })
    }

    async fn repeat(
        mut self,
        path: &str,
        token: Option<&str>,
        times: usize,
    ) -> Result<Vec<Duration>, Failure> {
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            let start = Instant::now();
            let (status, body) = self.get(path, token).await?;
            took.push(start.elapsed());
            if status != StatusCode::OK {
                return Err(format!("{path}: {status} {}", String::from_utf8_lossy(&body)).into());
            }
        }
        self.driver.abort_all();
        Ok(took)
    }
}
