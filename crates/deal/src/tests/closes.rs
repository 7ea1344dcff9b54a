//! What is owed when a channel ends before it is paid, and what of it the next opening pays.

use super::refusals::{NOW, Side, VALUE, agreed, computes, from, provide, refusal, report, request, side};
use crate::*;
use golem_protocol::*;

fn open(epoch: u32, deposit: u128) -> ChannelState {
    ChannelState { deposit: Wei(deposit), epoch, ..ChannelState::default() }
}

fn ended(epoch: u32) -> ChannelState {
    open(epoch, 0)
}

/// A provider that did one subtask, and whose requestor closed the channel before its voucher was there.
fn left_unpaid() -> (Side, Vec<ProviderEffect>) {
    let mut side = side(VALUE.0);
    let agreement = side.agreement(1, |_| {});
    side.propose(&agreement);
    let report = side.compute(&agreement, 0).expect("a report");
    side.channel(ended(1));
    let verdict = side.verdict(&report, VALUE.0, |_| {});
    let effects = provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
    (side, effects)
}

fn next_agreement(side: &Side, count: u32) -> Authentic<Agreement> {
    side.agreement(count, |agreement| (agreement.epoch, agreement.batch) = (2, 1))
}

fn debt(side: &Side) -> Wei {
    side.provider.owed()[0].1
}

#[test]
fn what_an_ended_epoch_left_unpaid_takes_no_room_in_the_next_deposit() {
    let (mut side, _) = left_unpaid();
    assert_eq!(debt(&side), VALUE);
    side.channel(open(2, VALUE.0 * 2));
    // The whole of the new deposit is there for new work: no voucher of it is for the old debt.
    let agreement = next_agreement(&side, 2);
    assert_eq!(computes(&side.propose(&agreement)), 2);
    let report = side.compute(&agreement, 0).expect("a report");
    let verdict = side.verdict(&report, VALUE.0, |voucher| voucher.epoch = 2);
    provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
    assert_eq!((side.earned(), debt(&side)), (VALUE, VALUE), "paid for the new work, and the old is owed still");
}

#[test]
fn what_an_ended_epoch_left_unpaid_is_lent_to_that_requestor() {
    let (mut side, _) = left_unpaid();
    side.channel(open(2, VALUE.0 * 10));
    side.policy.credit = Wei(VALUE.0 * 2 - 1);
    // Nothing of it could ever be begun, so it is not agreed to either.
    let agreement = next_agreement(&side, 2);
    let refused = refusal(&side.propose(&agreement));
    assert_eq!(refused, Some(RefusalReason::CreditExceeded { owed: VALUE, credit: side.policy.credit }));
    side.policy.credit = Wei(VALUE.0 * 2);
    assert_eq!(computes(&side.propose(&agreement)), 1, "one more, and not both");
}

#[test]
fn a_requestor_that_pays_more_than_is_agreed_pays_what_it_left_unpaid() {
    let (mut side, _) = left_unpaid();
    side.channel(open(2, VALUE.0 * 3));
    let agreement = next_agreement(&side, 1);
    side.propose(&agreement);
    let report = side.compute(&agreement, 0).expect("a report");
    let verdict = side.verdict(&report, VALUE.0 * 2, |voucher| voucher.epoch = 2);
    provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
    assert_eq!(debt(&side), Wei::ZERO);
}

#[test]
fn what_is_accepted_without_a_voucher_after_the_next_opening_takes_no_room_in_it_either() {
    let mut side = side(VALUE.0);
    let agreement = side.agreement(1, |_| {});
    side.propose(&agreement);
    let report = side.compute(&agreement, 0).expect("a report");
    side.channel(open(2, VALUE.0));
    // Its voucher, of the epoch before, was lost, and in this one nothing is signed yet.
    let mut verdict = side.verdict(&report, VALUE.0, |_| {});
    if let Message::Verdict { voucher, .. } = &mut verdict {
        *voucher = None;
    }
    provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
    assert_eq!(debt(&side), VALUE);
    assert_eq!(computes(&side.propose(&next_agreement(&side, 1))), 1);
}

#[test]
fn a_voucher_above_the_deposit_takes_all_of_it() {
    let mut side = side(VALUE.0 * 2);
    let agreement = side.agreement(1, |_| {});
    side.propose(&agreement);
    let report = side.compute(&agreement, 0).expect("a report");
    let verdict = side.verdict(&report, VALUE.0 * 3, |_| {});
    provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
    // Nothing of it counts as paid, and it is what a claim would bring: there is no room for more beside it.
    let agreement = side.agreement(1, |agreement| agreement.batch = 1);
    side.propose(&agreement);
    let effects = side.channel(open(1, VALUE.0 * 2));
    assert!(matches!(refusal(&effects), Some(RefusalReason::Channel(_))), "{effects:?}");
}

