//! What is offered again for less, and how much whoever is new gets.

use super::refusals::{NOW, Side, agreed_over, computes, proposal, provide, refusal, report, request, side};
use super::world::{Fixed, keys};
use crate::*;
use golem_protocol::*;

/// The prices of these offers, in the order they were sent.
fn offered(effects: &[ProviderEffect]) -> Vec<u128> {
    let prices = effects.iter().filter_map(|effect| match effect {
        ProviderEffect::Send { message: Message::Offer(offer), .. } => Some(offer.document.price.0),
        _ => None,
    });
    prices.collect()
}

fn hears(side: &mut Side) -> Vec<ProviderEffect> {
    let header = ProviderInput::Header(Box::new(side.header.clone()));
    provide(&mut side.provider, &mut side.policy, header)
}

#[test]
fn offers_less_once_the_price_is_an_eighth_lower_and_still_keeps_to_the_offer_before() {
    let mut side = side(1_000_000);
    let before = side.agreement(2, |_| {});
    for (price, wanted) in [(400_000, 360_000), (316_000, 360_000), (314_000, 314_000), (314_000, 314_000)] {
        side.policy.price = Wei(price);
        assert_eq!(offered(&hears(&mut side)), [wanted], "at {price}: a dearer offer never follows a cheaper one");
    }
    // It was under way while the cheaper offer was, too.
    let effects = side.propose(&before);
    assert_eq!((refusal(&effects), computes(&effects)), (None, 2));
    side.policy.price = Wei(100_000);
    assert_eq!(offered(&hears(&mut side)), [100_000]);
    let again = side.agreement(2, |agreement| agreement.batch = 1);
    let refused = refusal(&side.propose(&again));
    assert!(matches!(refused, Some(RefusalReason::UnknownHeader(_))), "two before is forgotten: {refused:?}");
}

#[test]
fn tells_of_a_lower_price_before_it_reports_the_work_that_it_was_learnt_by() {
    let mut side = side(1_000_000);
    let agreement = side.agreement(2, |_| {});
    side.propose(&agreement);
    side.policy.price = Wei(100_000);
    let computed = |index| {
        let (output, output_bytes) = (ContentHash(B256::ZERO), ByteCount(1));
        let outcome = SubtaskOutcome::Completed { output, output_bytes, fuel: Fuel(1), time_ms: 1 };
        ProviderInput::Computed { agreement: agreement.digest(), index, outcome }
    };
    let effects = provide(&mut side.provider, &mut side.policy, computed(0));
    let sent = effects.iter().filter_map(|effect| match effect {
        ProviderEffect::Send { message, .. } => Some(message.name()),
        _ => None,
    });
    assert_eq!(sent.collect::<Vec<_>>(), ["offer", "report"]);
    let effects = provide(&mut side.provider, &mut side.policy, computed(1));
    assert_eq!(offered(&effects), [0u128; 0], "once");
    // Nothing is offered while it stops.
    side.policy.price = Wei(10_000);
    provide(&mut side.provider, &mut side.policy, ProviderInput::Drain);
    assert_eq!(offered(&hears(&mut side)), [0u128; 0]);
}

#[test]
fn whoever_is_new_gets_one_subtask_a_slot_and_no_more_before_they_are_done() {
    let provider = NodeId(keys(2).identity.address());
    let batches_of = |subtasks: u32, slots: u16, new: Vec<NodeId>| {
        let (mut requestor, mut policy, agreement) = agreed_over(Fixed { new, ..Fixed::default() }, slots, subtasks);
        let indices: Vec<u32> = agreement.subtasks.iter().map(|subtask| subtask.index).collect();
        let mut batches = vec![indices.len()];
        for index in indices {
            let effects = request(&mut requestor, &mut policy, report(&agreement, &[index]), NOW);
            batches.push(proposal(&effects).map_or(0, |agreement| agreement.subtasks.len()));
        }
        batches
    };
    let batches = |slots, new| batches_of(4, slots, new);
    assert_eq!(batches(1, vec![]), [2, 1, 0], "who is known: half of the four, the next before it has nothing to do");
    assert_eq!(batches(1, vec![provider]), [1, 1]);
    assert_eq!(batches(2, vec![provider]), [2, 0, 2]);
    assert_eq!(batches_of(12, 1_000, vec![]), [12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(batches_of(12, 1_000, vec![provider]), [4, 0, 0, 0, 4], "its word is no reason for all of them");
}
