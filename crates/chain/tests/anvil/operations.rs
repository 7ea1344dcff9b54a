//! Channels opened, paid from and closed, to the wei.

use crate::{devnet, gnt, voucher};
use golem_chain::{ChainClient, ChainError, Change, ClaimOutcome, Funding, Operation, Revert, SkipReason};
use golem_devnet::Devnet;
use golem_protocol::{Address, ChainTime, ChannelId, ChannelState, CompactSignature, Wei};

fn reason_of(error: ChainError) -> String {
    let ChainError::Reverted { tx: None, reason: Revert::Custom(words), .. } = error else { panic!("{error}") };
    words
}

#[tokio::test]
async fn opens_tops_up_claims_and_closes() {
    let devnet = devnet().await;
    let [alice, bob, carol, _] = devnet.accounts() else { panic!() };
    let (payer, other_payer) = (devnet.account(alice).await.unwrap(), devnet.account(bob).await.unwrap());
    let payee = devnet.account(carol).await.unwrap();
    let client = payee.client().clone();
    let chain = client.chain_ref();
    let (ours, theirs) = (
        ChannelId { payer: alice.address, payee: carol.address },
        ChannelId { payer: bob.address, payee: carol.address },
    );
    let before = client.gnt_balance(carol.address).await.unwrap();

    let opened = payer.open_or_topup(carol.address, gnt(5)).await.unwrap();
    assert_eq!(opened.receipts.len(), 1, "transferAndCall needs one transaction");
    assert_eq!(opened.changes, [Change::Funded { channel: ours, epoch: 1, deposit: gnt(5) }]);
    payer.open_or_topup(carol.address, gnt(2)).await.unwrap();
    other_payer.open_or_topup(carol.address, gnt(1)).await.unwrap();
    let state = client.channel_state(ours).await.unwrap();
    let expected = ChannelState { claimed: Wei::ZERO, deposit: gnt(7), close_at: ChainTime(0), epoch: 1 };
    assert_eq!(state, expected);

    let vouchers = [voucher(alice, carol, 1, gnt(3), &chain), voucher(bob, carol, 1, gnt(9), &chain)];
    let claim = payee.claim_many(carol.address, &vouchers).await.unwrap();
    assert_eq!(claim.paid, gnt(4));
    assert_eq!(claim.receipts.len(), 1);
    assert_eq!(claim.entries[0].outcome, ClaimOutcome::Paid { claimed: gnt(3) });
    // More than the deposit was promised: the deposit is what is paid.
    assert_eq!(claim.entries[1].outcome, ClaimOutcome::Paid { claimed: gnt(1) });
    assert_eq!(client.gnt_balance(carol.address).await.unwrap(), Wei(before.0 + gnt(4).0));

    let closed = payee.close(&voucher(alice, carol, 1, gnt(4), &chain)).await.unwrap();
    assert_eq!(closed.changes, [Change::Closed { channel: ours, claimed: gnt(4), refund: gnt(3) }]);
    let closed = payee.close_claimed(bob.address).await.unwrap();
    assert_eq!(closed.changes, [Change::Closed { channel: theirs, claimed: gnt(1), refund: Wei::ZERO }]);
    assert_eq!(client.gnt_balance(carol.address).await.unwrap(), Wei(before.0 + gnt(5).0));
    assert_eq!(client.gnt_balance(alice.address).await.unwrap(), Wei(gnt(10_000).0 - gnt(4).0));
    assert_eq!(client.gnt_balance(client.deployment().channels).await.unwrap(), Wei::ZERO);

    // Opened again, the epoch is the next, and the old voucher is dead.
    payer.open_or_topup(carol.address, gnt(5)).await.unwrap();
    assert_eq!(client.channel_state(ours).await.unwrap().epoch, 2);
    let dead = payee.claim_many(carol.address, &vouchers[..1]).await.unwrap();
    assert!(dead.receipts.is_empty() && dead.paid == Wei::ZERO, "a claim of nothing costs nothing");
    assert_eq!(dead.entries[0].outcome, ClaimOutcome::Skipped(SkipReason::WrongEpoch { open: 2 }));
}

