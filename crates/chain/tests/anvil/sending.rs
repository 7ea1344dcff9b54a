//! Transactions through everything that happens to them.

use crate::{Cable, TellingJournal, account_over, account_with, devnet, devnet_with, gnt, known, within};
use golem_chain::{
    Account, ChainError, Funding, JournalError, MemoryJournal, Operation, Pending, PendingJournal, PendingStage, Rpc,
    SenderOptions, Settled,
};
use golem_devnet::{DevAccount, Devnet, Mining};
use golem_protocol::{Address, ChannelId, Wei};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

fn open(payee: Address) -> Operation {
    Operation::Fund { fundings: vec![Funding { payee, amount: gnt(1) }] }
}

fn submit(account: &Account, id: &'static str, operation: Operation) -> JoinHandle<Result<Settled, ChainError>> {
    let account = account.clone();
    tokio::spawn(async move { account.submit(id, &operation).await })
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

async fn deposit(devnet: &Devnet, payer: &DevAccount, payee: Address) -> Wei {
    let id = ChannelId { payer: payer.address, payee };
    devnet.client().await.unwrap().channel_state(id).await.unwrap().deposit
}

#[tokio::test]
async fn raises_the_fee_of_a_stuck_transaction() {
    let devnet = devnet_with(Mining::OnDemand).await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let (journal, mut saved) = TellingJournal::new();
    let options = SenderOptions { stuck_after: Duration::from_millis(50), ..SenderOptions::default() };
    let account = account_with(&devnet, alice, devnet.anvil().rpc().clone(), journal, options).await;
    let task = submit(&account, "open", open(bob.address));
    let first = within(saved.recv()).await.unwrap();
    let second = within(saved.recv()).await.unwrap();
    assert_eq!((first.nonce, first.hashes.len()), (second.nonce, 1));
    assert_eq!(second.hashes.len(), 2);
    known(devnet.anvil().rpc(), &second).await;
    assert!(second.max_fee > first.max_fee && second.max_priority_fee > first.max_priority_fee);
    let settled = mined(&devnet, task).await.unwrap();
    let mined = settled.receipts[0].tx;
    assert!(mined != first.hashes[0], "the dearer one is mined");
    assert_eq!(deposit(&devnet, alice, bob.address).await, gnt(1), "and only that one");
}

#[tokio::test]
async fn never_offers_more_than_the_limit() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let options = SenderOptions { max_fee_limit: 1_000, ..SenderOptions::default() };
    let journal = Arc::new(MemoryJournal::new());
    let account = account_with(&devnet, alice, devnet.anvil().rpc().clone(), journal, options).await;
    let error = account.open_or_topup(bob.address, gnt(1)).await.unwrap_err();
    assert!(matches!(error, ChainError::FeeAboveLimit { allowed: 1_000, .. }), "{error}");
}

#[tokio::test]
async fn sends_again_what_the_node_forgot() {
    let devnet = devnet_with(Mining::OnDemand).await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let (journal, mut saved) = TellingJournal::new();
    let account = account_over(&devnet, alice, devnet.anvil().rpc().clone(), journal).await;
    let task = submit(&account, "open", open(bob.address));
    let first = within(saved.recv()).await.unwrap();
    known(devnet.anvil().rpc(), &first).await;
    devnet.anvil().drop_transaction(first.hashes[0]).await.unwrap();
    let settled = mined(&devnet, task).await.unwrap();
    assert_eq!(settled.receipts[0].tx, first.hashes[0]);
}

#[tokio::test]
async fn takes_a_new_nonce_where_another_program_took_it() {
    let devnet = devnet_with(Mining::OnDemand).await;
    let [alice, bob, carol, _] = devnet.accounts() else { panic!() };
    let (journal, mut saved) = TellingJournal::new();
    let rpc = devnet.anvil().rpc();
    let account = account_over(&devnet, alice, rpc.clone(), journal).await;
    let task = submit(&account, "open", open(bob.address));
    let first = within(saved.recv()).await.unwrap();
    known(rpc, &first).await;
    devnet.anvil().drop_transaction(first.hashes[0]).await.unwrap();
    // The same key in another program, which knows nothing of ours: it outbids whatever is sent again meanwhile.
    let foreign = serde_json::json!({
        "from": alice.address, "to": carol.address, "value": "0x1", "nonce": format!("{:#x}", first.nonce),
        "maxFeePerGas": "0x174876e800", "maxPriorityFeePerGas": "0xba43b7400", "gas": "0x5208",
    });
    rpc.request::<_, golem_protocol::B256>("eth_sendTransaction", (foreign,)).await.unwrap();
    let settled = mined(&devnet, task).await.unwrap();
    assert_ne!(settled.receipts[0].tx, first.hashes[0]);
    assert_eq!(deposit(&devnet, alice, bob.address).await, gnt(1));
    let second = within(saved.recv()).await.unwrap();
    assert_eq!(second.nonce, first.nonce + 1);
}

