//! What each machine does when the chain takes back what it had shown, and how long money has waited.

use super::refusals::{NOW, Side, VALUE, agreed, computes, from, provide, request, side};
use super::world::provider_settings;
use crate::record::{Record, Table};
use crate::*;
use golem_protocol::*;

fn open(deposit: u128) -> ChannelState {
    ChannelState { deposit: Wei(deposit), epoch: 1, ..ChannelState::default() }
}

/// A provider whose requestor has paid for one subtask of six, and has the next two under way.
fn paid_once() -> (Side, Authentic<Agreement>) {
    let mut side = side(100_000);
    let agreement = side.agreement(6, |_| {});
    side.propose(&agreement);
    let report = side.compute(&agreement, 0).unwrap();
    let verdict = side.verdict(&report, VALUE.0, |_| {});
    provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
    (side, agreement)
}

fn happened(effects: &[ProviderEffect], wanted: impl Fn(&ProviderEvent) -> bool) -> bool {
    effects.iter().any(|effect| matches!(effect, ProviderEffect::Happened(event) if wanted(event)))
}

#[test]
fn begins_no_work_that_a_deposit_taken_back_would_have_paid() {
    let (mut side, agreement) = paid_once();
    let effects = side.channel(ChannelState::default());
    let undone = |event: &ProviderEvent| matches!(event, ProviderEvent::DepositUndone { claimable: VALUE, .. });
    assert!(happened(&effects, undone), "{effects:?}");
    // Two run; what they bring is reported, and nothing new is begun.
    side.compute(&agreement, 1).expect("a report");
    assert!(side.compute(&agreement, 2).is_none(), "the report before it was sent just now");
    assert_eq!(side.provider.running(), 0);
    let effects = provide(&mut side.provider, &mut side.policy, ProviderInput::Tick);
    assert_eq!(computes(&effects), 0);
    // The payer funds it again: work goes on, and the voucher of before is good.
    assert_eq!(computes(&side.channel(open(100_000))), 2);
    assert_eq!(side.provider.ledgers()[0].claimable(), VALUE);
}

#[test]
fn begins_no_more_than_what_is_left_of_a_deposit_pays() {
    let (mut side, agreement) = paid_once();
    // One is paid and two run: there is room for them and no more.
    let effects = side.channel(open(VALUE.0 * 3));
    assert!(happened(&effects, |event| matches!(event, ProviderEvent::DepositUndone { .. })));
    side.compute(&agreement, 1).expect("a report");
    assert_eq!(side.provider.running(), 1);
    assert_eq!(computes(&side.channel(open(VALUE.0 * 4))), 1);
}

#[test]
fn a_voucher_that_came_while_the_opening_was_undone_counts_once_it_is_back() {
    let mut side = side(100_000);
    side.policy.credit = VALUE;
    let agreement = side.agreement(3, |_| {});
    assert_eq!(computes(&side.propose(&agreement)), 1);
    let report = side.compute(&agreement, 0).unwrap();
    side.channel(ChannelState::default());
    let verdict = side.verdict(&report, VALUE.0, |_| {});
    let effects = provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
    assert!(happened(&effects, |event| matches!(event, ProviderEvent::Unpaid { .. })));
    assert_eq!(side.provider.owed()[0].1, VALUE, "as long as there is no channel");
    // The requestor does not know of it and sends nothing more: it would wait for work for ever.
    assert_eq!(computes(&side.channel(open(100_000))), 1);
    assert_eq!((side.earned(), side.provider.owed()[0].1), (VALUE, Wei::ZERO));
}

#[test]
fn claims_again_what_a_reorg_took_back() {
    let (mut side, _) = paid_once();
    let effects = side.channel(ChannelState { claimed: VALUE, ..open(100_000) });
    assert!(!effects.iter().any(|effect| matches!(effect, ProviderEffect::Claim { .. })));
    let effects = side.channel(open(100_000));
    assert!(happened(&effects, |event| matches!(event, ProviderEvent::ClaimUndone { amount: VALUE, .. })));
    assert!(effects.iter().any(|effect| matches!(effect, ProviderEffect::Claim { .. })), "{effects:?}");
}

