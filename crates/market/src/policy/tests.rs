use super::*;
use crate::access::AccessLists;
use crate::{ProviderSettings, RequestorSettings};
use golem_deal::{
    Checks, Delivery, ProviderFact, ProviderPolicy, Rechecks, Record, Reported, RequestorFact, RequestorPolicy,
    Straggler,
};
use golem_protocol::{Address, AppFee, ByteCount, ChainTime, ContentHash, Fuel, LocalTime, Pricing};
use golem_protocol::{B256, Header, Now, Offer, RefusalReason, Wei, subtask_value};

fn node(number: u8) -> NodeId {
    NodeId(Address::repeat_byte(number))
}

fn header(max_price: u128) -> Header {
    Header {
        requestor: node(1),
        payer: Address::repeat_byte(2),
        nonce: 0,
        module: ContentHash(B256::ZERO),
        module_bytes: ByteCount(1),
        subtasks: 4,
        max_price: Wei(max_price),
        subtask_timeout_s: 3600,
        min_perf: 0,
        pricing: Pricing::Tender,
        fuel_max: Fuel(1),
        memory_max: ByteCount(1),
        output_max: ByteCount(1),
        recheck_ppm: 0,
        profile: B256::ZERO,
        deadline: ChainTime(1),
        app: AppFee::NONE,
    }
}

fn provider(records: &[Record]) -> ProviderMarketPolicy {
    provider_of(records, 50)
}

fn provider_of(records: &[Record], benchmark: u64) -> ProviderMarketPolicy {
    let settings = ProviderSettings::published(Wei(1_000));
    ProviderMarketPolicy::recover(settings, benchmark, 2, AccessLists::default(), records, Now::default()).unwrap()
}

/// Chooses the lowest indices of a hundred, and draws always the same.
struct Fixed;

impl Lot for Fixed {
    fn draw(&mut self) -> u64 {
        4
    }
    fn chooses(&self, share_ppm: u32, _: B256, index: u32) -> bool {
        index % 100 < share_ppm / 10_000
    }
}

fn requestor(lists: AccessLists, records: &[Record]) -> RequestorMarketPolicy {
    RequestorMarketPolicy::recover(RequestorSettings::published(), lists, Box::new(Fixed), records).unwrap()
}

fn offer(provider: NodeId, price: u128) -> Offer {
    Offer {
        header: B256::ZERO,
        provider,
        payee: provider.0,
        price: Wei(price),
        performance: 50,
        slots: 1,
        expires: ChainTime(9),
    }
}

#[test]
fn offers_nothing_below_the_minimal_price() {
    assert!(matches!(provider(&[]).quote(&header(999), Now::default()), Err(RefusalReason::PriceAboveMax { .. })));
    assert_eq!(provider(&[]).quote(&header(100_000), Now::default()).unwrap().price, Wei(1_200));
}

#[test]
fn metered_work_that_costs_less_than_its_budget_uses_up_no_credit() {
    let settings = ProviderSettings::new(Wei(1_000));
    let mut policy =
        ProviderMarketPolicy::recover(settings, 50, 2, AccessLists::default(), &[], Now::default()).unwrap();
    let header = Header { pricing: Pricing::Metered, ..header(100_000) };
    for _ in 0..100 {
        let price = policy.quote(&header, Now::default()).unwrap().price;
        for fact in [
            ProviderFact::Assigned { requestor: node(1), value: price },
            ProviderFact::Unused { requestor: node(1), value: Wei(price.0 / 2) },
            ProviderFact::Paid { requestor: node(1), value: Wei(price.0 - price.0 / 2) },
        ] {
            policy.note(&fact, Now::default());
        }
        assert_eq!(price, Wei(1_200), "nor makes it the next dearer");
    }
}

#[test]
fn offers_nothing_while_closed_and_says_why() {
    let mut policy = provider(&[]);
    policy.close(Some(RefusalReason::Busy));
    assert_eq!(policy.quote(&header(100_000), Now::default()), Err(RefusalReason::Busy));
    policy.close(None);
    assert!(policy.quote(&header(100_000), Now::default()).is_ok());
}

