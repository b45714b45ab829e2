//! The walls of the house, as ARCHITECTURE.md draws them, checked over the sources.

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 600;

/// What each folder may use of the crate. Data flows down this list; `cli` is above all of it.
const WALLS: [(&str, &[&str]); 9] = [
    ("model", &[]),
    ("archive", &["model"]),
    ("decode", &["model"]),
    ("case", &["archive", "decode", "model"]),
    ("detect", &["case", "model"]),
    ("analyze", &["case", "detect", "model"]),
    ("digest", &["model"]),
    ("narrate", &["digest", "model"]),
    ("report", &["model"]),
];

const UNSAFE: [&str; 5] = [
    "src/main.rs",
    "src/archive/disk.rs",
    "src/decode/avx512.rs",
    "src/decode/inflate.rs",
    "src/decode/structurals.rs",
];

/// Words that only certain files may hold, and why.
const KEPT_IN: [(&str, &[&str], &str); 12] = [
    ("unsafe ", &UNSAFE, "unsafe code"),
    ("GzDecoder", &["src/decode/inflate.rs"], "inflating untrusted bytes"),
    ("zstd::stream", &["src/decode/unpack.rs"], "unpacking untrusted bytes"),
    ("bzip2::", &["src/decode/unpack.rs"], "unpacking untrusted bytes"),
    ("zip::", &["src/decode/unpack.rs"], "unpacking untrusted bytes"),
    ("tar::", &["src/decode/unpack.rs"], "unpacking untrusted bytes"),
    ("tokio::", &ASYNC, "async"),
    ("async fn", &ASYNC, "async"),
    ("println!", &["build.rs"], "printing"),
    ("io::stdout", &["src/cli/"], "printing"),
    ("io::stderr", &["src/cli/"], "printing"),
    ("env::var", &["src/cli/", "build.rs"], "the environment"),
];

const ASYNC: [&str; 4] =
    ["src/archive/aws", "src/archive/s3", "src/archive/lookup", "src/narrate/bedrock"];

struct Source {
    name: String,
    text: String,
}

impl Source {
    /// Code without comments, one line at a time.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(|line| line.split("//").next().unwrap_or_default())
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("build.rs")];
    for folder in ["src", "tests", "benches", "fixtures/generator/src"] {
        walk(&root.join(folder), &mut files);
    }
    let source = |path: &PathBuf| Source {
        name: path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/"),
        text: fs::read_to_string(path).unwrap(),
    };
    let sources: Vec<Source> = files.iter().map(source).collect();
    assert!(sources.len() > 100, "the sources were not found");
    sources
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_stays_readable() {
    for source in sources() {
        assert!(source.text.starts_with("//!"), "{} does not begin with //!", source.name);
        let lines = source.text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines: split it by noun", source.name);
        for (number, line) in source.text.lines().enumerate() {
            // Put together here, so that this file does not hold them.
            for word in [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("X", "XX")] {
                let is_word = line.split(|c: char| !c.is_alphanumeric()).any(|w| w == word);
                assert!(!is_word, "{}:{}: {word}", source.name, number + 1);
            }
        }
    }
}

#[test]
fn folders_use_only_what_stands_before_them() {
    for source in sources() {
        let Some((folder, _)) = source.name.strip_prefix("src/").and_then(|n| n.split_once('/'))
        else {
            continue;
        };
        if folder == "cli" {
            continue;
        }
        let (_, may) = WALLS
            .iter()
            .find(|(name, _)| *name == folder)
            .unwrap_or_else(|| panic!("src/{folder} is not in the table of walls"));
        // A test may build what stands behind a wall.
        if source.name.ends_with("/tests.rs") {
            continue;
        }
        for line in source.code() {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric()).collect();
                let known = WALLS.iter().any(|(name, _)| *name == used) || used == "cli";
                let allowed = used == folder || may.contains(&used.as_str());
                assert!(!known || allowed, "{} uses crate::{used}: {}", source.name, line.trim());
            }
        }
    }
}

#[test]
fn the_outside_world_is_met_where_the_map_says() {
    for source in sources() {
        let is_ours = source.name.starts_with("src/") || source.name == "build.rs";
        if !is_ours || source.name.ends_with("/tests.rs") {
            continue;
        }
        for (word, places, what) in KEPT_IN {
            if places.iter().any(|place| source.name.starts_with(place)) {
                continue;
            }
            let found = source.code().any(|line| line.contains(word));
            assert!(!found, "{}: {what} belongs to {places:?} ({word})", source.name);
        }
    }
}

#[test]
fn the_program_itself_is_a_few_lines() {
    let main = sources().into_iter().find(|s| s.name == "src/main.rs").unwrap();
    assert!(main.text.lines().count() <= 30);
}

/// Every file of the map is on the map: a folder that nobody wrote up is a folder nobody finds.
#[test]
fn the_map_names_every_folder_and_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    for (folder, _) in WALLS {
        assert!(map.contains(&format!("`{folder}/`")), "ARCHITECTURE.md is silent on {folder}/");
    }
    let main = fs::read_to_string(root.join("tests/main.rs")).unwrap();
    for entry in fs::read_dir(root.join("tests")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if let Some(module) = name.strip_suffix(".rs").filter(|m| *m != "main") {
            assert!(
                main.contains(&format!("mod {module};")),
                "tests/{name} is not in tests/main.rs"
            );
        }
    }
    // Invariants are proven by tests that exist.
    let tests: String = sources().iter().map(|s| s.text.as_str()).collect();
    let named: Vec<&str> =
        map.lines().filter_map(|l| l.split("test: `").nth(1)?.split('`').next()).collect();
    assert!(named.len() >= 10, "ARCHITECTURE.md names {} tests", named.len());
    for name in named {
        assert!(tests.contains(&format!("fn {name}(")), "no test is called {name}");
    }
}
