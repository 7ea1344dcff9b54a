//! The targets of `tests/fuzz` under libFuzzer; `scripts/fuzz --coverage` builds and runs it.
//!
//! `GOLEM_FUZZ_TARGET` names the target; its samples are put into the folder `GOLEM_FUZZ_SAMPLES`, which libFuzzer reads.

#![no_main]

#[cfg(feature = "modules")]
#[path = "../../modules.rs"]
mod modules;
#[cfg_attr(not(feature = "modules"), allow(dead_code))]
#[path = "../../samples.rs"]
mod samples;
#[path = "../../targets.rs"]
mod targets;

use std::path::PathBuf;
use std::sync::OnceLock;
use targets::Target;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fn targets() -> Vec<&'static Target> {
    let all = targets::TARGETS.iter();
    #[cfg(feature = "modules")]
    let all = all.chain([&modules::TARGET]);
    all.collect()
}

libfuzzer_sys::fuzz_target!(
    init: {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by scripts/fuzz"));
        let name = variable("GOLEM_FUZZ_TARGET");
        let names: Vec<&str> = targets().iter().map(|target| target.name).collect();
        let Some(target) = targets().into_iter().find(|target| target.name == name) else {
            eprintln!("there is no target {name}; there are {}", names.join(", "));
            std::process::exit(2);
        };
        let folder = PathBuf::from(variable("GOLEM_FUZZ_SAMPLES"));
        std::fs::create_dir_all(&folder).expect("the folder of samples can be made");
        for (number, sample) in (target.samples)().iter().enumerate() {
            std::fs::write(folder.join(format!("sample-{number}")), sample).expect("a sample can be written");
        }
        let _ = TARGET.set(target);
    },
    |bytes: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.read)(bytes);
        }
    }
);
