//! Following the chain: what is told, and when it can be relied on.

use crate::{Cable, devnet, gnt, voucher, within};
use golem_chain::{ChainClient, ChainError, ChainEvent, Rpc, RpcConfig, WatchOptions, Watcher};
use golem_devnet::Devnet;
use golem_protocol::{ChannelId, ChannelState, Wei};
use std::time::Duration;

async fn client_with(devnet: &Devnet, confirmations: u64) -> ChainClient {
    let mut config = devnet.rpc_config();
    config.confirmations = confirmations;
    ChainClient::connect(config, devnet.deployment().clone()).await.unwrap()
}

/// The next thing told of a channel.
async fn channel(watcher: &mut Watcher) -> (ChannelId, ChannelState, bool) {
    within(async {
        loop {
            if let ChainEvent::Channel { id, state, confirmed, .. } = watcher.next().await.expect("it goes on") {
                return (id, state, confirmed);
            }
        }
    })
    .await
}

async fn time_at(watcher: &mut Watcher, block: u64) -> ChainEvent {
    within(async {
        loop {
            let event = watcher.next().await.expect("it goes on");
            if matches!(event, ChainEvent::Time { block: at, .. } if at >= block) {
                return event;
            }
        }
    })
    .await
}

#[tokio::test]
async fn tells_payer_and_payee_what_changed() {
    let devnet = devnet().await;
    let [alice, bob, carol, _] = devnet.accounts() else { panic!() };
    let client = client_with(&devnet, 1).await;
    let chain = client.chain_ref();
    let mut as_payer = Watcher::start(client.clone(), WatchOptions::new(vec![alice.address]));
    let mut as_payee = Watcher::start(client.clone(), WatchOptions::new(vec![bob.address]));
    let id = ChannelId { payer: alice.address, payee: bob.address };
    // A stranger's channel, which nobody hears of.
    devnet.account(carol).await.unwrap().open_or_topup(devnet.accounts()[3].address, gnt(1)).await.unwrap();
    let payer = devnet.account(alice).await.unwrap();
    let payee = devnet.account(bob).await.unwrap();

    payer.open_or_topup(bob.address, gnt(5)).await.unwrap();
    for watcher in [&mut as_payer, &mut as_payee] {
        let (told, state, confirmed) = channel(watcher).await;
        assert_eq!((told, state.deposit, state.epoch, confirmed), (id, gnt(5), 1, true));
    }
    // A claim names the payer in its data only.
    payee.claim_many(bob.address, &[voucher(alice, bob, 1, gnt(2), &chain)]).await.unwrap();
    for watcher in [&mut as_payer, &mut as_payee] {
        assert_eq!(channel(watcher).await.1.claimed, gnt(2));
    }
    payer.request_close(bob.address).await.unwrap();
    for watcher in [&mut as_payer, &mut as_payee] {
        assert_ne!(channel(watcher).await.1.close_at.0, 0);
    }
    payee.close_claimed(alice.address).await.unwrap();
    for watcher in [&mut as_payer, &mut as_payee] {
        let (_, state, _) = channel(watcher).await;
        assert_eq!((state.deposit, state.claimed, state.epoch), (Wei::ZERO, Wei::ZERO, 1));
    }
    devnet.increase_time(1_000).await.unwrap();
    let head = client.rpc().head().await.unwrap();
    let expected = ChainEvent::Time { time: head.time, block: head.number, confirmed_block: head.number };
    assert_eq!(time_at(&mut as_payer, head.number).await, expected);
    within(as_payer.stop()).await;
    within(as_payee.stop()).await;
}

#[tokio::test]
async fn tells_a_change_again_once_it_is_deep_enough() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let mut watcher = Watcher::start(client_with(&devnet, 3).await, WatchOptions::new(vec![bob.address]));
    devnet.account(alice).await.unwrap().open_or_topup(bob.address, gnt(5)).await.unwrap();
    let (_, state, confirmed) = channel(&mut watcher).await;
    assert_eq!((state.deposit, confirmed), (gnt(5), false));
    devnet.mine(1).await.unwrap();
    let head = devnet.anvil().rpc().block_number().await.unwrap();
    let event = time_at(&mut watcher, head).await;
    assert!(matches!(event, ChainEvent::Time { confirmed_block, .. } if confirmed_block == head - 2), "{event:?}");
    devnet.mine(1).await.unwrap();
    let (_, state, confirmed) = channel(&mut watcher).await;
    assert_eq!((state.deposit, confirmed), (gnt(5), true));
}

#[tokio::test]
async fn takes_back_what_a_reorg_undid() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let mut watcher = Watcher::start(client_with(&devnet, 3).await, WatchOptions::new(vec![bob.address]));
    devnet.mine(2).await.unwrap();
    devnet.account(alice).await.unwrap().open_or_topup(bob.address, gnt(5)).await.unwrap();
    assert_eq!(channel(&mut watcher).await.1.deposit, gnt(5));
    devnet.reorg(1).await.unwrap();
    let (_, state, confirmed) = channel(&mut watcher).await;
    assert_eq!((state, confirmed), (ChannelState::default(), false));
    // And what was before stays true once it is deep.
    devnet.mine(2).await.unwrap();
    let (_, state, confirmed) = channel(&mut watcher).await;
    assert_eq!((state, confirmed), (ChannelState::default(), true));
}

#[tokio::test]
async fn notices_that_the_chain_was_put_back() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let mut watcher = Watcher::start(client_with(&devnet, 1).await, WatchOptions::new(vec![bob.address]));
    let snapshot = devnet.snapshot().await.unwrap();
    devnet.account(alice).await.unwrap().open_or_topup(bob.address, gnt(5)).await.unwrap();
    assert_eq!(channel(&mut watcher).await.1.deposit, gnt(5));
    assert!(devnet.revert(&snapshot).await.unwrap());
    assert_eq!(channel(&mut watcher).await.1, ChannelState::default());
}

