//! A real S3 server in this process, a folder as its bucket, with faults in front of it.

use super::catalog::Catalog;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::http::response::Parts;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The bucket that `Catalog` stands for.
pub(crate) const CATALOG: &str = "catalog";

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    SlowDown,
    /// The connection ends before any answer.
    Reset,
    /// So many bytes of the body, then the connection ends.
    Truncate(usize),
    /// The whole answer, after so many milliseconds.
    Slow(u64),
    /// One byte of the body is another.
    Corrupt,
    Status(u16, &'static str),
    /// In another region.
    Moved(&'static str),
}

/// Looked up for every request: its path in the bucket (empty for a listing), its query, and how
/// often this path was asked for before.
pub(crate) type Plan = dyn Fn(&str, &str, u32) -> Option<Fault> + Send + Sync;

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Empty for a listing.
    pub(crate) key: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HashMap<String, String>,
}

pub(crate) struct Server {
    port: u16,
    runtime: Option<tokio::runtime::Runtime>,
    state: Arc<State>,
}

struct State {
    s3: s3s::service::S3Service,
    catalog: Option<Catalog>,
    plan: Box<Plan>,
    seen: Mutex<Vec<Seen>>,
    times: Mutex<HashMap<String, u32>>,
    /// Keys and folders in answers of the catalog.
    listed: Mutex<u64>,
    /// Answers given before, if they are to be given again from memory.
    kept: Option<Mutex<HashMap<String, (Parts, Bytes)>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runtime.take().expect("dropped once").shutdown_background();
    }
}

impl Server {
    /// Serves the folders in `root` as buckets.
    pub(crate) fn start(
        root: &Path,
        catalog: Option<Catalog>,
        plan: impl Fn(&str, &str, u32) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(root, catalog, plan, false)
    }

    /// A server that works once for each question, for benches: S3 does its work on processors of
    /// its own, this one on those of the program that is measured.
    #[allow(dead_code, reason = "scripts/bench-s3 uses it")]
    pub(crate) fn start_keeping(
        root: &Path,
        plan: impl Fn(&str, &str, u32) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(root, None, plan, true)
    }

