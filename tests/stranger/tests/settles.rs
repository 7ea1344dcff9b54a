//! How a product is tested against Golem: a chain, contracts, accounts, channels and nodes of its own for each test.
//!
//! In your own `Cargo.toml`:
//!
//! ```toml
//! [dev-dependencies]
//! golem-devnet = { git = "<this repository>", features = ["nodes"] }   # without `nodes`: chain and contracts only
//! tokio = { version = "1", features = ["macros", "rt"] }
//!
//! # The sandbox compiles the programs: this makes it fast in tests.
//! [profile.dev.package."*"]
//! opt-level = 1
//! ```
//!
//! `anvil` is taken from the PATH; where there is none, the one that Golem is tested with is fetched with npm, once.
//! Each `Devnet` has its own ports and folders, so tests run side by side, and is gone when the test ends or panics.
//! `RUST_LOG=golem_node=info cargo test -- --nocapture` shows what the nodes do.

use golem_devnet::task::{MapTask, Price};
use golem_devnet::{Devnet, DevnetOptions, NodeOptions, OpenChannel, Wei};
use stranger::LOUD;
use tracing_subscriber::EnvFilter;

fn gnt(amount: u64) -> Wei {
    Wei::from_gnt(amount).expect("a small amount")
}

#[tokio::test]
async fn a_task_is_done_and_settled_to_the_wei() -> anyhow::Result<()> {
    let _ = tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).with_test_writer().try_init();

    // The requestor has account 0, the provider account 1; between them a channel with 5 GNT.
    let devnet = Devnet::start(DevnetOptions {
        nodes: NodeOptions { requestors: 1, providers: 1, ..NodeOptions::default() },
        channels: vec![OpenChannel { payer: 0, payee: 1, amount: gnt(5) }],
        ..DevnetOptions::default()
    })
    .await?;
    assert_eq!(devnet.channel(0, 1).await?.deposit, gnt(5));

    // One subtask for each text, at most 10 GNT an hour and 5 GNT in all.
    let mut task = MapTask::new("loud", Price { max_per_hour: gnt(10), budget: gnt(5) });
    task.stdin = true;
    let texts: [(&str, &[u8]); 3] = [("a", b"hello"), ("b", b"who is there?"), ("c", b"nobody")];
    let done = devnet.requestors()[0].run(&task, &wat::parse_str(LOUD)?, &texts).await?;
    assert_eq!(done.output("b", "stdout"), Some(b"WHO IS THERE?".as_slice()));
    let spent = done.report.spent_wei;
    assert!(spent > Wei::ZERO && spent <= gnt(5));

    // The provider holds a voucher for it, and turns it into money when it is asked to.
    let provider = &devnet.providers()[0];
    assert_eq!(provider.node.status().await?.totals.claimable_wei, spent);
    assert_eq!(devnet.gnt(1).await?, gnt(10_000));
    assert_eq!(provider.node.claim_all().await?.paid_wei, spent);
    assert_eq!(devnet.channel(0, 1).await?.claimed, spent);
    assert_eq!(devnet.gnt(1).await?, Wei(gnt(10_000).0 + spent.0));

    // It closes the channel, and the requestor has all back that it did not spend.
    provider.node.close_channels().await?;
    assert_eq!(devnet.channel(0, 1).await?.deposit, Wei::ZERO);
    assert_eq!(devnet.gnt(0).await?, Wei(gnt(10_000).0 - spent.0));
    Ok(())
}

#[tokio::test]
async fn a_payer_whose_payee_is_silent_has_its_money_back_after_the_delay() -> anyhow::Result<()> {
    // No node: two accounts and the contracts.
    let channels = vec![OpenChannel { payer: 0, payee: 1, amount: gnt(5) }];
    let devnet = Devnet::start(DevnetOptions { channels, ..DevnetOptions::default() }).await?;
    let (payer, payee) = (&devnet.accounts()[0], &devnet.accounts()[1]);
    let voucher = devnet.voucher(0, 1, gnt(2)).await?;

    let account = devnet.account(payer).await?;
    account.request_close(payee.address).await?;
    assert!(account.finalize(payer.address, payee.address).await.is_err(), "the payee can still claim");
    devnet.increase_time(devnet.deployment().close_delay_s.into()).await?;
    account.finalize(payer.address, payee.address).await?;
    assert_eq!(devnet.gnt(0).await?, gnt(10_000));

    // Too late: what was signed is worth nothing any more.
    let late = devnet.account(payee).await?;
    assert_eq!(late.claim_many(payee.address, &[voucher]).await?.paid, Wei::ZERO);
    Ok(())
}
