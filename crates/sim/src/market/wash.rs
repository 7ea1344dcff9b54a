//! Providers whose owner has a requestor as well: it says that their work is good, and there was none.

use super::agents::*;
use super::eigentrust::Peer;
use super::scenario::{Information, Mechanism, ProviderBehaviour};
use super::world::{Event, World};
use crate::stream::{Draw, SmallStream, mix};
use golem_market::{HeaderTerms, OfferTerms, Outcome};
use golem_protocol::{Pricing, Wei};

/// What a sham deal is said to have been: half an hour of work on the reference machine under a timeout of an hour. Reason:
/// as most deals in the experiments are, so that nothing tells it from them.
const TIMEOUT_S: u32 = 3_600;
const WORK_S: f64 = 1_800.0;

impl World<'_> {
    /// A machine comes, and with it the requestor of its owner, where there is anybody to hear that one.
    pub(super) fn begin_wash(&mut self, machine: u32) {
        let ProviderBehaviour::WashTrade { per_day, .. } = self.agents.machines[machine].behaviour else { return };
        self.pay_for_identity(machine, 1);
        let heard = match self.scenario.market.information {
            Information::Gossip { .. } | Information::Global | Information::Eigentrust { .. } => true,
            Information::Local | Information::Proofs | Information::Oracle => false,
        };
        if heard && self.scenario.market.mechanism == Mechanism::Tender {
            let period = wash_period(per_day);
            self.queue.push(self.now + mix(u64::from(machine)) % period, Event::Sham(machine, 0));
        }
    }

    /// The owner's requestor says once more that the machine did well.
    pub(super) fn sham(&mut self, machine: u32, nth: u32) {
        let of = &self.agents.machines[machine];
        let ProviderBehaviour::WashTrade { per_day, .. } = of.behaviour else { return };
        if !of.online {
            return;
        }
        let (name, max_price) = (of.name, wei(3.0 * self.agents.median_cost));
        let price: Wei = of.market.min_price().min(max_price);
        let offer = OfferTerms { provider: node(name), price, performance: of.performance };
        let terms = HeaderTerms { max_price, min_perf: 0, subtask_timeout_s: TIMEOUT_S, pricing: Pricing::Tender };
        let outcome = Outcome::Success { computation_ms: (WORK_S * MS_PER_S / of.speed) as u64 };
        match self.scenario.market.information {
            Information::Global => self.agents.buyers[0].market.outcome(&offer, &terms, outcome),
            Information::Gossip { fanout } => {
                let mut draws = SmallStream::new(self.seed, super::WASH, u64::from(machine), u64::from(nth));
                for _ in 0..fanout {
                    let other = draws.below(self.agents.buyers.len());
                    self.tell(other, name, &offer, &terms, outcome);
                }
            }
            Information::Eigentrust { .. } => {
                let (provider, owner) = (Peer::Provider(name), Peer::Accomplice(machine));
                self.trust.rate(owner, provider, true);
                self.trust.rate(provider, owner, true);
            }
            Information::Local | Information::Proofs | Information::Oracle => {}
        }
        self.queue.push(self.now + wash_period(per_day), Event::Sham(machine, nth + 1));
    }
}

fn wash_period(per_day: f64) -> u64 {
    ((MS_PER_DAY / per_day) as u64).max(1)
}
