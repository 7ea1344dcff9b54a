//! A channel's life on a chain that takes back what was confirmed, and asks ten times as much for gas from one block to
//! the next.

use crate::{PATIENCE, TellingJournal, account_with, devnet, devnet_with, gnt, known, voucher, within};
use golem_chain::{
    Account, ChainClient, ChainError, ChainEvent, Change, ClaimOutcome, ClaimReport, Funding, MemoryJournal, Operation,
    Rpc, SenderOptions, Settled, WatchOptions, Watcher,
};
use golem_devnet::{DevAccount, Devnet, Mining};
use golem_protocol::{
    Address, B256, ChainTime, ChannelId, ChannelState, KeySigner, Signed, Signer, Voucher, Wei, sign,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Blocks that are waited for.
const CONFIRMATIONS: u64 = 2;

/// A payer and a payee that wait for confirmations, and what the payee hears.
struct Pair {
    devnet: Devnet,
    payer: Account,
    payee: Account,
    watcher: Watcher,
    id: ChannelId,
}

impl Pair {
    async fn meet() -> Pair {
        let devnet = devnet().await;
        let [alice, bob, ..] = devnet.accounts() else { panic!() };
        let (alice, bob) = (alice.clone(), bob.clone());
        let id = ChannelId { payer: alice.address, payee: bob.address };
        let payer = account_over(&devnet, &alice, SenderOptions::default()).await;
        let payee = account_over(&devnet, &bob, SenderOptions::default()).await;
        let mut options = WatchOptions::new(vec![bob.address]);
        options.poll_interval = Some(Duration::from_millis(10));
        let watcher = Watcher::start(payee.client().clone(), options);
        Pair { devnet, payer, payee, watcher, id }
    }

    /// Submits, makes blocks until it is confirmed, and forgets it, as a node does.
    async fn done(&self, account: &Account, id: &'static str, operation: Operation) -> Settled {
        let task = {
            let account = account.clone();
            tokio::spawn(async move { account.submit(id, &operation).await })
        };
        let settled = mined(&self.devnet, task).await.unwrap();
        account.acknowledge(id).await.unwrap();
        assert!(account.sender().pending().is_empty());
        settled
    }

    async fn open(&self) -> Settled {
        let fundings = vec![Funding { payee: self.id.payee, amount: gnt(5) }];
        self.done(&self.payer, "open", Operation::Fund { fundings }).await
    }

    async fn claim(&self, vouchers: &[Signed<Voucher>]) -> (Settled, ClaimReport) {
        let operation = Operation::ClaimMany { payee: self.id.payee, vouchers: vouchers.to_vec() };
        let settled = self.done(&self.payee, "claim", operation).await;
        let report = self.payee.claim_report(self.id.payee, vouchers, &settled).await.unwrap();
        (settled, report)
    }

    /// A reorg that takes back what was confirmed.
    async fn undo(&self, settled: &Settled) {
        undo(&self.devnet, settled).await;
    }

    async fn state(&self) -> ChannelState {
        self.payee.client().channel_state(self.id).await.unwrap()
    }

    fn voucher(&self, cumulative: Wei) -> Signed<Voucher> {
        let [alice, bob, ..] = self.devnet.accounts() else { panic!() };
        voucher(alice, bob, 1, cumulative, &self.payee.client().chain_ref())
    }

    /// Waits until the follower says, with confirmation or without, that the channel is like this. Blocks come on, as they
    /// do.
    async fn hears(&mut self, confirmed: bool, like: impl Fn(&ChannelState) -> bool) -> ChannelState {
        let started = std::time::Instant::now();
        let mut heard = Vec::new();
        while started.elapsed() < PATIENCE {
            match tokio::time::timeout(Duration::from_millis(50), self.watcher.next()).await {
                Ok(Some(ChainEvent::Channel { state, confirmed: sure, .. })) if sure == confirmed && like(&state) => {
                    return state;
                }
                Ok(event) => heard.push(event.expect("it goes on")),
                Err(_) => self.devnet.mine(1).await.unwrap(),
            }
        }
        panic!("not told, but: {heard:#?}")
    }
}

async fn account_over(devnet: &Devnet, key: &DevAccount, options: SenderOptions) -> Account {
    let mut config = devnet.rpc_config();
    config.confirmations = CONFIRMATIONS;
    let rpc = Rpc::connect(config).await.unwrap();
    account_with(devnet, key, rpc, Arc::new(MemoryJournal::new()), options).await
}

/// Replaces every block from the first transaction of this on, which is deeper than what was waited for.
async fn undo(devnet: &Devnet, settled: &Settled) {
    let depth = devnet.anvil().rpc().block_number().await.unwrap() + 1 - settled.receipts[0].block;
    assert!(depth >= CONFIRMATIONS, "it was confirmed");
    devnet.reorg(depth).await.unwrap();
}

/// Makes blocks until the task is done.
async fn mined<T>(devnet: &Devnet, task: JoinHandle<T>) -> T {
    within(async {
        while !task.is_finished() {
            devnet.mine(1).await.unwrap();
        }
        task.await.unwrap()
    })
    .await
}

#[tokio::test]
async fn an_opening_that_was_confirmed_and_undone_is_told_and_made_again() {
    let mut pair = Pair::meet().await;
    let opened = pair.open().await;
    pair.hears(true, |state| state.deposit == gnt(5)).await;
    // Meanwhile a voucher was signed and taken.
    let signed = pair.voucher(gnt(2));

    pair.undo(&opened).await;
    assert_eq!(pair.state().await, ChannelState::default());
    pair.hears(false, |state| *state == ChannelState::default()).await;
    pair.hears(true, |state| *state == ChannelState::default()).await;
    let nothing = pair.payee.claim_many(pair.id.payee, std::slice::from_ref(&signed)).await.unwrap();
    assert!(nothing.receipts.is_empty(), "a voucher without a deposit costs no gas");

    // The same epoch comes again, and with it the voucher is good.
    pair.open().await;
    assert_eq!(pair.hears(true, |state| state.deposit == gnt(5)).await.epoch, 1);
    assert_eq!(pair.claim(&[signed]).await.1.paid, gnt(2));
}

#[tokio::test]
async fn a_claim_that_was_confirmed_and_undone_can_be_made_again() {
    let mut pair = Pair::meet().await;
    pair.open().await;
    let vouchers = [pair.voucher(gnt(3))];
    let before = pair.payee.client().gnt_balance(pair.id.payee).await.unwrap();
    let (settled, report) = pair.claim(&vouchers).await;
    assert_eq!(report.paid, gnt(3));
    pair.hears(true, |state| state.claimed == gnt(3)).await;

    pair.undo(&settled).await;
    assert_eq!(pair.payee.client().gnt_balance(pair.id.payee).await.unwrap(), before, "the money is gone");
    pair.hears(false, |state| state.claimed == Wei::ZERO && state.deposit == gnt(5)).await;
    pair.hears(true, |state| state.claimed == Wei::ZERO && state.deposit == gnt(5)).await;
    assert_eq!(pair.claim(&vouchers).await.1.paid, gnt(3));
    let now = pair.payee.client().gnt_balance(pair.id.payee).await.unwrap();
    assert_eq!(now, before.checked_add(gnt(3)).unwrap(), "once");
}

#[tokio::test]
async fn a_close_that_was_confirmed_and_undone_is_told_and_asked_again() {
    let mut pair = Pair::meet().await;
    pair.open().await;
    let ask = Operation::RequestClose { payee: pair.id.payee };
    let asked = pair.done(&pair.payer, "leave", ask.clone()).await;
    pair.hears(true, |state| state.close_at.0 != 0).await;
    pair.undo(&asked).await;
    pair.hears(false, |state| state.close_at.0 == 0 && state.deposit == gnt(5)).await;
    pair.hears(true, |state| state.close_at.0 == 0 && state.deposit == gnt(5)).await;
    let again = pair.done(&pair.payer, "leave", ask).await;
    assert!(matches!(again.changes[..], [Change::CloseRequested { channel, .. }] if channel == pair.id), "{again:?}");

    // The payee's close, with a voucher: undone, the voucher still pays.
    let close = Operation::Close { voucher: pair.voucher(gnt(4)) };
    let closed = pair.done(&pair.payee, "close", close.clone()).await;
    pair.hears(true, |state| state.deposit == Wei::ZERO).await;
    pair.undo(&closed).await;
    pair.hears(false, |state| state.deposit == gnt(5) && state.close_at.0 != 0).await;
    let again = pair.done(&pair.payee, "close", close).await;
    assert_eq!(again.changes, [Change::Closed { channel: pair.id, claimed: gnt(4), refund: gnt(1) }]);
}

#[tokio::test]
async fn what_follows_a_transaction_that_a_reorg_took_away_is_mined_all_the_same() {
    let devnet = devnet().await;
    let [alice, bob, carol, _] = devnet.accounts() else { panic!() };
    let options = SenderOptions { stuck_after: Duration::from_millis(200), ..SenderOptions::default() };
    let account = account_over(&devnet, alice, options).await;
    let fund = |payee: Address| Operation::Fund { fundings: vec![Funding { payee, amount: gnt(1) }] };
    let submit = |id: &'static str, payee: Address| {
        let (account, operation) = (account.clone(), fund(payee));
        tokio::spawn(async move { account.submit(id, &operation).await })
    };
    // The first is confirmed and done with; the second is in a block, and waits for its confirmation.
    let first = mined(&devnet, submit("first", bob.address)).await.unwrap();
    account.acknowledge("first").await.unwrap();
    let second = submit("second", carol.address);
    let deposit = async |payee: Address| {
        let id = ChannelId { payer: alice.address, payee };
        account.client().channel_state(id).await.unwrap().deposit
    };
    within(async { while deposit(carol.address).await == Wei::ZERO {} }).await;
    assert!(!second.is_finished());
    undo(&devnet, &first).await;
    assert_eq!((deposit(bob.address).await, deposit(carol.address).await), (Wei::ZERO, Wei::ZERO));
    // Its nonce is too high now, and nobody else will fill the one below.
    mined(&devnet, second).await.unwrap();
    assert_eq!((deposit(bob.address).await, deposit(carol.address).await), (Wei::ZERO, gnt(1)));
}

