//! The clock that interrupts running programs.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::Engine;

/// How often a running program is looked at: the wall clock, cancelling and the pace have this grain.
pub(crate) const TICK: Duration = Duration::from_millis(10);

#[derive(Default)]
struct State {
    runs: usize,
    stopped: bool,
}

/// Advances the engine's epoch every [`TICK`] while anything runs, and sleeps otherwise.
pub(crate) struct Ticker {
    shared: Arc<(Mutex<State>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

fn locked(mutex: &Mutex<State>) -> MutexGuard<'_, State> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ticker {
    pub(crate) fn start(engine: Engine) -> std::io::Result<Ticker> {
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name("sandbox-ticker".into()).spawn(move || {
            let (state, changed) = &*theirs;
            let mut guard = locked(state);
            while !guard.stopped {
                guard = if guard.runs == 0 {
                    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
                } else {
                    engine.increment_epoch();
                    changed.wait_timeout(guard, TICK).unwrap_or_else(PoisonError::into_inner).0
                };
            }
        })?;
        Ok(Ticker { shared, thread: Some(thread) })
    }

    /// Keeps the epoch going until the returned value is dropped.
    pub(crate) fn hold(&self) -> TickerHold<'_> {
        locked(&self.shared.0).runs += 1;
        self.shared.1.notify_all();
        TickerHold { ticker: self }
    }
}

/// One run's interest in the clock.
pub(crate) struct TickerHold<'a> {
    ticker: &'a Ticker,
}

impl Drop for TickerHold<'_> {
    fn drop(&mut self) {
        locked(&self.ticker.shared.0).runs -= 1;
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        locked(&self.shared.0).stopped = true;
        self.shared.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