#[test]
fn remembers_what_a_requestor_owes_across_a_restart() {
    let mut policy = provider(&[]);
    assert!(policy.records().is_empty());
    policy.note(&ProviderFact::Assigned { requestor: node(1), value: Wei(5_000) }, Now::default());
    let records = policy.records();
    assert_eq!(records.len(), 1);
    assert!(policy.records().is_empty(), "nothing has changed since");
    let mut again = provider(&records);
    assert_eq!(again.market.record(&node(1)).unwrap().owed, Wei(5_000));
    let wary = again.quote(&header(100_000), Now::default()).unwrap().price;
    assert!(wary > Wei(1_200), "who owes pays more, and not {wary}");
}

#[test]
fn remembers_across_a_restart_who_is_late_and_reads_what_was_stored_before_it_did() {
    let by_our_rules = |records: &[Record]| {
        let settings = ProviderSettings::new(Wei(1_000));
        ProviderMarketPolicy::recover(settings, 1, 1, AccessLists::default(), records, Now::default()).unwrap()
    };
    let mut policy = by_our_rules(&[]);
    let from = |requestor| Header { requestor, ..header(100_000) };
    for requestor in [node(1), node(2), node(3)] {
        policy.note(&ProviderFact::Assigned { requestor, value: Wei(900) }, Now::default());
    }
    policy.note(&ProviderFact::Rejected { requestor: node(3), value: Wei(900) }, Now::default());
    assert!(policy.quote(&from(node(4)), Now::default()).is_ok());
    for requestor in [node(1), node(2)] {
        policy.note(&ProviderFact::Overdue { requestor }, Now::default());
    }
    let records = policy.records();
    let mut again = by_our_rules(&records);
    assert_eq!(again.market.state(), policy.market.state());
    let late = again.quote(&from(node(1)), Now::default());
    assert_eq!(late, Err(RefusalReason::CreditExceeded { owed: Wei(900), credit: Wei::ZERO }));
    let closed = again.quote(&from(node(4)), Now::default());
    assert_eq!(closed, Err(RefusalReason::StrangersUnpaid { lost: Wei(2_700) }));

    let before: Vec<Record> = records.iter().filter(|record| record.key == b"provider").cloned().collect();
    let mut older = by_our_rules(&before);
    assert!(older.quote(&from(node(1)), Now::default()).is_ok());
    let newer: Vec<Record> = records.iter().filter(|record| record.key != b"provider").cloned().collect();
    assert_eq!(by_our_rules(&newer).check_invariants(), vec![]);
}

#[test]
fn lends_the_credit_hours_at_the_price_offered() {
    let mut policy = provider(&[]);
    assert_eq!(policy.credit(node(1)), Wei(3_000));
    policy.quote(&header(100_000), Now::default()).unwrap();
    assert_eq!(policy.credit(node(1)), Wei(3_600));
}

#[test]
fn refuses_whom_the_lists_do_not_allow() {
    let lists = AccessLists::configured(&[node(3)], &[node(4)]).unwrap();
    let mut policy = requestor(lists, &[]);
    let admit = |policy: &mut RequestorMarketPolicy, from| policy.admit(&header(100), &offer(from, 50), Now::default());
    assert!(admit(&mut policy, node(3)).is_ok());
    assert_eq!(admit(&mut policy, node(4)), Err(RefusalReason::Denied));
    assert_eq!(admit(&mut policy, node(5)), Err(RefusalReason::Denied));
}

#[test]
fn ranks_the_cheaper_of_two_strangers_first_and_a_cheat_last_after_a_restart() {
    let mut policy = requestor(AccessLists::default(), &[]);
    let (cheap, dear) = (offer(node(3), 95), offer(node(4), 96));
    assert_eq!(policy.rank(&header(100), &[&dear, &cheap], Now::default()), vec![1, 0]);
    for _ in 0..3 {
        policy.note(&RequestorFact::Rejected { provider: node(3) }, Now::default());
    }
    let records = policy.records();
    let mut again = requestor(AccessLists::default(), &records);
    assert_eq!(again.rank(&header(100), &[&dear, &cheap], Now::default()), vec![0, 1]);
}