/// Sets what the next block asks for gas, which those after it come down from.
async fn set_base_fee(devnet: &Devnet, wei: u64) {
    let hex = format!("{wei:#x}");
    devnet.anvil().rpc().request::<_, Value>("anvil_setNextBlockBaseFeePerGas", (hex,)).await.unwrap();
}

/// A payee with a voucher for 3 GNT, whose claim waits in the node's memory at the usual fee.
struct Claiming {
    devnet: Devnet,
    journal: Arc<TellingJournal>,
    saved: tokio::sync::mpsc::UnboundedReceiver<golem_chain::Pending>,
    payee: Account,
    operation: Operation,
    channel: ChannelId,
    base_fee: u64,
}

impl Claiming {
    async fn begin(options: SenderOptions) -> Claiming {
        let devnet = devnet_with(Mining::Instant).await;
        let [alice, bob, ..] = devnet.accounts() else { panic!() };
        let channel = ChannelId { payer: alice.address, payee: bob.address };
        devnet.account(alice).await.unwrap().open_or_topup(bob.address, gnt(5)).await.unwrap();
        devnet.anvil().set_mining(Mining::OnDemand).await.unwrap();
        let (journal, saved) = TellingJournal::new();
        let payee = account_with(&devnet, bob, devnet.anvil().rpc().clone(), journal.clone(), options).await;
        let vouchers = vec![voucher(alice, bob, 1, gnt(3), &payee.client().chain_ref())];
        let operation = Operation::ClaimMany { payee: bob.address, vouchers };
        let base_fee = payee.client().rpc().head().await.unwrap().base_fee;
        Claiming { devnet, journal, saved, payee, operation, channel, base_fee }
    }

