//! What an app's commands have in common: options and results.
//!
//! Not a crate but a file that each app includes, because modules are built by the compiler alone.

use std::path::Path;

/// Options as they stand after a command: `--NAME VALUE`. What is not given has no value here: the one place for usual
/// values is the manifest.
pub struct Options {
    values: Vec<(String, String)>,
}

impl Options {
    /// Reads them. Errors: one that is not known, or lacks its value.
    pub fn parse(args: &[String], known: &[&str]) -> Result<Options, String> {
        let mut values = Vec::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let name = arg.strip_prefix("--").filter(|name| known.contains(name));
            let name = name.ok_or_else(|| format!("there is no option {arg}; known are --{}", known.join(", --")))?;
            let value = args.next().ok_or_else(|| format!("{arg} lacks a value"))?;
            values.push((name.to_owned(), value.clone()));
        }
        Ok(Options { values })
    }

    /// A value that there must be: the last one given.
    pub fn needed(&self, name: &str) -> Result<&str, String> {
        match self.values.iter().rev().find(|(known, _)| known == name) {
            Some((_, value)) if value.is_empty() => Err(format!("--{name} has no value")),
            Some((_, value)) => Ok(value),
            None => Err(format!("--{name} is needed")),
        }
    }

    /// A whole number between two others, both allowed.
    pub fn whole(&self, name: &str, least: u64, most: u64) -> Result<u64, String> {
        let wanted = format!("give a whole number from {least} to {most}");
        let text = self.needed(name).map_err(|error| format!("{error}; {wanted}"))?;
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("--{name} {text}: {wanted}"))
    }
}

/// The file of this name that each subtask left, by the subtask's number.
pub fn results(input: &Path, file: &str) -> Result<Vec<(u32, String)>, String> {
    let failed = |error: std::io::Error| format!("cannot read the folder {}: {error}", input.display());
    let mut results = Vec::new();
    for entry in std::fs::read_dir(input).map_err(failed)? {
        let folder = entry.map_err(failed)?.path();
        let index = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        if let Some(index) = index {
            results.push((index, read(&folder.join(file))?));
        }
    }
    results.sort();
    if results.is_empty() {
        return Err(format!("there are no results in {}", input.display()));
    }
    Ok(results)
}

/// A file as text.
pub fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Writes a file.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