#[tokio::test]
async fn finds_what_happened_long_before_it_started() {
    let devnet = devnet().await;
    let [alice, bob, carol, _] = devnet.accounts() else { panic!() };
    devnet.account(alice).await.unwrap().open_or_topup(bob.address, gnt(5)).await.unwrap();
    devnet.mine(200).await.unwrap();
    let mut options = WatchOptions::new(vec![bob.address]);
    let mut watcher = Watcher::start(client_with(&devnet, 2).await, options.clone());
    let (told, state, confirmed) = channel(&mut watcher).await;
    assert_eq!((told.payer, state.deposit, confirmed), (alice.address, gnt(5), true));
    drop(watcher);

    // Started above it, it tells of it only if asked.
    options.from_block = devnet.anvil().rpc().block_number().await.unwrap();
    options.channels = vec![ChannelId { payer: carol.address, payee: bob.address }];
    let mut watcher = Watcher::start(client_with(&devnet, 1).await, options);
    let (told, state, _) = channel(&mut watcher).await;
    assert_eq!((told.payer, state), (carol.address, ChannelState::default()));
}

#[tokio::test]
async fn goes_on_after_an_outage() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let cable = Cable::to(devnet.anvil().port()).await;
    let mut config = RpcConfig::new(cable.url());
    config.retries = 0;
    config.poll_interval = Some(Duration::from_millis(10));
    let client = ChainClient::connect(config, devnet.deployment().clone()).await.unwrap();
    let mut watcher = Watcher::start(client, WatchOptions::new(vec![bob.address]));
    assert!(matches!(within(watcher.next()).await, Some(ChainEvent::Time { .. })));
    cable.cut();
    let down = within(watcher.next()).await;
    assert!(
        matches!(&down, Some(ChainEvent::Down { error: ChainError::RpcUnreachable { .. }, since }) if since.0 > 0),
        "{down:?}"
    );
    devnet.account(alice).await.unwrap().open_or_topup(bob.address, gnt(5)).await.unwrap();
    cable.join();
    assert_eq!(within(watcher.next()).await, Some(ChainEvent::Up));
    assert_eq!(channel(&mut watcher).await.1.deposit, gnt(5));
    within(watcher.stop()).await;
}

#[tokio::test]
async fn tells_after_an_outage_what_it_was_not_sure_of_before() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let cable = Cable::to(devnet.anvil().port()).await;
    let mut config = RpcConfig::new(cable.url());
    config.retries = 0;
    config.confirmations = 3;
    config.poll_interval = Some(Duration::from_millis(10));
    let client = ChainClient::connect(config, devnet.deployment().clone()).await.unwrap();
    let mut watcher = Watcher::start(client, WatchOptions::new(vec![bob.address]));
    devnet.account(alice).await.unwrap().open_or_topup(bob.address, gnt(5)).await.unwrap();
    assert!(!channel(&mut watcher).await.2, "one block deep");
    cable.cut();
    // So many that the next search is in bulk.
    devnet.mine(100).await.unwrap();
    cable.join();
    let (_, state, confirmed) = channel(&mut watcher).await;
    assert_eq!((state.deposit, confirmed), (gnt(5), true));
}

#[tokio::test]
async fn finds_what_came_below_a_reorg_deeper_than_what_is_remembered() {
    let devnet = devnet().await;
    let [alice, bob, carol, _] = devnet.accounts() else { panic!() };
    let mut options = WatchOptions::new(vec![bob.address]);
    options.from_block = devnet.anvil().rpc().block_number().await.unwrap();
    let cable = Cable::to(devnet.anvil().port()).await;
    let mut config = RpcConfig::new(cable.url());
    config.retries = 0;
    config.poll_interval = Some(Duration::from_millis(10));
    let client = ChainClient::connect(config, devnet.deployment().clone()).await.unwrap();
    let snapshot = devnet.snapshot().await.unwrap();
    devnet.mine(40).await.unwrap();
    let mut watcher = Watcher::start(client, options);
    let head = devnet.anvil().rpc().block_number().await.unwrap();
    time_at(&mut watcher, head).await;
    // The other branch, all of it while nobody looks: what is new in it comes before the first block that is remembered.
    cable.cut();
    assert!(devnet.revert(&snapshot).await.unwrap());
    devnet.account(alice).await.unwrap().open_or_topup(bob.address, gnt(5)).await.unwrap();
    devnet.account(carol).await.unwrap().open_or_topup(bob.address, gnt(6)).await.unwrap();
    devnet.mine(40).await.unwrap();
    cable.join();
    let mut told = [channel(&mut watcher).await.1.deposit, channel(&mut watcher).await.1.deposit];
    told.sort();
    assert_eq!(told, [gnt(5), gnt(6)]);
}

#[tokio::test]
async fn waits_for_a_slow_listener_and_stops_all_the_same() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let mut options = WatchOptions::new(vec![bob.address]);
    options.events_max = 1;
    let watcher = Watcher::start(client_with(&devnet, 1).await, options);
    let payer = devnet.account(alice).await.unwrap();
    for _ in 0..3 {
        payer.open_or_topup(bob.address, gnt(1)).await.unwrap();
    }
    within(watcher.stop()).await;
}

#[tokio::test]
async fn measures_how_often_to_look() {
    let devnet = devnet().await;
    let config = RpcConfig::new(devnet.rpc_url());
    let interval = Rpc::connect(config).await.unwrap().poll_interval();
    assert!(interval >= Duration::from_millis(200) && interval <= Duration::from_secs(3), "{interval:?}");
}
