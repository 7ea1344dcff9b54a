//! A provider whose owner wants the machine, has little memory, or better work.

use super::refusals::{NOW, Side, from, provide, side, side_of};
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
    // Had neither that nor the countersignature arrived, the requestor would ask again, and must not wait in vain.
    let effects = side.propose(&agreement);
    let gone = RefusalReason::UnknownHeader(agreement.digest());
    assert_eq!((refusal(&effects), computes(&effects)), (Some(&gone), 0));
    rest(&mut side, None);
    assert_eq!(refusal(&side.propose(&agreement)), Some(&gone), "it is not agreed twice");
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

fn unfit(side: &mut Side, for_ms: u64) -> Vec<ProviderEffect> {
    let (module, detail) = (side.header.module, "it took too long to compile".to_owned());
    provide(&mut side.provider, &mut side.policy, ProviderInput::Unfit(UnfitProgram { module, detail, for_ms }))
}

fn says_so(effects: &[ProviderEffect]) -> bool {
    effects.iter().any(|effect| matches!(effect, ProviderEffect::Happened(ProviderEvent::LeftAlone { .. })))
}

fn hears(side: &mut Side, module: ContentHash, nonce: u64) -> Vec<ProviderEffect> {
    let asked = Header { nonce, module, ..header(&side.requestor, 1, Pricing::Tender) };
    let asked = sign(asked, &CHAIN, &*side.requestor.identity).unwrap();
    provide(&mut side.provider, &mut side.policy, ProviderInput::Header(Box::new(asked)))
}

fn offers(effects: &[ProviderEffect]) -> bool {
    effects.iter().any(|effect| matches!(effect, ProviderEffect::Send { message: Message::Offer(_), .. }))
}

#[test]
fn a_program_that_it_cannot_run_is_offered_and_agreed_no_more_until_its_time_is_over() {
    let mut side = side(100_000);
    let (agreement, asked) = (side.agreement(2, |_| {}), side.header.clone());
    assert!(says_so(&unfit(&mut side, 600_000)));
    assert!(!says_so(&unfit(&mut side, 600_000)), "it is said once");
    let module = side.header.module;
    let reason = RefusalReason::ProgramUnfit { module, detail: "it took too long to compile".into() };
    assert_eq!(refusal(&side.propose(&agreement)), Some(&reason), "the offer that stood");
    let heard_again = provide(&mut side.provider, &mut side.policy, ProviderInput::Header(Box::new(asked)));
    assert_eq!((offers(&heard_again), refusal(&heard_again)), (false, Some(&reason)));
    let other_task = hears(&mut side, module, 77);
    assert_eq!((offers(&other_task), refusal(&other_task)), (false, Some(&reason)));
    assert!(offers(&hears(&mut side, ContentHash(B256::repeat_byte(3)), 78)), "other programs go on");
    let (later, over) = (NOW.local.saturating_add(599_999), NOW.local.saturating_add(600_000));
    for (local, left) in [(later, 1), (over, 0)] {
        side.provider.apply(&mut side.policy, ProviderInput::Tick, Now { local, ..NOW });
        assert_eq!(side.provider.left_alone().count(), left);
    }
    assert!(offers(&hears(&mut side, module, 79)));
}

#[test]
fn what_waits_of_a_program_that_it_cannot_run_is_given_back_and_nothing_more_of_it_begins() {
    let mut side = side(100_000);
    let agreement = side.agreement(4, |_| {});
    assert_eq!(computes(&side.propose(&agreement)), 2);
    let effects = unfit(&mut side, 600_000);
    let given_back = effects.iter().find_map(|effect| match effect {
        ProviderEffect::Send { message: Message::Report(report), .. } => Some(report.document.results.clone()),
        _ => None,
    });
    let given_back: Vec<u32> = given_back.expect("a report").iter().map(|result| result.index).collect();
    assert_eq!(given_back, [2, 3]);
    let outcome = SubtaskOutcome::Failed { kind: FailureKind::Provider, message: "not compiled".into() };
    let computed = ProviderInput::Computed { agreement: agreement.digest(), index: 0, outcome };
    assert_eq!(computes(&provide(&mut side.provider, &mut side.policy, computed)), 0);
    assert_eq!(side.provider.running(), 1, "what runs may end");
}

#[test]
fn no_more_programs_are_left_alone_than_the_bound() {
    let mut side = side(100_000);
    for place in 0..=64u8 {
        let module = ContentHash(B256::repeat_byte(place));
        let program = UnfitProgram { module, detail: "x".repeat(5_000), for_ms: 1_000 + u64::from(place) };
        provide(&mut side.provider, &mut side.policy, ProviderInput::Unfit(program));
    }
    let left: Vec<ContentHash> = side.provider.left_alone().map(|(module, ..)| module).collect();
    assert_eq!((left.len(), left[0]), (64, ContentHash(B256::repeat_byte(1))), "the first to end went");
    assert!(side.provider.left_alone().all(|(_, detail, _)| detail.len() <= 1024));
}

#[test]
fn gives_up_what_it_is_owed_after_many_reports_in_vain_and_not_because_its_clock_was_set() {
    let mut side = side(100_000);
    let agreement = side.agreement(1, |_| {});
    side.propose(&agreement);
    side.compute(&agreement, 0);
    let mut tick = |local_ms: u64| {
        let now = Now { local: NOW.local.saturating_add(local_ms), chain: NOW.chain };
        let effects = side.provider.apply(&mut side.policy, ProviderInput::Tick, now);
        // Saved at once, as of a disk that is fast.
        let saves = effects.iter().filter_map(|effect| match effect {
            ProviderEffect::Persist { id, .. } => Some(*id),
            _ => None,
        });
        let saves: Vec<PersistId> = saves.collect();
        let saved =
            saves.into_iter().flat_map(|id| side.provider.apply(&mut side.policy, ProviderInput::Persisted(id), now));
        let all: Vec<ProviderEffect> = saved.chain(effects).collect();
        let given_up =
            |effect: &ProviderEffect| matches!(effect, ProviderEffect::Happened(ProviderEvent::Abandoned { .. }));
        let reports =
            |effect: &&ProviderEffect| matches!(effect, ProviderEffect::Send { message: Message::Report(_), .. });
        (all.iter().any(given_up), all.iter().filter(reports).count())
    };
    let years = 56 * 365 * 86_400_000;
    assert_eq!((tick(years), tick(years + 1)), ((false, 1), (false, 0)), "it asks again, and goes on waiting");
    let minutes: Vec<(bool, usize)> = (1..100).map(|minute| tick(years + minute * 60_000)).collect();
    let asked = minutes.iter().map(|(_, reports)| reports).sum::<usize>();
    assert_eq!((minutes.iter().filter(|(given_up, _)| *given_up).count(), asked), (1, 59));
}