fn reported(header: B256, index: u32) -> Reported {
    Reported { header, index, provider: node(3), value: Wei(1_000) }
}

fn succeeded(paid: u128) -> RequestorFact {
    succeeded_at(50, paid)
}

fn succeeded_at(price: u128, paid: u128) -> RequestorFact {
    RequestorFact::Succeeded {
        provider: node(3),
        subtask_timeout_s: 3600,
        computation_ms: 1_000_000,
        price: Wei(price),
        paid: Wei(paid),
    }
}

#[test]
fn an_adaptive_task_checks_a_stranger_always_and_less_the_more_it_was_paid_and_never_not_at_all() {
    let mut policy = requestor(AccessLists::default(), &[]);
    let task = B256::repeat_byte(9);
    policy.watch(task, Checks { rechecks: Rechecks::Adaptive { floor_ppm: 20_000 }, ..Checks::recheck(0) });
    let check = |policy: &RequestorMarketPolicy, value| {
        let rate = policy.check_of(task, node(3), Wei(value));
        (rate.stake_wei, rate.check_ppm)
    };
    assert_eq!(check(&policy, 1_000), (Wei::ZERO, 1_000_000));
    for _ in 0..20 {
        policy.note(&succeeded(1_000), Now::default());
    }
    let (stake, ppm) = check(&policy, 1_000);
    assert!((Wei(1_900)..=Wei(2_000)).contains(&stake) && (350_000..=362_069).contains(&ppm), "{stake:?} {ppm}");
    assert!(crate::expected_gain(Wei(1_000), stake, ppm) <= -50);
    assert!(check(&policy, 100_000).1 > 900_000, "a dear subtask is worth more than it stands to lose");
    for _ in 0..5_000 {
        policy.note(&succeeded(100_000), Now::default());
    }
    assert_eq!(check(&policy, 1_000).1, 20_000, "the floor");
    policy.note(&RequestorFact::Rejected { provider: node(3) }, Now::default());
    assert_eq!(check(&policy, 1_000), (Wei::ZERO, 1_000_000), "caught, it has nothing to lose");
}

#[test]
fn remembers_what_a_provider_stands_to_lose_across_a_restart() {
    let mut policy = requestor(AccessLists::default(), &[]);
    policy.note(&succeeded(5_000), Now::default());
    let again = requestor(AccessLists::default(), &policy.records());
    assert_eq!(again.check_of(B256::ZERO, node(3), Wei(1)).stake_wei, Wei(500));
}

#[test]
fn remembers_across_a_restart_how_long_a_program_takes_so_that_short_work_is_not_waited_for_long() {
    let recover = |records: &[Record]| {
        let ours = RequestorSettings::default();
        RequestorMarketPolicy::recover(ours, AccessLists::default(), Box::new(Fixed), records).unwrap()
    };
    let mut policy = recover(&[]);
    policy.admit(&header(100), &offer(node(3), 20), Now::default()).unwrap();
    policy.note(&succeeded_at(20, 1), Now::default());
    let dear = offer(node(4), 100);
    let at = |s: u64| Now { local: LocalTime(s * 1_000), ..Now::default() };
    let taken = |policy: &mut RequestorMarketPolicy, s| !policy.rank(&header(100), &[&dear], at(s)).is_empty();
    assert!(!taken(&mut policy, 0), "a fifth of it was paid before");
    assert!(!taken(&mut policy, 239) && taken(&mut policy, 240), "not after four timeouts: they may be far too long");
    policy.note(&came(0, 500), Now::default());
    let mut again = recover(&policy.records());
    assert!(!taken(&mut again, 0) && !taken(&mut again, 31) && taken(&mut again, 32));
    again.note(&came(1, 1_000_000), Now::default());
    assert!(!taken(&mut again, 14_399) && taken(&mut again, 14_400), "four timeouts");
}

