//! How fast this machine is.

use crate::cancel::CancelToken;
use crate::outcome::{Exit, SandboxError};
use crate::request::{Limits, ModuleSource, Pace};
use crate::sandbox::{Job, Sandbox};
use crate::world::{World, WorldSpec};
use golem_protocol::{B256, ByteCount, Fuel};
use serde::{Deserialize, Serialize};

/// The module that is timed: integer mixing over 256 KiB, floating point with divisions and square roots, and block
/// copies, in about equal shares of time. `benchmark.wat` is its source.
const MODULE: &[u8] = include_bytes!("benchmark.wasm");
/// The fuel that it takes, on every machine that keeps the profile.
const FUEL: Fuel = Fuel::from_units(173_226_033);
/// How often it is timed; the median is taken, so one disturbance does not count.
const ROUNDS: usize = 5;

/// A machine's speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Performance {
    /// Fuel burned per second by the fixed benchmark module on one core, at the pace asked for.
    pub fuel_per_second: u64,
}

impl Sandbox {
    /// Times the fixed module, in half a second or so at full pace.
    ///
    /// Errors: the run was cancelled, or the engine failed; `Unfaithful` where the module took other fuel here than it does
    /// everywhere, so that results of this machine would be found wrong by others.
    pub fn benchmark(&self, cancel: &CancelToken, pace: Pace) -> Result<Performance, SandboxError> {
        let limits = Limits {
            fuel_max: Fuel::from_units(10_000_000_000),
            memory_max: ByteCount::from_bytes(1 << 20),
            output_max: ByteCount::from_bytes(0),
            output_files_max: 0,
            stderr_tail_max: ByteCount::from_bytes(0),
            ..Limits::default()
        };
        let spec = WorldSpec { args: Vec::new(), stdin: None, inputs: Vec::new(), seed: [0; 32], limits };
        let module = ModuleSource::Bytes(MODULE.to_vec());
        let job = Job { owner: B256::ZERO, module: &module, spec: &spec, paths: &[], pace };
        let mut speeds = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let ended = self.execute(&job, World::empty(), cancel, None)?;
            let ended = ended.map_err(|exit| SandboxError::engine(format!("its own benchmark: {exit}")))?;
            if ended.exit != (Exit::Exited { code: 0 }) {
                return Err(SandboxError::engine(format!("its own benchmark: {}", ended.exit)));
            }
            if ended.fuel != FUEL {
                return Err(SandboxError::Unfaithful { got: ended.fuel, want: FUEL });
            }
            let nanos = ended.took.as_nanos().max(1);
            speeds.push((u128::from(ended.fuel.0) * 1_000_000_000 / nanos) as u64);
        }
        speeds.sort_unstable();
        Ok(Performance { fuel_per_second: speeds[ROUNDS / 2] })
    }
}
