//! Listing by plan: folders of the layout are gone down by delimiter, what may hold the asked is
//! listed in parallel, and a long listing is cut into ranges of keys while others have ended.

use super::super::{Input, Key, KeyKind, prunes, stamp_of};
use super::bucket::{Bucket, Page};
use super::plan::{self, Keys, Step};
use super::split::split;
use crate::model::{ReadError, Selection};
use aws_sdk_s3::types::Object;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Requests under way.
const SIDE_BY_SIDE: usize = 32;
/// A listing so long may be cut.
const PAGES_BEFORE_CUT: u32 = 2;
/// And its parts again at every so many: a cut costs some twenty requests.
const PAGES_MORE: u32 = 16;
/// Where no layout is known, folders are looked into so deep and only if they are so few.
const DEPTH: u32 = 4;
const FOLDERS: usize = 100;

#[derive(Default)]
pub(super) struct Listed {
    pub(super) inputs: Vec<Input>,
    /// Not read because of their names.
    pub(super) skipped: u64,
    /// Of these, integrity digests.
    pub(super) digests: u64,
    /// Listed, but not what is asked for.
    pub(super) pruned: u64,
    /// Prefixes that could not be listed, as inputs are named.
    pub(super) lost: Vec<(String, ReadError)>,
    /// What stands before names in keys.
    pub(super) folder: String,
}

pub(super) fn input(name: &str, bytes: u64, stamp: i64) -> Input {
    Input { name: name.to_owned(), bytes, stamp, named: false, origin: 0, path: None }
}

/// All objects that may hold what is asked for; `prefix` is a folder or the key of one object.
///
/// # Errors
/// When the prefix itself cannot be listed.
pub(super) async fn list(
    bucket: &Arc<Bucket>,
    prefix: &str,
    selection: &Selection,
) -> Result<Listed, ReadError> {
    if let Some(named) = named(bucket, prefix).await? {
        return Ok(named);
    }
    let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
    let folder = format!("{prefix}{slash}");
    let mut walk = Walk {
        bucket,
        selection: Arc::new(selection.clone()),
        waiting: Vec::new(),
        listed: Listed { folder: folder.clone(), ..Listed::default() },
    };
    walk.enter(&folder, 0);
    walk.run().await?;
    Ok(walk.listed)
}

/// The one object of this very key.
async fn named(bucket: &Bucket, key: &str) -> Result<Option<Listed>, ReadError> {
    if key.is_empty() || key.ends_with('/') {
        return Ok(None);
    }
    let page = bucket.list(Page { prefix: key, most: Some(1), ..Page::default() }).await?;
    let Some(object) = page.contents().first().filter(|o| o.key() == Some(key)) else {
        return Ok(None);
    };
    let folder = &key[..key.rfind('/').map_or(0, |slash| slash + 1)];
    let input = Input { named: true, ..of_object(object, folder) };
    Ok(Some(Listed { inputs: vec![input], folder: folder.to_owned(), ..Listed::default() }))
}

fn of_object(object: &Object, folder: &str) -> Input {
    let key = object.key().unwrap_or_default();
    let bytes = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
    // Servers that are not AWS may list no ETags.
    let modified =
        || object.last_modified().map(|at| format!("{}.{}", at.secs(), at.subsec_nanos()));
    let version = object.e_tag().map(str::to_owned).or_else(modified).unwrap_or_default();
    input(&key[folder.len()..], bytes, stamp_of(&version))
}

/// One request, or a few.
enum Task {
    /// Folders of the layout.
    Open(String),
    /// Folders of any kind, so many levels below the first.
    Look(String, u32),
    /// A page of keys; so many came before it.
    Page(Keys, u32),
    Cut(Keys, usize),
}

/// What a task brought.
enum Found {
    Folders {
        objects: Vec<Object>,
        folders: Vec<String>,
        depth: u32,
    },
    /// Too much to look through folder by folder.
    Wide(String),
    Objects {
        objects: Vec<Object>,
        rest: Option<Keys>,
        pages: u32,
    },
    Parts(Vec<Keys>),
}

struct Walk<'a> {
    bucket: &'a Arc<Bucket>,
    selection: Arc<Selection>,
    waiting: Vec<Task>,
    listed: Listed,
}

