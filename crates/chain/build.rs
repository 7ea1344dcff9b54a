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
        // The text itself: a path would be that of the checkout that was built first, wherever it is moved to.
        known.push_str(&format!("{:?}, ", fs::read_to_string(file)?));
    }
    known.push(']');
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("deployments.rs"), known)
}
