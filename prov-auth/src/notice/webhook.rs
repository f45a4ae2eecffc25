//! Telling users through a webhook of the operator's, which writes the mail.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Uri};
use prov_core::{
    Addressee, Clock, Error, Notice, Notifier, Result, SecretText, codes as core_codes,
};
use serde_json::json;

use crate::fetch::names_loopback;
use crate::{Fetch, codes};

/// What secrets start with, as Standard Webhooks writes them.
const SECRET_PREFIX: &str = "whsec_";
/// Fewer bytes than this make no secret (Standard Webhooks, "Signature scheme").
const SHORTEST_SECRET: usize = 24;

/// Hands notices to a webhook, signed as [Standard Webhooks] asks (`webhook-id`, `webhook-timestamp`,
/// `webhook-signature`), so that any of its libraries verifies them:
///
/// ```json
/// {"type": "account.new_device", "timestamp": "2026-03-02T09:00:00Z",
///  "data": {"user": {"id": "user_01J…", "name": "alice", "email": "alice@example.org"},
///           "device": "Firefox", "ip": "203.0.113.7"}}
/// ```
///
/// Any answer of 2xx is a delivery. The same notice always has the same `webhook-id`.
///
/// [Standard Webhooks]: https://www.standardwebhooks.com
pub struct Webhook {
    url: Uri,
    key: hmac::Key,
    client: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The path may hold a token of the receiver's.
        f.debug_struct("Webhook").field("host", &self.url.host()).finish_non_exhaustive()
    }
}

impl Webhook {
    /// The webhook at `url`. `secret` is `whsec_` and at least 24 bytes in base64, the prefix may be left
    /// out.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when the URL or the secret can't be right.
    pub fn new(
        url: &str,
        secret: &SecretText,
        client: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let refuse = |field: &str, message: &str| {
            Error::new(core_codes::INVALID_REQUEST)
                .detail("the webhook for notices is not valid")
                .field(field, message)
        };
        let parsed = url.parse::<Uri>().ok();
        let url = parsed.filter(|uri| match uri.scheme_str() {
            Some("https") => true,
            // In the clear to nobody but this machine.
            Some("http") => {
                uri.host().is_some_and(|host| names_loopback(host.trim_matches(['[', ']'])))
            }
            _ => false,
        });
        let url = url.ok_or_else(|| {
            refuse(
                "webhook_url",
                "give a URL such as `https://…`; plain HTTP is for this machine only",
            )
        })?;
        let text = secret.expose().trim();
        let encoded = text.strip_prefix(SECRET_PREFIX).unwrap_or(text);
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| {
            refuse("webhook_secret_path", "a secret is `whsec_` and bytes in base64")
        })?;
        if bytes.len() < SHORTEST_SECRET {
            return Err(refuse("webhook_secret_path", "a secret has at least 24 bytes"));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Ok(Self { url, key, client, clock })
    }

    /// The request that tells `to` of `notice`.
    fn request(&self, to: &Addressee, notice: &Notice) -> Result<Request<Bytes>> {
        let body = body_of(to, notice)?;
        let second = self.clock.now().as_second();
        let signature = self.signature(notice.id.as_str(), second, &body);
        Request::post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", notice.id.as_str())
            .header("webhook-timestamp", second)
            .header("webhook-signature", signature)
            .body(Bytes::from(body))
            .map_err(|e| internal("a request to a webhook").source(e))
    }
}

impl Webhook {
    /// Standard Webhooks, "Signature scheme": over id, time and body.
    fn signature(&self, id: &str, second: i64, body: &[u8]) -> String {
        let signed = [format!("{id}.{second}.").as_bytes(), body].concat();
        format!("v1,{}", BASE64_STANDARD.encode(hmac::sign(&self.key, &signed)))
    }
}

