use super::{channel, closing, key, open, payee, signed_by, voucher};
use crate::{Accepted, CoverError, EPOCHS_KEPT, PayeeLedger, VoucherError};
use golem_protocol::{Address, Authentic, ChainTime, ChannelId, ChannelState, Signer, Voucher, Wei};

const NOW: ChainTime = ChainTime(1000);

fn opened(deposit: u128) -> PayeeLedger {
    let mut ledger = PayeeLedger::new(channel());
    ledger.observe(open(1, deposit));
    ledger
}

fn paid(epoch: u32, cumulative: u128) -> Authentic<Voucher> {
    signed_by(&key(1), voucher(epoch, cumulative))
}

#[test]
fn refuses_vouchers_of_another_payer_or_for_another_payee() {
    let mut ledger = opened(100);
    let foreign = signed_by(&key(2), voucher(1, 10));
    let got = ChannelId { payer: key(2).address(), payee: payee() };
    assert_eq!(ledger.accept(&foreign, NOW), Err(VoucherError::OtherChannel { got, ours: channel() }));
    let elsewhere = signed_by(&key(1), Voucher { payee: Address::repeat_byte(9), ..voucher(1, 10) });
    assert!(matches!(ledger.accept(&elsewhere, NOW), Err(VoucherError::OtherChannel { .. })));
    assert_eq!(ledger, opened(100));
}

#[test]
fn refuses_vouchers_of_another_epoch() {
    let mut ledger = opened(100);
    assert_eq!(ledger.accept(&paid(2, 10), NOW), Err(VoucherError::WrongEpoch { got: 2, open: 1 }));
    ledger.observe(open(3, 100));
    assert_eq!(ledger.accept(&paid(2, 10), NOW), Err(VoucherError::WrongEpoch { got: 2, open: 3 }));
    assert_eq!(ledger.best(), None);
}

#[test]
fn refuses_vouchers_where_no_channel_is_open() {
    let mut ledger = PayeeLedger::new(channel());
    assert_eq!(ledger.accept(&paid(1, 10), NOW), Err(VoucherError::NotOpen { epoch: 1 }));
    ledger.observe(open(1, 0));
    assert_eq!(ledger.accept(&paid(1, 10), NOW), Err(VoucherError::NotOpen { epoch: 1 }));
    assert_eq!(ledger.best(), None);
}

#[test]
fn refuses_vouchers_above_the_deposit_but_claims_what_there_is() {
    let mut ledger = opened(100);
    ledger.accept(&paid(1, 40), NOW).unwrap();
    let over = VoucherError::OverDeposit { got: Wei(101), deposit: Wei(100) };
    assert_eq!(ledger.accept(&paid(1, 101), NOW), Err(over));
    assert_eq!(ledger.earned(), Wei(40));
    assert_eq!(ledger.best().unwrap().document, voucher(1, 101));
    assert_eq!(ledger.claimable(), Wei(100));
    // After a top-up the same voucher is payment in full.
    ledger.observe(open(1, 150));
    assert_eq!(ledger.accept(&paid(1, 101), NOW), Ok(Accepted::Raised(Wei(61))));
    assert_eq!(ledger.check_invariants(), vec![]);
}

#[test]
fn refuses_vouchers_of_a_channel_that_may_close_too_soon_but_keeps_them() {
    let mut ledger = opened(100);
    ledger.observe(closing(1, 100, 1000));
    let soon = VoucherError::ClosingTooSoon { close_at: NOW, needed_until: NOW };
    assert_eq!(ledger.accept(&paid(1, 10), NOW), Err(soon));
    assert_eq!((ledger.earned(), ledger.claimable()), (Wei::ZERO, Wei(10)));
    assert_eq!(ledger.accept(&paid(1, 10), ChainTime(999)), Ok(Accepted::Raised(Wei(10))));
}