#[test]
fn what_was_paid_is_the_same_price_whatever_another_task_pays_at_most_and_after_a_restart() {
    let ours = |records: &[Record]| {
        let rules = RequestorSettings::default();
        RequestorMarketPolicy::recover(rules, AccessLists::default(), Box::new(Fixed), records).unwrap()
    };
    let mut policy = ours(&[]);
    // It is what was agreed; that less was offered since changes nothing.
    for price in [30, 5] {
        policy.admit(&header(100), &offer(node(3), price), Now::default()).unwrap();
    }
    policy.note(&succeeded_at(30, 1), Now::default());
    let records = policy.records();
    let taken = |max: u128, price: u128| {
        let mut policy = ours(&records);
        !policy.rank(&header(max), &[&offer(node(4), price)], Now::default()).is_empty()
    };
    for max in [100, 40, 1_000] {
        assert!(taken(max, 30), "{max}: it was paid before");
        assert!(!taken(max, 32), "{max}: it is dearer");
    }
    assert!(taken(20, 20), "less was never paid");
}

#[test]
fn mixes_in_known_results_as_often_as_the_task_says() {
    let mut policy = requestor(AccessLists::default(), &[]);
    let task = B256::repeat_byte(9);
    assert_eq!(policy.mixes_in(task), None, "nobody asked for any");
    policy.watch(task, Checks { known_ppm: 5, ..Checks::recheck(0) });
    assert_eq!(policy.mixes_in(task), Some(4));
    policy.watch(task, Checks { known_ppm: 4, ..Checks::recheck(0) });
    assert_eq!(policy.mixes_in(task), None);
}

#[test]
fn hedges_who_is_late_where_the_time_saved_is_worth_the_copy() {
    let mut policy = requestor(AccessLists::default(), &[]);
    for provider in [node(3), node(4)] {
        // A tenth of the hour that it may take.
        for _ in 0..50 {
            let fact = RequestorFact::Succeeded {
                provider,
                subtask_timeout_s: 3600,
                computation_ms: 360_000,
                price: Wei(50),
                paid: Wei(0),
            };
            policy.note(&fact, Now::default());
        }
    }
    let task = |subtasks| Header { subtasks, ..header(100) };
    let late = |silent_ms, cost| Straggler { provider: node(3), silent_ms, cost: Wei(cost) };
    let by = offer(node(4), 100);
    assert!(!policy.hedges(&task(1_000), &late(600_000, 100), &by), "it is no later than others can be");
    assert!(policy.hedges(&task(1_000), &late(1_000_000, 100), &by));
    assert!(!policy.hedges(&task(100), &late(1_000_000, 100), &by), "so small a task does not lose as much by waiting");
    assert!(policy.hedges(&task(500), &late(1_000_000, 100), &by));
    assert!(!policy.hedges(&task(1_000), &late(1_000_000, 400), &by), "so dear a copy does not pay");
}

#[test]
fn remembers_across_a_restart_whose_result_was_wrong() {
    let mut policy = requestor(AccessLists::default(), &[]);
    policy.note(&RequestorFact::Rejected { provider: node(3) }, Now::default());
    assert_eq!(policy.records().len(), 1);
    policy.note(&RequestorFact::Proven { provider: node(3) }, Now::default());
    let records = policy.records();
    assert_eq!(records.len(), 2);
    let claim = |provider| crate::Claim { provider, accuser: node(9), proof: B256::ZERO, subtask_timeout_s: 3600 };
    let ours = RequestorSettings::default();
    let mut again = RequestorMarketPolicy::recover(ours, AccessLists::default(), Box::new(Fixed), &records).unwrap();
    assert_eq!(again.hear(claim(node(3))), Err(crate::Unheard::Known));
    again.hear(claim(node(4))).unwrap();
    again.rank(&header(100), &[&offer(node(4), 50)], Now::default());
    let begun = again.looks_wanted()[0];
    assert!(again.looks_wanted().is_empty(), "it is looked at once");
    again.refute(&begun, Now::default());
    assert_eq!(again.records().len(), 1);
    assert_eq!(again.hear(claim(node(5))), Err(crate::Unheard::Misled));
}