impl Walk<'_> {
    async fn run(&mut self) -> Result<(), ReadError> {
        let mut running = JoinSet::new();
        loop {
            while running.len() < SIDE_BY_SIDE
                && let Some(task) = self.waiting.pop()
            {
                running.spawn(perform(self.bucket.clone(), task));
            }
            let Some(ended) = running.join_next().await else { return Ok(()) };
            let idle = SIDE_BY_SIDE.saturating_sub(running.len() + self.waiting.len());
            match ended.expect("listing does not panic") {
                (_, Ok(found)) => self.take(found, idle),
                (prefix, Err(error)) if error.fatal || prefix == self.listed.folder => {
                    return Err(error);
                }
                (prefix, Err(error)) => {
                    let name = prefix[self.listed.folder.len()..].to_owned();
                    if self.listed.lost.iter().all(|(lost, _)| *lost != name) {
                        self.listed.lost.push((name, error));
                    }
                }
            }
        }
    }

    fn enter(&mut self, folder: &str, depth: u32) {
        match plan::step(folder, &self.selection) {
            Step::Leave => {}
            Step::Open => self.waiting.push(Task::Open(folder.to_owned())),
            Step::Look => self.waiting.push(Task::Look(folder.to_owned(), depth)),
            Step::Take(keys) => {
                self.waiting.extend(keys.into_iter().map(|keys| Task::Page(keys, 0)));
            }
        }
    }

    fn take(&mut self, found: Found, idle: usize) {
        match found {
            Found::Folders { objects, folders, depth } => {
                self.keep(&objects);
                for folder in folders {
                    self.enter(&folder, depth + 1);
                }
            }
            Found::Wide(prefix) => {
                self.waiting.push(Task::Page(Keys { prefix, ..Keys::default() }, 0));
            }
            Found::Objects { objects, rest, pages } => {
                self.keep(&objects);
                self.waiting.extend(rest.map(|rest| {
                    let cut =
                        idle > 0 && (pages == PAGES_BEFORE_CUT || pages.is_multiple_of(PAGES_MORE));
                    if cut { Task::Cut(rest, idle + 1) } else { Task::Page(rest, pages) }
                }));
            }
            Found::Parts(parts) => {
                let page = |keys| Task::Page(keys, PAGES_BEFORE_CUT + 1);
                self.waiting.extend(parts.into_iter().map(page));
            }
        }
    }

    fn keep(&mut self, objects: &[Object]) {
        for object in objects {
            let Some(text) = object.key() else { continue };
            if text.ends_with('/') {
                // What consoles make so that a folder shows.
                continue;
            }
            let key = Key::parse(text);
            match key.kind {
                kind @ (KeyKind::Digest | KeyKind::Other) => {
                    self.listed.skipped += 1;
                    self.listed.digests += u64::from(kind == KeyKind::Digest);
                }
                KeyKind::Events | KeyKind::Candidate => {
                    self.listed.pruned += u64::from(prunes(&self.selection, &key));
                    self.listed.inputs.push(of_object(object, &self.listed.folder));
                }
            }
        }
    }
}

/// With the prefix it was about, for whoever has to tell of its failure.
async fn perform(bucket: Arc<Bucket>, task: Task) -> (String, Result<Found, ReadError>) {
    match task {
        Task::Open(prefix) => {
            let found = folders(&bucket, &prefix, None).await;
            (prefix, found)
        }
        Task::Look(prefix, depth) => {
            let found = folders(&bucket, &prefix, Some(depth)).await;
            (prefix, found)
        }
        Task::Page(keys, pages) => {
            let prefix = keys.prefix.clone();
            (prefix, page(&bucket, keys, pages).await)
        }
        Task::Cut(keys, ways) => {
            let prefix = keys.prefix.clone();
            (prefix, split(&bucket, keys, ways).await.map(Found::Parts))
        }
    }
}

/// What lies directly in a folder. `depth`: no layout is known here.
async fn folders(bucket: &Bucket, prefix: &str, depth: Option<u32>) -> Result<Found, ReadError> {
    let (mut objects, mut folders) = (Vec::new(), Vec::<String>::new());
    let mut after: Option<String> = None;
    loop {
        let page =
            Page { prefix, after: after.as_deref(), delimiter: Some("/"), ..Page::default() };
        let mut listed = bucket.list(page).await?;
        objects.append(listed.contents.get_or_insert_default());
        let found = listed.common_prefixes().iter().filter_map(|p| p.prefix());
        folders.extend(found.map(str::to_owned));
        let is_whole = listed.is_truncated() != Some(true);
        let is_wide = !is_whole || folders.len() > FOLDERS || depth >= Some(DEPTH);
        let has_layout = folders.iter().any(|folder| folder.ends_with("AWSLogs/"));
        if depth.is_some() && is_wide && !(is_whole && (folders.is_empty() || has_layout)) {
            return Ok(Found::Wide(prefix.to_owned()));
        }
        if is_whole {
            return Ok(Found::Folders { objects, folders, depth: depth.unwrap_or(0) });
        }
        let last_object = objects.last().and_then(Object::key).map(str::to_owned);
        let last_folder = folders.last().map(|folder| format!("{folder}\u{10FFFF}"));
        after = last_object.max(last_folder);
    }
}

async fn page(bucket: &Bucket, keys: Keys, pages: u32) -> Result<Found, ReadError> {
    let (prefix, after) = (keys.prefix.as_str(), keys.after.as_deref());
    let listed = bucket.list(Page { prefix, after, ..Page::default() }).await?;
    let is_truncated = listed.is_truncated() == Some(true);
    let mut objects = listed.contents.unwrap_or_default();
    let last = objects.last().and_then(|o| o.key()).map(str::to_owned);
    let beyond = |key: &str| keys.upto.as_deref().is_some_and(|upto| key > upto);
    let is_over = last.as_deref().is_none_or(beyond);
    objects.retain(|object| object.key().is_none_or(|key| !beyond(key)));
    let rest = (is_truncated && !is_over).then(|| Keys { after: last, ..keys.clone() });
    Ok(Found::Objects { objects, rest, pages: pages + 1 })
}
