//! Many networks at once, each for itself.

use golem_devnet::{Devnet, DevnetOptions, OpenChannel, Wei};
use std::collections::BTreeSet;

/// How many. Reason: `cargo test` runs about as many tests at once as a machine has cores.
const COUNT: u128 = 8;

#[tokio::test]
async fn eight_at_once_have_their_own_ports_and_their_own_money() {
    let mut starting = tokio::task::JoinSet::new();
    for index in 0..COUNT {
        starting.spawn(async move { (index, use_one(index).await) });
    }
    let mut networks = Vec::new();
    while let Some(used) = starting.join_next().await {
        networks.push(used.unwrap());
    }
    let ports: BTreeSet<u16> = networks.iter().map(|(_, devnet)| devnet.anvil().port()).collect();
    assert_eq!(ports.len() as u128, COUNT);
    // All are there, and what happened on one is seen on no other.
    for (index, devnet) in &networks {
        assert_eq!(devnet.channel(0, 1).await.unwrap().claimed, Wei(index + 1));
    }
}

/// Opens a channel, pays an amount that no other network pays, and lets its time pass by as much.
async fn use_one(index: u128) -> Devnet {
    let options = DevnetOptions {
        channels: vec![OpenChannel { payer: 0, payee: 1, amount: Wei(1_000) }],
        ..DevnetOptions::default()
    };
    let devnet = Devnet::start(options).await.unwrap();
    let voucher = devnet.voucher(0, 1, Wei(index + 1)).await.unwrap();
    let payee = devnet.account(&devnet.accounts()[1]).await.unwrap();
    assert_eq!(payee.claim_many(payee.address(), &[voucher]).await.unwrap().paid, Wei(index + 1));
    let time = devnet.client().await.unwrap().chain_time().await.unwrap().0;
    devnet.increase_time(1_000 * (index as u64 + 1)).await.unwrap();
    let passed = devnet.client().await.unwrap().chain_time().await.unwrap().0 - time;
    assert!((1_000 * (index as u64 + 1)..1_000 * (index as u64 + 2)).contains(&passed), "{passed}");
    devnet
}

#[tokio::test]
async fn channels_of_several_payers_are_open_from_the_start_and_a_reorg_takes_a_claim_back() {
    let open = |payer, payee, amount| OpenChannel { payer, payee, amount: Wei(amount) };
    let options = DevnetOptions {
        channels: vec![open(0, 1, 10), open(0, 2, 20), open(3, 1, 30), open(1, 0, 40), open(0, 1, 5)],
        ..DevnetOptions::default()
    };
    let devnet = Devnet::start(options).await.unwrap();
    for (payer, payee, deposit) in [(0, 1, 15), (0, 2, 20), (3, 1, 30), (1, 0, 40), (2, 0, 0)] {
        assert_eq!(devnet.channel(payer, payee).await.unwrap().deposit, Wei(deposit));
    }
    let voucher = devnet.voucher(3, 1, Wei(7)).await.unwrap();
    let payee = devnet.account(&devnet.accounts()[1]).await.unwrap();
    payee.claim_many(payee.address(), &[voucher]).await.unwrap();
    assert_eq!(devnet.channel(3, 1).await.unwrap().claimed, Wei(7));
    devnet.reorg(1).await.unwrap();
    assert_eq!(devnet.channel(3, 1).await.unwrap().claimed, Wei::ZERO);
}

#[tokio::test]
async fn says_that_a_channel_costs_more_than_its_payer_has() {
    let options = DevnetOptions {
        gnt_each: Wei(10),
        channels: vec![OpenChannel { payer: 0, payee: 1, amount: Wei(11) }],
        ..DevnetOptions::default()
    };
    let error = Devnet::start(options).await.unwrap_err().to_string();
    assert!(error.contains("GNT"), "{error}");
}
