use super::*;
use crate::access::AccessLists;
use crate::{ProviderSettings, RequestorSettings};
use golem_deal::{ProviderFact, ProviderPolicy, Record, RequestorFact, RequestorPolicy};
use golem_protocol::{Address, AppFee, ByteCount, ChainTime, ContentHash, Fuel, Pricing};
use golem_protocol::{B256, Header, Now, Offer, RefusalReason, Wei};

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
    let settings = ProviderSettings::published(Wei(1_000));
    ProviderMarketPolicy::recover(settings, 50, 2, AccessLists::default(), records, Now::default()).unwrap()
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

#[test]
fn remembers_across_a_restart_whose_result_was_wrong() {
    let mut policy = requestor(AccessLists::default(), &[]);
    policy.note(&RequestorFact::Rejected { provider: node(3) }, Now::default());
    assert_eq!(policy.records().len(), 1);
    policy.note(&RequestorFact::Proven { provider: node(3) }, Now::default());
    let records = policy.records();
    assert_eq!(records.len(), 2);
    let claim = |provider| crate::Claim { provider, accuser: node(9), proof: B256::ZERO, subtask_timeout_s: 3600 };
    let mut again = requestor(AccessLists::default(), &records);
    assert_eq!(again.hear(claim(node(3))), Err(crate::Unheard::Known));
    again.hear(claim(node(4))).unwrap();
    let begun = again.begin_rerun(&header(100), node(4), Now::default()).unwrap();
    again.refute(&begun, Now::default());
    assert_eq!(again.records().len(), 1);
    assert_eq!(again.hear(claim(node(5))), Err(crate::Unheard::Misled));
}

#[test]
fn rechecks_the_share_asked_for_and_everything_of_an_unknown_task() {
    let mut policy = requestor(AccessLists::default(), &[]);
    let task = B256::repeat_byte(9);
    assert!((0..100).all(|index| policy.rechecks(task, index, node(3))));
    policy.watch(task, 250_000);
    assert_eq!((0..100).filter(|index| policy.rechecks(task, *index, node(3))).count(), 25);
    policy.watch(task, 0);
    assert!(!(0..100).any(|index| policy.rechecks(task, index, node(3))));
}