#[test]
fn rechecks_the_share_asked_for_and_everything_of_an_unknown_task() {
    let mut policy = requestor(AccessLists::default(), &[]);
    let task = B256::repeat_byte(9);
    let chosen =
        |policy: &RequestorMarketPolicy| (0..100).filter(|index| policy.rechecks(&reported(task, *index))).count();
    assert_eq!(chosen(&policy), 100);
    policy.watch(task, Checks::recheck(250_000));
    assert_eq!(chosen(&policy), 25);
    policy.watch(task, Checks::recheck(0));
    assert_eq!(chosen(&policy), 0);
}

/// Fuel that this header's program took in a second of the machine's.
fn seven_hundred_in_a_second(asked: &Header) -> ProviderFact {
    ProviderFact::Completed {
        requestor: node(1),
        module: asked.module,
        subtask_timeout_s: 3600,
        computation_ms: 1_000,
        fuel: Fuel(700),
    }
}

#[test]
fn whose_work_turns_out_to_be_short_is_asked_less_and_may_owe_no_less_than_as_a_stranger() {
    let (asked, now) = (header(100_000), Now::default());
    let settings = ProviderSettings::new(Wei(1_000));
    let mut policy = ProviderMarketPolicy::recover(settings, 50, 2, AccessLists::default(), &[], now).unwrap();
    let stranger = policy.quote(&asked, now).unwrap().price;
    let credit = policy.credit(node(1));
    let value = subtask_value(stranger, asked.subtask_timeout_s).unwrap();
    (0..2).for_each(|_| policy.note(&ProviderFact::Assigned { requestor: node(1), value }, now));
    // An hour was sold, a second was needed; both are owed as yet.
    policy.note(&seven_hundred_in_a_second(&asked), now);
    let known = policy.quote(&asked, now).unwrap().price;
    assert_eq!((stranger, known), (Wei(1_200), Wei(75)));
    assert_eq!(policy.credit(node(1)), credit);
}

#[test]
fn offers_a_program_at_the_speed_it_was_seen_to_run_even_after_a_restart() {
    let mut policy = provider(&[]);
    let asked = header(100_000);
    assert_eq!(policy.quote(&asked, Now::default()).unwrap().performance, 50);
    let fact = seven_hundred_in_a_second(&asked);
    (0..3).for_each(|_| policy.note(&fact, Now::default()));
    assert_eq!(policy.quote(&asked, Now::default()).unwrap().performance, 700);
    let records = policy.records();
    assert_eq!(provider(&records).quote(&asked, Now::default()).unwrap().performance, 700);
    let other = Header { module: ContentHash(B256::repeat_byte(9)), ..asked };
    assert_eq!(policy.quote(&other, Now::default()).unwrap().performance, 50);
}

#[test]
fn who_gives_a_tenth_of_its_machine_from_now_on_promises_a_tenth_of_what_it_saw() {
    let asked = header(100_000);
    let fact = seven_hundred_in_a_second(&asked);
    let restarted = |records: &[Record], benchmark| {
        let mut policy = provider_of(records, benchmark);
        let performance = policy.quote(&asked, Now::default()).unwrap().performance;
        let mut kept = records.to_vec();
        for record in policy.records() {
            kept.retain(|known| known.key != record.key);
            kept.push(record);
        }
        (performance, kept)
    };
    let mut policy = provider_of(&[], 50);
    (0..3).for_each(|_| policy.note(&fact, Now::default()));
    let records = policy.records();
    assert_eq!(restarted(&records, 90).0, 700, "a benchmark that is off by less than twice is no other machine");
    let (slow, records) = restarted(&records, 5);
    assert_eq!(slow, 70);
    let (still, records) = restarted(&records, 5);
    assert_eq!(still, 70, "once");
    assert_eq!(restarted(&records, 50).0, 70, "no more than it was seen to do");
    let mut again = provider_of(&records, 50);
    again.quote(&asked, Now::default()).unwrap();
    (0..30).for_each(|_| again.note(&fact, Now::default()));
    assert!(again.quote(&asked, Now::default()).unwrap().performance > 600, "and soon what it does now");
}

