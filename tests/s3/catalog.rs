//! A bucket of keys without objects: ListObjectsV2 as S3 answers it, over hundreds of thousands of
//! keys, for which a server that walks folders would be too slow.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

pub(crate) struct Catalog {
    pub(crate) keys: BTreeSet<String>,
    /// Every object is as large.
    pub(crate) bytes: u64,
}

impl Catalog {
    /// The answer, and how many keys and folders are in it.
    pub(crate) fn list(&self, query: &BTreeMap<String, String>) -> (String, u64) {
        let empty = String::new();
        let get = |name: &str| query.get(name).unwrap_or(&empty);
        let (prefix, delimiter) = (get("prefix"), get("delimiter"));
        let most = query.get("max-keys").map_or(1000, |n| n.parse::<u64>().unwrap());
        let mut from = Bound::Excluded(get("start-after").clone());
        if prefix > get("start-after") {
            from = Bound::Included(prefix.clone());
        }
        let (mut objects, mut folders) = (String::new(), String::new());
        let (mut count, mut truncated) = (0, false);
        while let Some(key) = self.keys.range((from.clone(), Bound::Unbounded)).next() {
            if !key.starts_with(prefix.as_str()) {
                break;
            }
            if count == most {
                truncated = true;
                break;
            }
            count += 1;
            let rest = &key[prefix.len()..];
            let end = if delimiter.is_empty() { None } else { rest.find(delimiter.as_str()) };
            let Some(end) = end else {
                objects += &format!(
                    "<Contents><Key>{key}</Key><LastModified>2024-05-03T10:00:00.000Z</LastModified>\
                     <ETag>&quot;{:032x}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                    key.len(),
                    self.bytes
                );
                from = Bound::Excluded(key.clone());
                continue;
            };
            let folder = &key[..prefix.len() + end + delimiter.len()];
            folders += &format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
            from = Bound::Excluded(format!("{folder}\u{10FFFF}"));
        }
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>catalog</Name><Prefix>{prefix}</Prefix>\
             <KeyCount>{count}</KeyCount><MaxKeys>{most}</MaxKeys><IsTruncated>{truncated}</IsTruncated>{objects}{folders}</ListBucketResult>"
        );
        (xml, count)
    }
}
