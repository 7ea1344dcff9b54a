//! Transactions over an RPC that lies, stalls or breaks off: nothing is paid twice, nothing waits beyond what is stated,
//! and all ends well once the RPC is honest again.

use crate::faulty::{Act, FaultyRpc};
use crate::{account_with, devnet, devnet_with, gnt, within};
use golem_chain::{
    Account, ChainError, Funding, MemoryJournal, Operation, PendingJournal, Rpc, RpcConfig, SenderOptions, Settled,
};
use golem_devnet::{AnvilOptions, DevAccount, Devnet, DevnetOptions, Mining};
use golem_protocol::{Address, ChannelId, Wei};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const SEND: &str = "eth_sendRawTransaction";
const NONCE: &str = "eth_getTransactionCount";
const RECEIPT: &str = "eth_getTransactionReceipt";
const BY_HASH: &str = "eth_getTransactionByHash";
const HEAD: &str = "eth_getBlockByNumber";

/// A chain, an RPC to it that can be told to misbehave, and a payer that uses it.
struct Stage {
    devnet: Devnet,
    rpc: FaultyRpc,
    journal: Arc<MemoryJournal>,
    account: Account,
}

const OPTIONS: SenderOptions = SenderOptions {
    max_fee_limit: 300_000_000_000,
    stuck_after: Duration::from_millis(300),
    stuck_after_blocks: u64::MAX,
    give_up_after: Duration::from_secs(40),
    in_flight_max: 16,
};
/// A fifth of a second, one retry, and the pause before it.
const REQUEST_MAX: Duration = Duration::from_millis(2 * 200 + 5);

fn config(url: String) -> RpcConfig {
    let mut config = RpcConfig::new(url);
    config.retries = 1;
    config.retry_delay = Duration::from_millis(5);
    config.request_timeout = Duration::from_millis(200);
    config.poll_interval = Some(Duration::from_millis(10));
    config
}

impl Stage {
    async fn set(mining: Mining, options: SenderOptions) -> Stage {
        let devnet = devnet_with(mining).await;
        let rpc = FaultyRpc::to(devnet.anvil().port()).await;
        let journal = Arc::new(MemoryJournal::new());
        let connection = Rpc::connect(config(rpc.url())).await.unwrap();
        let account = account_with(&devnet, &devnet.accounts()[0], connection, journal.clone(), options).await;
        Stage { devnet, rpc, journal, account }
    }

    fn payee(&self) -> Address {
        self.devnet.accounts()[1].address
    }

    fn open(&self, id: &'static str) -> JoinHandle<Result<Settled, ChainError>> {
        let (account, payee) = (self.account.clone(), self.payee());
        let operation = Operation::Fund { fundings: vec![Funding { payee, amount: gnt(1) }] };
        tokio::spawn(async move { account.submit(id, &operation).await })
    }

    /// What the chain itself says of the payer: transactions mined, and what is in the channel.
    async fn truth(&self) -> (u64, Wei) {
        truth(&self.devnet, &self.devnet.accounts()[0], self.payee()).await
    }

    /// Some transactions of before, so that there is a past.
    async fn with_a_past(self, transactions: u64) -> Stage {
        for _ in 0..transactions {
            let to = vec![Funding { payee: self.payee(), amount: Wei(1) }];
            self.account.submit("past", &Operation::Transfer { payments: to }).await.unwrap();
            self.account.acknowledge("past").await.unwrap();
        }
        self
    }
}

async fn truth(devnet: &Devnet, payer: &DevAccount, payee: Address) -> (u64, Wei) {
    let nonce: String = devnet.anvil().rpc().request(NONCE, (payer.address, "latest")).await.unwrap();
    let channel = ChannelId { payer: payer.address, payee };
    let state = devnet.client().await.unwrap().channel_state(channel).await.unwrap();
    (u64::from_str_radix(nonce.trim_start_matches("0x"), 16).unwrap(), state.deposit)
}