#[test]
fn a_benchmark_that_something_else_slowed_down_makes_nobody_promise_more_than_it_does() {
    let asked = header(100_000);
    let mut policy = provider_of(&[], 12);
    (0..3).for_each(|_| policy.note(&seven_hundred_in_a_second(&asked), Now::default()));
    let mut again = provider_of(&policy.records(), 50);
    assert_eq!(again.quote(&asked, Now::default()).unwrap().performance, 700, "and not four times as much");
}

#[test]
fn runs_only_the_programs_its_owner_named() {
    let mut policy = provider(&[]);
    let asked = header(100_000);
    policy.run_only(vec![ContentHash(B256::repeat_byte(9))]);
    assert_eq!(policy.quote(&asked, Now::default()), Err(RefusalReason::ProgramNotAllowed(asked.module)));
    policy.run_only(vec![asked.module]);
    assert!(policy.quote(&asked, Now::default()).is_ok());
}

#[test]
fn expects_less_of_a_task_whose_maximum_cuts_the_price_and_of_one_who_does_not_pay() {
    let mut policy = provider(&[]);
    let profit = |policy: &ProviderMarketPolicy, max_price| policy.profit(&header(max_price), Now::default());
    assert_eq!(profit(&policy, 100_000), Wei(200));
    assert_eq!(profit(&policy, 1_100), Wei(100));
    assert_eq!(profit(&policy, 900), Wei::ZERO);
    policy.note(&ProviderFact::Assigned { requestor: node(1), value: Wei(5_000) }, Now::default());
    assert_eq!(profit(&policy, 1_100), Wei::ZERO, "it pays a third of what it should");
}

/// Tried on keys 1, 2, 3, ... of one byte repeated.
fn node_with_work(bits: u32) -> NodeId {
    (0..=255).map(node).find(|node| node.work_bits() == bits).unwrap()
}

#[test]
fn deals_only_with_those_whose_identity_cost_what_is_asked() {
    let (cheap, dear) = (node_with_work(1), node_with_work(4));
    let too_cheap = RefusalReason::IdentityTooCheap { bits: 1, bits_min: 4 };
    let mut policy = requestor(AccessLists::default(), &[]);
    policy.demand_identity(4);
    assert_eq!(policy.admit(&header(100), &offer(cheap, 50), Now::default()), Err(too_cheap.clone()));
    assert_eq!(policy.admit(&header(100), &offer(dear, 50), Now::default()), Ok(()));
    let mut policy = provider(&[]);
    policy.demand_identity(4);
    let from = |requestor| Header { requestor, ..header(100_000) };
    assert_eq!(policy.quote(&from(cheap), Now::default()), Err(too_cheap));
    assert!(policy.quote(&from(dear), Now::default()).is_ok());
}

fn came(index: u32, took_ms: u64) -> RequestorFact {
    let (header, module) = (B256::repeat_byte(9), header(0).module);
    RequestorFact::Reported { header, index, provider: node(3), module, took_ms }
}