#[test]
fn a_voucher_for_the_opening_to_come_is_kept_and_counts_when_it_comes() {
    let mut side = side(VALUE.0);
    let agreement = side.agreement(1, |_| {});
    side.propose(&agreement);
    let report = side.compute(&agreement, 0).expect("a report");
    side.channel(ended(1));
    let verdict = side.verdict(&report, VALUE.0, |voucher| voucher.epoch = 2);
    provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
    assert_eq!((side.earned(), debt(&side)), (Wei::ZERO, VALUE));
    side.channel(open(2, VALUE.0));
    assert_eq!((side.earned(), debt(&side)), (VALUE, Wei::ZERO));
    assert_eq!(side.provider.claimables(NOW.chain)[0].amount, VALUE);
}

#[test]
fn a_provider_reports_again_at_once_when_the_channel_begins_to_close() {
    let mut side = side(VALUE.0);
    let agreement = side.agreement(1, |_| {});
    side.propose(&agreement);
    side.compute(&agreement, 0).expect("a report");
    let reports = |effects: &[ProviderEffect]| {
        let is_report = |e: &&ProviderEffect| matches!(e, ProviderEffect::Send { message: Message::Report(_), .. });
        effects.iter().filter(is_report).count()
    };
    assert_eq!(reports(&provide(&mut side.provider, &mut side.policy, ProviderInput::Tick)), 0);
    side.channel(ChannelState { close_at: ChainTime(9_000), ..open(1, VALUE.0) });
    assert_eq!(reports(&provide(&mut side.provider, &mut side.policy, ProviderInput::Tick)), 1);
}

#[test]
fn a_requestor_pays_in_the_next_opening_what_it_accepts_after_the_end_and_opens_it_for_that() {
    let (mut requestor, mut policy, agreement) = agreed();
    let channel = ChannelId { payer: agreement.payer, payee: agreement.payee };
    request(&mut requestor, &mut policy, RequestorInput::Channel { channel, state: ended(1) }, NOW);
    let index = agreement.subtasks[0].index;
    request(&mut requestor, &mut policy, report(&agreement, &[index]), NOW);
    let fetched = RequestorInput::Fetched { agreement: agreement.digest(), index, complete: Ok(()) };
    let effects = request(&mut requestor, &mut policy, fetched, NOW);
    let voucher = effects.iter().find_map(|effect| match effect {
        RequestorEffect::Send { message: Message::Verdict { voucher, .. }, .. } => voucher.clone(),
        _ => None,
    });
    let expected = Voucher { payee: channel.payee, epoch: 2, cumulative: VALUE };
    assert_eq!(voucher.expect("a voucher").document, expected, "of the ended epoch it would be worth nothing");
    let fundings = |effects: &[RequestorEffect]| {
        let funding = |effect: &RequestorEffect| match effect {
            RequestorEffect::Fund { amount, deposit, epoch, .. } => Some((*amount, *deposit, *epoch)),
            _ => None,
        };
        effects.iter().filter_map(funding).collect::<Vec<_>>()
    };
    assert_eq!(fundings(&effects), [(VALUE, VALUE, 2)]);
    // It is asked for once, and again where it failed, until it is there.
    assert_eq!(fundings(&request(&mut requestor, &mut policy, RequestorInput::Tick, NOW)), []);
    let failed = RequestorInput::FundFailed { payee: channel.payee, detail: "the RPC is down".into() };
    request(&mut requestor, &mut policy, failed, NOW);
    let later = Now { local: NOW.local.saturating_add(20_000), ..NOW };
    let again = fundings(&request(&mut requestor, &mut policy, RequestorInput::Tick, later));
    assert_eq!(again, [(VALUE, VALUE, 2)]);
    let there = RequestorInput::Channel { channel, state: open(2, VALUE.0) };
    assert_eq!(fundings(&request(&mut requestor, &mut policy, there, later)), []);
}

#[test]
fn less_on_a_channel_than_is_known_is_told_apart_from_more_and_from_its_end() {
    let (requestor, _, agreement) = agreed();
    let channel = agreement.channel();
    let known = *requestor.ledgers()[0].state();
    assert!(known.deposit > Wei(1) && known.epoch == 1, "{known:?}");
    let takes_back = |state: ChannelState| requestor.takes_back(channel, &state);
    assert!(!takes_back(known) && !takes_back(ChannelState { deposit: Wei::MAX, ..known }));
    assert!(takes_back(ChannelState { deposit: Wei(1), ..known }));
    assert!(takes_back(ChannelState { epoch: 0, deposit: Wei::ZERO, ..known }));
    assert!(!takes_back(ChannelState { deposit: Wei::ZERO, ..known }), "it was finalized");
    let other = ChannelId { payer: Address::repeat_byte(9), ..channel };
    assert!(!requestor.takes_back(other, &ChannelState::default()));
}
