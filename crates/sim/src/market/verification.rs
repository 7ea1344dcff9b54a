//! Ways to find wrong results, compared on the same workers: ours, and those of volunteer computing.
//!
//! Start with [`Verification`]. There is no market here: each result is asked of workers drawn at random, and what differs
//! is only what is done with it. Who is caught has no more work, where the scheme has somebody's word for it and not only
//! a majority; where new names are free, it comes back as somebody else.

use super::outcome::RunOutcome;
use crate::stream::{Draw, SmallStream};
use golem_market::checking::{PPM, check_ppm, remembered, stake};
use golem_market::{HeaderTerms, OfferTerms, Outcome, RequestorMarket, RequestorSettings};
use golem_protocol::{Pricing, Wei};
use serde::{Deserialize, Serialize};

/// What one result is paid. Only ratios of it count.
const VALUE: Wei = Wei(1_000_000_000);
/// How many copies a result gets at most before its requestor computes it itself.
const COPIES_MAX: usize = 16;
/// From how many consecutive valid results on a worker is trusted now and then.
///
/// Source: BOINC, AdaptiveReplication: below it never; from it on with probability `1 - 1 / CV`, `CV` those results.
const BOINC_TRUSTED_FROM: u32 = 10;
const BOINC_COPIES: usize = 2;

/// One requestor, many workers, and a way to find wrong results.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Verification {
    /// What is done with results.
    pub scheme: Scheme,
    /// How many workers; 500.
    pub workers: u32,
    /// How many results are asked for; 100,000.
    pub results: u32,
    /// The share of the workers that cheat, 0 to 1; 0.1.
    pub cheats: f64,
    /// How.
    pub cheating: Cheating,
    /// Whether workers commit to their results before anybody sees one of another, as the protocol has it; yes.
    pub committed: bool,
    /// Whether one that was caught comes back under a new name; no.
    pub new_names: bool,
}

impl Default for Verification {
    fn default() -> Verification {
        Verification {
            scheme: Scheme::Recheck { share: 0.1 },
            workers: 500,
            results: 100_000,
            cheats: 0.1,
            cheating: Cheating::Random { share: 0.5 },
            committed: true,
            new_names: false,
        }
    }
}

/// What is done with results.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scheme {
    /// They are taken as they come.
    None,
    /// Ours: the requestor computes a share itself, and more of those of newcomers, by the market's own rule.
    Recheck {
        /// Of the results, 0 to 1.
        share: f64,
    },
    /// Ours: so many workers compute each, and where they differ the requestor does.
    Redundancy {
        /// How many.
        copies: u32,
    },
    /// Ours: the requestor computes as many itself as make a wrong one no gain, by what its worker has to lose, and all
    /// that are not paid yet of one that is caught.
    Adaptive {
        /// The least share, 0 to 1.
        floor: f64,
        /// After how many results a worker is paid.
        paid_every: u32,
    },
    /// Until so many agree.
    Quorum {
        /// How many.
        agree: u32,
    },
    /// BOINC's adaptive replication: two must agree, but for workers with many valid results in a row.
    Boinc,
    /// Sarmenta's credibility: a share of the work are jobs of which the result is known, whoever fails one is out, and a
    /// result is taken once it is likely enough right.
    ///
    /// Source: Sarmenta, Sabotage-Tolerance Mechanisms for Volunteer Computing Systems (2001), with blacklisting.
    Credibility {
        /// The share of jobs of which the result is known.
        spot_checks: f64,
        /// The share of workers that is assumed to cheat at most.
        assumed: f64,
        /// The chance of a wrong result that is accepted.
        error_max: f64,
    },
}

/// How cheats cheat.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cheating {
    /// Each gives wrong results of its own.
    Random {
        /// Of its results, 0 to 1.
        share: f64,
    },
    /// All give the same wrong result, and for the same subtasks.
    Colluding {
        /// Of the subtasks, 0 to 1.
        share: f64,
    },
    /// Right until so many are done, then wrong.
    Sleeper {
        /// How many.
        right: u32,
    },
    /// In turns right and wrong.
    OnOff {
        /// How many right ones in a row.
        right: u32,
        /// How many wrong ones in a row.
        wrong: u32,
    },
    /// Gives what another worker gave for the same subtask, where it can see that: it waits until one has reported.
    Copying {
        /// Of its results, 0 to 1; the others it computes.
        share: f64,
        /// Whether it makes a result up where there is none to copy; otherwise it computes it.
        invents: bool,
    },
}