    fn submit(&self) -> JoinHandle<Result<Settled, ChainError>> {
        let (payee, operation) = (self.payee.clone(), self.operation.clone());
        tokio::spawn(async move { payee.submit("claim", &operation).await })
    }

    /// The first version, once the node has it.
    async fn first(&mut self) -> golem_chain::Pending {
        let first = within(self.saved.recv()).await.unwrap();
        known(self.devnet.anvil().rpc(), &first).await;
        first
    }

    async fn claimed(&self) -> Wei {
        self.payee.client().channel_state(self.channel).await.unwrap().claimed
    }

    /// Makes blocks that ask this much until the task is done.
    async fn mined_at<T>(&self, base_fee: u64, task: JoinHandle<T>) -> T {
        within(async {
            while !task.is_finished() {
                set_base_fee(&self.devnet, base_fee).await;
                self.devnet.mine(1).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            task.await.unwrap()
        })
        .await
    }
}

#[tokio::test]
async fn a_claim_is_mined_when_gas_gets_ten_times_as_dear() {
    let options = SenderOptions { stuck_after: Duration::from_millis(200), ..SenderOptions::default() };
    let mut claiming = Claiming::begin(options).await;
    let task = claiming.submit();
    let first = claiming.first().await;
    let dear = 10 * claiming.base_fee;
    assert!(first.max_fee < dear, "the first offer is good for twice the fee, not for ten times");
    let settled = claiming.mined_at(dear, task).await.unwrap();
    assert_eq!(claiming.claimed().await, gnt(3));
    let receipt = &settled.receipts[0];
    assert!(receipt.tx != first.hashes[0], "the waiting one is replaced");
    assert!(receipt.gas_price_wei >= dear && receipt.gas_price_wei <= options.max_fee_limit, "{receipt:?}");
    let nonce: String = claiming
        .payee
        .client()
        .rpc()
        .request("eth_getTransactionCount", (claiming.payee.address(), "latest"))
        .await
        .unwrap();
    assert_eq!(nonce, "0x1", "and only one of the two is mined");
}

#[tokio::test]
async fn a_claim_above_the_fee_limit_is_kept_and_mined_when_gas_is_cheaper() {
    let mut claiming = Claiming::begin(SenderOptions::default()).await;
    let limit = 5 * claiming.base_fee;
    let options = SenderOptions {
        max_fee_limit: limit,
        stuck_after: Duration::from_millis(100),
        give_up_after: Duration::from_secs(2),
        ..SenderOptions::default()
    };
    let [_, bob, ..] = claiming.devnet.accounts() else { panic!() };
    let rpc = claiming.devnet.anvil().rpc().clone();
    claiming.payee = account_with(&claiming.devnet, bob, rpc, claiming.journal.clone(), options).await;
    let task = claiming.submit();
    claiming.first().await;
    let dear = 10 * claiming.base_fee;
    let error = claiming.mined_at(dear, task).await.unwrap_err();
    let ChainError::Unconfirmed { obstacle: Some(obstacle), .. } = &error else { panic!("{error}") };
    assert!(matches!(**obstacle, ChainError::FeeAboveLimit { allowed, .. } if allowed == limit), "{obstacle}");
    assert!(error.to_string().contains("raise the fee limit"), "{error}");
    assert_eq!((claiming.claimed().await, claiming.payee.sender().pending().len()), (Wei::ZERO, 1));
    // A new one is not even begun; nothing is lost by it.
    let early = claiming.payee.faucet_claim().await.unwrap_err();
    assert!(matches!(early, ChainError::FeeAboveLimit { .. }), "{early}");

    let task = claiming.submit();
    let settled = claiming.mined_at(claiming.base_fee, task).await.unwrap();
    assert_eq!(claiming.claimed().await, gnt(3));
    assert!(settled.receipts[0].gas_price_wei <= limit);
}

#[tokio::test]
async fn offers_more_the_nearer_a_close_is() {
    let mut claiming = Claiming::begin(SenderOptions::default()).await;
    let now = claiming.payee.client().chain_time().await.unwrap();
    claiming.payee.sender().hurry(ChainTime(now.0 + 60));
    let usual: String = claiming.payee.client().rpc().request("eth_maxPriorityFeePerGas", ()).await.unwrap();
    let usual = u64::from_str_radix(usual.trim_start_matches("0x"), 16).unwrap();
    let task = claiming.submit();
    let first = claiming.first().await;
    assert_eq!(first.max_priority_fee, 8 * usual);
    // One block without it is enough to raise it.
    let dear = 2 * first.max_fee;
    set_base_fee(&claiming.devnet, dear).await;
    claiming.devnet.mine(1).await.unwrap();
    let second = within(claiming.saved.recv()).await.unwrap();
    assert_eq!(second.hashes.len(), 2);
    claiming.mined_at(dear, task).await.unwrap();
    assert_eq!(claiming.claimed().await, gnt(3));
}

/// So many payers with keys of their own, each with 1 GNT in a channel to `payee`, by its own transaction.
async fn payers(devnet: &Devnet, payee: Address, count: u32) -> Vec<KeySigner> {
    let keys: Vec<KeySigner> = (1..=count)
        .map(|number| {
            let mut secret = [0x5a; 32];
            secret[28..].copy_from_slice(&number.to_be_bytes());
            KeySigner::from_bytes(&secret).unwrap()
        })
        .collect();
    let rpc = devnet.anvil().rpc();
    let rich = devnet.account(&devnet.accounts()[0]).await.unwrap();
    let shares: Vec<Funding> = keys.iter().map(|key| Funding { payee: key.address(), amount: gnt(1) }).collect();
    rich.transfer(&shares).await.unwrap();
    rpc.request::<_, Value>("anvil_autoImpersonateAccount", (true,)).await.unwrap();
    devnet.anvil().set_mining(Mining::OnDemand).await.unwrap();
    // `transferAndCall(channels, 1 GNT, payee and amount in one word)`, the same for all of them.
    let word = |hex: String| format!("{hex:0>64}");
    let (channels, one) = (devnet.deployment().channels, gnt(1).0);
    let funding = format!("{:024x}{:x}", one, payee);
    let data = format!(
        "0x4000aea0{}{}{}{}{funding}",
        word(format!("{channels:x}")),
        word(format!("{one:x}")),
        word("60".into()),
        word("20".into())
    );
    for key in &keys {
        devnet.anvil().set_balance(key.address(), 10u128.pow(18)).await.unwrap();
        let open = json!({
            "from": key.address(), "to": devnet.deployment().gnt, "data": data, "gas": "0x186a0", "nonce": "0x0",
            "maxFeePerGas": "0x174876e800", "maxPriorityFeePerGas": "0x1",
        });
        rpc.request::<_, B256>("eth_sendTransaction", (open,)).await.unwrap();
    }
    devnet.mine(u64::from(count) / 250 + 1).await.unwrap();
    devnet.anvil().set_mining(Mining::Instant).await.unwrap();
    keys
}

#[tokio::test]
async fn claims_a_thousand_channels_in_one_transaction_and_in_two_where_a_block_holds_ten_million() {
    let devnet = devnet().await;
    let bob = &devnet.accounts()[1];
    let payee = devnet.account(bob).await.unwrap();
    let client: ChainClient = payee.client().clone();
    let keys = payers(&devnet, bob.address, 1_000).await;
    assert_eq!(client.gnt_balance(devnet.deployment().channels).await.unwrap(), gnt(1_000));
    let chain = client.chain_ref();
    let claim = async |cumulative: Wei| {
        let voucher = Voucher { payee: bob.address, epoch: 1, cumulative };
        let signed = keys.iter().map(|key| sign(voucher, &chain, key).unwrap().into_signed());
        let vouchers: Vec<Signed<Voucher>> = signed.collect();
        let before = client.gnt_balance(bob.address).await.unwrap();
        let claim = payee.claim_many(bob.address, &vouchers).await.unwrap();
        assert_eq!((claim.paid, claim.entries.len()), (Wei(7_000), 1_000));
        assert!(claim.entries.iter().all(|entry| entry.outcome == ClaimOutcome::Paid { claimed: cumulative }));
        assert_eq!(client.gnt_balance(bob.address).await.unwrap(), before.checked_add(Wei(7_000)).unwrap());
        claim
    };
    let at_once = claim(Wei(7)).await;
    assert_eq!(at_once.receipts.len(), 1);
    assert!(at_once.receipts[0].gas_used < 1_000 * 10_900, "{}", at_once.receipts[0].gas_used);

    let ten_million = format!("{:#x}", 10_000_000);
    devnet.anvil().rpc().request::<_, Value>("evm_setBlockGasLimit", (ten_million,)).await.unwrap();
    devnet.mine(1).await.unwrap();
    let in_two = claim(Wei(14)).await;
    let gas: Vec<u64> = in_two.receipts.iter().map(|receipt| receipt.gas_used).collect();
    assert_eq!(gas.len(), 2, "{gas:?}");
    assert!(gas[0] > 9_500_000 && gas[0] <= 10_000_000, "the first is filled: {gas:?}");
}