#[tokio::test]
async fn gives_every_transaction_its_own_nonce() {
    let devnet = devnet_with(Mining::OnDemand).await;
    let alice = &devnet.accounts()[0];
    let account = devnet.account(alice).await.unwrap();
    let payee = |number: u8| Address::repeat_byte(0x40 + number);
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let account = account.clone();
            tokio::spawn(async move { account.open_or_topup(payee(number), gnt(1)).await })
        })
        .collect();
    for task in tasks {
        mined(&devnet, task).await.unwrap();
    }
    for number in 0..6 {
        assert_eq!(deposit(&devnet, alice, payee(number)).await, gnt(1));
    }
}

#[tokio::test]
async fn takes_up_after_a_restart_and_pays_once() {
    let devnet = devnet_with(Mining::OnDemand).await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let (journal, mut saved) = TellingJournal::new();
    let rpc = devnet.anvil().rpc();
    let before = account_over(&devnet, alice, rpc.clone(), journal.clone()).await;
    let task = submit(&before, "open", open(bob.address));
    let pending = within(saved.recv()).await.unwrap();
    known(rpc, &pending).await;
    // The program ends here.
    task.abort();
    drop((task.await, before));

    let after = account_over(&devnet, alice, rpc.clone(), journal.clone()).await;
    assert_eq!(after.sender().pending().len(), 1);
    let task = {
        let after = after.clone();
        tokio::spawn(async move { after.resume().await })
    };
    let answers = mined(&devnet, task).await;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].1.as_ref().unwrap().tx, pending.hashes[0]);

    // It ends again, before the caller has noted the result; asked again, it is the same one.
    let again = account_over(&devnet, alice, rpc.clone(), journal.clone()).await;
    let settled = within(again.submit("open", &open(bob.address))).await.unwrap();
    assert_eq!(settled.receipts[0].tx, pending.hashes[0]);
    assert_eq!(deposit(&devnet, alice, bob.address).await, gnt(1));
    let other = within(again.submit("open", &open(alice.address))).await.unwrap_err();
    assert!(matches!(other, ChainError::IdInUse { .. }), "{other}");
    again.acknowledge("open").await.unwrap();
    assert!(journal.load().unwrap().is_empty());
}

/// A journal after whose next record the program dies: the record is written, and nothing after it happens.
struct LastWords(MemoryJournal);

impl PendingJournal for LastWords {
    fn save(&self, pending: &Pending) -> Result<(), JournalError> {
        self.0.save(pending)?;
        Err(JournalError("the program died".into()))
    }
    fn remove(&self, id: &str) -> Result<(), JournalError> {
        self.0.remove(id)
    }
    fn load(&self) -> Result<Vec<Pending>, JournalError> {
        self.0.load()
    }
}

#[tokio::test]
async fn sends_nothing_before_its_record_is_kept_and_then_sends_it() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let rpc = devnet.anvil().rpc();
    let dying = Arc::new(LastWords(MemoryJournal::new()));
    let account = account_over(&devnet, alice, rpc.clone(), dying.clone()).await;
    let error = account.submit("open", &open(bob.address)).await.unwrap_err();
    assert!(matches!(error, ChainError::Journal(_)), "{error}");
    assert_eq!(deposit(&devnet, alice, bob.address).await, Wei::ZERO, "nothing left");

    let records = dying.load().unwrap();
    assert_eq!(records.len(), 1);
    let journal = Arc::new(MemoryJournal::new());
    journal.save(&records[0]).unwrap();
    let account = account_over(&devnet, alice, rpc.clone(), journal.clone()).await;
    let answers = within(account.resume()).await;
    assert!(answers[0].1.is_ok(), "{answers:?}");
    assert_eq!(deposit(&devnet, alice, bob.address).await, gnt(1));
    assert!(matches!(journal.load().unwrap()[0].stage, PendingStage::Confirmed(_)));
}

#[tokio::test]
async fn sends_again_what_a_reorg_undid() {
    let devnet = devnet_with(Mining::OnDemand).await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let (journal, mut saved) = TellingJournal::new();
    let mut config = devnet.rpc_config();
    config.confirmations = 3;
    let account = account_over(&devnet, alice, Rpc::connect(config).await.unwrap(), journal).await;
    let task = submit(&account, "open", open(bob.address));
    let first = within(saved.recv()).await.unwrap();
    known(devnet.anvil().rpc(), &first).await;
    devnet.mine(1).await.unwrap();
    assert_eq!(deposit(&devnet, alice, bob.address).await, gnt(1));
    devnet.reorg(1).await.unwrap();
    assert_eq!(deposit(&devnet, alice, bob.address).await, Wei::ZERO);
    assert!(!task.is_finished(), "one block deep is not confirmed");
    let settled = mined(&devnet, task).await.unwrap();
    assert_eq!(deposit(&devnet, alice, bob.address).await, gnt(1));
    let head = devnet.anvil().rpc().block_number().await.unwrap();
    assert!(settled.receipts[0].block + 2 <= head);
}