#[tokio::test]
async fn waits_out_a_nonce_stuck_in_the_past() {
    let stage = Stage::set(Mining::Instant, OPTIONS).await.with_a_past(3).await;
    stage.rpc.plan(|method, _| if method == NONCE { Act::Lie(json!("0x0")) } else { Act::Honest });
    let task = stage.open("open");
    stage.rpc.until_asked(SEND, 4).await;
    assert!(!task.is_finished() && stage.truth().await == (3, Wei::ZERO));
    stage.rpc.be_honest();
    within(task).await.unwrap().unwrap();
    assert_eq!(stage.truth().await, (4, gnt(1)));
}

#[tokio::test]
async fn waits_out_a_nonce_from_the_future() {
    let stage = Stage::set(Mining::Instant, OPTIONS).await.with_a_past(1).await;
    stage.rpc.plan(|method, _| if method == NONCE { Act::Lie(json!("0x6")) } else { Act::Honest });
    let task = stage.open("open");
    stage.rpc.until_asked(NONCE, 4).await;
    assert_eq!(stage.truth().await, (1, Wei::ZERO), "nothing can be mined with such a nonce");
    stage.rpc.be_honest();
    within(task).await.unwrap().unwrap();
    // Five that do nothing came before it: signed once, it could not be signed again for a lower nonce.
    assert_eq!(stage.truth().await, (7, gnt(1)));
}

#[tokio::test]
async fn says_that_a_nonce_is_too_far_ahead_and_keeps_it() {
    let options = SenderOptions { give_up_after: Duration::from_secs(2), ..OPTIONS };
    let stage = Stage::set(Mining::Instant, options).await;
    stage.rpc.plan(|method, _| if method == NONCE { Act::Lie(json!("0x3e8")) } else { Act::Honest });
    let task = stage.open("open");
    stage.rpc.until_asked(SEND, 1).await;
    stage.rpc.until_asked(RECEIPT, 1).await;
    stage.rpc.be_honest();
    let error = within(task).await.unwrap().unwrap_err();
    let ChainError::Unconfirmed { obstacle: Some(obstacle), .. } = &error else { panic!("{error}") };
    let address = stage.account.address();
    assert_eq!(**obstacle, ChainError::NonceGap { address, first: 0, missing: 1_000 });
    assert!(error.may_have_left() && stage.journal.load().unwrap().len() == 1);
    assert_eq!(stage.truth().await, (0, Wei::ZERO));
}

#[tokio::test]
async fn gives_up_in_time_on_one_that_stalls() {
    let options = SenderOptions { give_up_after: Duration::from_secs(1), ..OPTIONS };
    let stage = Stage::set(Mining::OnDemand, options).await;
    // Before anything left: an error, and nothing is recorded.
    stage.rpc.plan(|_, _| Act::Stall);
    let started = Instant::now();
    let error = within(stage.open("early")).await.unwrap().unwrap_err();
    assert!(matches!(error, ChainError::RpcUnreachable { attempts: 2, .. }) && !error.may_have_left(), "{error}");
    assert!(started.elapsed() < 3 * REQUEST_MAX, "{:?}", started.elapsed());
    assert!(stage.journal.load().unwrap().is_empty());

    // After it: the record stays, and the wait is the one that is stated and one more look.
    stage.rpc.plan(|method, _| if method == RECEIPT { Act::Stall } else { Act::Honest });
    let started = Instant::now();
    let error = within(stage.open("open")).await.unwrap().unwrap_err();
    let ChainError::Unconfirmed { obstacle: Some(obstacle), .. } = &error else { panic!("{error}") };
    assert!(matches!(**obstacle, ChainError::RpcUnreachable { .. }), "{obstacle}");
    assert!(started.elapsed() < options.give_up_after + 4 * REQUEST_MAX, "{:?}", started.elapsed());
    stage.rpc.be_honest();
    stage.devnet.mine(1).await.unwrap();
    within(stage.open("open")).await.unwrap().unwrap();
    assert_eq!(stage.truth().await, (1, gnt(1)));
}