#[async_trait]
impl Notifier for Webhook {
    async fn notify(&self, to: &Addressee, notice: &Notice) -> Result<()> {
        let answer = self.client.fetch(self.request(to, notice)?).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        let why = format!("the webhook answered {}", answer.status());
        Err(Error::new(codes::NOTICE_UNDELIVERED).context(why))
    }
}

fn body_of(to: &Addressee, notice: &Notice) -> Result<Vec<u8>> {
    let mut data = serde_json::to_value(&notice.news)
        .map_err(|e| internal("serializing a notice").source(e))?;
    if let Some(data) = data.as_object_mut() {
        data.remove("kind");
        let user = json!({ "id": to.user, "name": to.name, "email": to.email });
        data.insert("user".to_owned(), user);
    }
    let body = json!({
        "type": format!("account.{}", notice.news.kind()),
        "timestamp": notice.at,
        "data": data,
    });
    serde_json::to_vec(&body).map_err(|e| internal("serializing a notice").source(e))
}

fn internal(context: &'static str) -> Error {
    Error::new(core_codes::INTERNAL).context(context)
}

#[cfg(test)]
mod tests {
    use http::Response;
    use prov_core::{ManualClock, News, NoticeId, UserId};

    use super::*;

    #[derive(Debug)]
    struct Nobody;

    #[async_trait]
    impl Fetch for Nobody {
        async fn fetch(&self, _: Request<Bytes>) -> Result<Response<Bytes>> {
            Err(codes::PROVIDER_UNAVAILABLE.into())
        }
    }

    fn webhook(url: &str, secret: &str) -> Result<Webhook> {
        let clock = ManualClock::at("2021-02-25T15:02:10Z".parse().unwrap());
        Webhook::new(url, &SecretText::new(secret), Arc::new(Nobody), Arc::new(clock))
    }

    #[test]
    fn a_url_or_secret_that_can_not_be_right_is_refused() {
        let good = SECRET;
        for url in ["https://mail.example.org/hook", "http://127.0.0.1:8080/hook", "http://[::1]"] {
            assert!(webhook(url, good).is_ok(), "{url}");
        }
        for (url, secret) in [
            ("mail.example.org", good),
            ("ftp://mail.example.org", good),
            ("http://mail.example.org", good),
            ("http://127.0.0.1.example.org", good),
            ("https://mail.example.org", "whsec_c2hvcnQ="),
            ("https://mail.example.org", "whsec_not base64"),
            ("https://mail.example.org", ""),
        ] {
            assert!(webhook(url, secret).is_err(), "{url} {secret}");
        }
    }

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// The example of the specification.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let webhook = webhook("https://mail.example.org/hook", SECRET).unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = webhook.signature(id, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_request_says_whom_to_tell_what() {
        let webhook = webhook("https://mail.example.org/hook?a=b", SECRET).unwrap();
        let id: NoticeId = "note_01J0000000000000000000000A".parse().unwrap();
        let user: UserId = "user_01J0000000000000000000000B".parse().unwrap();
        let at = "2021-02-25T15:02:09Z".parse().unwrap();
        let ip = "203.0.113.7".parse().unwrap();
        let news = News::new_device(Some("Firefox".to_owned()), Some(ip));
        let to = Addressee::new(user, "alice", Some("alice@example.org".to_owned()));
        let request = webhook.request(&to, &Notice::new(id, at, news)).unwrap();
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("webhook-id"), "note_01J0000000000000000000000A");
        assert_eq!(header("webhook-timestamp"), "1614265330");
        let signature = webhook.signature(&header("webhook-id"), 1_614_265_330, request.body());
        assert_eq!(header("webhook-signature"), signature);
        let told: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        let expected = json!({
            "type": "account.new_device",
            "timestamp": "2021-02-25T15:02:09Z",
            "data": {
                "user": {
                    "id": "user_01J0000000000000000000000B",
                    "name": "alice",
                    "email": "alice@example.org",
                },
                "device": "Firefox",
                "ip": "203.0.113.7",
            },
        });
        assert_eq!(told, expected);
    }
}
