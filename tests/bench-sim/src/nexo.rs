//! The hold model in NeXosim: one model that schedules itself.

use crate::DELAY_MAX_MS;
use golem_sim::stream::{Draw, SmallStream};
use nexosim::model::{Context, Model, schedulable};
use nexosim::ports::EventSource;
use nexosim::simulation::{Mailbox, SimInit};
use nexosim::time::MonotonicTime;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Events that have happened. The model owns no shared state, so it is counted here.
static HAPPENED: AtomicU64 = AtomicU64::new(0);

#[derive(Serialize, Deserialize)]
struct Holder {
    drawn: u64,
}

#[Model]
impl Holder {
    fn start(&mut self, pending: u32, context: &Context<Self>) {
        for number in 0..pending {
            self.schedule(number, context);
        }
    }

    #[nexosim(schedulable)]
    async fn happen(&mut self, number: u32, context: &Context<Self>) {
        HAPPENED.fetch_add(1, Ordering::Relaxed);
        self.schedule(number, context);
    }
}

impl Holder {
    fn schedule(&mut self, number: u32, context: &Context<Self>) {
        self.drawn += 1;
        let delay = 1 + SmallStream::new(1, 0, self.drawn, 0).below(DELAY_MAX_MS);
        let delay = Duration::from_millis(u64::from(delay));
        context.schedule_event(delay, schedulable!(Self::happen), number).expect("a delay above 0");
    }
}

/// Events a second.
pub fn rate(pending: u32, events: u64) -> f64 {
    let mailbox = Mailbox::new();
    let mut init = SimInit::with_num_threads(1);
    let start = EventSource::new().connect(Holder::start, &mailbox).register(&mut init);
    let init = init.add_model(Holder { drawn: 0 }, mailbox, "holder");
    let mut simulation = init.init(MonotonicTime::EPOCH).expect("a simulation of one model");
    simulation.process_event(&start, pending).expect("events at the start");
    let before = HAPPENED.load(Ordering::Relaxed);
    let since = crate::seconds();
    while HAPPENED.load(Ordering::Relaxed) - before < events {
        simulation.step().expect("a step");
    }
    crate::rate(HAPPENED.load(Ordering::Relaxed) - before, since)
}
