//! One witness, as its client sees it.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use jiff::Timestamp;
use prov_core::audit::RetentionClass;
use prov_core::{Error, Result};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::codes;
use crate::log::{Log, place};
use crate::note::{Checkpoint, CosignerKey, cosigned_at, lines, split};
use crate::sink::{Answer, Client, Target, TargetOptions, quoted};
use crate::witness::{PolicyWitness, number};

/// How often it is asked in a row, when it says that it has seen another size.
const ATTEMPTS: usize = 3;

/// A witness that is asked.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its place in the policy.
    pub(super) at: usize,
    key: CosignerKey,
    client: Client,
    path: String,
    /// What it has seen of each log, as far as is known.
    pub(super) seen: [u64; 2],
}

/// What a witness answered.
#[derive(Debug)]
pub(super) struct Cosignature {
    /// Its line, with the line break.
    pub(super) line: String,
    pub(super) time: Timestamp,
}

impl Peer {
    /// The witness at this place of the policy; `None` when it has no URL.
    pub(super) fn new(
        at: usize,
        witness: &PolicyWitness,
        options: &TargetOptions,
    ) -> Result<Option<Self>> {
        let Some(url) = &witness.url else { return Ok(None) };
        let target = Target::of_web(url, options)?;
        let path = format!("{}/add-checkpoint", target.path().trim_end_matches('/'));
        let (key, client) = (witness.key.clone(), Client::new(target));
        Ok(Some(Self { at, key, client, path, seen: [0; 2] }))
    }

    /// Has it cosign a checkpoint: with a proof from what it has seen before.
    pub(super) async fn cosign(
        &mut self,
        log: &Log,
        class: RetentionClass,
        checkpoint: &Checkpoint,
    ) -> Result<Cosignature> {
        for _ in 0..ATTEMPTS {
            let old = self.seen.get(place(class)).copied().unwrap_or_default();
            if old > checkpoint.size {
                let what = format!(
                    "it has seen {old} events of this log, which has {}: the log was put back, or \
                     two logs have its name",
                    checkpoint.size
                );
                return Err(Error::new(codes::NOT_CONSISTENT).detail(what));
            }
            let proof = log.consistency_proof(class, old, Some(checkpoint.size)).await?;
            let hashes = proof.hashes.iter().map(|hash| STANDARD.encode(hash) + "\n");
            let head: String = std::iter::once(format!("old {old}\n")).chain(hashes).collect();
            let answer = self.post(format!("{head}\n{}", checkpoint.note)).await?;
            let seen = match answer.status {
                StatusCode::OK => {
                    let cosignature = self.read(checkpoint, &answer)?;
                    self.remember(class, checkpoint.size);
                    return Ok(cosignature);
                }
                StatusCode::CONFLICT => std::str::from_utf8(&answer.body)
                    .ok()
                    .and_then(|text| number(text.strip_suffix('\n')?))
                    .ok_or_else(|| unusable(&answer))?,
                StatusCode::UNPROCESSABLE_ENTITY => {
                    let what =
                        format!("says the log does not continue what it saw: {}", said(&answer));
                    return Err(Error::new(codes::NOT_CONSISTENT).detail(what));
                }
                _ => return Err(unusable(&answer)),
            };
            self.remember(class, seen);
        }
        Err(Error::new(codes::WITNESS_FAILED)
            .detail("says each time that it has seen another size"))
    }

    fn remember(&mut self, class: RetentionClass, size: u64) {
        if let Some(seen) = self.seen.get_mut(place(class)) {
            *seen = size;
        }
    }

    async fn post(&mut self, body: String) -> Result<Answer> {
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.parse().map_err(|e| {
            Error::new(codes::WITNESS_FAILED).detail("its URL has no path for a request").source(e)
        })?;
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        self.client.send(request).await
    }

    /// Its signature among the lines of an answer; those of others are passed over.
    fn read(&self, checkpoint: &Checkpoint, answer: &Answer) -> Result<Cosignature> {
        let refuse = |what: &'static str| Error::new(codes::WITNESS_FAILED).detail(what);
        let lines = std::str::from_utf8(&answer.body).ok().and_then(lines);
        let lines = lines.ok_or_else(|| refuse("answered what is no signature lines"))?;
        let text = split(&checkpoint.note).map(|(text, _)| text).unwrap_or_default();
        let time = cosigned_at(&self.key, checkpoint, text, &lines)
            .map_err(|()| refuse("its signature is not one over this checkpoint"))?
            .ok_or_else(|| refuse("answered without a signature of its key"))?;
        let line = lines.iter().find(|line| self.key.claims(line));
        let line = line.map(|line| format!("{}\n", line.text)).unwrap_or_default();
        Ok(Cosignature { line, time })
    }
}

fn said(answer: &Answer) -> String {
    quoted(&answer.body)
}

fn unusable(answer: &Answer) -> Error {
    let what = format!("answered {}: {}", answer.status.as_u16(), said(answer));
    Error::new(codes::WITNESS_FAILED).detail(what)
}