/// What becomes of one funding whose broadcast is met by these acts, one after another, and honesty after them.
async fn funded_in_spite_of(acts: Vec<Act>) -> Settled {
    let shown = format!("{acts:?}");
    let stage = Stage::set(Mining::Instant, OPTIONS).await.with_a_past(1).await;
    let mut acts = acts.into_iter();
    stage.rpc.plan(move |method, _| if method == SEND { acts.next().unwrap_or(Act::Honest) } else { Act::Honest });
    let settled = within(stage.open("open")).await.unwrap().unwrap();
    assert_eq!(stage.truth().await, (2, gnt(1)), "{shown}");
    settled
}

#[tokio::test]
async fn pays_once_however_the_broadcast_is_answered() {
    // It has them, and does not say so.
    funded_in_spite_of(vec![Act::DoAndBreakOff]).await;
    funded_in_spite_of(vec![Act::DoAndRefuse(-32603, "internal error")]).await;
    funded_in_spite_of(vec![Act::DoAndRefuse(-32003, "already known")]).await;
    funded_in_spite_of(vec![Act::DoAndRefuse(-32003, "nonce too low")]).await;
    funded_in_spite_of(vec![Act::DoAndRefuse(-32003, "replacement transaction underpriced")]).await;
    // It has not got them, and some of it sounds as if it had.
    let hash = json!("0x1111111111111111111111111111111111111111111111111111111111111111");
    funded_in_spite_of(vec![Act::Lie(hash.clone()), Act::Lie(hash)]).await;
    funded_in_spite_of(vec![Act::Refuse(-32003, "already known")]).await;
    funded_in_spite_of(vec![Act::Refuse(-32003, "nonce too low"), Act::Refuse(-32003, "nonce too low")]).await;
    funded_in_spite_of(vec![Act::HangUp, Act::Fail, Act::Babble, Act::Refuse(-32603, "internal error")]).await;
}

#[tokio::test]
async fn pays_once_where_a_mined_transaction_is_denied() {
    let stage = Stage::set(Mining::Instant, OPTIONS).await.with_a_past(1).await;
    // Behind a balancer: one node mined it, and the others, asked next, know only that the nonce is used.
    stage.rpc.plan(|method, _| match method {
        SEND => Act::DoAndRefuse(-32003, "nonce too low"),
        RECEIPT | BY_HASH => Act::Lie(Value::Null),
        _ => Act::Honest,
    });
    let task = stage.open("open");
    stage.rpc.until_asked(RECEIPT, 2).await;
    stage.rpc.be_honest();
    within(task).await.unwrap().unwrap();
    assert_eq!(stage.truth().await, (2, gnt(1)));
}

#[tokio::test]
async fn follows_through_answers_that_make_no_sense() {
    let stage = Stage::set(Mining::OnDemand, OPTIONS).await;
    let task = stage.open("open");
    stage.rpc.until_asked(RECEIPT, 1).await;
    stage.rpc.plan(|_, _| Act::Babble);
    stage.rpc.until_asked(HEAD, 3).await;
    stage.devnet.mine(1).await.unwrap();
    stage.rpc.plan(|method, _| if method == RECEIPT { Act::Lie(json!({ "status": 7 })) } else { Act::Honest });
    stage.rpc.until_asked(RECEIPT, 3).await;
    assert!(!task.is_finished());
    stage.rpc.be_honest();
    within(task).await.unwrap().unwrap();
    assert_eq!(stage.truth().await, (1, gnt(1)));
}