struct Worker {
    cheat: bool,
    /// The name it goes by.
    name: u32,
    gone: bool,
    done: u32,
    /// BOINC: consecutive valid results; Sarmenta: spot checks passed.
    proven: u32,
    /// Ours: what it was paid of late, and how many of its results are not paid yet, and which of them are wrong.
    paid: Wei,
    unpaid: Vec<bool>,
}

/// What came of a run.
#[derive(Default)]
struct Counts {
    accepted: u64,
    wrong: u64,
    computed: u64,
    /// Of workers, and how many of them they took from another.
    reported: u64,
    copied: u64,
    paid_wrong: u64,
    paid: u64,
}

struct Lab<'a> {
    of: &'a Verification,
    workers: Vec<Worker>,
    names: u32,
    draws: SmallStream,
    /// Of cheats, apart: so that all schemes meet the same.
    cheating: SmallStream,
    counts: Counts,
    market: RequestorMarket,
    seed: u64,
}

/// 0 is right; any other number is a wrong result, and equal ones agree.
type Answer = u64;

/// Plays it.
pub(super) fn play(of: &Verification, seed: u64) -> RunOutcome {
    let mut lab = Lab::new(of, seed);
    for job in 0..of.results {
        lab.job(job);
    }
    lab.settle_all();
    let counts = lab.counts;
    let mut outcome = RunOutcome::default();
    let mut put = |name, value| outcome.metrics.insert(name, value);
    let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
    put("wrong_per_million", share(counts.wrong, counts.accepted) * 1e6);
    put("extra_work", share(counts.computed, counts.accepted) - 1.0);
    put("cheat_paid_share", share(counts.paid_wrong, counts.paid));
    put("copied_share", share(counts.copied, counts.reported));
    let left = lab.workers.iter().filter(|worker| worker.cheat && !worker.gone).count() as u64;
    put("cheats_left", share(left, lab.workers.iter().filter(|worker| worker.cheat).count() as u64));
    outcome
}

