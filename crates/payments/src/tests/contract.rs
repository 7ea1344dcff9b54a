use super::{chain, channel, closing, key, open, payee, voucher};
use crate::contract::*;
use golem_protocol::{
    Address, ChainRef, ChainTime, ChannelId, ChannelState, CompactSignature, Document, KeySigner, Signer, Voucher, Wei,
};

fn payer() -> Address {
    key(1).address()
}

fn twin() -> Channels {
    Channels::new(chain(), 60, [(payer(), 1000u128)].into_iter().collect())
}

fn funded(deposit: u128) -> Channels {
    let mut twin = twin();
    twin.fund(payer(), &[(payee(), Wei(deposit))]).unwrap();
    twin
}

fn signature(signer: &KeySigner, voucher: Voucher, chain: &ChainRef) -> CompactSignature {
    signer.sign_digest(&voucher.digest(chain)).unwrap()
}

fn packed(voucher: Voucher) -> Vec<u8> {
    pack_voucher(&voucher, &signature(&key(1), voucher, &chain())).to_vec()
}

const NOBODY: CompactSignature = CompactSignature([0; 64]);

#[test]
fn refuses_fundings_all_or_nothing() {
    let mut twin = twin();
    let before = twin.clone();
    let good = (payee(), Wei(1));
    for bad in [Address::ZERO, payer(), chain().channels] {
        assert_eq!(twin.fund(payer(), &[good, (bad, Wei(1))]), Err(FundError::BadPayee(bad)));
    }
    assert_eq!(twin.fund(payer(), &[good, (payee(), Wei::ZERO)]), Err(FundError::ZeroAmount(payee())));
    assert_eq!(
        twin.fund(payer(), &[good, (payee(), Wei::MAX)]),
        Err(FundError::DepositTooLarge { got: Wei::MAX.0 + 1 })
    );
    assert_eq!(twin.fund(payer(), &[(payee(), Wei(1001))]), Err(FundError::BalanceTooLow));
    assert_eq!(twin, before);
    let mut old = before.with_channel(channel(), open(u32::MAX, 0));
    assert_eq!(old.fund(payer(), &[good]), Err(FundError::EpochsUsedUp(payee())));
}

#[test]
fn refuses_to_close_on_a_voucher_that_does_not_fit() {
    let mut twin = twin();
    assert_eq!(twin.close(payee(), payer(), Wei(1), 1, &NOBODY), Err(CloseError::NotOpen));
    let mut twin = funded(100);
    let wrong = CloseError::WrongEpoch { got: 2, current: 1 };
    assert_eq!(twin.close(payee(), payer(), Wei(1), 2, &NOBODY), Err(wrong));
    let unsigned = CloseError::BadSignature { signer: Address::ZERO, payer: payer() };
    assert_eq!(twin.close(payee(), payer(), Wei(1), 1, &NOBODY), Err(unsigned));
    let foreign = signature(&key(2), voucher(1, 1), &chain());
    let unsigned = CloseError::BadSignature { signer: key(2).address(), payer: payer() };
    assert_eq!(twin.close(payee(), payer(), Wei(1), 1, &foreign), Err(unsigned));
    twin.claim_many(payee(), &packed(voucher(1, 10)));
    let stale = CloseError::StaleVoucher { cumulative: Wei(9), claimed: Wei(10) };
    assert_eq!(twin.close(payee(), payer(), Wei(9), 1, &NOBODY), Err(stale));
}

#[test]
fn refuses_to_request_a_close_twice_or_of_nothing() {
    let now = ChainTime(100);
    assert_eq!(twin().request_close(payer(), payee(), now), Err(RequestCloseError::NotOpen));
    let mut twin = funded(100);
    assert_eq!(twin.request_close(payer(), payee(), ChainTime(u32::MAX as u64)), Err(RequestCloseError::TimeTooLarge));
    assert_eq!(twin.request_close(payer(), payee(), now), Ok(ChainTime(160)));
    let again = RequestCloseError::AlreadyClosing { close_at: ChainTime(160) };
    assert_eq!(twin.request_close(payer(), payee(), now), Err(again));
    assert_eq!(twin.channel(&channel()), closing(1, 100, 160));
}

