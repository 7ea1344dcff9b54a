//! What is over: agreements that come again, tasks past their deadline, tasks that have ended.

use super::refusals::*;
use super::world::{Fixed, header, keys, provider_settings, requestor_settings};
use crate::provider::KEPT_S;
use crate::*;
use golem_protocol::*;

#[test]
fn an_agreement_that_is_over_is_no_new_work_when_it_comes_again_not_after_a_restart_either() {
    let mut side = side(100_000);
    let agreement = side.agreement(1, |_| {});
    let message = || from(&side.requestor, Message::Agreement(agreement.signed().clone()));
    let again = [message(), message(), message()];
    side.propose(&agreement);
    let report = side.compute(&agreement, 0).unwrap();
    let verdict = side.verdict(&report, VALUE.0, |_| {});
    let verdict = from(&side.requestor, verdict);
    let records = saved(&mut side, verdict, NOW);
    let [first, second, late] = again;
    assert_eq!(provide(&mut side.provider, &mut side.policy, first), vec![], "it was done and paid");
    assert_eq!(side.earned(), VALUE);
    // Its offer may be the same to the bit after a restart: nothing in it is drawn by chance.
    let own = keys(2);
    let mut side = Side { provider: Provider::recover(provider_settings(&own), own, &records, NOW).unwrap(), ..side };
    provide(&mut side.provider, &mut side.policy, ProviderInput::Header(Box::new(side.header.clone())));
    side.channel(ChannelState { deposit: Wei(100_000), epoch: 1, ..ChannelState::default() });
    assert_eq!(provide(&mut side.provider, &mut side.policy, second), vec![]);
    // Nor is it once nobody remembers it, here or on the disk.
    let then = Now { chain: ChainTime(agreement.deadline.0 + KEPT_S), ..NOW };
    assert_eq!(saved(&mut side, ProviderInput::Tick, then), vec![]);
    let then = Now { chain: ChainTime(then.chain.0 + 1), ..NOW };
    let deleted = Record { table: Table::ProviderDeal, key: agreement.digest().to_vec(), value: None };
    assert_eq!(saved(&mut side, ProviderInput::Tick, then), vec![deleted]);
    let effects = provide_at(&mut side.provider, &mut side.policy, late, then);
    let expired = |effect: &ProviderEffect| {
        matches!(effect, ProviderEffect::Happened(ProviderEvent::Refused { reason: RefusalReason::Expired { .. }, .. }))
    };
    assert!(effects.iter().any(expired) && computes(&effects) == 0, "{effects:?}");
}

/// What a step saves; what waits for that is done.
fn saved(side: &mut Side, input: ProviderInput, now: Now) -> Vec<Record> {
    let mut saved = Vec::new();
    for effect in side.provider.apply(&mut side.policy, input, now) {
        if let ProviderEffect::Persist { id, records } = effect {
            saved.extend(records);
            side.provider.apply(&mut side.policy, ProviderInput::Persisted(id), now);
        }
    }
    saved
}

#[test]
fn an_agreement_given_back_is_no_new_work_when_it_comes_again_not_after_a_restart_either() {
    let mut side = side(100_000);
    let agreement = side.agreement(1, |_| {});
    let message = || from(&side.requestor, Message::Agreement(agreement.signed().clone()));
    let (again, late) = (message(), message());
    side.policy.credit = Wei(1);
    side.propose(&agreement);
    // Its owner sits down at the machine before anything was begun.
    let rest = |why: Option<&str>| ProviderInput::Rest(why.map(str::to_owned));
    let records = saved(&mut side, rest(Some("its owner is using the machine")), NOW);
    side.policy.credit = Wei::MAX;
    provide(&mut side.provider, &mut side.policy, rest(None));
    assert_eq!(provide(&mut side.provider, &mut side.policy, again), vec![]);
    let own = keys(2);
    let mut side = Side { provider: Provider::recover(provider_settings(&own), own, &records, NOW).unwrap(), ..side };
    provide(&mut side.provider, &mut side.policy, ProviderInput::Header(Box::new(side.header.clone())));
    side.channel(ChannelState { deposit: Wei(100_000), epoch: 1, ..ChannelState::default() });
    assert_eq!(provide(&mut side.provider, &mut side.policy, late), vec![]);
}

#[test]
fn a_task_past_its_deadline_that_somebody_still_works_on_wakes_nobody_at_a_time_that_is_over() {
    let (mut requestor, mut policy, _) = agreed();
    // Later than it was to be announced again, and sooner than a result is due.
    let local = LocalTime(NOW.local.0 + 10_000);
    let wake = |requestor: &mut Requestor, policy: &mut Fixed, chain| {
        let effects = requestor.apply(policy, RequestorInput::Tick, Now { local, chain });
        effects.iter().find_map(|effect| match effect {
            RequestorEffect::WakeAt(at) => Some(*at),
            _ => None,
        })
    };
    let after = wake(&mut requestor, &mut policy, ChainTime(1_000_001)).expect("a result is due");
    assert!(after > local, "{after:?}: it would be woken again and again at once");
}

#[test]
fn a_folder_takes_new_tasks_however_many_have_ended_in_it() {
    let (mut requestor, mut policy) = (Requestor::new(requestor_settings(), keys(1)), Fixed::default());
    let mut start = |requestor: &mut Requestor, nonce: u64, deadline: u64, now: Now| {
        let header = Header { nonce, deadline: ChainTime(deadline), ..header(&keys(1), 1, Pricing::Tender) };
        let order = TaskOrder {
            header,
            inputs: vec![ContentHash(B256::with_last_byte(1))],
            budget: Wei(1),
            offer_window_ms: 0,
            checks: Checks::recheck(0),
        };
        request(requestor, &mut policy, RequestorInput::Start(Box::new(order)), now);
        requestor.tasks().len()
    };
    let most = crate::requestor::TASKS_MAX;
    for nonce in 0..most as u64 {
        start(&mut requestor, nonce, 6_000, NOW);
    }
    assert_eq!(start(&mut requestor, 1_000, 6_000, NOW), most, "so many go on");
    let later = Now { chain: ChainTime(6_001), ..NOW };
    request(&mut requestor, &mut Fixed::default(), RequestorInput::Tick, later);
    assert!(requestor.tasks().iter().all(|task| task.finished));
    assert_eq!(start(&mut requestor, 1_001, 9_000, later), most + 1);
}