#[tokio::test]
async fn says_of_each_voucher_what_became_of_it() {
    let devnet = devnet().await;
    let [alice, bob, carol, dave] = devnet.accounts() else { panic!() };
    let payee = devnet.account(carol).await.unwrap();
    let chain = payee.client().chain_ref();
    devnet.account(alice).await.unwrap().open_or_topup(carol.address, gnt(10)).await.unwrap();
    devnet.account(bob).await.unwrap().open_or_topup(carol.address, gnt(10)).await.unwrap();
    payee.claim_many(carol.address, &[voucher(bob, carol, 1, gnt(2), &chain)]).await.unwrap();

    let mut spoilt = voucher(alice, carol, 1, gnt(9), &chain);
    spoilt.signature = CompactSignature([0xff; 64]);
    let elsewhere = golem_protocol::ChainRef { chain_id: 1, ..chain };
    let vouchers = [
        voucher(alice, carol, 1, gnt(3), &chain),
        spoilt,
        voucher(alice, dave, 1, gnt(4), &chain),
        voucher(dave, carol, 1, gnt(1), &chain),
        voucher(alice, carol, 2, gnt(8), &chain),
        voucher(bob, carol, 1, gnt(1), &chain),
        voucher(bob, carol, 1, gnt(5), &elsewhere),
        voucher(alice, carol, 1, gnt(5), &chain),
    ];
    let claim = payee.claim_many(carol.address, &vouchers).await.unwrap();
    assert_eq!(claim.paid, gnt(5));
    let outcomes: Vec<ClaimOutcome> = claim.entries.iter().map(|entry| entry.outcome).collect();
    let skipped = ClaimOutcome::Skipped;
    assert_eq!(
        outcomes,
        [
            ClaimOutcome::Paid { claimed: gnt(3) },
            skipped(SkipReason::BadSignature),
            skipped(SkipReason::OtherPayee),
            skipped(SkipReason::NotOpen),
            skipped(SkipReason::WrongEpoch { open: 1 }),
            skipped(SkipReason::Stale { claimed: gnt(2) }),
            // Signed for another chain it recovers to an address that nobody has.
            skipped(SkipReason::NotOpen),
            ClaimOutcome::Paid { claimed: gnt(5) },
        ]
    );
    assert_eq!(claim.entries[0].payer, Some(alice.address));
    assert_eq!(claim.entries[1].payer, None);
}

#[tokio::test]
async fn claims_more_vouchers_than_one_transaction_takes() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let payee = devnet.account(bob).await.unwrap();
    let chain = payee.client().chain_ref();
    devnet.account(alice).await.unwrap().open_or_topup(bob.address, gnt(10)).await.unwrap();
    // The gas of one transaction would do for them; its size does not.
    let vouchers: Vec<_> = (1..=1_626).map(|sum| voucher(alice, bob, 1, Wei(sum), &chain)).collect();
    let claim = payee.claim_many(bob.address, &vouchers).await.unwrap();
    assert_eq!((claim.paid, claim.receipts.len(), claim.entries.len()), (Wei(1_626), 2, 1_626));
    assert!(claim.entries.iter().all(|entry| entry.outcome == ClaimOutcome::Paid { claimed: entry.cumulative }));
}

#[tokio::test]
async fn returns_the_rest_to_a_payer_who_leaves() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let payer = devnet.account(alice).await.unwrap();
    let client = payer.client().clone();
    let id = ChannelId { payer: alice.address, payee: bob.address };
    assert!(reason_of(payer.request_close(bob.address).await.unwrap_err()).starts_with("NotOpen"));
    payer.open_or_topup(bob.address, gnt(10)).await.unwrap();
    let requested = payer.request_close(bob.address).await.unwrap();
    let close_at = client.channel_state(id).await.unwrap().close_at;
    assert_eq!(requested.changes, [Change::CloseRequested { channel: id, close_at }]);
    assert!(close_at >= ChainTime(client.chain_time().await.unwrap().0 + 3_590));
    assert!(reason_of(payer.request_close(bob.address).await.unwrap_err()).starts_with("AlreadyClosing"));
    assert!(reason_of(payer.finalize(alice.address, bob.address).await.unwrap_err()).starts_with("TooEarly"));

    // The payee is not too late until it is final.
    let chain = client.chain_ref();
    devnet.increase_time(3_601).await.unwrap();
    let payee = devnet.account(bob).await.unwrap();
    let claim = payee.claim_many(bob.address, &[voucher(alice, bob, 1, gnt(1), &chain)]).await.unwrap();
    assert_eq!(claim.paid, gnt(1));
    let finalized = payer.finalize(alice.address, bob.address).await.unwrap();
    assert_eq!(finalized.changes, [Change::Closed { channel: id, claimed: gnt(1), refund: gnt(9) }]);
    assert_eq!(client.gnt_balance(alice.address).await.unwrap(), Wei(gnt(10_000).0 - gnt(1).0));
}

#[tokio::test]
async fn refuses_before_anything_is_sent() {
    let devnet = devnet().await;
    let [alice, bob, carol, _] = devnet.accounts() else { panic!() };
    let account = devnet.account(alice).await.unwrap();
    let chain = account.client().chain_ref();
    let block = account.client().block_number().await.unwrap();

    let error = account.open_or_topup(bob.address, gnt(10_001)).await.unwrap_err();
    let expected = ChainError::NotEnoughGnt { address: alice.address, balance: gnt(10_000), needed: gnt(10_001) };
    assert_eq!(error, expected);
    assert!(matches!(account.open_or_topup(bob.address, Wei::ZERO).await, Err(ChainError::BadRequest(_))));
    assert!(matches!(account.open_many(&[]).await, Err(ChainError::BadRequest(_))));
    assert!(matches!(account.claim_many(bob.address, &[]).await, Err(ChainError::BadRequest(_))));
    assert!(reason_of(account.open_or_topup(alice.address, gnt(1)).await.unwrap_err()).starts_with("BadPayee"));
    let foreign = voucher(bob, carol, 1, gnt(1), &chain);
    assert!(matches!(account.close(&foreign).await, Err(ChainError::Voucher(_))));
    let unopened = voucher(bob, alice, 1, gnt(1), &chain);
    assert!(reason_of(account.close(&unopened).await.unwrap_err()).starts_with("NotOpen"));

    devnet.anvil().set_balance(alice.address, 1_000_000).await.unwrap();
    let error = account.open_or_topup(bob.address, gnt(1)).await.unwrap_err();
    let ChainError::NoGas { address, balance, needed, .. } = error else { panic!("{error}") };
    assert_eq!((address, balance), (alice.address, 1_000_000));
    assert!(needed > 10_000_000_000_000, "{needed}");
    assert_eq!(account.client().block_number().await.unwrap(), block, "nothing was sent");
    assert!(account.sender().pending().is_empty());
}