#[tokio::test]
async fn waits_through_an_outage() {
    let devnet = devnet_with(Mining::OnDemand).await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let cable = Cable::to(devnet.anvil().port()).await;
    let mut config = devnet.rpc_config();
    config.url = cable.url();
    config.retries = 1;
    config.retry_delay = Duration::from_millis(5);
    let (journal, mut saved) = TellingJournal::new();
    let account = account_over(&devnet, alice, Rpc::connect(config).await.unwrap(), journal).await;
    let task = submit(&account, "open", open(bob.address));
    let pending = within(saved.recv()).await.unwrap();
    known(devnet.anvil().rpc(), &pending).await;
    cable.cut();
    devnet.mine(1).await.unwrap();
    let during = account.client().block_number().await.unwrap_err();
    assert!(matches!(during, ChainError::RpcUnreachable { .. }), "{during}");
    assert!(!task.is_finished());
    cable.join();
    let settled = within(task).await.unwrap().unwrap();
    assert_eq!(settled.receipts[0].tx, pending.hashes[0]);
}

#[tokio::test]
async fn says_that_it_does_not_know_yet_and_keeps_the_record() {
    let devnet = devnet_with(Mining::OnDemand).await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let options = SenderOptions { give_up_after: Duration::from_millis(50), ..SenderOptions::default() };
    let journal = Arc::new(MemoryJournal::new());
    let account = account_with(&devnet, alice, devnet.anvil().rpc().clone(), journal.clone(), options).await;
    let error = within(account.submit("open", &open(bob.address))).await.unwrap_err();
    assert!(matches!(error, ChainError::Unconfirmed { .. }), "{error}");
    assert!(error.may_have_left());
    assert_eq!(journal.load().unwrap().len(), 1);
    devnet.mine(1).await.unwrap();
    let settled = within(account.submit("open", &open(bob.address))).await.unwrap();
    assert_eq!(settled.receipts.len(), 1);
    assert_eq!(deposit(&devnet, alice, bob.address).await, gnt(1));
}

#[tokio::test]
async fn says_why_a_mined_transaction_failed() {
    let devnet = devnet_with(Mining::OnDemand).await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let rpc = devnet.anvil().rpc();
    let (journal, mut saved) = TellingJournal::new();
    let payer = account_over(&devnet, alice, rpc.clone(), journal.clone()).await;
    let opening = submit(&payer, "open", open(bob.address));
    within(saved.recv()).await.unwrap();
    mined(&devnet, opening).await.unwrap();
    payer.acknowledge("open").await.unwrap();
    within(saved.recv()).await.unwrap();

    // Each is fine by itself. The payee offers more, so its close comes first in the block.
    let request = submit(&payer, "leave", Operation::RequestClose { payee: bob.address });
    known(rpc, &within(saved.recv()).await.unwrap()).await;
    let (theirs, mut saved) = TellingJournal::new();
    let options = SenderOptions { stuck_after: Duration::from_millis(50), ..SenderOptions::default() };
    let payee = account_with(&devnet, bob, rpc.clone(), theirs, options).await;
    let close = submit(&payee, "close", Operation::CloseClaimed { payer: alice.address });
    within(saved.recv()).await.unwrap();
    known(rpc, &within(saved.recv()).await.unwrap()).await;
    mined(&devnet, close).await.unwrap();
    let error = mined(&devnet, request).await.unwrap_err();
    let ChainError::Reverted { tx, reason, .. } = &error else { panic!("{error}") };
    assert!(tx.is_some());
    assert!(reason.to_string().starts_with("NotOpen"), "{reason}");
    assert!(journal.load().unwrap().is_empty(), "it can be asked again");
}

#[tokio::test]
async fn gives_the_same_answer_until_it_is_acknowledged() {
    let devnet = devnet().await;
    let [alice, bob, ..] = devnet.accounts() else { panic!() };
    let payer = devnet.account(alice).await.unwrap();
    let payee = devnet.account(bob).await.unwrap();
    payer.open_or_topup(bob.address, gnt(1)).await.unwrap();
    // After it, the channel is another one, and the call that it was made of could not be made again.
    let close = Operation::CloseClaimed { payer: alice.address };
    let first = within(payee.submit("close", &close)).await.unwrap();
    assert_eq!(within(payee.submit("close", &close)).await.unwrap(), first);
    payee.acknowledge("close").await.unwrap();
    let error = within(payee.submit("close", &close)).await.unwrap_err();
    assert!(matches!(error, ChainError::Reverted { tx: None, .. }), "{error}");
}
