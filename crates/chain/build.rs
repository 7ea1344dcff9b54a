//! Puts the deployments that the repository knows into the program, so that the binary alone knows them too.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const FOLDER: &str = "../../contracts/deployments";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let mut files: Vec<PathBuf> =
        fs::read_dir(FOLDER)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut known = String::from("[");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        known.push_str(&format!("include_str!({:?}), ", fs::canonicalize(file)?));
    }
    known.push(']');
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("deployments.rs"), known)
}
