//! Contracts onto a chain, once.

use crate::{TellingJournal, within};
use golem_chain::{
    BlockSource, ChainClient, ChainError, ConcentTerms, DEPLOYMENT_PROXY, DeployOptions, DeployReport, DeployStep,
    Deployment, FaucetTerms, MemoryJournal, PendingJournal, SenderOptions, TxReceipt, TxSender, deploy, plan_deploy,
};
use golem_devnet::{Anvil, AnvilOptions, Mining};
use golem_protocol::{Address, Wei};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn deployer(anvil: &Anvil) -> TxSender {
    deployer_with(anvil, Arc::new(MemoryJournal::new())).await
}

async fn deployer_with(anvil: &Anvil, journal: Arc<dyn PendingJournal>) -> TxSender {
    let key = &anvil.accounts()[0].key;
    TxSender::start(anvil.rpc().clone(), key, SenderOptions::default(), journal).await.unwrap()
}

fn all() -> DeployOptions {
    let keys = [0xcc, 0xaa, 0xbb].map(Address::repeat_byte).to_vec();
    let concent = Some(ConcentTerms::new(keys, 2, Address::repeat_byte(0xee)));
    DeployOptions { faucet: Some(FaucetTerms::default()), concent, ..DeployOptions::default() }
}

async fn deployed(sender: &TxSender, options: &DeployOptions) -> Result<DeployReport, ChainError> {
    within(deploy(sender, options, &mut |_| {})).await
}

/// What was not there.
fn missing<T>(steps: &[DeployStep<T>]) -> Vec<&'static str> {
    steps.iter().filter(|step| step.done().is_some()).map(|step| step.name).collect()
}

const EVERYTHING: [&str; 6] =
    ["GNT", "PaymentChannels", "AppRegistry", "ConcentDeposit", "Faucet", "GNT of the faucet"];

#[tokio::test]
async fn deploys_what_it_planned_and_only_once() {
    let anvil = Anvil::start(AnvilOptions::default()).await.unwrap();
    let sender = deployer(&anvil).await;
    let mut options = all();

    let plan = plan_deploy(&sender, &options).await.unwrap();
    assert_eq!(anvil.rpc().block_number().await.unwrap(), 0, "a plan sends nothing");
    assert_eq!(missing(&plan.steps), EVERYTHING);

    let mut heard = Vec::new();
    let report = deploy(&sender, &options, &mut |step| heard.push(step.clone())).await.unwrap();
    assert_eq!(heard, report.steps, "each is told as soon as it is there");
    let planned: u64 = plan.steps.iter().filter_map(DeployStep::done).map(|estimate| estimate.gas).sum();
    assert!(planned.abs_diff(report.gas_used) * 50 < report.gas_used, "planned {planned}, used {}", report.gas_used);
    assert!(report.cost_wei > 0 && report.cost_wei <= plan.cost_max_wei && !report.reused());
    assert_eq!(missing(&report.steps), EVERYTHING);
    assert_eq!(report.block_source, BlockSource::Receipt);
    assert_eq!(Deployment { block: report.deployment.block, ..plan.deployment }, report.deployment);
    assert!(sender.pending().is_empty(), "nothing is left in the journal");
    let client = ChainClient::new(anvil.rpc().clone(), report.deployment.clone()).await.unwrap();
    let in_faucet = client.gnt_balance(report.deployment.faucet.unwrap()).await.unwrap();
    assert_eq!(in_faucet, Wei::from_gnt(100_000_000).unwrap());

    // Without journal and file, all is found, and in which block too.
    let block = anvil.rpc().block_number().await.unwrap();
    anvil.mine(20).await.unwrap();
    let again = deployed(&deployer(&anvil).await, &options).await.unwrap();
    assert!(again.reused() && again.gas_used == 0 && again.cost_wei == 0);
    assert_eq!((again.deployment, again.block_source), (report.deployment.clone(), BlockSource::History));
    assert!(missing(&plan_deploy(&sender, &options).await.unwrap().steps).is_empty());
    assert_eq!(anvil.rpc().block_number().await.unwrap(), block + 20, "nothing was sent");

    // Concent's keys in another order are the same keys.
    options.concent.as_mut().unwrap().keys.sort();
    assert_eq!(plan_deploy(&sender, &options).await.unwrap().deployment, plan.deployment);

    // A faucet and a Concent that are written down are kept when none is asked for.
    options = DeployOptions { existing: Some(report.deployment.clone()), ..DeployOptions::default() };
    assert_eq!(deployed(&sender, &options).await.unwrap().deployment, report.deployment);

    // Another close delay is another contract, on the same token.
    options.close_delay_s = 60;
    options.token = Some(report.deployment.gnt);
    let other = deployed(&sender, &options).await.unwrap();
    assert_eq!(other.deployment.gnt, report.deployment.gnt);
    assert_ne!(other.deployment.channels, report.deployment.channels);
    options.close_delay_s = 0;
    for refused in [deployed(&sender, &options).await.unwrap_err(), plan_deploy(&sender, &options).await.unwrap_err()] {
        let ChainError::Reverted { tx: None, reason, .. } = &refused else { panic!("{refused}") };
        assert!(reason.to_string().starts_with("BadCloseDelay: 0 s"), "{reason}");
    }

    // As many rulers as there are keys, at most.
    let mut options = all();
    options.concent.as_mut().unwrap().threshold = 4;
    let refused = deployed(&sender, &options).await.unwrap_err();
    assert!(refused.to_string().contains("BadKeys: 3 keys of which 4"), "{refused}");
}