#[tokio::test]
async fn takes_from_the_faucet_as_often_as_it_may() {
    let devnet = devnet().await;
    let alice = &devnet.accounts()[0];
    let account = devnet.account(alice).await.unwrap();
    account.faucet_claim().await.unwrap();
    assert_eq!(account.client().gnt_balance(alice.address).await.unwrap(), gnt(11_000));
    assert!(reason_of(account.faucet_claim().await.unwrap_err()).starts_with("TooSoon"));
    devnet.increase_time(86_401).await.unwrap();
    account.faucet_claim().await.unwrap();

    let mut without = devnet.deployment().clone();
    without.faucet = None;
    let client = ChainClient::new(devnet.anvil().rpc().clone(), without).await.unwrap();
    let account = golem_chain::Account::new(client, account.sender().clone()).unwrap();
    assert!(matches!(account.faucet_claim().await, Err(ChainError::NoFaucet { .. })));
}

/// Makes GNT deny that it has `transferAndCall`, as a plain ERC-20 does.
pub async fn make_plain(devnet: &Devnet) {
    let gnt = devnet.deployment().gnt;
    let rpc = devnet.anvil().rpc();
    let code: String = rpc.request("eth_getCode", (gnt, "latest")).await.unwrap();
    assert!(code.contains("b0202a11"));
    let plain = code.replace("b0202a11", "12345678");
    rpc.request::<_, Option<bool>>("anvil_setCode", (gnt, plain)).await.unwrap();
}

#[tokio::test]
async fn funds_with_a_plain_token_by_allowance() {
    let devnet = devnet().await;
    make_plain(&devnet).await;
    let [alice, bob, carol, _] = devnet.accounts() else { panic!() };
    let account = devnet.account(alice).await.unwrap();
    let fundings = [Funding { payee: bob.address, amount: gnt(1) }, Funding { payee: carol.address, amount: gnt(2) }];
    let plan = account.estimate(&Operation::Fund { fundings: fundings.to_vec() }).await.unwrap();
    assert_eq!(plan.len(), 2, "the allowance, and the funding that rests on it");
    let opened = account.open_many(&fundings).await.unwrap();
    let gas: Vec<u64> = opened.receipts.iter().map(|receipt| receipt.gas_used).collect();
    let planned: Vec<u64> = plan.iter().map(|estimate| estimate.gas).collect();
    assert!(gas.iter().zip(&planned).all(|(gas, planned)| gas.abs_diff(*planned) < 3_000), "{gas:?} {planned:?}");
    let client = account.client();
    for funding in fundings {
        let id = ChannelId { payer: alice.address, payee: funding.payee };
        assert_eq!(client.channel_state(id).await.unwrap().deposit, funding.amount);
    }
}

#[tokio::test]
async fn opens_more_channels_than_one_transaction_takes() {
    let devnet = devnet().await;
    let account = devnet.account(&devnet.accounts()[0]).await.unwrap();
    let payee = |number: u64| Address::left_padding_from(&(0xabcd_0000 + number).to_be_bytes());
    let fundings: Vec<Funding> = (0..201).map(|number| Funding { payee: payee(number), amount: Wei(7) }).collect();
    let opened = account.open_many(&fundings).await.unwrap();
    assert_eq!((opened.receipts.len(), opened.changes.len()), (2, 201));
    let id = ChannelId { payer: account.address(), payee: payee(200) };
    assert_eq!(account.client().channel_state(id).await.unwrap().deposit, Wei(7));
}

#[tokio::test]
async fn estimates_without_sending() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let account = devnet.account(alice).await.unwrap();
    let open = Operation::Fund { fundings: vec![Funding { payee: bob.address, amount: gnt(1) }] };
    let nonce = account.client().block_number().await.unwrap();
    let plan = account.estimate(&open).await.unwrap();
    assert_eq!(account.client().block_number().await.unwrap(), nonce);
    let done = account.submit("open", &open).await.unwrap();
    assert!(plan[0].gas.abs_diff(done.gas_used()) < 3_000, "{} {}", plan[0].gas, done.gas_used());
    assert!(plan[0].cost_max_wei >= done.cost_wei());
    let refused = account.estimate(&Operation::RequestClose { payee: alice.address }).await.unwrap_err();
    assert!(reason_of(refused).starts_with("NotOpen"));
}