#[tokio::test]
async fn goes_on_where_the_node_starts_again_from_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let state = Some(folder.path().join("state.json"));
    let anvil = AnvilOptions { accounts: 4, mining: Mining::OnDemand, state, ..AnvilOptions::default() };
    let devnet = Devnet::start(DevnetOptions { anvil: anvil.clone(), ..DevnetOptions::default() }).await.unwrap();
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let (alice, bob) = (alice.clone(), bob.clone());
    let (port, deployment) = (devnet.anvil().port(), devnet.deployment().clone());
    let rpc = FaultyRpc::to(port).await;
    let connection = Rpc::connect(config(rpc.url())).await.unwrap();
    let account = account_with(&devnet, &alice, connection, Arc::new(MemoryJournal::new()), OPTIONS).await;
    let task = tokio::spawn(async move {
        let fundings = vec![Funding { payee: bob.address, amount: gnt(1) }];
        account.submit("open", &Operation::Fund { fundings }).await
    });
    rpc.until_asked(RECEIPT, 1).await;
    // What waits in its memory is gone with it.
    tokio::task::spawn_blocking(move || devnet.stop()).await.unwrap();
    rpc.until_asked(HEAD, 2).await;
    assert!(!task.is_finished());
    let options = DevnetOptions {
        anvil: AnvilOptions { port: Some(port), ..anvil },
        existing: Some(deployment),
        ..DevnetOptions::default()
    };
    let devnet = Devnet::start(options).await.unwrap();
    let sends = rpc.count(SEND);
    within(async {
        while !task.is_finished() {
            devnet.mine(1).await.unwrap();
        }
    })
    .await;
    task.await.unwrap().unwrap();
    assert!(rpc.count(SEND) > sends, "the same bytes again");
    assert_eq!(truth(&devnet, &alice, bob.address).await, (1, gnt(1)));
}

/// A row of numbers from a seed, the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    /// A fault that fits the method, or none.
    fn act(&mut self, method: &str) -> Act {
        if self.below(100) >= 35 {
            return Act::Honest;
        }
        match (self.below(8), method) {
            (0, _) => Act::HangUp,
            (1, _) => Act::Fail,
            (2, _) => Act::Babble,
            (3, _) => Act::DoAndBreakOff,
            (4, NONCE) => Act::Lie(json!(format!("{:#x}", self.below(12)))),
            (4, SEND) => Act::Lie(json!(golem_protocol::B256::ZERO)),
            (4, RECEIPT | BY_HASH) => Act::Lie(Value::Null),
            (5, SEND) => Act::DoAndRefuse(-32003, "nonce too low"),
            (6, SEND) => Act::DoAndRefuse(-32603, "internal error"),
            (7, SEND) => Act::Refuse(-32003, "already known"),
            (5 | 6, _) => Act::Refuse(-32603, "internal error"),
            _ => Act::Stall,
        }
    }
}

#[tokio::test]
async fn pays_every_time_once_whatever_goes_wrong() {
    for seed in [1, 2, 3, 5] {
        let devnet = devnet().await;
        let [alice, bob, ..] = devnet.accounts() else { panic!() };
        let rpc = FaultyRpc::to(devnet.anvil().port()).await;
        let mut config = config(rpc.url());
        config.request_timeout = Duration::from_millis(60);
        let connection = Rpc::connect(config).await.unwrap();
        let options = SenderOptions { stuck_after: Duration::from_millis(50), ..OPTIONS };
        let account = account_with(&devnet, alice, connection, Arc::new(MemoryJournal::new()), options).await;
        let operation = Operation::Fund { fundings: vec![Funding { payee: bob.address, amount: gnt(1) }] };
        let mut dice = Dice(seed);
        rpc.plan(move |method, _| dice.act(method));
        for round in 0..4 {
            let id = format!("round-{round}");
            // Under one id until it answers: whoever has to pay once asks like this.
            let patient = async {
                while let Err(error) = account.submit(&id, &operation).await {
                    assert!(
                        error.is_retry_safe() || error.may_have_left() || is_outage(&error),
                        "seed {seed}: {error}"
                    );
                }
            };
            tokio::time::timeout(Duration::from_secs(2), patient).await.ok();
        }
        rpc.be_honest();
        let fault = format!("seed {seed}");
        for round in 0..4 {
            within(account.submit(&format!("round-{round}"), &operation)).await.expect(&fault);
        }
        assert_eq!(truth(&devnet, alice, bob.address).await.1, gnt(4), "{fault}");
    }
}

/// Errors of a read before anything left.
fn is_outage(error: &ChainError) -> bool {
    matches!(error, ChainError::BadAnswer { .. } | ChainError::RpcRefused { .. })
}
