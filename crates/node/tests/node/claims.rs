//! When a provider's vouchers become money, through absence, dear gas and a chain that takes back what it confirmed.

use crate::stage::{STORY_MAX, Stage, plan};
use golem_chain::Account;
use golem_deal::RequestorEvent;
use golem_node::{
    ClaimSettings, EtherWorth, ProviderHandle, ProviderNotice, ProviderStatus, RequestorHandle, RequestorNotice,
    TaskReport, TaskTerms,
};
use golem_payments::{ClaimReason, GasWorth};
use golem_protocol::{ChannelId, ChannelState, Wei};
use std::time::Duration;

/// One wei of GNT for a unit of gas, where the chain asks some gwei for it: a claim costs tens of thousands of wei, and
/// what a task brings is worth it by far.
const CHEAP: EtherWorth = EtherWorth::Gnt(Wei(1_000_000));
const DAY_S: u64 = 86_400;

/// A task of four files, from its announcement to its end.
async fn task_of_four(stage: &Stage, requestor: &RequestorHandle) -> TaskReport {
    let (plan, module, files) = plan(stage, 4);
    let task = requestor.prepare(&plan, &module, &files, TaskTerms::default()).await.unwrap();
    let report = requestor.run_task(task).await.unwrap().finished().await.unwrap();
    assert_eq!((report.done, report.failed), (4, 0), "{report:?}");
    report
}

/// A task of one requestor on each of these providers in turn, so that each earns something; all are stopped after it.
async fn earn(stage: &Stage, places: &[usize]) {
    for place in places {
        let (requestor, addresses) = stage.requestor().await;
        let provider = stage.provider(*place, &addresses).await;
        let report = task_of_four(stage, &requestor).await;
        assert_eq!(report.providers.len(), 1, "all of it by this one: {report:?}");
        requestor.shutdown().await.unwrap();
        assert_eq!(provider.status().await.unwrap().totals.claimable_wei, report.spent_wei);
        provider.shutdown().await.unwrap();
    }
}

fn channel(stage: &Stage, place: usize) -> ChannelId {
    let accounts = stage.devnet.accounts();
    ChannelId { payer: accounts[0].address, payee: accounts[place].address }
}

async fn state(stage: &Stage, place: usize) -> ChannelState {
    stage.devnet.client().await.unwrap().channel_state(channel(stage, place)).await.unwrap()
}

/// How many of the newest blocks have to go for a channel to be as it was then.
async fn depth_before(stage: &Stage, place: usize, then: impl Fn(&ChannelState) -> bool) -> u64 {
    let client = stage.devnet.client().await.unwrap();
    let head = stage.devnet.anvil().rpc().block_number().await.unwrap();
    let mut depth = 1;
    while !then(&client.channel_state_after(channel(stage, place), head - depth).await.unwrap()) {
        depth += 1;
    }
    depth
}

async fn payer(stage: &Stage) -> Account {
    stage.devnet.account(&stage.devnet.accounts()[0]).await.unwrap()
}

