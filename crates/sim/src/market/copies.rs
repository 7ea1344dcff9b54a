//! Several results of each subtask, by the node's rule: `golem-deal` says on what enough agree, how long they wait for each
//! other, and why the requestor runs one itself.
//!
//! No machine has two copies of a subtask. Once it is known what is right no copy more is handed out; those under way are
//! held against it when they come, and paid if they are right. A requestor's own run takes no time here, as elsewhere in
//! these markets.

use super::agents::*;
use super::metered::Part;
use super::scenario::*;
use super::table::Handle;
use super::world::{Event, World};
use crate::stream::{Draw, SmallStream};
use golem_deal::{agreed_on, copies_wait_ms, own_run_reason};
use golem_market::{Outcome, Release};
use std::collections::BTreeMap;

/// How late a result may be, in milliseconds.
///
/// Source: `grace_ms` of a node where nothing is set.
const GRACE_MS: u64 = 10_000;

/// What a result says: equal where results are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Right,
    /// What all that collude say.
    Agreed,
    /// What nobody else says.
    Own(u32),
}

/// How a subtask's copies stand.
struct Copies {
    /// Results that wait for others, in the order in which they came.
    here: Vec<(Handle, Answer)>,
    /// How many are not here yet.
    coming: u32,
    known: Option<Known>,
    /// Whether one of its results was accepted.
    is_done: bool,
}

/// What is held to be right.
#[derive(Clone, Copy)]
struct Known {
    answer: Answer,
    /// Whether it came out at the requestor's own, so that it can be proven.
    own_run: bool,
}

/// All subtasks of which there are several copies, by task and number.
#[derive(Default)]
pub(super) struct AllCopies(BTreeMap<(Handle, u32), Copies>);