impl Lab<'_> {
    fn new(of: &Verification, seed: u64) -> Lab<'_> {
        let cheats = (f64::from(of.workers) * of.cheats).round() as u32;
        let worker = |n| Worker {
            cheat: n < cheats,
            name: n,
            gone: false,
            done: 0,
            proven: 0,
            paid: Wei::ZERO,
            unpaid: Vec::new(),
        };
        Lab {
            of,
            workers: (0..of.workers).map(worker).collect(),
            names: of.workers,
            draws: SmallStream::new(seed, super::CHOICE, 0, 0),
            cheating: SmallStream::new(seed, super::BEHAVIOUR, 0, 0),
            counts: Counts::default(),
            market: RequestorMarket::new(RequestorSettings::default()),
            seed,
        }
    }

    /// A worker that is still there and not among these; `None` where all are.
    fn draw(&mut self, but: &[usize]) -> Option<usize> {
        let count = self.workers.len() as u32;
        for _ in 0..count.saturating_mul(8) {
            let at = self.draws.below(count) as usize;
            if !but.contains(&at) && self.workers.get(at).is_some_and(|worker| !worker.gone) {
                return Some(at);
            }
        }
        None
    }

    /// So many workers, or all that there are.
    fn draw_many(&mut self, count: usize) -> Vec<usize> {
        let mut drawn = Vec::new();
        while drawn.len() < count {
            let Some(at) = self.draw(&drawn) else { break };
            drawn.push(at);
        }
        drawn
    }

    /// What these workers answer. Who copies where it can waits until the others have reported.
    fn ask_all(&mut self, mut drawn: Vec<usize>, job: u32) -> Vec<(usize, Answer)> {
        if let (Cheating::Copying { .. }, false) = (self.of.cheating, self.of.committed) {
            drawn.sort_by_key(|at| self.workers.get(*at).is_some_and(|worker| worker.cheat));
        }
        let mut answers = Vec::new();
        for at in drawn {
            answers.push((at, self.ask(at, job, &answers)));
        }
        answers
    }

    /// What a worker answers, to a job for which there are these answers already.
    fn ask(&mut self, at: usize, job: u32, given: &[(usize, Answer)]) -> Answer {
        self.counts.reported += 1;
        self.counts.computed += 1;
        let Some(worker) = self.workers.get_mut(at) else { return 0 };
        let nth = worker.done;
        worker.done += 1;
        if !worker.cheat {
            return 0;
        }
        let own = 2 + u64::from(worker.name);
        match self.of.cheating {
            Cheating::Random { share } => own * u64::from(self.cheating.chance(share)),
            // They know of each other: on the same jobs, the same answer.
            Cheating::Colluding { share } => {
                u64::from(SmallStream::new(self.seed, super::TASK, u64::from(job), 0).chance(share))
            }
            Cheating::Sleeper { right } => own * u64::from(nth >= right),
            Cheating::OnOff { right, wrong } => own * u64::from(nth % (right + wrong).max(1) >= right),
            Cheating::Copying { share, invents } => {
                let seen = given.first().filter(|_| !self.of.committed);
                match (self.cheating.chance(share), seen) {
                    (false, _) => 0,
                    (true, Some((_, answer))) => {
                        self.counts.copied += 1;
                        self.counts.computed -= 1;
                        *answer
                    }
                    (true, None) => own * u64::from(invents),
                }
            }
        }
    }

    fn job(&mut self, job: u32) {
        match self.of.scheme {
            Scheme::None | Scheme::Recheck { .. } | Scheme::Adaptive { .. } => self.one(job),
            Scheme::Redundancy { copies } => self.redundant(job, copies as usize),
            Scheme::Quorum { agree } => self.quorum(job, agree as usize, Vec::new()),
            Scheme::Boinc => self.boinc(job),
            Scheme::Credibility { spot_checks, assumed, error_max } => {
                self.credible(job, spot_checks, assumed, error_max);
            }
        }
    }

    /// It is computed by one worker, and perhaps again here.
    fn one(&mut self, job: u32) {
        while let Some(at) = self.draw(&[]) {
            let answer = self.ask(at, job, &[]);
            let share = self.share_checked(at);
            let checked = share > 0.0 && self.draws.chance(share);
            self.counts.computed += u64::from(checked);
            self.tell_market(at, checked && answer != 0);
            if checked && answer != 0 {
                self.caught(at);
                continue;
            }
            self.accept(answer);
            return self.owe(at, answer != 0);
        }
        self.compute_here();
    }

    fn share_checked(&self, at: usize) -> f64 {
        let Some(worker) = self.workers.get(at) else { return 0.0 };
        match self.of.scheme {
            Scheme::Recheck { share } => {
                let asked = (share * f64::from(PPM)) as u32;
                f64::from(self.market.recheck_ppm(&super::agents::node(worker.name), asked)) / f64::from(PPM)
            }
            Scheme::Adaptive { floor, .. } => {
                // What is at stake beside this result.
                let unpaid = Wei(VALUE.0 * worker.unpaid.len() as u128);
                let floor = (floor * f64::from(PPM)) as u32;
                f64::from(check_ppm(VALUE, stake(worker.paid, unpaid), floor)) / f64::from(PPM)
            }
            Scheme::None
            | Scheme::Redundancy { .. }
            | Scheme::Quorum { .. }
            | Scheme::Boinc
            | Scheme::Credibility { .. } => 0.0,
        }
    }

    fn tell_market(&mut self, at: usize, wrong: bool) {
        let (Scheme::Recheck { .. }, Some(worker)) = (self.of.scheme, self.workers.get(at)) else { return };
        let offer = OfferTerms { provider: super::agents::node(worker.name), price: VALUE, performance: 1 };
        let terms = HeaderTerms { max_price: VALUE, min_perf: 0, subtask_timeout_s: 3_600, pricing: Pricing::Tender };
        let outcome = if wrong { Outcome::Rejected } else { Outcome::Success { computation_ms: 1_000_000 } };
        self.market.outcome(&offer, &terms, outcome);
    }

    /// A result will be paid, at once or with others.
    fn owe(&mut self, at: usize, wrong: bool) {
        let every = match self.of.scheme {
            Scheme::Adaptive { paid_every, .. } => paid_every.max(1) as usize,
            _ => 1,
        };
        let Some(worker) = self.workers.get_mut(at) else { return };
        worker.unpaid.push(wrong);
        if worker.unpaid.len() >= every {
            self.settle(at);
        }
    }

    fn settle(&mut self, at: usize) {
        let Some(worker) = self.workers.get_mut(at) else { return };
        for wrong in worker.unpaid.drain(..) {
            worker.paid = remembered(worker.paid, VALUE);
            self.counts.paid += 1;
            self.counts.paid_wrong += u64::from(wrong);
        }
    }

    fn settle_all(&mut self) {
        (0..self.workers.len()).for_each(|at| self.settle(at));
    }

    /// A worker gave a wrong result: what it has not been paid for is looked at, and it has no more work.
    fn caught(&mut self, at: usize) {
        let Some(worker) = self.workers.get_mut(at) else { return };
        let unpaid = std::mem::take(&mut worker.unpaid);
        self.counts.computed += unpaid.len() as u64;
        let wrong = unpaid.iter().filter(|wrong| **wrong).count() as u64;
        // Those are put right; the others are paid.
        self.counts.wrong -= wrong;
        self.counts.paid += unpaid.len() as u64 - wrong;
        if self.of.new_names {
            worker.name = self.names;
            self.names += 1;
            (worker.done, worker.proven, worker.paid) = (0, 0, Wei::ZERO);
        } else {
            worker.gone = true;
        }
    }

    fn accept(&mut self, answer: Answer) {
        self.counts.accepted += 1;
        self.counts.wrong += u64::from(answer != 0);
    }

    fn compute_here(&mut self) {
        self.counts.computed += 1;
        self.accept(0);
    }

    /// So many copies; where they differ, the requestor computes it and knows who was wrong.
    fn redundant(&mut self, job: u32, copies: usize) {
        let drawn = self.draw_many(copies);
        let answers = self.ask_all(drawn, job);
        let first = answers.first().map(|(_, answer)| *answer);
        match first {
            Some(first) if answers.len() == copies && answers.iter().all(|(_, answer)| *answer == first) => {
                self.accept(first);
                answers.iter().for_each(|(at, answer)| self.owe(*at, *answer != 0));
            }
            Some(_) | None => {
                self.compute_here();
                for (at, answer) in answers {
                    if answer == 0 { self.owe(at, false) } else { self.caught(at) }
                }
            }
        }
    }

    /// Copies until so many agree, at first that many. Who is in the minority is not paid, and that is all.
    fn quorum(&mut self, job: u32, agree: usize, mut answers: Vec<(usize, Answer)>) {
        if answers.is_empty() {
            let drawn = self.draw_many(agree);
            answers = self.ask_all(drawn, job);
        }
        loop {
            let enough = answers
                .iter()
                .map(|(_, answer)| *answer)
                .find(|answer| answers.iter().filter(|(_, other)| other == answer).count() >= agree);
            if let Some(accepted) = enough {
                self.accept(accepted);
                for (at, answer) in answers {
                    if answer == accepted {
                        self.owe(at, answer != 0);
                    }
                    if let Some(worker) = self.workers.get_mut(at) {
                        worker.proven = if answer == accepted { worker.proven + 1 } else { 0 };
                    }
                }
                return;
            }
            let but: Vec<usize> = answers.iter().map(|(at, _)| *at).collect();
            match self.draw(&but) {
                Some(at) if answers.len() < COPIES_MAX => answers.push((at, self.ask(at, job, &answers))),
                Some(_) | None => return self.compute_here(),
            }
        }
    }

    fn boinc(&mut self, job: u32) {
        let Some(at) = self.draw(&[]) else { return self.compute_here() };
        let answer = self.ask(at, job, &[]);
        let valid = self.workers.get(at).map_or(0, |worker| worker.proven);
        if valid >= BOINC_TRUSTED_FROM && self.draws.chance(1.0 - 1.0 / f64::from(valid)) {
            self.accept(answer);
            return self.owe(at, answer != 0);
        }
        self.quorum(job, BOINC_COPIES, vec![(at, answer)]);
    }

    fn credible(&mut self, job: u32, spot_checks: f64, assumed: f64, error_max: f64) {
        let mut answers: Vec<(usize, Answer)> = Vec::new();
        loop {
            if let Some(accepted) = self.likely(&answers, assumed, error_max) {
                self.accept(accepted);
                // Who was outvoted is not known to be wrong, and not paid.
                answers.iter().filter(|(_, answer)| *answer == accepted).for_each(|(at, a)| self.owe(*at, *a != 0));
                return;
            }
            let but: Vec<usize> = answers.iter().map(|(at, _)| *at).collect();
            let Some(at) = self.draw(&but).filter(|_| answers.len() < COPIES_MAX) else { return self.compute_here() };
            // A job of which the result is known comes in between, and looks like any other.
            if self.draws.chance(spot_checks) {
                let answer = self.ask(at, self.of.results + job, &[]);
                match self.workers.get_mut(at) {
                    Some(worker) if answer == 0 => worker.proven += 1,
                    Some(_) | None => self.caught(at),
                }
                if answer != 0 {
                    answers.retain(|(other, _)| *other != at);
                    continue;
                }
            }
            answers.push((at, self.ask(at, job, &answers)));
        }
    }

    /// The answer that is likely enough right, given who gave it.
    fn likely(&self, answers: &[(usize, Answer)], assumed: f64, error_max: f64) -> Option<Answer> {
        let credible = |at: usize| {
            let passed = self.workers.get(at).map_or(0, |worker| worker.proven);
            if passed == 0 {
                return 1.0 - assumed;
            }
            1.0 - assumed / (1.0 - assumed) / (f64::from(passed) * std::f64::consts::E)
        };
        let mut groups: Vec<(Answer, f64, f64)> = Vec::new();
        for (at, answer) in answers {
            let right = credible(*at).clamp(1e-9, 1.0 - 1e-9);
            match groups.iter_mut().find(|group| group.0 == *answer) {
                Some(group) => (group.1, group.2) = (group.1 * right, group.2 * (1.0 - right)),
                None => groups.push((*answer, right, 1.0 - right)),
            }
        }
        let all_bad: f64 = groups.iter().map(|(.., bad)| bad).product();
        let only = |(_, good, bad): &(Answer, f64, f64)| good * all_bad / bad;
        let sum = all_bad + groups.iter().map(only).sum::<f64>();
        groups.iter().find(|group| only(group) / sum >= 1.0 - error_max).map(|(answer, ..)| *answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(scheme: Scheme, cheating: Cheating, committed: bool) -> impl Fn(&str) -> f64 {
        let of = Verification { scheme, cheating, committed, cheats: 0.3, results: 20_000, ..Verification::default() };
        let outcome = play(&of, 3);
        move |name| outcome.metrics[name]
    }

    #[test]
    fn copies_of_a_made_up_result_pass_where_results_are_seen_before_they_are_committed() {
        let copying = Cheating::Copying { share: 1.0, invents: true };
        for scheme in [Scheme::Redundancy { copies: 2 }, Scheme::Quorum { agree: 2 }] {
            let (open, committed) = (metrics(scheme, copying, false), metrics(scheme, copying, true));
            assert!(open("wrong_per_million") > 50_000.0, "{scheme:?}: {}", open("wrong_per_million"));
            assert!(open("copied_share") > 0.2, "{scheme:?}: {}", open("copied_share"));
            assert_eq!(open("cheats_left"), 1.0, "{scheme:?}");
            assert_eq!([committed("wrong_per_million"), committed("copied_share")], [0.0, 0.0], "{scheme:?}");
        }
    }

    #[test]
    fn who_computes_where_nothing_can_be_copied_is_paid_for_nothing_and_does_no_other_harm() {
        let copying = Cheating::Copying { share: 1.0, invents: false };
        let open = metrics(Scheme::Redundancy { copies: 2 }, copying, false);
        assert_eq!(open("wrong_per_million"), 0.0);
        assert!(open("copied_share") > 0.2 && open("extra_work") < 0.6);
        // All alone it is seen by nobody: a job whose answer is known finds who makes results up.
        let spots = Scheme::Credibility { spot_checks: 0.1, assumed: 0.3, error_max: 0.001 };
        let inventing = metrics(spots, Cheating::Copying { share: 1.0, invents: true }, false);
        assert_eq!(inventing("cheats_left"), 0.0);
    }

    #[test]
    fn cheats_that_do_not_copy_do_not_care_whether_results_are_committed() {
        let random = Cheating::Random { share: 0.5 };
        for scheme in [Scheme::Redundancy { copies: 2 }, Scheme::Boinc, Scheme::Recheck { share: 0.1 }] {
            let (open, committed) = (metrics(scheme, random, false), metrics(scheme, random, true));
            for name in ["wrong_per_million", "extra_work", "cheat_paid_share", "cheats_left", "copied_share"] {
                assert_eq!(open(name), committed(name), "{scheme:?}: {name}");
            }
        }
    }
}
