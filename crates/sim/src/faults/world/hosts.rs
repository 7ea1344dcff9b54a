//! What goes wrong on the hosts of nodes: disks without room, disks that break, and clocks that are set.

use super::{Held, What, Who, World};
use crate::faults::clock::{Clock, Jump};
use crate::faults::host::{ABANDON_MS, GRACE_MS, TIMEOUT_S};
use golem_deal::saves::{Answered, FULL_PAUSE_MS};
use golem_deal::{ProviderInput, Record, RequestorInput};
use golem_protocol::{B256, RefusalReason};

/// How long it can take from what a node decides until it leaves, where its disk has room, in milliseconds.
const SAVING_MS: u64 = 5_000;
/// How long a disk is full, in milliseconds.
const FULL_MS: (u64, u64) = (500, 30_000);

impl World {
    /// A node saves something.
    pub(super) fn begin_save(&mut self, who: Who, id: golem_deal::PersistId, records: Vec<Record>) -> Held {
        for _ in 0..self.disk_of(who).begin(id, records)? {
            self.saves(who);
        }
        Ok(())
    }

    /// A full disk is tried again. The node looks around as well, as it does now and then whatever its machine asks for: what
    /// its machine asks for waits for the disk.
    pub(super) fn saves_again(&mut self, who: Who) -> Held {
        for _ in 0..self.disk_of(who).try_again() {
            self.saves(who);
        }
        match who {
            Who::Requestor(index) => self.requestor_gets(index, RequestorInput::Tick),
            Who::Provider(index) => self.provider_gets(index, ProviderInput::Tick),
        }
    }

    /// Whoever holds something to be late does so by the chain's time.
    pub(super) fn check_reason(&self, who: Who, reason: &RefusalReason) -> Held {
        match reason {
            RefusalReason::Expired { now, .. } if *now > self.chain.time() => {
                Err(format!("for {who:?} it is {now:?}, and for the chain {:?}", self.chain.time()))
            }
            _ => Ok(()),
        }
    }

    /// One save is on its way to the disk.
    pub(super) fn saves(&mut self, who: Who) {
        let (slow, time, run) = (self.disk.between(0, 80), self.time, self.run_of(who));
        let disk = self.disk_of(who);
        disk.busy_until = disk.busy_until.max(time + slow);
        let delay = disk.busy_until - time;
        self.at(delay, Some(run), What::Saved(who));
    }

    /// The disk answers the oldest save. A disk that fails stops its node: nothing more can be promised.
    pub(super) fn disk_answers(&mut self, who: Who) -> Held {
        let (faults, is_calm, time) = (self.scenario.faults, self.is_calm(), self.time);
        if !is_calm
            && faults.disk_failure_per_myriad > 0
            && self.room.between(0, 9_999) < faults.disk_failure_per_myriad
        {
            self.disk_of(who).fail();
            self.report.disks_failed += 1;
            self.goes_down(who, "stops, since its disk fails");
            return Ok(());
        }
        let is_full = !is_calm && self.disk_of(who).full_until > time;
        let has_room = !is_full || self.room.per_mille(faults.full_fits_per_mille);
        self.report.not_saved += u64::from(!has_room);
        let Some(Answered { durable, pauses }) = self.disk_of(who).answer(has_room) else {
            return Err(format!("{who:?} saved nothing"));
        };
        let run = self.run_of(who);
        if pauses {
            self.at(FULL_PAUSE_MS, Some(run), What::SaveAgain(who));
        }
        for id in durable {
            // It may have crashed with what the last one let go.
            if self.run_of(who) != run {
                break;
            }
            match who {
                Who::Requestor(index) => self.requestor_gets(index, RequestorInput::Persisted(id))?,
                Who::Provider(index) => self.provider_gets(index, ProviderInput::Persisted(id))?,
            }
        }
        if let Who::Provider(index) = who {
            let host = &mut self.providers[index];
            host.policy.close(host.disk.is_full().then(|| RefusalReason::Full("the disk".to_owned())));
        }
        Ok(())
    }

    pub(super) fn disk_is_full(&mut self) -> Held {
        if self.is_calm() {
            return Ok(());
        }
        if let Some(who) = self.somebody() {
            let until = self.time + self.room.between(FULL_MS.0, FULL_MS.1);
            self.disk_of(who).full_until = until;
            self.note(format!("the disk of {who:?} is full until {until} ms"));
        }
        self.at(self.scenario.faults.full_every_ms, None, What::DiskFull);
        Ok(())
    }

    fn somebody(&mut self) -> Option<Who> {
        let everybody: Vec<Who> = self.everybody().collect();
        self.room.one_of(&everybody).copied()
    }

    /// Nodes look at the time every few seconds whether or not there is anything to do.
    pub(super) fn everybody_looks_at_the_clock(&mut self) {
        let time = self.time;
        let everybody: Vec<Who> = self.everybody().collect();
        everybody.into_iter().for_each(|who| self.clock_of(who).look(time));
    }

    /// Somebody's clock is set, or its host sleeps. Who wakes looks around: its timers have run out.
    pub(super) fn clock_is_set(&mut self) -> Held {
        if self.is_calm() {
            return Ok(());
        }
        let faults = self.scenario.faults;
        self.at(faults.clock_set_every_ms, None, What::ClockSet);
        let everybody: Vec<Who> = self.everybody().collect();
        let jump = Jump::draw(&mut self.jumps, faults.clock_set_max_ms);
        let Some(who) = self.jumps.one_of(&everybody).copied().filter(|who| self.down_until(*who) <= self.time) else {
            return Ok(());
        };
        let time = self.time;
        self.clock_of(who).jump(time, jump);
        self.report.clocks_set += 1;
        self.note(format!("the clock of {who:?}: {jump:?}"));
        match (jump, who) {
            (Jump::Sleep(_), Who::Requestor(index)) => self.requestor_gets(index, RequestorInput::Tick),
            (Jump::Sleep(_), Who::Provider(index)) => self.provider_gets(index, ProviderInput::Tick),
            (Jump::Back(_) | Jump::Forward(_) | Jump::Right, _) => Ok(()),
        }
    }

    /// No provider is late before the time that it was given has passed.
    pub(super) fn check_who_is_late(&mut self, index: usize) -> Held {
        let late = std::mem::take(&mut self.requestors[index].policy.late);
        let host = &self.requestors[index];
        for provider in late {
            let asked = self.checks.asked(host.machine.node(), provider);
            let allowed = u64::from(TIMEOUT_S) * 1_000 + GRACE_MS;
            self.check_passed(&host.clock, asked, allowed)
                .map_err(|after| format!("requestor {index} takes {provider} to be late {after}"))?;
        }
        Ok(())
    }

    /// Nothing that is owed is given up before the time for that has passed.
    pub(super) fn check_what_is_given_up(&self, index: usize, agreement: B256) -> Held {
        let reported = self.checks.reported(agreement);
        self.check_passed(&self.providers[index].clock, reported, ABANDON_MS)
            .map_err(|after| format!("provider {index} gives up what it is owed by {agreement} {after}"))
    }

    /// Whether so much can have passed for a node since what it sent then. How long that waited for a full disk before it
    /// left is not known, and nothing is said where disks are full.
    fn check_passed(&self, clock: &Clock, since: Option<u64>, allowed: u64) -> Held {
        let passed = clock.passed_max(since.unwrap_or_default(), self.time);
        if self.scenario.faults.full_every_ms == 0 && passed + SAVING_MS < allowed {
            return Err(format!("after {passed} ms, and {allowed} are allowed"));
        }
        Ok(())
    }
}