#[test]
fn refuses_to_be_covered_by_what_cannot_be_claimed() {
    let mut ledger = PayeeLedger::new(channel());
    assert_eq!(ledger.covers(1, Wei(1), NOW), Err(CoverError::NotOpen));
    ledger.observe(open(1, 100));
    assert_eq!(ledger.covers(2, Wei(1), NOW), Err(CoverError::WrongEpoch { got: 2, open: 1 }));
    ledger.accept(&paid(1, 40), NOW).unwrap();
    assert_eq!(ledger.covers(1, Wei(61), NOW), Err(CoverError::OverDeposit { asked: Wei(61), left: Wei(60) }));
    assert_eq!(ledger.covers(1, Wei(60), NOW), Ok(()));
    ledger.observe(closing(1, 100, 1000));
    assert_eq!(ledger.covers(1, Wei(1), NOW), Err(CoverError::ClosingTooSoon { close_at: NOW, needed_until: NOW }));
    assert_eq!(ledger.covers(1, Wei(60), ChainTime(999)), Ok(()));
    ledger.observe(open(1, 0));
    assert_eq!(ledger.covers(1, Wei(0), NOW), Err(CoverError::NotOpen));
}

#[test]
fn late_and_repeated_vouchers_change_nothing() {
    let mut ledger = opened(100);
    assert_eq!(ledger.accept(&paid(1, 40), NOW), Ok(Accepted::Raised(Wei(40))));
    let before = ledger.clone();
    assert_eq!(ledger.accept(&paid(1, 40), NOW), Ok(Accepted::Stale));
    assert_eq!(ledger.accept(&paid(1, 20), NOW), Ok(Accepted::Stale));
    assert_eq!(ledger, before);
    assert_eq!(ledger.accept(&paid(1, 100), NOW), Ok(Accepted::Raised(Wei(60))));
    ledger.observe(ChannelState { claimed: Wei(100), ..open(1, 100) });
    assert_eq!(ledger.claimable(), Wei::ZERO);
}

#[test]
fn what_was_claimed_without_our_record_counts_as_earned() {
    let mut ledger = opened(100);
    ledger.observe(ChannelState { claimed: Wei(30), ..open(1, 100) });
    assert_eq!(ledger.accept(&paid(1, 30), NOW), Ok(Accepted::Stale));
    assert_eq!(ledger.accept(&paid(1, 35), NOW), Ok(Accepted::Raised(Wei(5))));
    assert_eq!((ledger.earned(), ledger.claimable()), (Wei(35), Wei(5)));
}

#[test]
fn a_new_epoch_that_is_reorged_away_costs_no_voucher() {
    let mut ledger = opened(100);
    ledger.accept(&paid(1, 40), NOW).unwrap();
    ledger.observe(open(2, 100));
    assert_eq!((ledger.best(), ledger.earned(), ledger.claimable()), (None, Wei::ZERO, Wei::ZERO));
    ledger.accept(&paid(2, 10), NOW).unwrap();
    ledger.observe(open(1, 100));
    assert_eq!((ledger.earned(), ledger.claimable()), (Wei(40), Wei(40)));
    ledger.observe(ChannelState::default());
    assert_eq!(ledger.claimable(), Wei::ZERO);
    ledger.observe(open(2, 100));
    assert_eq!(ledger.claimable(), Wei(10));
    let bytes = postcard::to_allocvec(&ledger).unwrap();
    assert_eq!(postcard::from_bytes::<PayeeLedger>(&bytes).unwrap(), ledger);
}

#[test]
fn keeps_the_vouchers_of_so_many_epochs_and_no_more() {
    let mut ledger = PayeeLedger::new(channel());
    for epoch in 1..=EPOCHS_KEPT as u32 + 1 {
        ledger.observe(open(epoch, 100));
        ledger.accept(&paid(epoch, 10), NOW).unwrap();
        assert_eq!(ledger.check_invariants(), vec![]);
    }
    ledger.observe(open(1, 100));
    assert_eq!(ledger.best(), None);
    ledger.observe(open(2, 100));
    assert_eq!(ledger.claimable(), Wei(10));
}