#[test]
fn what_waited_for_a_compiler_is_not_timed_however_late_it_is_accepted() {
    let mut policy = requestor(AccessLists::default(), &[]);
    policy.weigh(B256::repeat_byte(9), ByteCount(1));
    let delivery = |index: u32, took_ms: u64| Delivery {
        header: B256::repeat_byte(9),
        index,
        provider: node(3),
        module: header(100).module,
        promised: 10_000,
        fuel: Fuel(100_000),
        took_ms,
    };
    policy.admit(&header(100), &offer(node(3), 50), Now::default()).unwrap();
    policy.note(&succeeded(1_000), Now::default());
    let delivered = |policy: &RequestorMarketPolicy| {
        let program = policy.standings()[0].programs[0];
        (program.results, program.delivered)
    };
    for index in 0..7 {
        policy.note(&came(index, if index == 0 { 90_000 } else { 9_000 }), Now::default());
    }
    // The first is run again, so it is judged last.
    for index in (1..7).chain([0]) {
        policy.timed(&delivery(index, if index == 0 { 90_000 } else { 9_000 }), Now::default());
    }
    assert_eq!(delivered(&policy), (3, Some(10_000)), "as it promised");
    // Any later one counts.
    policy.timed(&delivery(7, 90_000), Now::default());
    assert_eq!(delivered(&policy), (4, Some(3_418)));
}

/// A policy that bought so many results of 100,000 fuel, each of which took a minute, at the performance that was offered.
fn bought(results: u32, performance: u64, weighed: bool) -> RequestorMarketPolicy {
    let mut policy = requestor(AccessLists::default(), &[]);
    let task = B256::repeat_byte(9);
    if weighed {
        policy.weigh(task, ByteCount(1));
    }
    for _ in 0..results {
        let offered = Offer { performance, ..offer(node(3), 50) };
        policy.admit(&header(100), &offered, Now::default()).unwrap();
        let delivery = Delivery {
            header: task,
            index: 0,
            provider: node(3),
            module: header(100).module,
            promised: performance,
            fuel: Fuel(100_000),
            took_ms: 60_000,
        };
        policy.timed(&delivery, Now::default());
    }
    policy
}

#[test]
fn takes_a_promise_for_what_was_seen_and_refuses_one_that_is_repeated_and_broken() {
    let asked = Header { min_perf: 5_000, ..header(100) };
    let admit = |policy: &mut RequestorMarketPolicy, header: &Header, performance| {
        policy.admit(header, &Offer { performance, ..offer(node(3), 50) }, Now::default())
    };
    let mut policy = bought(6, 10_000, true);
    let slow = Err(RefusalReason::BelowMinPerf { performance: 1_754, min_perf: 5_000 });
    assert_eq!(admit(&mut policy, &asked, 10_000), slow, "57 of 60 seconds are held against it");
    let other = Header { module: ContentHash(B256::repeat_byte(7)), ..asked };
    assert_eq!(admit(&mut policy, &other, 10_000), Ok(()));
    let overstated = Err(RefusalReason::Overstated { promised: 10_000, seen: 1_754, results: 3 });
    assert_eq!(admit(&mut policy, &header(100), 10_000), overstated);
    let mut again = requestor(AccessLists::default(), &policy.records());
    assert_eq!(admit(&mut again, &header(100), 10_000), overstated, "after a restart too");
    assert_eq!(admit(&mut again, &header(100), 2_000), Ok(()), "what it does it may offer");
    assert_eq!(admit(&mut bought(5, 10_000, true), &asked, 10_000), Ok(()), "two say nothing");
    assert_eq!(admit(&mut bought(9, 10_000, false), &asked, 10_000), Ok(()), "what it had to fetch is not known");
    assert_eq!(admit(&mut bought(9, 1_800, true), &header(100), 1_800), Ok(()), "a promise that was kept");
}

#[test]
fn shows_what_was_promised_and_delivered_while_it_runs_and_afterwards() {
    let mut policy = bought(6, 10_000, true);
    policy.note(&succeeded(1_000), Now::default());
    let standings = policy.standings();
    let [standing] = &standings[..] else { panic!("{standings:?}") };
    let [program] = &standing.programs[..] else { panic!("{standing:?}") };
    assert_eq!((program.promised, program.delivered, program.results), (10_000, Some(1_754), 3));
    assert!(program.overstated && program.broken == 3 && !standing.proven_wrong);
    assert_eq!(crate::standings_in(&policy.records()).unwrap(), standings);
}
