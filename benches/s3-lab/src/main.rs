//! The bench of archives in S3: the server of the tests as a process, and a client that reads objects
//! so many at a time and does nothing with them. `scripts/bench-s3` runs both.

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../../tests/s3/catalog.rs"]
mod catalog;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../../tests/s3/server.rs"]
mod server;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["serve", root, delay] => serve(root, delay.parse().unwrap()),
        ["get", endpoint, bucket, side_by_side, most] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let (side_by_side, most) = (side_by_side.parse().unwrap(), most.parse().unwrap());
            runtime.block_on(get(endpoint, bucket, side_by_side, most));
        }
        _ => panic!("serve ROOT DELAY_MS | get ENDPOINT BUCKET SIDE_BY_SIDE MOST"),
    }
}

/// Until it is killed.
fn serve(root: &str, delay: u64) {
    let plan = move |key: &str, _: &str, _: u32| {
        (delay > 0 && !key.is_empty()).then_some(server::Fault::Slow(delay))
    };
    let server = server::Server::start_keeping(Path::new(root), plan);
    println!("{}", server.endpoint());
    loop {
        std::thread::sleep(Duration::from_hours(1));
    }
}

/// Prints objects, bytes and seconds, without the listing.
async fn get(endpoint: &str, bucket: &str, side_by_side: usize, most: usize) {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(Credentials::new(server::KEY_ID, server::SECRET, None, None, "bench"))
        .build();
    let client = Client::from_conf(config);
    let mut keys = VecDeque::new();
    let mut pages = client.list_objects_v2().bucket(bucket).into_paginator().send();
    while let Some(page) = pages.next().await {
        keys.extend(page.unwrap().contents.unwrap_or_default().into_iter().filter_map(|o| o.key));
        if keys.len() >= most {
            break;
        }
    }
    keys.truncate(most);
    let (began, objects, mut bytes) = (Instant::now(), keys.len(), 0);
    let mut running = JoinSet::new();
    loop {
        while running.len() < side_by_side
            && let Some(key) = keys.pop_front()
        {
            let request = client.get_object().bucket(bucket).key(key);
            running.spawn(async move {
                let body = request.send().await.unwrap().body;
                body.collect().await.unwrap().into_bytes().len()
            });
        }
        let Some(ended) = running.join_next().await else { break };
        bytes += ended.unwrap();
    }
    println!("{objects} {bytes} {:.3}", began.elapsed().as_secs_f64());
}