    fn start_with(
        root: &Path,
        catalog: Option<Catalog>,
        plan: impl Fn(&str, &str, u32) -> Option<Fault> + Send + Sync + 'static,
        keeps: bool,
    ) -> Self {
        let mut builder =
            s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
        builder.set_auth(s3s::auth::SimpleAuth::from_single(KEY_ID, SECRET));
        let state = Arc::new(State {
            s3: builder.build(),
            catalog,
            plan: Box::new(plan),
            seen: Mutex::default(),
            times: Mutex::default(),
            listed: Mutex::default(),
            kept: keeps.then(Mutex::default),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = state.clone();
        runtime.spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                // Without it every small answer waits some 40 ms.
                socket.set_nodelay(true).unwrap();
                let state = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(state.clone(), request));
                    let connection = hyper::server::conn::http1::Builder::new();
                    // Ends with an error where a fault wants it to.
                    let _ = connection.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { port, runtime: Some(runtime), state }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// For a process: where the server is and the credentials for it, and nothing of this machine's.
    pub(crate) fn environment(&self, command: &mut std::process::Command) {
        command
            .env("AWS_ENDPOINT_URL", self.endpoint())
            .env("AWS_ACCESS_KEY_ID", KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/nonexistent")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("AWS_REGION");
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(crate) fn listings(&self) -> usize {
        self.seen().iter().filter(|seen| seen.key.is_empty()).count()
    }

    pub(crate) fn gets(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.key).filter(|key| !key.is_empty()).collect()
    }

    pub(crate) fn listed(&self) -> u64 {
        *self.state.listed.lock().unwrap()
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn answer(state: Arc<State>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let path = decoded(request.uri().path());
    let (bucket, key) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let (bucket, key) = (bucket.to_owned(), key.to_owned());
    let query = query(request.uri().query().unwrap_or_default());
    let headers = request.headers().iter();
    let headers = headers.map(|(k, v)| (k.to_string(), v.to_str().unwrap_or_default().to_owned()));
    let seen = Seen { key: key.clone(), query: query.clone(), headers: headers.collect() };
    state.seen.lock().unwrap().push(seen);
    let prefix = query.get("prefix").cloned().unwrap_or_default();
    let asked = if key.is_empty() { format!("?{prefix}") } else { key.clone() };
    let times = {
        let mut times = state.times.lock().unwrap();
        let times = times.entry(asked).or_default();
        *times += 1;
        *times - 1
    };
    let fault = (state.plan)(&key, &prefix, times);
    match fault {
        Some(Fault::SlowDown) => return Ok(error(503, "SlowDown")),
        Some(Fault::Reset) => return Err(io::Error::other("reset")),
        Some(Fault::Status(status, code)) => return Ok(error(status, code)),
        Some(Fault::Moved(region)) => {
            let mut moved = error(301, "PermanentRedirect");
            moved.headers_mut().insert("x-amz-bucket-region", region.parse().unwrap());
            return Ok(moved);
        }
        Some(Fault::Slow(milliseconds)) => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
        Some(Fault::Truncate(_) | Fault::Corrupt) | None => {}
    }
    if bucket == CATALOG
        && key.is_empty()
        && let Some(catalog) = &state.catalog
    {
        let (xml, count) = catalog.list(&query);
        *state.listed.lock().unwrap() += count;
        return Ok(Response::builder()
            .header("content-type", "application/xml")
            .body(full(xml))
            .unwrap());
    }
    let (head, body) = match &state.kept {
        Some(kept) => kept_or_asked(&state, kept, request).await?,
        None => asked_of_s3(&state, request).await?,
    };
    let body = match fault {
        Some(Fault::Truncate(bytes)) => truncated(body, bytes).await?,
        Some(Fault::Corrupt) => corrupted(body).await?,
        _ => body,
    };
    Ok(Response::from_parts(head, body))
}

async fn asked_of_s3(state: &State, request: Request<Incoming>) -> io::Result<(Parts, Body)> {
    let answer = Service::call(&state.s3, request).await;
    let answer = answer.map_err(|error| io::Error::other(format!("{error:?}")))?;
    let (head, body) = answer.into_parts();
    Ok((head, body.map_err(|error| io::Error::other(error.to_string())).boxed_unsync()))
}

async fn kept_or_asked(
    state: &State,
    kept: &Mutex<HashMap<String, (Parts, Bytes)>>,
    request: Request<Incoming>,
) -> io::Result<(Parts, Body)> {
    let question = format!("{} {:?}", request.uri(), request.headers().get("range"));
    let known = kept.lock().unwrap().get(&question).cloned();
    let (head, whole) = if let Some(known) = known {
        known
    } else {
        let (head, body) = asked_of_s3(state, request).await?;
        let answer = (head, body.collect().await?.to_bytes());
        kept.lock().unwrap().insert(question, answer.clone());
        answer
    };
    Ok((head, full(whole)))
}

fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn error(status: u16, code: &str) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as planned</Message></Error>"
    );
    Response::builder().status(status).body(full(xml)).unwrap()
}

/// The beginning of a body; then the connection dies.
async fn truncated(body: Body, bytes: usize) -> io::Result<Body> {
    let whole = body.collect().await?.to_bytes();
    let bytes = bytes.min(whole.len().saturating_sub(1));
    let first = Ok(Frame::data(whole.slice(..bytes)));
    let frames = futures_util::stream::unfold(Some(first), |next| async move {
        if next.is_some() {
            return next.map(|first| (first, None));
        }
        // What was written has left before the connection ends.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Err(io::Error::other("cut")), None))
    });
    Ok(StreamBody::new(Box::pin(frames)).boxed_unsync())
}

async fn corrupted(body: Body) -> io::Result<Body> {
    let mut whole = body.collect().await?.to_bytes().to_vec();
    let middle = whole.len() / 2;
    whole[middle] ^= 0x10;
    Ok(full(whole))
}

fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex: Vec<u8> = rest.by_ref().take(2).collect();
            let hex = std::str::from_utf8(&hex).unwrap();
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
