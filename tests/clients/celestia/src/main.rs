//! Submits, reads, proves and follows blobs with the `celestia-rpc` client. Argument: the server's host and port.

use std::error::Error;
use std::slice;

use celestia_rpc::prelude::*;
use celestia_rpc::{Client, TxConfig};
use celestia_types::Blob;
use celestia_types::nmt::Namespace;
use futures_util::StreamExt;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let address = std::env::args().nth(1).ok_or("an argument: host:port")?;
    for protocol in ["http", "ws"] {
        let client = Client::new(&format!("{protocol}://{address}"), Some("a token"), None, None).await?;
        for size in [1, 478, 479, 100_000, 1_500_000] {
            store(&client, size).await.map_err(|error| format!("{protocol}, {size} bytes: {error}"))?;
        }
        if protocol == "ws" {
            follow(&client).await?;
        }
    }
    Ok(())
}

/// Two blobs of two namespaces, read in every way that there is.
async fn store(client: &Client, size: usize) -> Outcome {
    let namespaces = [Namespace::new_v0(b"rollup-one")?, Namespace::new_v0(b"rollup-two")?];
    let blobs = [Blob::new(namespaces[0], data(size, 3), None)?, Blob::new(namespaces[1], data(size, 5), None)?];
    let height = client.blob_submit(&blobs, TxConfig::default().with_gas_price(0.02)).await?;
    let all = client.blob_get_all(height, &namespaces).await?.ok_or("no blobs")?;
    if all.len() != blobs.len() {
        return Err(format!("{} blobs at height {height}", all.len()).into());
    }
    for (blob, namespace) in blobs.iter().zip(namespaces) {
        let found = client.blob_get(height, namespace, blob.commitment).await?;
        found.validate()?;
        if found.data != blob.data || found.index.is_none() {
            return Err("another blob came back".into());
        }
        let proofs = client.blob_get_proof(height, namespace, blob.commitment).await?;
        let [proof] = proofs.as_slice() else {
            return Err(format!("{} proofs", proofs.len()).into());
        };
        if !client.blob_included(height, namespace, proof, blob.commitment).await? {
            return Err("a blob is not included".into());
        }
        if client.blob_included(height - 1, namespace, proof, blob.commitment).await? {
            return Err("a blob is included where it is not".into());
        }
    }
    match client.blob_get(height, namespaces[0], blobs[1].commitment).await {
        Ok(_) => Err("a blob under another namespace".into()),
        Err(error) if error.to_string().contains("blob: not found") => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A subscription tells the height at which a blob of its namespace came.
async fn follow(client: &Client) -> Outcome {
    let namespace = Namespace::new_v0(b"rollup-sub")?;
    let mut news = client.blob_subscribe(namespace);
    let first = news.next().await.ok_or("the end of the news")??;
    if first.blobs.is_some() {
        return Err("news of blobs that nobody submitted".into());
    }
    // The height is in the data, so that no earlier run has stored it.
    let blob = Blob::new(namespace, [&first.height.to_be_bytes()[..], &data(10_000, 7)].concat(), None)?;
    let height = client.blob_submit(slice::from_ref(&blob), TxConfig::default()).await?;
    let mut last = first.height;
    loop {
        let told = news.next().await.ok_or("the end of the news")??;
        if told.height != last + 1 {
            return Err(format!("height {} after {last}", told.height).into());
        }
        last = told.height;
        let found = told.blobs.unwrap_or_default();
        match (told.height == height, found.as_slice()) {
            (true, [one]) if one.data == blob.data => return Ok(()),
            (false, []) => {}
            _ => return Err(format!("height {last} has {} blobs; {height} has the one", found.len()).into()),
        }
    }
}

/// Bytes that tell blobs apart.
fn data(size: usize, step: usize) -> Vec<u8> {
    (0..size).map(|place| (place * step % 251) as u8).collect()
}
