//! How long results took, by the requestor's clock.

use super::refusals::{NOW, agreed, report, request};
use super::world::{CHAIN, Fixed};
use crate::*;
use golem_protocol::*;

/// Takes down what it is told of times, and finds everything slow.
struct Watch(Fixed, Vec<Delivery>, Vec<u64>);

impl RequestorPolicy for Watch {
    fn admit(&mut self, header: &Header, offer: &Offer, now: Now) -> Result<(), RefusalReason> {
        self.0.admit(header, offer, now)
    }
    fn rank(&mut self, header: &Header, offers: &[&Offer], now: Now) -> Vec<usize> {
        self.0.rank(header, offers, now)
    }
    fn rechecks(&self, _: &Reported) -> bool {
        false
    }
    fn knows(&self, provider: NodeId) -> bool {
        self.0.knows(provider)
    }
    fn draw(&mut self) -> u64 {
        self.0.draw()
    }
    fn mixes_in(&mut self, header: B256) -> Option<u64> {
        self.0.mixes_in(header)
    }
    fn hedges(&self, header: &Header, straggler: &Straggler, offer: &Offer) -> bool {
        self.0.hedges(header, straggler, offer)
    }
    fn timed(&mut self, delivery: &Delivery, _: Now) -> Timed {
        self.1.push(*delivery);
        Timed { least_ms: delivery.took_ms - 1_000, breaks_promise: true }
    }
    fn note(&mut self, fact: &RequestorFact, now: Now) {
        if let RequestorFact::Succeeded { computation_ms, .. } = fact {
            self.2.push(*computation_ms);
        }
        RequestorPolicy::note(&mut self.0, fact, now);
    }
    fn records(&mut self) -> Vec<Record> {
        vec![]
    }
}

fn after_s(seconds: u64) -> Now {
    Now { local: NOW.local.saturating_add(seconds * 1000), chain: NOW.chain }
}

/// Reports a subtask at this time, and has its output fetched at once. Gives what is to be kept.
fn deliver(
    requestor: &mut Requestor,
    policy: &mut Watch,
    agreement: &Authentic<Agreement>,
    index: u32,
    now: Now,
) -> Vec<SlowResult> {
    request(requestor, policy, report(agreement, &[index]), now);
    let fetched = RequestorInput::Fetched { agreement: agreement.digest(), index, complete: Ok(()) };
    let effects = request(requestor, policy, fetched, now);
    let kept = effects.into_iter().filter_map(|effect| match effect {
        RequestorEffect::KeepSlow(slow) => Some(*slow),
        _ => None,
    });
    kept.collect()
}

#[test]
fn a_result_is_timed_from_the_agreement_on_and_what_was_signed_of_a_slow_one_is_kept() {
    let (mut requestor, policy, agreement) = agreed();
    let mut policy = Watch(policy, vec![], vec![]);
    let index = agreement.subtasks[0].index;
    let kept = deliver(&mut requestor, &mut policy, &agreement, index, after_s(20));
    let [timed] = policy.1[..] else { panic!("{:?}", policy.1) };
    assert_eq!((timed.promised, timed.fuel, timed.took_ms), (agreement.fuel_rate, Fuel(1), 20_000));
    assert_eq!(policy.2, [19_000], "and not the millisecond that the provider says");
    let [slow] = &kept[..] else { panic!("{kept:?}") };
    let signed = slow.documents.clone().check(&CHAIN).expect("they are of one deal");
    assert_eq!((signed.provider, signed.fuel_rate, slow.took_ms), (agreement.provider, agreement.fuel_rate, 20_000));
}

#[test]
fn what_may_have_been_held_up_by_others_is_not_timed() {
    let lose = |requestor: &mut Requestor, policy: &mut Watch, peer| {
        request(requestor, policy, RequestorInput::Reachable { peer, reachable: false }, after_s(1));
        request(requestor, policy, RequestorInput::Reachable { peer, reachable: true }, after_s(2));
    };
    let sleep = |_: &mut Requestor, _: &mut Watch, _| {};
    type Meanwhile = fn(&mut Requestor, &mut Watch, NodeId);
    for (meanwhile, reported_s) in [(lose as Meanwhile, 20), (sleep as Meanwhile, 40)] {
        let (mut requestor, policy, agreement) = agreed();
        let mut policy = Watch(policy, vec![], vec![]);
        meanwhile(&mut requestor, &mut policy, agreement.provider);
        let index = agreement.subtasks[0].index;
        assert_eq!(deliver(&mut requestor, &mut policy, &agreement, index, after_s(reported_s)), []);
        assert_eq!((policy.1.len(), policy.2.len()), (0, 1), "it is accepted all the same");
    }
}
