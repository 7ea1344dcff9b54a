//! Proofs of wrong results that others publish.

use super::{header, node, seconds};
use crate::proof::{CLAIMS_EACH_MAX, CLAIMS_MAX, RERUNS_PER_HOUR};
use crate::*;
use golem_protocol::{B256, Wei};

fn claim(provider: u64, accuser: u64) -> Claim {
    Claim { provider: node(provider), accuser: node(accuser), proof: B256::ZERO, subtask_timeout_s: 100 }
}

fn offer(provider: u64, price: u128) -> OfferTerms {
    OfferTerms { provider: node(provider), price: Wei(price), performance: 100 }
}

/// Knows nine providers that were right.
fn buyer() -> RequestorMarket {
    let mut market = RequestorMarket::new(RequestorSettings::default());
    for n in 1..10 {
        market.outcome(&offer(n, 50), &header(100), Outcome::Success { computation_ms: 50_000 });
    }
    market
}

/// Who is taken and who waits, of 1, which asks less, and 2.
fn taken(market: &RequestorMarket, now_s: u64) -> (Vec<usize>, Vec<WaitReason>) {
    let ranking = market.rank(&[offer(1, 40), offer(2, 50)], &header(100), seconds(now_s), 0, 0);
    let ranked = ranking.ranked.iter().map(|ranked| ranked.position).collect();
    (ranked, ranking.waiting.iter().map(|(.., reason)| *reason).collect())
}

#[test]
fn keeps_no_more_proofs_than_it_can_look_at() {
    let mut proofs = Proofs::default();
    for accuser in 0..CLAIMS_EACH_MAX as u64 {
        proofs.hear(claim(1, 100 + accuser)).unwrap();
    }
    assert_eq!(proofs.hear(claim(1, 99)), Err(Unheard::Full));
    assert_eq!(proofs.hear(claim(1, 100)), Err(Unheard::Known));
    (1000..).take(CLAIMS_MAX - CLAIMS_EACH_MAX).for_each(|provider| proofs.hear(claim(provider, 99)).unwrap());
    assert_eq!(proofs.hear(claim(2, 98)), Err(Unheard::Full));
}

#[test]
fn who_is_accused_waits_until_it_was_looked_at_and_is_the_last_to_be_taken_then() {
    let mut market = buyer();
    market.proofs_mut().hear(claim(1, 100)).unwrap();
    assert_eq!(taken(&market, 0), (vec![1], vec![WaitReason::Accused { ahead: 0 }]));
    assert_eq!(market.proofs_mut().begin(&node(1), 100, seconds(0)), Some(claim(1, 100)));
    assert_eq!(market.proofs_mut().begin(&node(1), 100, seconds(0)), None, "it is being run");
    assert_eq!(taken(&market, 0).0, [1]);
    market.proven(node(1));
    let (ranked, waiting) = taken(&market, 0);
    assert!(ranked == [1] && matches!(waiting[..], [WaitReason::Doubt { .. }]), "not even one in two hundred");
    assert_eq!(market.recheck_ppm(&node(1), 100_000), 1_000_000);
    assert_eq!(market.proofs_mut().hear(claim(1, 101)), Err(Unheard::Known));
    let late = market.rank(&[offer(1, 40)], &header(100), seconds(0), 400, 0);
    assert_eq!(late.ranked.len(), 1, "where nobody else has turned up");
    let late = market.rank(&[offer(1, 40), offer(2, 50)], &header(100), seconds(0), 400, 0);
    assert!(late.ranked.len() == 1 && late.ranked[0].position == 1, "somebody has, and may only be busy now");
}

#[test]
fn who_was_seen_to_be_wrong_gets_nothing_while_another_is_there_however_few_are_known() {
    let mut market = RequestorMarket::new(RequestorSettings::default());
    assert_eq!(taken(&market, 0), (vec![0, 1], vec![]));
    market.proven(node(1));
    let (ranked, waiting) = taken(&market, 0);
    assert!(ranked == [1] && matches!(waiting[..], [WaitReason::Doubt { .. }]), "{ranked:?} {waiting:?}");
    assert_eq!(market.rank(&[offer(1, 40)], &header(100), seconds(0), 0, 0).ranked.len(), 1, "nobody else is there");
}

#[test]
fn false_proofs_cost_a_run_for_each_name_and_make_nobody_distrusted() {
    let mut market = buyer();
    market.proofs_mut().hear(claim(1, 100)).unwrap();
    market.proofs_mut().hear(claim(3, 100)).unwrap();
    let begun = market.proofs_mut().begin(&node(1), 100, seconds(0)).unwrap();
    market.proofs_mut().refute(&begun);
    assert_eq!(taken(&market, 0), (vec![0, 1], vec![]));
    assert_eq!(market.proofs_mut().hear(claim(2, 100)), Err(Unheard::Misled));
    assert_eq!(market.proofs_mut().begin(&node(3), 100, seconds(0)), None, "what it said of others is gone");
    // A further accuser does not hold the offer back; it is looked at all the same.
    market.proofs_mut().hear(claim(1, 101)).unwrap();
    assert_eq!(taken(&market, 0), (vec![0, 1], vec![]));
    assert_eq!(market.proofs_mut().begin(&node(1), 100, seconds(0)), Some(claim(1, 101)));
}

#[test]
fn runs_a_bounded_number_an_hour_and_holds_nobody_back_for_the_rest() {
    let mut market = buyer();
    (0..=RERUNS_PER_HOUR as u64).for_each(|n| market.proofs_mut().hear(claim(n + 1, 100 + n)).unwrap());
    for n in (0..=RERUNS_PER_HOUR as u64).rev() {
        assert_eq!(market.proofs_mut().begin(&node(n + 1), 100, seconds(0)).is_some(), n > 0);
    }
    assert_eq!(taken(&market, 3599).0, [0]);
    assert_eq!(taken(&market, 3600).0, Vec::<usize>::new(), "there is room again");
    // Nor is more computed than what is at stake.
    assert!(market.proofs_mut().begin(&node(1), 49, seconds(3600)).is_none());
    assert!(market.proofs_mut().begin(&node(1), 50, seconds(3600)).is_some());
}

#[test]
fn what_was_proven_is_stored_and_what_was_only_heard_is_not() {
    let mut proofs = Proofs::default();
    proofs.hear(claim(1, 100)).unwrap();
    proofs.prove(node(2));
    let mut again: Proofs = postcard::from_bytes(&postcard::to_allocvec(&proofs).unwrap()).unwrap();
    assert!(again.is_proven(&node(2)) && !again.is_proven(&node(1)));
    assert_eq!(again.begin(&node(1), 100, seconds(0)), None);
}
