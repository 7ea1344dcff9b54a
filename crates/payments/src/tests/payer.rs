use super::{channel, closing, open, voucher};
use crate::{EPOCHS_KEPT, PayError, PayerLedger};
use golem_protocol::{ChannelState, Wei};

fn opened(deposit: u128) -> PayerLedger {
    let mut ledger = PayerLedger::new(channel());
    ledger.observe(open(1, deposit));
    ledger
}

#[test]
fn refuses_to_reserve_in_a_channel_that_is_not_open() {
    let mut ledger = PayerLedger::new(channel());
    assert_eq!(ledger.reserve(Wei(1)), Err(PayError::NotOpen));
    ledger.observe(open(1, 0));
    assert_eq!(ledger.reserve(Wei(1)), Err(PayError::NotOpen));
    assert_eq!(ledger.available(), Wei::ZERO);
}

#[test]
fn refuses_to_reserve_while_closing() {
    let mut ledger = opened(100);
    ledger.observe(closing(1, 100, 5));
    assert_eq!(ledger.reserve(Wei(1)), Err(PayError::Closing));
    assert_eq!(ledger.available(), Wei::ZERO);
}

#[test]
fn refuses_to_reserve_more_than_is_left() {
    let mut ledger = opened(100);
    ledger.reserve(Wei(60)).unwrap();
    assert_eq!(ledger.reserve(Wei(41)), Err(PayError::NotCovered { asked: Wei(41), available: Wei(40) }));
    ledger.release(Wei(1));
    assert_eq!(ledger.reserve(Wei(41)), Ok(()));
}

#[test]
fn refuses_to_pay_more_than_was_reserved() {
    let mut ledger = opened(100);
    ledger.reserve(Wei(10)).unwrap();
    assert_eq!(ledger.pay(Wei(11)), Err(PayError::NotReserved { asked: Wei(11), reserved: Wei(10) }));
    assert_eq!((ledger.signed(), ledger.reserved()), (Wei::ZERO, Wei(10)));
}

#[test]
fn refuses_sums_of_more_than_96_bits() {
    let mut ledger = PayerLedger::new(channel());
    ledger.observe(open(1, Wei::MAX.0));
    ledger.reserve(Wei::MAX).unwrap();
    ledger.pay(Wei(1)).unwrap();
    ledger.observe(ChannelState { claimed: Wei(Wei::MAX.0), ..open(1, Wei::MAX.0) });
    assert_eq!(ledger.pay(Wei(1)), Err(PayError::Overflow));
    // A deposit beyond 96 bits, as no contract has, does not overflow the reserve.
    let mut ledger = PayerLedger::new(channel());
    ledger.observe(open(1, u128::MAX));
    ledger.reserve(Wei::MAX).unwrap();
    assert_eq!(ledger.reserve(Wei(1)), Err(PayError::Overflow));
}

#[test]
fn refuses_to_sign_in_an_epoch_it_has_forgotten() {
    let mut ledger = opened(100);
    ledger.reserve(Wei(10)).unwrap();
    ledger.reserve(Wei(20)).unwrap();
    ledger.pay(Wei(10)).unwrap();
    for epoch in 2..=EPOCHS_KEPT as u32 + 1 {
        ledger.observe(open(epoch, 100));
    }
    ledger.observe(ChannelState { claimed: Wei(4), ..open(1, 100) });
    assert_eq!(ledger.pay(Wei(1)), Err(PayError::EpochForgotten { epoch: 1 }));
    assert_eq!(ledger.reserve(Wei(1)), Err(PayError::EpochForgotten { epoch: 1 }));
    assert_eq!(ledger.available(), Wei::ZERO);
    // What it would sign is no more than what is claimed already.
    assert_eq!(ledger.voucher(), voucher(1, 4));
    assert_eq!(ledger.check_invariants(), vec![]);
}