#[tokio::test]
async fn completes_what_was_broken_off_with_or_without_its_journal() {
    for keeps_journal in [true, false] {
        let options = AnvilOptions { mining: Mining::OnDemand, ..AnvilOptions::default() };
        let anvil = Anvil::start(options).await.unwrap();
        let (journal, mut records) = TellingJournal::new();
        let first = deployer_with(&anvil, journal.clone()).await;
        let options = all();
        // Broken off once its first transaction is with the node, and mined by nobody yet.
        tokio::select! {
            _ = deployed(&first, &options) => panic!("nothing is mined"),
            () = sent(&anvil, 1) => {}
        }
        assert_eq!(records.recv().await.unwrap().label, "deploy GNT");
        drop(first);

        let second = match keeps_journal {
            true => deployer_with(&anvil, journal).await,
            false => deployer(&anvil).await,
        };
        let mut mined = false;
        let completing = async {
            tokio::select! {
                done = deployed(&second, &options) => done.unwrap(),
                () = async { loop { anvil.mine(1).await.unwrap(); mined = true; } } => unreachable!(),
            }
        };
        let report = within(completing).await;
        assert!(mined);
        assert_eq!(missing(&report.steps), &EVERYTHING[1..], "GNT is not deployed twice");
        let supply = Wei::from_gnt(1_000_000_000).unwrap();
        let client = ChainClient::new(anvil.rpc().clone(), report.deployment.clone()).await.unwrap();
        let held = client.gnt_balance(second.address()).await.unwrap();
        assert_eq!(held, supply.checked_sub(FaucetTerms::default().fill).unwrap(), "and the faucet is filled once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_what_a_lost_journal_cannot_tell_of() {
    let anvil = Anvil::start(AnvilOptions::default()).await.unwrap();
    let options = all();
    // The last transaction is sent and not mined, and it is the only one that could be sent twice.
    let first = deployer(&anvil).await;
    let (last_but_one, reached) = tokio::sync::oneshot::channel();
    let mut last_but_one = Some(last_but_one);
    let mut progress = |step: &DeployStep<TxReceipt>| {
        if step.name == "Faucet" {
            last_but_one.take().unwrap().send(()).unwrap();
            // The run goes on only once nothing is mined any more.
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(anvil.set_mining(Mining::OnDemand)).unwrap();
            });
        }
    };
    tokio::select! {
        _ = deploy(&first, &options, &mut progress) => panic!("it is not mined"),
        () = async { reached.await.unwrap(); sent(&anvil, 1).await } => {}
    }
    drop(first);

    let hasty = SenderOptions { give_up_after: Duration::from_millis(100), ..SenderOptions::default() };
    let key = &anvil.accounts()[0].key;
    let second = TxSender::start(anvil.rpc().clone(), key, hasty, Arc::new(MemoryJournal::new())).await.unwrap();
    let refused = deployed(&second, &options).await.unwrap_err();
    assert!(matches!(refused, ChainError::UnderWay { count: 1, .. }) && refused.is_retry_safe(), "{refused}");
    sent(&anvil, 1).await;
    anvil.mine(1).await.unwrap();
    let report = deployed(&second, &options).await.unwrap();
    assert!(report.reused(), "{:?}", missing(&report.steps));
    let client = ChainClient::new(anvil.rpc().clone(), report.deployment.clone()).await.unwrap();
    let in_faucet = client.gnt_balance(report.deployment.faucet.unwrap()).await.unwrap();
    assert_eq!(in_faucet, FaucetTerms::default().fill);
}

