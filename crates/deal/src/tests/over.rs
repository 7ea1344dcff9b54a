//! What is over: agreements that come again, tasks past their deadline, tasks that have ended.

use super::refusals::*;
use super::world::{CALM, Fixed, Nature, World, header, keys, load, order, provider_settings, requestor_settings};
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
    let is_gone = |effects: &[ProviderEffect]| is_refused_as_gone(effects, agreement.digest());
    let effects = provide(&mut side.provider, &mut side.policy, first);
    assert!(is_gone(&effects), "it was done and paid: {effects:?}");
    assert_eq!(side.earned(), VALUE);
    // Its offer may be the same to the bit after a restart: nothing in it is drawn by chance.
    let own = keys(2);
    let mut side = Side { provider: Provider::recover(provider_settings(&own), own, &records, NOW).unwrap(), ..side };
    provide(&mut side.provider, &mut side.policy, ProviderInput::Header(Box::new(side.header.clone())));
    side.channel(ChannelState { deposit: Wei(100_000), epoch: 1, ..ChannelState::default() });
    let effects = provide(&mut side.provider, &mut side.policy, second);
    assert!(is_gone(&effects), "{effects:?}");
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

/// Whether that is all: it is said to be unknown, and nothing is signed or begun.
fn is_refused_as_gone(effects: &[ProviderEffect], agreement: B256) -> bool {
    let gone = RefusalReason::UnknownHeader(agreement);
    let is_that = |effect: &ProviderEffect| match effect {
        ProviderEffect::Send { message: Message::Refusal(refusal), .. } => refusal.reason == gone,
        ProviderEffect::Happened(ProviderEvent::Refused { reason, .. }) => *reason == gone,
        _ => false,
    };
    !effects.is_empty() && effects.iter().all(is_that)
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
    let is_gone = |effects: &[ProviderEffect]| is_refused_as_gone(effects, agreement.digest());
    let effects = provide(&mut side.provider, &mut side.policy, again);
    assert!(is_gone(&effects), "{effects:?}");
    let own = keys(2);
    let mut side = Side { provider: Provider::recover(provider_settings(&own), own, &records, NOW).unwrap(), ..side };
    provide(&mut side.provider, &mut side.policy, ProviderInput::Header(Box::new(side.header.clone())));
    side.channel(ChannelState { deposit: Wei(100_000), epoch: 1, ..ChannelState::default() });
    let effects = provide(&mut side.provider, &mut side.policy, late);
    assert!(is_gone(&effects), "{effects:?}");
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
fn a_task_past_its_deadline_is_given_up_in_any_step_since_it_asks_for_no_tick() {
    let (mut requestor, mut policy, _) = started();
    let then = Now { chain: ChainTime(1_000_001), ..NOW };
    let somebody = RequestorInput::Reachable { peer: NodeId(Address::repeat_byte(9)), reachable: true };
    let effects = request(&mut requestor, &mut policy, somebody, then);
    let is_end = |effect: &RequestorEffect| {
        matches!(effect, RequestorEffect::Happened(RequestorEvent::Finished { failed: 4, .. }))
    };
    assert!(effects.iter().any(is_end), "{effects:?}");
}

#[test]
fn who_was_lost_hears_of_what_was_taken_back_once_it_is_there_again() {
    let (mut requestor, mut policy, agreement) = agreed();
    let peer = agreement.provider;
    let mut reach = |reachable: bool, ms: u64| {
        let now = Now { local: LocalTime(NOW.local.0 + ms), ..NOW };
        let mut effects = request(&mut requestor, &mut policy, RequestorInput::Reachable { peer, reachable }, now);
        effects.extend(request(&mut requestor, &mut policy, RequestorInput::Tick, now));
        let is_told = |effect: &&RequestorEffect| match effect {
            RequestorEffect::Send { to, message: Message::Refusal(refusal) } => {
                *to == peer && refusal.about == agreement.digest() && refusal.reason == RefusalReason::NothingLeft
            }
            _ => false,
        };
        effects.iter().filter(is_told).count()
    };
    assert_eq!(reach(false, 0), 0);
    assert_eq!(reach(true, 5_000), 0, "nothing was taken back yet");
    assert_eq!(reach(false, 6_000), 0);
    assert_eq!(reach(false, 22_000), 1, "which does not arrive");
    assert_eq!(reach(true, 30_000), 1);
    assert_eq!(reach(true, 31_000), 0, "once");
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

#[test]
fn a_task_that_was_over_long_ago_leaves_nothing_but_what_was_paid() {
    const LATE: ChainTime = ChainTime(u64::MAX);
    let mut world = World::new(1, order(20, 20 * 14_000, Pricing::Tender), &[Nature::Honest; 2], CALM);
    while world.requestor.tasks().first().is_none_or(|task| task.done == 0) {
        world.next();
    }
    let deadline = world.requestor.order(world.header).unwrap().header.deadline;
    let under_way = load(&world.requestor_disk);
    assert_eq!(old_tasks(&under_way, LATE).unwrap(), vec![], "it goes on");
    world.run(3_600_000);
    assert_eq!(world.finished, Some(0));
    let records = load(&world.requestor_disk);
    assert_eq!(old_tasks(&records, deadline).unwrap(), vec![], "its deadline is not over");
    let old = old_tasks(&records, ChainTime(deadline.0 + 1)).unwrap();
    let [task] = &old[..] else { panic!("{old:?}") };
    assert_eq!((task.header, &task.outputs), (world.header, &world.requestor.outputs(world.header)));
    // What is left is the money, and a requestor takes it up.
    let is_deleted =
        |record: &Record| task.deleted.iter().any(|end| (end.table, &end.key) == (record.table, &record.key));
    let left: Vec<Record> = records.into_iter().filter(|record| !is_deleted(record)).collect();
    assert!(left.iter().all(|record| ![Table::Task, Table::RequestorDeal].contains(&record.table)), "{left:?}");
    let again = Requestor::recover(requestor_settings(), keys(1), &left, NOW).unwrap();
    assert_eq!(again.ledgers(), world.requestor.ledgers());
    assert!(again.tasks().is_empty());

    // One deal that is open holds the task.
    let ended = load(&world.requestor_disk).into_iter().filter(|record| record.table == Table::Task);
    let deals = under_way.into_iter().filter(|record| record.table == Table::RequestorDeal);
    let mixed: Vec<Record> = ended.chain(deals).collect();
    assert!(mixed.len() > 1);
    assert_eq!(old_tasks(&mixed, LATE).unwrap(), vec![]);
}
