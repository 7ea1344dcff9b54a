//! The validator and the compiler, which read a stranger's module.

use crate::samples;
use crate::targets::Target;
use golem_sandbox::{Exit, ModuleFault, ModuleSource, Sandbox, SandboxConfig};
use std::sync::OnceLock;
use tempfile::TempDir;

pub(crate) static TARGET: Target = Target { name: "modules", samples: samples::modules, read: module };

/// What the validator takes the compiler takes, and the compiler sees nothing else.
fn module(bytes: &[u8]) -> bool {
    static SHARED: OnceLock<(Sandbox, TempDir)> = OnceLock::new();
    let (sandbox, _folder) = SHARED.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let mut config = SandboxConfig::new(folder.path());
        config.slots = 1;
        config.cache_disk_max = golem_protocol::ByteCount::from_bytes(0);
        (Sandbox::new(config).unwrap(), folder)
    });
    match sandbox.prepare(&ModuleSource::Bytes(bytes.to_vec())).expect("nothing here is this machine's fault") {
        Ok(()) => true,
        Err(Exit::BadModule(ModuleFault::NotCompiled { reason })) => {
            panic!("the compiler refused what the validator took: {reason}")
        }
        Err(fault) => {
            assert!(!fault.to_string().is_empty());
            false
        }
    }
}
