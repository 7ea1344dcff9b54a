//! Requestors of which somebody else decides what they hear.

use super::agents::MS_PER_S;
use super::scenario::RequestorGroup;
use super::world::World;
use crate::stream::{Draw, SmallStream};
use serde::{Deserialize, Serialize};

/// An attacker has most of the links of a requestor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eclipse {
    /// The group of providers that is the attacker's.
    pub by: String,
    /// Of those that hear of the requestor's tasks, how many are the attacker's, 0 to 1, where it has so many; what
    /// others saw of providers, and their proofs, are kept from the requestor with the same chance.
    pub share: f64,
}

impl World<'_> {
    /// What somebody else does to what a buyer hears; `None` where nobody does.
    fn eclipse_of(&self, buyer: u32) -> Option<&Eclipse> {
        self.group_of(buyer).and_then(|group: &RequestorGroup| group.eclipse.as_ref())
    }

    /// Who hears of a task whose buyer is eclipsed, in place of `reach` names drawn from all. Whether it is.
    pub(super) fn eclipsed(&self, buyer: u32, uid: u64, nth: u32, reach: u32, hearers: &mut Vec<(u32, u32)>) -> bool {
        let Some(eclipse) = self.eclipse_of(buyer) else { return false };
        let group = self.scenario.providers.iter().position(|group| group.name == eclipse.by);
        let is_theirs = |machine: u32| group == Some(self.agents.machines[machine].group as usize);
        let (theirs, others): (Vec<_>, Vec<_>) =
            self.agents.online.iter().copied().partition(|(_, machine)| is_theirs(*machine));
        let of_theirs = (f64::from(reach) * eclipse.share).round() as u32;
        let loss = self.scenario.market.loss;
        let mut draws = SmallStream::new(self.seed, super::ECLIPSE, uid, u64::from(nth));
        for (mut names, count) in [(theirs, of_theirs), (others, reach.saturating_sub(of_theirs))] {
            for _ in 0..count.min(names.len() as u32) {
                let hearer = names.swap_remove(draws.below(names.len() as u32) as usize);
                if !draws.chance(1.0 - (1.0 - loss) * (1.0 - loss)) {
                    hearers.push(hearer);
                }
            }
        }
        true
    }

    /// Whether what somebody else has to say of a name reaches a buyer.
    pub(super) fn hears_of(&self, buyer: u32, name: u32) -> bool {
        let Some(eclipse) = self.eclipse_of(buyer) else { return true };
        let whose = (u64::from(buyer) << 32) | u64::from(name);
        let when = self.now / MS_PER_S as u64;
        !SmallStream::new(self.seed, super::ECLIPSED_NEWS, whose, when).chance(eclipse.share)
    }
}
