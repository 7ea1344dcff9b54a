//! A provider whose owner wants the machine, has little memory, or better work.

use super::refusals::{Side, from, provide, side, side_of};
use super::world::{CHAIN, header};
use crate::*;
use golem_protocol::*;

const GIB: ByteCount = ByteCount(1 << 30);

fn computes(effects: &[ProviderEffect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, ProviderEffect::Compute(_))).count()
}

fn refusal(effects: &[ProviderEffect]) -> Option<&RefusalReason> {
    effects.iter().find_map(|effect| match effect {
        ProviderEffect::Happened(ProviderEvent::Refused { reason, .. }) => Some(reason),
        _ => None,
    })
}

fn rest(side: &mut Side, why: Option<&str>) -> Vec<ProviderEffect> {
    provide(&mut side.provider, &mut side.policy, ProviderInput::Rest(why.map(str::to_owned)))
}

#[test]
fn runs_no_more_at_once_than_memory_has_room_for() {
    let mut side = side_of(100_000, |header| header.memory_max = GIB);
    assert_eq!(side.offer.slots, 1, "it offers what fits");
    let agreement = side.agreement(3, |_| {});
    assert_eq!(computes(&side.propose(&agreement)), 1);
    side.compute(&agreement, 0);
    assert_eq!(side.provider.running(), 1, "the next begins when there is room again");
}

#[test]
fn gives_back_what_waits_when_its_owner_wants_the_machine_and_lets_end_what_runs() {
    let mut side = side(100_000);
    let agreement = side.agreement(4, |_| {});
    assert_eq!(computes(&side.propose(&agreement)), 2);
    let effects = rest(&mut side, Some("it is outside of its hours"));
    assert_eq!(side.provider.running(), 2);
    let given_back = effects.iter().find_map(|effect| match effect {
        ProviderEffect::Send { message: Message::Report(report), .. } => Some(report.document.results.clone()),
        _ => None,
    });
    let given_back: Vec<u32> = given_back.expect("a report").iter().map(|result| result.index).collect();
    assert_eq!(given_back, [2, 3]);
    side.compute(&agreement, 0);
    assert_eq!(side.provider.running(), 1);
}

#[test]
fn cancels_a_batch_of_which_nothing_was_begun_when_it_goes_to_rest() {
    let mut side = side(100_000);
    side.policy.credit = Wei(1);
    let agreement = side.agreement(2, |_| {});
    assert_eq!(computes(&side.propose(&agreement)), 0);
    let effects = rest(&mut side, Some("it is outside of its hours"));
    assert!(effects.iter().any(|e| matches!(e, ProviderEffect::Send { message: Message::Cancel(_), .. })));
}

#[test]
fn says_why_it_rests_and_takes_work_again_when_the_owner_is_done() {
    let mut side = side(100_000);
    rest(&mut side, Some("it is outside of its hours"));
    let agreement = side.agreement(2, |_| {});
    let effects = side.propose(&agreement);
    assert_eq!(refusal(&effects), Some(&RefusalReason::Resting("it is outside of its hours".into())));
    let other =
        sign(Header { nonce: 77, ..header(&side.requestor, 1, Pricing::Tender) }, &CHAIN, &*side.requestor.identity);
    let effects = provide(&mut side.provider, &mut side.policy, ProviderInput::Header(Box::new(other.unwrap())));
    assert!(matches!(refusal(&effects), Some(RefusalReason::Resting(_))), "{effects:?}");
    rest(&mut side, None);
    assert_eq!(computes(&side.propose(&agreement)), 2);
}

#[test]
fn turns_work_down_while_better_paid_work_waits_for_a_slot() {
    let mut side = side_of(1_000_000, |header| header.max_price = Wei(900_000));
    let poor = Header { nonce: 77, max_price: Wei(700_000), ..header(&side.requestor, 10, Pricing::Tender) };
    let poor = sign(poor, &CHAIN, &*side.requestor.identity).unwrap();
    let effects = provide(&mut side.provider, &mut side.policy, ProviderInput::Header(Box::new(poor.clone())));
    let offer = effects.iter().find_map(|effect| match effect {
        ProviderEffect::Send { message: Message::Offer(offer), .. } => {
            Some(offer.clone().authenticate(&CHAIN).unwrap())
        }
        _ => None,
    });
    let offer = offer.expect("an offer");
    let rich = side.agreement(4, |_| {});
    let modest = side.agreement(1, |agreement| {
        (agreement.header, agreement.offer) = (poor.digest(), offer.digest());
    });
    assert_eq!(computes(&side.propose(&rich)), 2);
    assert_eq!(refusal(&side.propose(&modest)), Some(&RefusalReason::Busy));
    // One of the better paid is left for two slots.
    side.compute(&rich, 0);
    let message = Message::Agreement(modest.signed().clone());
    let effects = provide(&mut side.provider, &mut side.policy, from(&side.requestor, message));
    assert_eq!(refusal(&effects), None);
    assert_eq!(side.provider.open_deals(), 2);
}