/// Waits until the node has that many transactions that are not mined.
async fn sent(anvil: &Anvil, count: u64) {
    let seen = async {
        loop {
            let status: Value = anvil.rpc().request("txpool_status", ()).await.unwrap();
            if status["pending"] == json!(format!("{count:#x}")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen).await.expect("they are sent");
}

#[tokio::test]
async fn fills_a_faucet_only_when_it_has_run_dry() {
    let anvil = Anvil::start(AnvilOptions::default()).await.unwrap();
    let sender = deployer(&anvil).await;
    let terms = FaucetTerms { fill: Wei::from_gnt(2_500).unwrap(), ..FaucetTerms::default() };
    let options = DeployOptions { faucet: Some(terms), ..DeployOptions::default() };
    let report = deployed(&sender, &options).await.unwrap();
    let client = ChainClient::new(anvil.rpc().clone(), report.deployment.clone()).await.unwrap();
    let drip = async |account: usize| {
        let journal = Arc::new(MemoryJournal::new());
        let key = &anvil.accounts()[account].key;
        let taker = TxSender::start(anvil.rpc().clone(), key, SenderOptions::default(), journal).await.unwrap();
        golem_chain::Account::new(client.clone(), taker).unwrap().faucet_claim().await.unwrap();
        client.gnt_balance(report.deployment.faucet.unwrap()).await.unwrap()
    };
    assert_eq!(drip(1).await, Wei::from_gnt(1_500).unwrap());
    assert!(deployed(&sender, &options).await.unwrap().reused(), "it can give once more");
    assert_eq!(drip(2).await, Wei::from_gnt(500).unwrap());
    assert_eq!(missing(&plan_deploy(&sender, &options).await.unwrap().steps), ["GNT of the faucet"]);
    assert_eq!(missing(&deployed(&sender, &options).await.unwrap().steps), ["GNT of the faucet"]);
    assert_eq!(drip(3).await, Wei::from_gnt(1_500).unwrap(), "it was filled up to 2,500");
}

async fn set_code(anvil: &Anvil, address: Address, code: &str) {
    anvil.rpc().request::<_, Option<Value>>("anvil_setCode", (address, code.to_owned())).await.unwrap();
}

#[tokio::test]
async fn puts_the_deployment_proxy_where_there_is_none() {
    let anvil = Anvil::start(AnvilOptions::default()).await.unwrap();
    let (sender, options) = (deployer(&anvil).await, all());
    let usual = plan_deploy(&sender, &options).await.unwrap();
    set_code(&anvil, DEPLOYMENT_PROXY, "0x").await;

    let plan = plan_deploy(&sender, &options).await.unwrap();
    assert_eq!(missing(&plan.steps)[..2], ["ether for its signer", "deployment proxy"]);
    assert!(plan.cost_wei > usual.cost_wei + 10u128.pow(16), "0.01 ether and the transfer come on top");
    let report = deployed(&sender, &options).await.unwrap();
    assert_eq!(missing(&report.steps), missing(&plan.steps));
    assert!(report.cost_wei > 10u128.pow(16) && report.cost_wei <= plan.cost_max_wei);
    assert_eq!(
        Deployment { block: 0, ..report.deployment },
        usual.deployment,
        "the addresses are those of every chain"
    );
    assert!(deployed(&sender, &options).await.unwrap().reused());

    // Another contract in its place is not trusted with anything.
    set_code(&anvil, DEPLOYMENT_PROXY, "0x6001").await;
    let refused = deployed(&sender, &options).await.unwrap_err();
    assert!(matches!(&refused, ChainError::NoDeploymentProxy { .. }), "{refused}");
    assert!(refused.to_string().contains("another contract"), "{refused}");
}

#[tokio::test]
async fn funds_no_proxy_that_the_chain_is_too_dear_for() {
    let anvil = Anvil::start(AnvilOptions::default()).await.unwrap();
    let sender = deployer(&anvil).await;
    set_code(&anvil, DEPLOYMENT_PROXY, "0x").await;
    let base_fee = format!("{:#x}", 200_000_000_000u64);
    anvil.rpc().request::<_, Option<Value>>("anvil_setNextBlockBaseFeePerGas", (base_fee,)).await.unwrap();
    anvil.mine(1).await.unwrap();
    let before = anvil.rpc().eth_balance(sender.address()).await.unwrap();
    let refused = deployed(&sender, &DeployOptions::default()).await.unwrap_err();
    assert!(matches!(&refused, ChainError::NoDeploymentProxy { .. }), "{refused}");
    assert!(refused.to_string().contains("100000000000 wei per gas"), "{refused}");
    assert_eq!(anvil.rpc().eth_balance(sender.address()).await.unwrap(), before);
}

#[tokio::test]
async fn takes_no_token_that_is_none_and_nothing_at_an_address_of_ours_that_is_not_ours() {
    let anvil = Anvil::start(AnvilOptions::default()).await.unwrap();
    let sender = deployer(&anvil).await;
    let token = Address::repeat_byte(0x55);
    let options = DeployOptions { token: Some(token), ..DeployOptions::default() };
    let chain_id = anvil.rpc().chain_id();
    let absent = ChainError::ContractAbsent { contract: "token", address: token, chain_id };
    assert_eq!(deployed(&sender, &options).await.unwrap_err(), absent);
    assert_eq!(plan_deploy(&sender, &options).await.unwrap_err(), absent);
    // A contract that answers everything with 6, as a token of six decimals does when it is asked for them.
    set_code(&anvil, token, "0x600660005260206000f3").await;
    let refused = deployed(&sender, &options).await.unwrap_err();
    let ChainError::ContractDiffers { contract: "token", what, got, expected, .. } = &refused else {
        panic!("{refused}")
    };
    assert_eq!((*what, got.as_str(), expected.as_str()), ("number of decimals", "6", "18"));

    let plan = plan_deploy(&sender, &DeployOptions::default()).await.unwrap();
    set_code(&anvil, plan.deployment.gnt, "0x6001").await;
    let refused = deployed(&sender, &DeployOptions::default()).await.unwrap_err();
    assert!(matches!(refused, ChainError::ContractDiffers { contract: "GNT", what: "code", .. }), "{refused}");
    assert_eq!(anvil.rpc().block_number().await.unwrap(), 0, "nothing was sent");
}

#[tokio::test]
async fn says_how_the_block_is_known_where_the_chain_keeps_no_history() {
    let folder = tempfile::tempdir().unwrap();
    let state = Some(folder.path().join("state.json"));
    let anvil = Anvil::start(AnvilOptions { state: state.clone(), ..AnvilOptions::default() }).await.unwrap();
    let report = deployed(&deployer(&anvil).await, &DeployOptions::default()).await.unwrap();
    anvil.stop();
    let anvil = Anvil::start(AnvilOptions { state, ..AnvilOptions::default() }).await.unwrap();
    let sender = deployer(&anvil).await;
    let lost = deployed(&sender, &DeployOptions::default()).await.unwrap();
    assert!(lost.reused());
    assert!(matches!(lost.block_source, BlockSource::Unknown { .. }) && lost.deployment.block == 0, "{lost:?}");
    let options = DeployOptions { existing: Some(report.deployment.clone()), ..DeployOptions::default() };
    let written = deployed(&sender, &options).await.unwrap();
    assert_eq!((written.deployment, written.block_source), (report.deployment, BlockSource::File));
}

#[tokio::test]
async fn keeps_the_deployment_in_a_file() {
    let devnet = crate::devnet().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deployment.json");
    assert!(matches!(Deployment::load(&path), Err(ChainError::DeploymentFile { .. })));
    devnet.save_deployment(&path).unwrap();
    assert_eq!(&Deployment::load(&path).unwrap(), devnet.deployment());
    std::fs::write(&path, "{\"chain_id\": 1}").unwrap();
    let error = Deployment::load(&path).unwrap_err();
    assert!(error.to_string().contains("gnt"), "the error names what is missing: {error}");
    assert!(Deployment::load(folder.path()).is_err());
    assert!(devnet.deployment().save(&folder.path().join("no/such/folder.json")).is_err());
}
