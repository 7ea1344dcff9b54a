//! Prints a file's BLAKE3 digest, the name by which everybody knows it. Runs natively; it is no module.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: golem-app-digest FILE");
        return ExitCode::from(2);
    };
    match std::fs::read(&path) {
        Ok(bytes) => {
            println!("{}", blake3::hash(&bytes));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot read {}: {error}", path.to_string_lossy());
            ExitCode::from(2)
        }
    }
}