/// Looks at a provider until it is like this; blocks come on meanwhile, as they do.
async fn until(stage: &Stage, provider: &ProviderHandle, like: impl Fn(&ProviderStatus) -> bool) -> ProviderStatus {
    loop {
        let status = provider.status().await.unwrap();
        if like(&status) {
            return status;
        }
        stage.devnet.mine(1).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_was_away_claims_in_time_or_says_what_it_lost() {
    tokio::time::timeout(STORY_MAX, away_story()).await.expect("the story ends in time");
}

async fn away_story() {
    let stage = Stage::set().await;
    earn(&stage, &[1, 2]).await;
    // While both are away, their payer wants to leave.
    let payer = payer(&stage).await;
    for place in [1, 2] {
        payer.request_close(channel(&stage, place).payee).await.unwrap();
    }
    // The first is back in time, and claims before anything else, whatever its threshold is.
    let in_time = stage.provider(1, &[]).await;
    let status = until(&stage, &in_time, |status| status.totals.claimed_wei > Wei::ZERO).await;
    assert_eq!(status.totals.claimable_wei, Wei::ZERO, "all of it");
    assert_eq!(state(&stage, 1).await.claimed, status.totals.earned_wei);
    assert_eq!(status.lost_wei, Wei::ZERO);

    // The second is back when it is over.
    let close_at = state(&stage, 2).await.close_at;
    let now = stage.devnet.client().await.unwrap().chain_time().await.unwrap();
    stage.devnet.increase_time(close_at.0 - now.0 + 1).await.unwrap();
    for place in [1, 2] {
        let ChannelId { payer: from, payee } = channel(&stage, place);
        payer.finalize(from, payee).await.unwrap();
    }
    let late = stage.provider(2, &[]).await;
    let status = until(&stage, &late, |status| status.lost_wei > Wei::ZERO).await;
    let told = late.events_since(0);
    let says_it = told.iter().any(|event| {
        matches!(&event.event, ProviderNotice::Lost { lost, claimed: Wei::ZERO, .. } if *lost == status.lost_wei)
    });
    assert!(says_it, "{told:?}");
    assert_eq!(status.totals.claimable_wei, Wei::ZERO);

    // What the first had claimed is not lost by the same end.
    let status = until(&stage, &in_time, |status| status.payers.iter().all(|p| p.deposit_wei == Wei::ZERO)).await;
    assert_eq!(status.lost_wei, Wei::ZERO);
    in_time.shutdown().await.unwrap();
    late.shutdown().await.unwrap();
    stage.devnet.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_claims_when_waiting_costs_more_than_gas_and_again_after_a_deep_reorg() {
    tokio::time::timeout(STORY_MAX, waiting_story()).await.expect("the story ends in time");
}

async fn waiting_story() {
    let stage = Stage::set_with(2).await;
    // Deals wait for confirmations, so blocks have to come on.
    stage.devnet.anvil().set_mining(golem_devnet::Mining::Every(1)).await.unwrap();
    earn(&stage, &[1]).await;
    stage.devnet.anvil().set_mining(golem_devnet::Mining::Instant).await.unwrap();
    // Nothing is over the threshold, and waiting costs a millionth a day: a day of it is far from the gas.
    let claim = ClaimSettings { threshold: Wei::MAX, waiting_ppm_per_day: 1, ether: CHEAP, ..ClaimSettings::default() };
    let dear = EtherWorth::Gnt(Wei::from_gnt(8_000).unwrap());
    let provider = stage.provider_that_claims(1, &[], ClaimSettings { ether: dear, ..claim }).await;
    let status = until(&stage, &provider, |status| status.claim.gas != GasWorth::Unknown).await;
    assert!(status.claim.cost_wei > status.claim.waited_wei, "{:?}", status.claim);
    assert!(matches!(status.claim.reason, ClaimReason::Waiting | ClaimReason::TooSmall), "{:?}", status.claim);
    assert!(status.claim.payers.is_empty() && state(&stage, 1).await.claimed == Wei::ZERO);
    provider.shutdown().await.unwrap();

    // Where gas is cheap it is worth it once it has waited. The time it was away has counted.
    stage.devnet.increase_time(30 * DAY_S).await.unwrap();
    let provider = stage.provider_that_claims(1, &[], claim).await;
    let earned = until(&stage, &provider, |status| status.totals.claimed_wei > Wei::ZERO).await.totals.earned_wei;
    let claimed = state(&stage, 1).await;
    assert_eq!(claimed.claimed, earned);

    // Deeper than what was waited for: the claim is gone, and is made again by itself.
    let depth = depth_before(&stage, 1, |state| state.claimed == Wei::ZERO).await;
    assert!(depth >= 2, "it was confirmed");
    let before = provider.status().await.unwrap().counters.claims;
    stage.devnet.reorg(depth).await.unwrap();
    assert_eq!(state(&stage, 1).await.claimed, Wei::ZERO);
    until(&stage, &provider, |status| status.counters.claims > before).await;
    assert_eq!(state(&stage, 1).await.claimed, earned);
    provider.shutdown().await.unwrap();
    stage.devnet.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_that_a_reorg_took_back_is_put_in_again_and_all_is_paid() {
    tokio::time::timeout(STORY_MAX, undone_deposit_story()).await.expect("the story ends in time");
}

async fn undone_deposit_story() {
    let stage = Stage::set().await;
    let (requestor, addresses) = stage.requestor().await;
    let provider = stage.provider(1, &addresses).await;
    let first = task_of_four(&stage, &requestor).await;
    let owed = first.spent_wei;
    let undone = || {
        let told = requestor.events_since(0).into_iter().filter_map(|event| match event.event {
            RequestorNotice::Deal(RequestorEvent::DepositUndone { deposit, uncovered, .. }) => {
                Some((deposit, uncovered))
            }
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    assert!(undone().is_empty(), "the chain took nothing back yet");
    assert!(owed > Wei::ZERO && state(&stage, 1).await.deposit >= owed);

    // The chain forgets that anything was ever put in. What was signed is owed all the same.
    let depth = depth_before(&stage, 1, |state| state.deposit == Wei::ZERO).await;
    stage.devnet.reorg(depth).await.unwrap();
    assert_eq!(state(&stage, 1).await.deposit, Wei::ZERO);
    while state(&stage, 1).await.deposit < owed {
        stage.devnet.mine(1).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(undone(), [(Wei::ZERO, owed)], "told once, and by how much");

    // Work goes on, and in the end the provider has all that was signed, of before and after.
    let second = task_of_four(&stage, &requestor).await;
    requestor.shutdown().await.unwrap();
    let summary = provider.claim_all().await.unwrap();
    assert_eq!(summary.paid_wei, owed.saturating_add(second.spent_wei));
    provider.shutdown().await.unwrap();
    stage.devnet.stop();
}
