//! Archives in a bucket, of a fake of the cloud that others wrote.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prov_audit::sink::S3Archive;
use prov_audit::{Archive, Log, verify_archive, verify_archive_in};
use prov_core::codes as core_codes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::cloudwatch::cloud;
use super::target;
use crate::retention::{Bench, key_of};

/// Asks the fake without a library; gives what it answers.
async fn ask(port: u16, method: &str, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let asked = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, \
         SignedHeaders=host, Signature=x\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// An archive in a bucket of the fake.
fn archive(bench: &Bench, port: u16, (bucket, prefix): (&str, &str)) -> S3Archive {
    let file = bench.dir.path().join("credentials");
    std::fs::write(&file, "[default]\naws_access_key_id = x\naws_secret_access_key = y\n").unwrap();
    let url = target(&format!("http://127.0.0.1:{port}"));
    let clock = Arc::new(bench.clock.clone());
    S3Archive::new(url, "us-east-1", (bucket, prefix), file, clock).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pruned_lies_in_a_bucket_and_is_proved_complete_from_there() {
    let Some((_server, port)) = cloud().await else { return };
    assert!(ask(port, "PUT", "/evidence").await.starts_with("HTTP/1.1 200"));
    let bench = Bench::new();
    let log = bench.of_years().await;
    let key = key_of(&log);
    log.close().await.unwrap();
    drop(log);
    // A bucket that is not there keeps everything.
    let nowhere = Arc::new(archive(&bench, port, ("nowhere", "")));
    let log = Log::open(bench.options().archive_in(nowhere)).await.unwrap();
    log.prune().await.unwrap_err();
    assert_eq!(log.oldest(prov_core::audit::RetentionClass::Standard).await.unwrap(), 0);
    log.close().await.unwrap();
    drop(log);

    let bucket = Arc::new(archive(&bench, port, ("evidence", "prov/node-1")));
    let options = bench.options().archive_in(Arc::<S3Archive>::clone(&bucket) as _);
    let log = Log::open(options).await.unwrap();
    let oldest = log.prune().await.unwrap()[0].to;
    assert!(oldest > 1500);
    let listed = ask(port, "GET", "/evidence?list-type=2&prefix=prov/node-1/standard/").await;
    let names: Vec<&str> = listed
        .split("<Key>prov/node-1/")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap())
        .filter(|name| name.ends_with(".jsonl.zst"))
        .collect();
    let mut next = 0;
    for name in &names {
        let report = verify_archive_in(&*bucket, name, &key, None).await.unwrap();
        assert_eq!(report.from, next);
        next = report.to;
    }
    assert_eq!(next, oldest, "all of it is there: {names:?}");
    // As files somebody fetched with other tools.
    let proof = names[0].replace(".jsonl.zst", ".proof.json");
    for name in [names[0], &proof] {
        let file = bench.dir.path().join("fetched").join(name.split('/').next_back().unwrap());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bucket.read(name).await.unwrap()).unwrap();
    }
    let fetched = bench.dir.path().join("fetched").join(names[0].split('/').next_back().unwrap());
    assert_eq!(verify_archive(&fetched, &key, None).unwrap().from, 0);
    // What somebody puts in its place is not taken for it.
    let other = bucket.read(names[1]).await.unwrap();
    bucket.put(names[0], other).await.unwrap();
    verify_archive_in(&*bucket, names[0], &key, None).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_every_size_come_back_and_bad_names_and_stores_are_refused() {
    let Some((_server, port)) = cloud().await else { return };
    assert!(ask(port, "PUT", "/evidence").await.starts_with("HTTP/1.1 200"));
    let bench = Bench::new();
    let bucket = archive(&bench, port, ("evidence", ""));
    for size in [1, (2 << 20) - 1, 2 << 20, (5 << 20) + 77] {
        let bytes: Bytes = (0_u32..size).map(|n| ((n * 31) >> 3).to_le_bytes()[0]).collect();
        bucket.put("standard/x", bytes.clone()).await.unwrap();
        assert!(bucket.read("standard/x").await.unwrap() == bytes, "{size}");
    }
    let none = bucket.read("standard/none").await.unwrap_err();
    assert!(none.is(core_codes::NOT_FOUND), "{none:?}");
    let clock = Arc::new(bench.clock.clone());
    for (bucket, prefix) in
        [("", ""), ("a/b", ""), ("..", ""), ("a", "../b"), ("a", "b//c"), ("a b", "")]
    {
        let url = target("http://127.0.0.1:9");
        let clock = Arc::clone(&clock) as _;
        let refused = S3Archive::new(url, "us-east-1", (bucket, prefix), "file", clock);
        assert!(refused.unwrap_err().is(core_codes::INVALID_REQUEST), "{bucket} {prefix}");
    }
    // A store that is not there fails, in bounded time, and says so.
    let away = archive(&bench, 9, ("evidence", ""));
    let failed = tokio::time::timeout(Duration::from_secs(10), away.read("x")).await.unwrap();
    failed.unwrap_err();
}
