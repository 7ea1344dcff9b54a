//! What a run took of the machine.

use std::fs;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The kernel counts processor time in hundredths of a second, whatever its own clock does.
const TICKS_PER_S: f64 = 100.0;

/// Since when a run is measured.
pub struct Measure {
    began: Instant,
    began_unix_s: u64,
    cpu_s: Option<f64>,
}

/// What it took. What this system does not tell is absent.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Took {
    /// When it began, in seconds since 1970.
    pub began_unix_s: u64,
    /// Seconds by the clock on the wall.
    pub wall_s: f64,
    /// Seconds of processor time, over all threads.
    pub cpu_s: Option<f64>,
    /// The most memory this process has held, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Runs that were played before, in another process, and are in none of these numbers.
    pub runs_kept: usize,
}

impl Measure {
    /// Begins to measure.
    pub fn begin() -> Measure {
        let began_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Measure { began: Instant::now(), began_unix_s, cpu_s: cpu_s() }
    }

    /// What it took since.
    pub fn took(&self) -> Took {
        Took {
            began_unix_s: self.began_unix_s,
            wall_s: (self.began.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0,
            cpu_s: cpu_s().zip(self.cpu_s).map(|(now, then)| ((now - then) * 100.0).round() / 100.0),
            peak_memory_bytes: peak_memory_bytes(),
            runs_kept: 0,
        }
    }
}

fn cpu_s() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program stands in brackets and may hold anything; after it, user time is 12th, system time 13th.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_S)
}

fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn measures_itself() {
        let took = Measure::begin().took();
        assert!(took.cpu_s.is_some_and(|s| s >= 0.0), "{took:?}");
        assert!(took.peak_memory_bytes.is_some_and(|bytes| bytes > 1 << 16), "{took:?}");
    }
}