#[test]
fn refuses_to_finalize_before_its_time() {
    let mut twin = funded(100);
    assert_eq!(twin.finalize(channel(), ChainTime(1000)), Err(FinalizeError::NotClosing));
    twin.request_close(payer(), payee(), ChainTime(100)).unwrap();
    let early = FinalizeError::TooEarly { close_at: ChainTime(160), now: ChainTime(159) };
    assert_eq!(twin.finalize(channel(), ChainTime(159)), Err(early));
    // Until it is final a claim is good.
    assert_eq!(twin.claim_many(payee(), &packed(voucher(1, 30))), Wei(30));
    let closed = Closed { claimed: Wei(30), refund: Wei(70) };
    assert_eq!(twin.finalize(channel(), ChainTime(160)), Ok(closed));
    assert_eq!((twin.balance(&payer()), twin.balance(&payee())), (970, 30));
    assert_eq!(twin.channel(&channel()), ChannelState { epoch: 1, ..ChannelState::default() });
}

#[test]
fn skips_bad_entries_and_pays_the_others() {
    let mut twin = funded(100);
    let elsewhere = ChainRef { chain_id: 1, ..chain() };
    let other = ChainRef { channels: Address::repeat_byte(1), ..chain() };
    let mut batch = Vec::new();
    batch.extend(packed(voucher(2, 90)));
    batch.extend(packed(voucher(0, 90)));
    for chain in [elsewhere, other] {
        batch.extend(pack_voucher(&voucher(1, 90), &signature(&key(1), voucher(1, 90), &chain)));
    }
    batch.extend(pack_voucher(&voucher(1, 90), &NOBODY));
    batch.extend(pack_voucher(&voucher(1, 90), &signature(&key(2), voucher(1, 90), &chain())));
    assert_eq!(twin.claim_many(payee(), &batch), Wei::ZERO);
    assert_eq!(twin, {
        let mut same = funded(100);
        same.claim_many(payee(), &[]);
        same
    });
    batch.extend(packed(voucher(1, 40)));
    batch.extend(packed(voucher(1, 30)));
    batch.extend(packed(voucher(1, 250)));
    batch.extend(&packed(voucher(1, 260))[..79]);
    assert_eq!(twin.claim_many(payee(), &batch), Wei(100));
    assert_eq!(twin.claim_many(payee(), &batch), Wei::ZERO);
    assert_eq!((twin.balance(&payee()), twin.balance(&chain().channels)), (100, 0));
    assert_eq!(twin.check_invariants(), vec![]);
}

#[test]
fn a_voucher_pays_its_own_payee_only() {
    let mut twin = funded(100);
    let thief = Address::repeat_byte(0xdd);
    twin.fund(payer(), &[(thief, Wei(100))]).unwrap();
    assert_eq!(twin.claim_many(thief, &packed(voucher(1, 40))), Wei::ZERO);
}

#[test]
fn closing_pays_and_refunds_and_kills_the_epoch() {
    let mut twin = funded(100);
    let best = voucher(1, 60);
    let closed = twin.close(payee(), payer(), Wei(60), 1, &signature(&key(1), best, &chain()));
    assert_eq!(closed, Ok(Closed { claimed: Wei(60), refund: Wei(40) }));
    twin.fund(payer(), &[(payee(), Wei(50)), (payee(), Wei(5))]).unwrap();
    assert_eq!(twin.channel(&channel()), open(2, 55));
    assert_eq!(twin.claim_many(payee(), &packed(best)), Wei::ZERO);
    assert_eq!((twin.balance(&payer()), twin.balance(&payee())), (885, 60));
    // A close for what is claimed already needs no voucher.
    twin.claim_many(payee(), &packed(voucher(2, 5)));
    assert_eq!(twin.close(payee(), payer(), Wei(5), 2, &NOBODY), Ok(Closed { claimed: Wei(5), refund: Wei(50) }));
}

#[test]
fn funding_withdraws_a_requested_close() {
    let mut twin = funded(100);
    twin.request_close(payer(), payee(), ChainTime(0)).unwrap();
    twin.fund(payer(), &[(payee(), Wei(1))]).unwrap();
    assert_eq!(twin.finalize(channel(), ChainTime(100)), Err(FinalizeError::NotClosing));
    assert_eq!(twin.channel(&ChannelId { ..channel() }), open(1, 101));
}
