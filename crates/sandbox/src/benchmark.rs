//! How fast this machine is.

use crate::cancel::CancelToken;
use crate::outcome::{Exit, SandboxError};
use crate::request::{Limits, ModuleSource, Pace};
use crate::run::Sandbox;
use crate::world::World;
use golem_protocol::{ByteCount, Fuel};
use serde::{Deserialize, Serialize};

/// The module that is timed: integer mixing over 256 KiB, floating point with divisions and square roots, and block
/// copies, in about equal shares of time. `benchmark.wat` is its source.
const MODULE: &[u8] = include_bytes!("benchmark.wasm");
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
    /// Errors: the run was cancelled, or the engine failed.
    pub fn benchmark(&self, cancel: &CancelToken, pace: Pace) -> Result<Performance, SandboxError> {
        let program = self
            .program(&ModuleSource::Bytes(MODULE.to_vec()))?
            .map_err(|fault| SandboxError::engine(format!("its own benchmark: {fault}")))?;
        let limits = Limits {
            fuel_max: Fuel::from_units(10_000_000_000),
            memory_max: ByteCount::from_bytes(1 << 20),
            ..Limits::default()
        };
        let mut speeds = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let ended = self.execute(&program, World::empty(), &limits, cancel, pace)?;
            if ended.exit != (Exit::Exited { code: 0 }) {
                return Err(SandboxError::engine(format!("its own benchmark: {}", ended.exit)));
            }
            let nanos = ended.took.as_nanos().max(1);
            speeds.push((u128::from(ended.fuel.0) * 1_000_000_000 / nanos) as u64);
        }
        speeds.sort_unstable();
        Ok(Performance { fuel_per_second: speeds[ROUNDS / 2] })
    }
}