#[test]
fn says_what_was_not_seen_claimed_when_a_channel_ends() {
    let ended = |event: &ProviderEvent| {
        matches!(event, ProviderEvent::Ended { epoch: 1, claimed: Wei::ZERO, unclaimed: VALUE, .. })
    };
    let (mut side, _) = paid_once();
    assert!(happened(&side.channel(open(0)), ended));
    // Opened again while nobody looked: the voucher of before is worth nothing.
    let (mut side, _) = paid_once();
    let again = ChannelState { epoch: 2, ..open(100_000) };
    assert!(happened(&side.channel(again), ended));
    // All was claimed by then: nothing to say.
    let (mut side, _) = paid_once();
    side.channel(ChannelState { claimed: VALUE, ..open(100_000) });
    assert!(!happened(&side.channel(open(0)), |event| matches!(event, ProviderEvent::Ended { .. })));
}

#[test]
fn counts_how_long_money_waits_through_a_restart() {
    let (side, _) = paid_once();
    let later = ChainTime(NOW.chain.0 + 500);
    let waiting = side.provider.claimables(later);
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].amount, waiting[0].wei_seconds), (VALUE, VALUE.0 * 500));

    // What is saved of it: taken up later, the time in between has counted.
    let (mut side, mut records) = (side, Vec::<Record>::new());
    let state = ChannelState { deposit: Wei(100_001), epoch: 1, ..ChannelState::default() };
    let channel = side.provider.ledgers()[0].channel();
    let now = Now { local: NOW.local, chain: ChainTime(NOW.chain.0 + 200) };
    for effect in side.provider.apply(&mut side.policy, ProviderInput::Channel { channel, state }, now) {
        if let ProviderEffect::Persist { records: saved, .. } = effect {
            records.extend(saved);
        }
    }
    assert!(records.iter().any(|record| record.table == Table::Waiting));
    let recover = |records: &[Record]| {
        let keys = super::world::keys(2);
        Provider::recover(provider_settings(&keys), keys, records, Now { local: NOW.local, chain: later }).unwrap()
    };
    assert_eq!(recover(&records).claimables(later), side.provider.claimables(later));
    // A folder of before has no such record: it counts from now on.
    records.retain(|record| record.table != Table::Waiting);
    let later_still = ChainTime(later.0 + 10);
    assert_eq!(recover(&records).claimables(later_still)[0].wei_seconds, VALUE.0 * 10);
}

#[test]
fn puts_in_again_what_it_promised_from_a_deposit_that_was_taken_back() {
    let (mut requestor, mut policy, agreement) = agreed();
    let channel = ChannelId { payer: agreement.payer, payee: agreement.payee };
    let promised = requestor.ledgers()[0].reserved();
    assert!(promised >= agreement.value().unwrap());
    let input = RequestorInput::Channel { channel, state: ChannelState::default() };
    let effects = request(&mut requestor, &mut policy, input, NOW);
    let expected = RequestorEvent::DepositUndone { payee: channel.payee, deposit: Wei::ZERO, uncovered: promised };
    assert!(effects.iter().any(|e| matches!(e, RequestorEffect::Happened(event) if *event == expected)), "{effects:?}");
    let fundings: Vec<(Wei, Wei, u32)> = effects
        .iter()
        .filter_map(|effect| match effect {
            RequestorEffect::Fund { amount, deposit, epoch, .. } => Some((*amount, *deposit, *epoch)),
            _ => None,
        })
        .collect();
    assert_eq!(fundings, [(promised, promised, 1)], "the same epoch, so that what was signed is good again");
    // Told once more, it asks for nothing more.
    let input = RequestorInput::Channel { channel, state: ChannelState::default() };
    let effects = request(&mut requestor, &mut policy, input, NOW);
    assert!(!effects.iter().any(|effect| matches!(effect, RequestorEffect::Fund { .. })), "{effects:?}");
}

#[test]
fn says_that_a_close_has_to_be_asked_again() {
    let (mut requestor, mut policy, agreement) = agreed();
    let channel = ChannelId { payer: agreement.payer, payee: agreement.payee };
    let deposit = *requestor.ledgers()[0].state();
    let mut tell = |state| request(&mut requestor, &mut policy, RequestorInput::Channel { channel, state }, NOW);
    tell(ChannelState { close_at: ChainTime(9_000), ..deposit });
    let effects = tell(deposit);
    let told = |e: &RequestorEffect| matches!(e, RequestorEffect::Happened(RequestorEvent::CloseUndone { .. }));
    assert!(effects.iter().any(told), "{effects:?}");
    // Withdrawn by a top-up, it is what the payer wanted.
    tell(ChannelState { close_at: ChainTime(9_000), ..deposit });
    let effects = tell(ChannelState { deposit: Wei(deposit.deposit.0 + 1), ..deposit });
    assert!(!effects.iter().any(told), "{effects:?}");
}
