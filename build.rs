//! Compiles the rule pack into the program: every `src/detect/pack/*.yml`, by file name.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let root = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let folder = Path::new(&root).join("src/detect/pack");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the pack is part of the source")
        .map(|entry| entry.expect("the pack can be listed").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yml"))
        .collect();
    files.sort();
    let mut out = String::from("const PACK: &[(&str, &str)] = &[\n");
    for path in &files {
        let name = path.file_name().expect("a file has a name").to_string_lossy();
        writeln!(out, "    ({name:?}, include_str!({:?})),", path.display().to_string())
            .expect("writing to memory cannot fail");
    }
    out.push_str("];\n");
    let target = Path::new(&env::var_os("OUT_DIR").expect("cargo sets it")).join("pack.rs");
    fs::write(target, out).expect("OUT_DIR can be written");
}