impl World<'_> {
    /// A task came of whose subtasks several results are wanted.
    pub(super) fn begin_copies(&mut self, handle: Handle, group: &RequestorGroup) {
        let Some(task) = self.tasks.get(handle).filter(|_| group.copies > 1) else { return };
        for subtask in 0..task.total / group.copies {
            let copies = Copies { here: Vec::new(), coming: group.copies, known: None, is_done: false };
            self.copies.0.insert((handle, subtask), copies);
        }
    }

    fn copies_wanted(&self, buyer: u32) -> u32 {
        self.group_of(buyer).map_or(1, |group| group.copies)
    }

    /// Which subtask a run is of, where there are several copies of it.
    pub(super) fn copied_subtask(&self, run: Handle) -> Option<(Handle, u32)> {
        let of = self.runs.get(run).filter(|of| self.copies_wanted(of.buyer) > 1)?;
        Some((of.task, self.subtask_of(of.task, run)?))
    }

    /// Which subtask this is, where there are several copies of it.
    pub(super) fn copied_part(&self, task: Handle, part: &Part) -> Option<u32> {
        let of = self.tasks.get(task)?;
        let wanted = self.copies_wanted(of.buyer);
        (wanted > 1).then(|| part.index % (of.total / wanted).max(1))
    }

    /// A result came of a subtask that several have. Whether it was such a one.
    pub(super) fn enter_copy(&mut self, handle: Handle) -> bool {
        let Some(key) = self.copied_subtask(handle) else { return false };
        let Some(run) = self.runs.get(handle) else { return false };
        let (machine, buyer, timeout_s) = (run.machine, run.buyer, run.terms.subtask_timeout_s);
        let colludes =
            matches!(self.agents.machines[machine].behaviour, ProviderBehaviour::WrongResults { colluding: true, .. });
        let answer = match run.fate {
            Fate::Right => Answer::Right,
            _ if colludes => Answer::Agreed,
            _ => Answer::Own(machine),
        };
        // It is run here once, whatever copies come.
        let is_seen = self.copies.0.get(&key).is_some_and(|copies| copies.known.is_some_and(|known| known.own_run));
        let rate = if is_seen { 0.0 } else { self.check_rate(handle, buyer) };
        self.rechecked(handle, rate);
        let chosen = self.agents.buyers[buyer].draws.chance(rate);
        let Some(task) = self.tasks.get_mut(key.0) else { return false };
        // It is under way until it is judged.
        task.running += 1;
        let Some(copies) = self.copies.0.get_mut(&key) else { return false };
        copies.here.push((handle, answer));
        copies.coming = copies.coming.saturating_sub(1);
        if copies.here.len() == 1 && copies.known.is_none() {
            self.queue.push(self.now + copies_wait_ms(timeout_s, GRACE_MS), Event::CopiesWait(handle));
        }
        if chosen {
            self.know(key, Known { answer: Answer::Right, own_run: true });
        }
        self.judge(key, false);
        true
    }

    /// The first result of a subtask has waited for as long as it may.
    pub(super) fn copies_wait_over(&mut self, handle: Handle) {
        let Some(key) = self.copied_subtask(handle) else { return };
        let waits = |copies: &Copies| copies.here.iter().any(|(run, _)| *run == handle);
        if self.copies.0.get(&key).is_some_and(waits) {
            self.judge(key, true);
            self.close_if_over(key.0);
        }
    }

    fn know(&mut self, key: (Handle, u32), known: Known) {
        let Some(copies) = self.copies.0.get_mut(&key) else { return };
        if copies.known.is_some_and(|before| before.own_run || !known.own_run) {
            return;
        }
        copies.known = Some(known);
        let dropped = self.drop_open(key);
        if let Some(copies) = self.copies.0.get_mut(&key) {
            copies.coming = copies.coming.saturating_sub(dropped);
        }
    }

    /// Nothing more of a subtask is handed out.
    fn drop_open(&mut self, (handle, subtask): (Handle, u32)) -> u32 {
        let dropped = self.take_open(handle, subtask);
        if let Some(task) = self.tasks.get_mut(handle) {
            task.open = task.open.saturating_sub(dropped);
        }
        self.tally.open -= i64::from(dropped);
        dropped
    }

    fn judge(&mut self, key: (Handle, u32), waited: bool) {
        let Some(buyer) = self.tasks.get(key.0).map(|task| task.buyer) else { return };
        let wanted = self.copies_wanted(buyer);
        let Some(copies) = self.copies.0.get(&key).filter(|copies| !copies.here.is_empty()) else { return };
        let answers: Vec<Answer> = copies.here.iter().map(|(_, answer)| *answer).collect();
        let coming = copies.coming;
        if copies.known.is_none() {
            if let Some((answer, _)) = agreed_on(&answers, wanted as u8, |one, other| one == other) {
                self.know(key, Known { answer, own_run: false });
            } else if coming == 0 || waited {
                let reason = own_run_reason(&answers, |one, other| one == other);
                self.runs_itself(key.0, reason);
                self.know(key, Known { answer: Answer::Right, own_run: true });
            } else {
                return;
            }
        }
        // One says this and one says that: a majority is enough to reject, as at a node.
        let Some(copies) = self.copies.0.get_mut(&key) else { return };
        let (Some(known), here) = (copies.known, std::mem::take(&mut copies.here)) else { return };
        for (run, answer) in here {
            if let Some(task) = self.tasks.get_mut(key.0) {
                task.running -= 1;
            }
            if answer == known.answer {
                self.accept_copy(run);
                continue;
            }
            if known.own_run {
                self.prove(run);
            }
            self.ended_badly(run, Some(Outcome::Rejected), Release::Rejected);
        }
        self.forget_copies(key);
    }

    fn accept_copy(&mut self, run: Handle) {
        match self.runs.get(run).map(|run| run.fate) {
            // Enough agreed on something wrong.
            Some(Fate::Wrong) => self.accepted(run, false),
            _ => self.accept_or_lie(run),
        }
    }

    fn runs_itself(&mut self, task: Handle, reason: golem_deal::OwnRunReason) {
        let hours = self.tasks.get(task).map_or(0.0, |task| task.work_ms as f64 / MS_PER_HOUR);
        self.tally.ran_itself(reason, hours * self.agents.median_cost, self.now);
    }

    /// A run of a subtask has ended, `with_result` that is accepted or not. Whether it changes nothing for the task: the
    /// subtask has its result from another, or it is known what it is.
    pub(super) fn is_spare_copy(&mut self, handle: Handle, with_result: bool) -> bool {
        let Some(key) = self.copied_subtask(handle) else { return false };
        let Some(copies) = self.copies.0.get_mut(&key) else { return true };
        if with_result {
            return std::mem::replace(&mut copies.is_done, true);
        }
        if copies.known.is_none() {
            return false;
        }
        // One that never came.
        if self.runs.get(handle).is_some_and(|run| !matches!(run.fate, Fate::Right | Fate::Wrong)) {
            copies.coming = copies.coming.saturating_sub(1);
        }
        true
    }

    /// Copies that are open at a task's deadline are not handed out any more; what is here of their subtasks is judged
    /// without them. Gives how many subtasks have no result at all.
    pub(super) fn copies_end(&mut self, handle: Handle) -> u32 {
        let keys: Vec<(Handle, u32)> =
            self.copies.0.range((handle, 0)..=(handle, u32::MAX)).map(|(key, _)| *key).collect();
        let mut lost = 0;
        for key in keys {
            let dropped = self.drop_open(key);
            lost += self.copies_dropped(key, dropped);
        }
        lost
    }

    /// So many copies of a subtask will not come. Whether it has no result by that.
    fn copies_dropped(&mut self, key: (Handle, u32), dropped: u32) -> u32 {
        let Some(copies) = self.copies.0.get_mut(&key) else { return 0 };
        copies.coming = copies.coming.saturating_sub(dropped);
        let is_lost = dropped > 0 && copies.coming == 0 && copies.here.is_empty() && copies.known.is_none();
        self.judge(key, false);
        self.forget_copies(key);
        u32::from(is_lost)
    }

    /// A copy came to nothing after the deadline. Whether its subtask is lost by that; `None` where there is one copy.
    pub(super) fn copy_is_late(&mut self, task: Handle, subtask: Option<u32>) -> Option<u32> {
        subtask.map(|subtask| self.copies_dropped((task, subtask), 1))
    }

    /// Forgets a subtask of which nothing more comes.
    fn forget_copies(&mut self, key: (Handle, u32)) {
        if self.copies.0.get(&key).is_some_and(|copies| copies.coming == 0 && copies.here.is_empty()) {
            self.copies.0.remove(&key);
        }
    }

    /// Whether machines that collude are wrong about a subtask: all or none of them.
    pub(super) fn all_are_wrong(&self, task: Handle, subtask: u32, share: f64) -> bool {
        let uid = self.tasks.get(task).map_or(0, |task| task.uid);
        SmallStream::new(self.seed, super::COLLUDE, uid, u64::from(subtask)).chance(share)
    }
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use super::super::scenario::*;

    /// So many copies, a third of the machines liars, and how they lie.
    fn metrics(copies: u32, colluding: bool, work_s: f64) -> impl Fn(&str) -> f64 {
        let text = format!(
            "days = 4.0\nwarmup_days = 1.0\n[[providers]]\nname = \"honest\"\ncount = 40\n[[providers]]\nname = \"liars\"\n\
             count = 20\nbehaviour = {{ wrong_results = {{ share = 1.0, colluding = {colluding} }} }}\n[[requestors]]\n\
             count = 6\nload = 0.1\ncheck_rate = 0.0\ncopies = {copies}\nwork_s = {{ fixed = {work_s:?} }}\n"
        );
        let scenario: Scenario = toml::from_str(&text).unwrap();
        scenario.check().unwrap();
        let metrics = run(&scenario, 5, &|_| {}).metrics;
        move |name| metrics.get(name).copied().unwrap_or_else(|| panic!("no {name}"))
    }

    #[test]
    fn finds_all_that_is_wrong_alone_and_not_what_liars_agree_on() {
        let alone = metrics(1, false, 300.0);
        assert!(alone("wrong_share") > 0.1 && alone("checking_cost_share") == 0.0);
        for copies in [2, 3] {
            let own = metrics(copies, false, 300.0);
            assert_eq!(own("wrong_share"), 0.0, "{copies}");
            assert!(own("disputed_share") > 0.0 && own("checking_cost_share") > 0.8, "{}", own("checking_cost_share"));
            assert_eq!(own("finished_share"), 1.0);
            let agreed = metrics(copies, true, 300.0);
            assert!(agreed("wrong_share") > 0.05, "{copies}: two liars meet");
        }
    }

    #[test]
    fn runs_itself_what_others_are_too_slow_for() {
        let (short, long) = (metrics(2, false, 300.0), metrics(2, false, 1_800.0));
        assert!(
            short("alone_share") < 0.05 && long("alone_share") > 0.3,
            "{} {}",
            short("alone_share"),
            long("alone_share")
        );
    }

    #[test]
    fn refuses_more_copies_than_a_node_gives_out_and_other_defences_beside_them() {
        let refused = |requestor: &str| {
            let scenario: Scenario = toml::from_str(&format!("[[requestors]]\n{requestor}\n")).unwrap();
            scenario.check().unwrap_err().to_string()
        };
        assert!(refused("copies = 4").contains("copies is 4"), "{}", refused("copies = 4"));
        assert!(refused("copies = 0").contains("copies is 0"));
        assert!(refused("copies = 2\nhedge = \"on\"").contains("copies is 2"));
    }
}
