//! A node's standing as Prometheus text.

use crate::status::{ProviderStatus, RequestorStatus};
use golem_protocol::Wei;
use std::fmt::Write;

struct Text(String);

impl Text {
    fn add(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "# HELP golem_{name} {help}\n# TYPE golem_{name} {kind}\ngolem_{name} {value}\n");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.add(name, "counter", help, value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.add(name, "gauge", help, value);
    }

    /// Amounts are in GNT: a sample is a float, and wei would not fit one.
    fn amount(&mut self, name: &str, help: &str, value: Wei) {
        self.gauge(name, help, value.to_gnt_string());
    }

    fn common(&mut self, peers: usize, chain_time_s: u64, chain_lost: bool) {
        self.gauge("peers", "Connected peers.", peers);
        self.gauge("chain_time_seconds", "The chain's time.", chain_time_s);
        self.gauge("chain_lost", "1 while the chain's endpoint does not answer.", u8::from(chain_lost));
    }
}

pub(crate) fn provider(status: &ProviderStatus) -> String {
    let mut text = Text(String::new());
    text.common(status.network.peers, status.chain.time_s, status.chain.lost.is_some());
    text.gauge("slots", "How many subtasks can run at once.", status.slots);
    text.gauge("slots_busy", "How many subtasks run.", status.slots_busy);
    text.gauge("deals", "Agreed batches that are not settled.", status.deals);
    text.gauge("performance_fuel_per_second", "Measured speed of one slot.", status.performance);
    let counters = &status.counters;
    text.counter("headers_total", "Headers heard.", counters.headers);
    text.counter("offers_total", "Offers made.", counters.offers);
    text.counter("agreements_total", "Batches agreed.", counters.agreements);
    text.counter("subtasks_completed_total", "Subtasks with a result.", counters.completed);
    text.counter("subtasks_failed_total", "Subtasks without a result.", counters.failed);
    text.counter("results_rejected_total", "Results not accepted.", counters.rejected);
    text.counter("vouchers_total", "Vouchers that raised what is held.", counters.vouchers);
    text.counter("deals_abandoned_total", "Deals given up.", counters.abandoned);
    text.counter("claims_total", "Claim transactions.", counters.claims);
    text.amount("earned_gnt", "What all vouchers came to.", status.totals.earned_wei);
    text.amount("claimable_gnt", "What a claim would pay.", status.totals.claimable_wei);
    text.amount("claimed_gnt", "What was claimed.", status.totals.claimed_wei);
    let kept = status.authors.iter().fold(Wei::ZERO, |sum, account| sum.saturating_add(account.held_wei));
    text.amount("kept_for_authors_gnt", "What vouchers kept for apps' authors came to.", kept);
    text.0
}

pub(crate) fn requestor(status: &RequestorStatus) -> String {
    let mut text = Text(String::new());
    text.common(status.network.peers, status.chain.time_s, status.chain.lost.is_some());
    let tasks = || status.tasks.iter().map(|task| &task.task);
    let sum = |amount: fn(&golem_deal::TaskStatus) -> Wei| {
        tasks().fold(Wei::ZERO, |sum, task| sum.saturating_add(amount(task)))
    };
    text.gauge("tasks_open", "Tasks that are not finished.", tasks().filter(|task| !task.finished).count());
    text.gauge("subtasks", "Subtasks of all tasks.", tasks().map(|task| task.subtasks as u64).sum::<u64>());
    text.gauge("subtasks_done", "Subtasks with an accepted result.", tasks().map(|task| task.done as u64).sum::<u64>());
    text.amount("spent_gnt", "What was signed away to providers for all tasks.", sum(|task| task.spent));
    text.amount("fees_gnt", "What was signed away to apps' authors for all tasks.", sum(|task| task.fees));
    text.amount("reserved_gnt", "What open agreements may still cost.", sum(|task| task.reserved));
    let counters = &status.counters;
    text.counter("offers_total", "Offers that came.", counters.offers);
    text.counter("agreements_total", "Batches agreed.", counters.agreements);
    text.counter("results_accepted_total", "Results accepted.", counters.accepted);
    text.counter("results_rejected_total", "Results not accepted.", counters.rejected);
    text.counter("results_rechecked_total", "Results run again here.", counters.rechecked);
    text.counter("fundings_total", "Funding transactions.", counters.fundings);
    text.0
}
