//! `golem app new`: a folder that is an app already, to be changed into another.

use crate::Answer;
use crate::output;
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The longest name. Reason: it becomes file names.
const NAME_BYTES_MAX: usize = 60;
/// What stands for the name in the files.
const NAME: &str = "NAME";
/// What stands for it where it has to be a Rust name.
const CRATE_NAME: &str = "NAME_";

const BOTH: [(&str, &str); 3] = [
    ("manifest.toml", include_str!("../../apps/starters/both/manifest.toml")),
    ("README.md", include_str!("../../apps/starters/both/README.md")),
    ("inputs/example.txt", include_str!("../../apps/starters/both/inputs/example.txt")),
];
const RUST: [(&str, &str); 2] = [
    ("main.rs", include_str!("../../apps/starters/rust/main.rs")),
    ("build.sh", include_str!("../../apps/starters/rust/build.sh")),
];
const C: [(&str, &str); 2] = [
    ("main.c", include_str!("../../apps/starters/c/main.c")),
    ("build.sh", include_str!("../../apps/starters/c/build.sh")),
];

/// In which language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, with its standard library for WASI.
    Rust,
    /// C, by zig or clang.
    C,
}

/// What to start.
#[derive(Args)]
#[command(
    after_help = "Example:\n  golem app new counting --lang rust && counting/build.sh && golem run counting --local -o out"
)]
pub struct NewArgs {
    /// What it is called: small letters, digits and dashes. The folder is called so too
    #[arg(value_parser = name)]
    name: String,
    /// The language of its source
    #[arg(long, value_enum)]
    lang: Language,
    /// The folder to put it into [default: the current one]
    #[arg(long, value_name = "FOLDER", default_value = ".", hide_default_value = true)]
    into: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn name(text: &str) -> Result<String, String> {
    let fits = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let starts = text.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    if fits && starts && text.len() <= NAME_BYTES_MAX {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is no name for an app: small letters, digits and dashes, a letter first, at most {NAME_BYTES_MAX}"
    ))
}

/// Writes the folder. Errors: it is there already, and then nothing in it is touched.
pub fn run(args: &NewArgs) -> anyhow::Result<Answer> {
    let folder = args.into.join(&args.name);
    if folder.exists() {
        bail!("{} is there already: choose another name, or another place with --into", folder.display());
    }
    let own: &[(&str, &str)] = match args.lang {
        Language::Rust => &RUST,
        Language::C => &C,
    };
    let mut written = Vec::new();
    for (file, text) in BOTH.iter().chain(own) {
        let path = folder.join(file);
        write(&path, &named(text, &args.name)).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    if args.json {
        output::json(&json!({ "name": args.name, "folder": folder, "files": written }))?;
        return Ok(Answer::Yes);
    }
    for path in &written {
        output::line(&path.display().to_string())?;
    }
    let at = folder.display();
    output::line(&format!("\nNext: {at}/build.sh && golem run {at} --local -o out"))?;
    Ok(Answer::Yes)
}

fn named(text: &str, name: &str) -> String {
    text.replace(CRATE_NAME, &name.replace('-', "_")).replace(NAME, name)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)?;
    #[cfg(unix)]
    if path.extension().is_some_and(|extension| extension == "sh") {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_task::Manifest;

    #[test]
    fn writes_an_app_with_its_name_everywhere_and_touches_no_folder_that_is_there() {
        let home = tempfile::tempdir().unwrap();
        let args = |lang| NewArgs { name: "my-app".to_owned(), lang, into: home.path().to_path_buf(), json: true };
        run(&args(Language::Rust)).unwrap();
        let read = |file: &str| std::fs::read_to_string(home.path().join("my-app").join(file)).unwrap();
        let manifest = Manifest::parse(&read("manifest.toml")).unwrap();
        assert_eq!((manifest.name.as_str(), manifest.module.as_str()), ("my-app", "my-app.wasm"));
        assert!(read("build.sh").contains("--crate-name my_app") && !read("build.sh").contains(NAME));
        assert!(run(&args(Language::C)).err().unwrap().to_string().contains("there already"));
    }

    #[test]
    fn refuses_names_that_are_none() {
        for bad in ["", "9lives", "a b", "../x", "Upper", &"x".repeat(61)] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert!(name("word-count-2").is_ok());
    }
}
