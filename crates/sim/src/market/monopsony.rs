//! Requestors that buy as one and look for the least that their work can be had for.

use super::agents::MS_PER_HOUR;
use super::scenario::{RequestorBehaviour, Scenario};
use golem_protocol::Wei;

/// What one group offers at most, as a share of what it could.
#[derive(Clone, Copy)]
struct Ceiling {
    share: f64,
    /// Subtasks since it was last looked at: wanted, and handed out.
    wanted: u64,
    handed_out: u64,
    looked_at: u64,
}

/// The ceilings of all groups of requestors that buy as one.
pub(super) struct Monopsony(Vec<Option<Ceiling>>);

impl Monopsony {
    pub(super) fn new(scenario: &Scenario) -> Monopsony {
        let start = Ceiling { share: 1.0, wanted: 0, handed_out: 0, looked_at: 0 };
        let buys_as_one = |behaviour| matches!(behaviour, RequestorBehaviour::Monopsonist { .. });
        Monopsony(scenario.requestors.iter().map(|group| buys_as_one(group.behaviour).then_some(start)).collect())
    }

    fn of(&mut self, group: u32) -> Option<&mut Ceiling> {
        self.0.get_mut(group as usize)?.as_mut()
    }

    /// A group wants so many subtasks done, new ones or again.
    pub(super) fn wanted(&mut self, group: u32, subtasks: u32) {
        if let Some(of) = self.of(group) {
            of.wanted += u64::from(subtasks);
        }
    }

    /// One of a group's was handed out.
    pub(super) fn handed_out(&mut self, group: u32) {
        if let Some(of) = self.of(group) {
            of.handed_out += 1;
        }
    }

    /// The most that a group pays now, where it could pay `most`: once a period it offers less if nearly all that it
    /// wanted was taken, and more if not.
    pub(super) fn ceiling(&mut self, group: u32, behaviour: RequestorBehaviour, most: Wei, now: u64) -> Wei {
        let RequestorBehaviour::Monopsonist { step, period_hours, taken_min } = behaviour else { return most };
        let Some(of) = self.of(group) else { return most };
        if now >= of.looked_at.saturating_add((period_hours * MS_PER_HOUR) as u64) {
            if of.handed_out as f64 >= taken_min * of.wanted as f64 {
                of.share *= 1.0 - step;
            } else {
                of.share = (of.share / (1.0 - step)).min(1.0);
            }
            *of = Ceiling { share: of.share, wanted: 0, handed_out: 0, looked_at: now };
        }
        Wei((most.0 as f64 * of.share) as u128)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::RequestorGroup;

    #[test]
    fn offers_less_while_its_work_is_taken_and_more_where_it_is_not() {
        let behaviour = RequestorBehaviour::Monopsonist { step: 0.1, period_hours: 1.0, taken_min: 0.9 };
        let buyers = RequestorGroup { behaviour, ..RequestorGroup::default() };
        let scenario = Scenario { requestors: vec![RequestorGroup::default(), buyers], ..Scenario::default() };
        let mut monopsony = Monopsony::new(&scenario);
        let most = Wei(1_000_000);
        let mut period = |hour: u64, handed_out: u32| {
            monopsony.wanted(1, 10);
            (0..handed_out).for_each(|_| monopsony.handed_out(1));
            monopsony.ceiling(1, behaviour, most, hour * 3_600_000).0
        };
        assert_eq!([period(0, 10), period(1, 10), period(2, 9)], [1_000_000, 900_000, 810_000]);
        assert_eq!([period(3, 8), period(4, 0), period(5, 0)], [900_000, 1_000_000, 1_000_000]);
        assert_eq!(monopsony.ceiling(0, RequestorBehaviour::Honest, most, 9), most);
    }
}
