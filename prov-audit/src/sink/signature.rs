//! Signed requests (AWS Signature Version 4), of plain paths without a query.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign as hmac};
use http::header::{AUTHORIZATION, HeaderValue};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use prov_core::{Error, Result, SecretText};

use crate::codes;

/// By whom.
#[derive(Debug)]
pub(super) struct Credentials {
    id: String,
    secret: SecretText,
    session: Option<SecretText>,
}

/// For where and when a signature holds.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) at: Timestamp,
}

impl Credentials {
    /// From lines such as `aws_access_key_id = …`; of several profiles the first.
    pub(super) fn read(text: &str) -> Result<Self> {
        let value = |name: &str| {
            text.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim() == name).then(|| value.trim().to_owned())
            })
        };
        let missing = || {
            Error::new(codes::SINK_FAILED).detail(
                "the credentials lack `aws_access_key_id = …` or `aws_secret_access_key = …`",
            )
        };
        Ok(Self {
            id: value("aws_access_key_id").ok_or_else(missing)?,
            secret: SecretText::new(value("aws_secret_access_key").ok_or_else(missing)?),
            session: value("aws_session_token").map(SecretText::new),
        })
    }
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// Of letters, digits and `-_./` alone: nothing in it is escaped.
    pub(super) path: &'a str,
    pub(super) host: &'a str,
    pub(super) body: &'a [u8],
}

/// Adds what proves that the request is from the owner of the credentials.
pub(super) fn sign(
    headers: &mut HeaderMap,
    credentials: &Credentials,
    scope: &Scope<'_>,
    Asked { method, path, host, body }: &Asked<'_>,
) -> Result<()> {
    let time = scope.at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let day: String = time.chars().take(8).collect();
    insert(headers, "x-amz-date", &time)?;
    if let Some(session) = &credentials.session {
        insert(headers, "x-amz-security-token", session.expose())?;
    }
    let mut signed: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
        })
        .chain([("host".to_owned(), (*host).to_owned())])
        .collect();
    signed.sort();
    let names = signed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let mut lines = String::new();
    for (name, value) in &signed {
        lines.extend([name, ":", value, "\n"]);
    }
    let hash = hex::encode(digest(&SHA256, body));
    let request = format!("{method}\n{path}\n\n{lines}\n{names}\n{hash}");
    let place = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let hash = hex::encode(digest(&SHA256, request.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{place}\n{hash}");
    let first = zeroize::Zeroizing::new(format!("AWS4{}", credentials.secret.expose()));
    let mut key = Key::new(HMAC_SHA256, first.as_bytes());
    for part in [day.as_str(), scope.region, scope.service, "aws4_request"] {
        key = Key::new(HMAC_SHA256, hmac(&key, part.as_bytes()).as_ref());
    }
    let signature = hex::encode(hmac(&key, text.as_bytes()));
    let id = &credentials.id;
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={id}/{place}, SignedHeaders={names}, Signature={signature}"
    );
    insert(headers, AUTHORIZATION.as_str(), &value)
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<()> {
    let mut value = HeaderValue::from_str(value).map_err(|e| {
        Error::new(codes::SINK_FAILED).detail("the credentials can't stand in a header").source(e)
    })?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector `post-vanilla` of the service's own test suite.
    #[test]
    fn a_signature_is_the_one_that_the_service_expects() {
        let text = "[default]\naws_access_key_id = AKIDEXAMPLE\n\
                    aws_secret_access_key=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n";
        let credentials = Credentials::read(text).unwrap();
        let at = "2015-08-30T12:36:00Z".parse().unwrap();
        let scope = Scope { region: "us-east-1", service: "service", at };
        let mut headers = HeaderMap::new();
        let asked =
            Asked { method: &Method::POST, path: "/", host: "example.amazonaws.com", body: b"" };
        sign(&mut headers, &credentials, &scope, &asked).unwrap();
        assert_eq!(
            headers["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        // The example of reading a part of an object, in the service's documentation.
        let text = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n\
                    aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n";
        let at = "2013-05-24T00:00:00Z".parse().unwrap();
        let scope = Scope { region: "us-east-1", service: "s3", at };
        let mut headers = HeaderMap::new();
        headers.insert("range", "bytes=0-9".parse().unwrap());
        let empty = hex::encode(digest(&SHA256, b""));
        headers.insert("x-amz-content-sha256", empty.parse().unwrap());
        let host = "examplebucket.s3.amazonaws.com";
        let asked = Asked { method: &Method::GET, path: "/test.txt", host, body: b"" };
        sign(&mut headers, &Credentials::read(text).unwrap(), &scope, &asked).unwrap();
        assert_eq!(
            headers["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert!(Credentials::read("aws_access_key_id = x").is_err());
        assert!(!format!("{credentials:?}").contains("wJalr"));
    }
}
