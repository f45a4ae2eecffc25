//! What encryption costs here, beside the limit of the primitive, in one run. Per second of CPU
//! time where the system tells it (Linux), so that a busy machine changes little.
//!
//! `cargo run --release -p prov-kms --example encrypt_throughput`
#![expect(clippy::print_stdout, reason = "an example that prints a table")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::hint::black_box;
use std::io::{Cursor, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use prov_core::store::MemoryStore;
use prov_core::{Clock, SystemClock};
use prov_kms::{EncryptionContext, Envelope, KmsBackend, LocalKeyring};

type Failure = Box<dyn std::error::Error>;

/// The CPU time of this thread, or time since `start` where that is not told.
fn spent(start: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Runs `work` for a second, three times, and gives the best rate per second.
fn best_rate(mut work: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let mut best = 0.0_f64;
    for _ in 0..3 {
        let (start, mut count) = (Instant::now(), 0_u32);
        let before = spent(start);
        while start.elapsed() < Duration::from_secs(1) {
            for _ in 0..64 {
                work()?;
            }
            count += 64;
        }
        let spent = spent(start).saturating_sub(before);
        best = best.max(f64::from(count) / spent.as_secs_f64());
    }
    Ok(best)
}

fn raw_key() -> Result<LessSafeKey, Failure> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32])?))
}

fn raw_message() -> Result<f64, Failure> {
    let key = raw_key()?;
    let (mut buffer, mut count) = (vec![0; 1024], 0_u64);
    best_rate(|| {
        count += 1;
        let mut nonce = [0; 12];
        nonce.iter_mut().zip(count.to_le_bytes()).for_each(|(to, from)| *to = from);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut buffer)?;
        black_box(tag.as_ref());
        black_box(&buffer);
        Ok(())
    })
}

/// Megabytes a second of `pass` over `len` bytes, the best of five.
fn megabytes(len: usize, mut pass: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let start = Instant::now();
        let before = spent(start);
        pass()?;
        let spent = spent(start).saturating_sub(before);
        best = best.max(len as f64 / 1e6 / spent.as_secs_f64());
    }
    Ok(best)
}

/// The same chunks, from memory to memory, with nothing but the cipher.
fn raw_stream(plain: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
    let key = raw_key()?;
    out.clear();
    let mut chunk = vec![0; 16 * 1024];
    for (n, part) in plain.chunks(16 * 1024).enumerate() {
        let mut nonce = [0; 12];
        nonce.iter_mut().zip(n.to_le_bytes()).for_each(|(to, from)| *to = from);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let placed = chunk.get_mut(..part.len()).ok_or("a chunk")?;
        placed.copy_from_slice(part);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), placed)?;
        out.write_all(placed)?;
        out.write_all(tag.as_ref())?;
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let folder = tempfile::tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let root_key = folder.path().join("root.key");
    let opening = LocalKeyring::open(store, &root_key, Arc::clone(&clock));
    let keyring = Arc::new(runtime.block_on(opening)?);
    let name = "default".parse()?;
    runtime.block_on(keyring.ensure_key(&name))?;
    let envelope = Envelope::new(keyring, clock);
    let context: EncryptionContext = "env=prod,service=api".parse()?;

    let message = [7; 1024];
    let encrypt = || runtime.block_on(envelope.encrypt(&name, &message, &context));
    let sealed = encrypt()?;
    let raw = raw_message()?;
    let ours = best_rate(|| {
        black_box(encrypt()?);
        Ok(())
    })?;
    let as_text = best_rate(|| {
        black_box(encrypt()?.to_string());
        Ok(())
    })?;
    let opened = best_rate(|| {
        black_box(runtime.block_on(envelope.decrypt(&sealed, &context))?);
        Ok(())
    })?;
    println!("1 KiB, one core                                 per CPU second");
    println!("AES-256-GCM, fixed key, counter nonce (limit)   {raw:>12.0}");
    println!("encrypt: context bound, committing, cached key  {ours:>12.0}");
    println!("encrypt, with its text form                     {as_text:>12.0}");
    println!("decrypt, cached key                             {opened:>12.0}");

    let plain = vec![7; 64 << 20];
    let mut out = Vec::with_capacity(65 << 20);
    let limit = megabytes(plain.len(), || raw_stream(&plain, &mut out))?;
    let streamed = megabytes(plain.len(), || {
        out.clear();
        let stream = envelope.encrypt_stream(&name, &context, Cursor::new(&plain), &mut out);
        Ok(runtime.block_on(stream).map(drop)?)
    })?;
    let mut back = Vec::with_capacity(65 << 20);
    let unstreamed = megabytes(plain.len(), || {
        back.clear();
        let stream = envelope.decrypt_stream(&context, Cursor::new(&out), &mut back);
        Ok(runtime.block_on(stream).map(drop)?)
    })?;
    println!("\n64 MiB in 16 KiB chunks, memory to memory    MB per CPU s");
    println!("AES-256-GCM alone (limit)                       {limit:>12.0}");
    println!("encrypt_stream                                  {streamed:>12.0}");
    println!("decrypt_stream                                  {unstreamed:>12.0}");
    Ok(())
}