#[test]
fn vouchers_add_up() {
    let mut ledger = opened(100);
    ledger.reserve(Wei(50)).unwrap();
    assert_eq!(ledger.pay(Wei(20)), Ok(voucher(1, 20)));
    assert_eq!(ledger.pay(Wei(30)), Ok(voucher(1, 50)));
    assert_eq!((ledger.reserved(), ledger.available()), (Wei::ZERO, Wei(50)));
    assert_eq!(ledger.voucher(), voucher(1, 50));
}

#[test]
fn a_new_epoch_counts_anew_and_an_old_one_is_remembered() {
    let mut ledger = opened(100);
    ledger.reserve(Wei(90)).unwrap();
    ledger.pay(Wei(50)).unwrap();
    ledger.observe(open(2, 100));
    assert_eq!((ledger.signed(), ledger.reserved(), ledger.available()), (Wei::ZERO, Wei(40), Wei(60)));
    ledger.pay(Wei(30)).unwrap();
    // A reorg takes the opening away, and brings it back.
    ledger.observe(open(1, 100));
    assert_eq!((ledger.signed(), ledger.voucher()), (Wei(50), voucher(1, 50)));
    ledger.observe(open(2, 100));
    assert_eq!(ledger.voucher(), voucher(2, 30));
}

#[test]
fn what_was_agreed_is_paid_while_the_first_opening_is_reorged_away() {
    let mut ledger = opened(100);
    ledger.reserve(Wei(20)).unwrap();
    ledger.observe(ChannelState::default());
    assert_eq!(ledger.pay(Wei(20)), Ok(voucher(1, 20)));
    ledger.observe(open(1, 100));
    assert_eq!((ledger.signed(), ledger.available()), (Wei(20), Wei(80)));
}

#[test]
fn what_was_agreed_is_paid_while_a_close_is_under_way_and_after_the_deposit_fell() {
    let mut ledger = opened(100);
    ledger.reserve(Wei(100)).unwrap();
    ledger.observe(closing(1, 100, 5));
    assert_eq!(ledger.pay(Wei(10)), Ok(voucher(1, 10)));
    ledger.observe(open(1, 50));
    assert_eq!(ledger.pay(Wei(80)), Ok(voucher(1, 90)));
    assert_eq!(ledger.available(), Wei::ZERO);
}

#[test]
fn a_restored_copy_never_signs_below_what_was_claimed() {
    let mut ledger = opened(100);
    ledger.observe(ChannelState { claimed: Wei(70), ..open(1, 100) });
    assert_eq!((ledger.voucher(), ledger.available()), (voucher(1, 70), Wei(30)));
    // A reorg that takes the claim back does not take the signature back.
    ledger.observe(open(1, 100));
    assert_eq!(ledger.voucher(), voucher(1, 70));
}

#[test]
fn a_damaged_ledger_is_found() {
    let mut bytes = postcard::to_allocvec(&opened(100)).unwrap();
    let ledger: PayerLedger = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(ledger, opened(100));
    assert_eq!(ledger.check_invariants(), vec![]);
    bytes.truncate(bytes.len() - 1);
    assert!(postcard::from_bytes::<PayerLedger>(&bytes).is_err());
}

#[test]
fn what_was_agreed_is_paid_in_the_next_opening_once_the_channel_has_ended() {
    let mut ledger = opened(100);
    ledger.reserve(Wei(60)).unwrap();
    ledger.pay(Wei(10)).unwrap();
    ledger.observe(open(1, 0));
    // Nothing is owed in the next yet: the last voucher stands, for a reorg may take the end back.
    assert_eq!((ledger.voucher(), ledger.promised()), (voucher(1, 10), None));
    assert_eq!(ledger.pay(Wei(20)), Ok(voucher(2, 20)));
    assert_eq!(ledger.promised(), Some(voucher(2, 20)));
    ledger.observe(open(1, 100));
    assert_eq!((ledger.voucher(), ledger.promised()), (voucher(1, 10), None));
    ledger.observe(open(2, 50));
    assert_eq!((ledger.voucher(), ledger.promised(), ledger.available()), (voucher(2, 20), None, Wei::ZERO));
    assert_eq!(ledger.check_invariants(), vec![]);
}
