//! Contracts onto a chain, once.

use golem_chain::{
    ChainClient, ChainError, DeployOptions, Deployment, FaucetTerms, MemoryJournal, SenderOptions, TxSender, deploy,
    plan_deploy,
};
use golem_devnet::{Anvil, AnvilOptions};
use golem_protocol::Wei;
use std::sync::Arc;

async fn deployer(anvil: &Anvil) -> TxSender {
    let key = &anvil.accounts()[0].key;
    let journal = Arc::new(MemoryJournal::new());
    TxSender::start(anvil.rpc().clone(), key, SenderOptions::default(), journal).await.unwrap()
}

#[tokio::test]
async fn deploys_what_it_planned_and_only_once() {
    let anvil = Anvil::start(AnvilOptions::default()).await.unwrap();
    let sender = deployer(&anvil).await;
    let mut options = DeployOptions { faucet: Some(FaucetTerms::default()), ..DeployOptions::default() };

    let plan = plan_deploy(&sender, &options).await.unwrap();
    assert_eq!(anvil.rpc().block_number().await.unwrap(), 0, "a plan sends nothing");
    assert_eq!(plan.len(), 4);

    let report = deploy(&sender, &options).await.unwrap();
    let planned: u64 = plan.iter().map(|estimate| estimate.gas).sum();
    assert!(planned.abs_diff(report.gas_used) * 50 < report.gas_used, "planned {planned}, used {}", report.gas_used);
    assert!(report.cost_wei > 0 && !report.reused);
    assert!(sender.pending().is_empty(), "nothing is left in the journal");
    let client = ChainClient::new(anvil.rpc().clone(), report.deployment.clone()).await.unwrap();
    let in_faucet = client.gnt_balance(report.deployment.faucet.unwrap()).await.unwrap();
    assert_eq!(in_faucet, Wei::from_gnt(100_000_000).unwrap());

    options.existing = Some(report.deployment.clone());
    let block = anvil.rpc().block_number().await.unwrap();
    let again = deploy(&sender, &options).await.unwrap();
    assert!(again.reused && again.gas_used == 0 && again.deployment == report.deployment);
    assert!(plan_deploy(&sender, &options).await.unwrap().is_empty());
    assert_eq!(anvil.rpc().block_number().await.unwrap(), block, "nothing was sent");

    // Another close delay is another contract, on the same token.
    options.close_delay_s = 60;
    options.token = Some(report.deployment.gnt);
    let other = deploy(&sender, &options).await.unwrap();
    assert_eq!(other.deployment.gnt, report.deployment.gnt);
    assert_ne!(other.deployment.channels, report.deployment.channels);
    options.close_delay_s = 0;
    let refused = deploy(&sender, &options).await.unwrap_err();
    let ChainError::Reverted { tx: None, reason, .. } = &refused else { panic!("{refused}") };
    assert!(reason.to_string().starts_with("BadCloseDelay: 0 s"), "{reason}");
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
