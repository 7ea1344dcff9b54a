//! Every way in which a chain is not the one that was asked for.

use crate::{devnet, within};
use golem_chain::ChainError::ContractDiffers;
use golem_chain::{ChainClient, ChainError, Deployment, Rpc, RpcConfig};
use golem_devnet::{Anvil, AnvilOptions};
use golem_protocol::Address;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn hasty(url: String) -> RpcConfig {
    let mut config = RpcConfig::new(url);
    config.retries = 2;
    config.retry_delay = Duration::from_millis(5);
    config.request_timeout = Duration::from_millis(300);
    config
}

#[tokio::test]
async fn says_that_nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = within(Rpc::connect(hasty(format!("http://{address}/v3/secretkey")))).await.unwrap_err();
    let ChainError::RpcUnreachable { ref url, attempts, .. } = error else { panic!("{error}") };
    assert_eq!((url.as_str(), attempts), (format!("http://{address}").as_str(), 3));
    assert!(error.is_retry_safe() && !error.may_have_left());
    assert!(!error.to_string().contains("secretkey"), "{error}");
}

#[tokio::test]
async fn gives_up_on_one_that_takes_the_call_and_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let error = within(Rpc::connect(hasty(format!("http://{address}")))).await.unwrap_err();
    assert!(matches!(error, ChainError::RpcUnreachable { attempts: 3, .. }), "{error}");
}

#[tokio::test]
async fn says_that_it_is_no_ethereum_rpc() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0u8; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").await;
        }
    });
    let error = within(Rpc::connect(hasty(format!("http://{address}")))).await.unwrap_err();
    assert!(matches!(error, ChainError::BadAnswer { .. }), "{error}");
}

#[tokio::test]
async fn refuses_another_chain() {
    let anvil = Anvil::start(AnvilOptions { chain_id: 4242, ..AnvilOptions::default() }).await.unwrap();
    let mut config = hasty(anvil.rpc_url());
    config.chain_id = Some(1);
    let error = Rpc::connect(config).await.unwrap_err();
    assert_eq!(error, ChainError::WrongChain { url: anvil.rpc_url(), got: 4242, expected: 1 });
    let deployment = Deployment {
        chain_id: 7,
        gnt: Address::ZERO,
        faucet: None,
        channels: Address::ZERO,
        concent_deposit: None,
        app_registry: None,
        close_delay_s: 1,
        block: 0,
    };
    let error = ChainClient::new(anvil.rpc().clone(), deployment).await.unwrap_err();
    assert_eq!(error, ChainError::WrongChain { url: anvil.rpc_url(), got: 4242, expected: 7 });
}

#[tokio::test]
async fn refuses_contracts_that_are_not_there_or_not_ours() {
    let devnet = devnet().await;
    let rpc = devnet.anvil().rpc();
    let good = devnet.deployment().clone();
    let check = async |deployment: Deployment| ChainClient::new(rpc.clone(), deployment).await.unwrap_err();

    let nowhere = Address::repeat_byte(0x77);
    let absent = |contract| ChainError::ContractAbsent { contract, address: nowhere, chain_id: good.chain_id };
    assert_eq!(check(Deployment { channels: nowhere, ..good.clone() }).await, absent("PaymentChannels"));
    assert_eq!(check(Deployment { gnt: nowhere, ..good.clone() }).await, absent("GNT"));
    assert_eq!(check(Deployment { faucet: Some(nowhere), ..good.clone() }).await, absent("Faucet"));
    let others = Deployment { concent_deposit: Some(nowhere), ..good.clone() };
    assert_eq!(check(others).await, absent("ConcentDeposit"));
    assert_eq!(check(Deployment { app_registry: Some(nowhere), ..good.clone() }).await, absent("AppRegistry"));
    let not_registry = check(Deployment { app_registry: Some(good.gnt), ..good.clone() }).await;
    assert!(matches!(not_registry, ContractDiffers { contract: "AppRegistry", what: "code", .. }), "{not_registry}");

    let other_delay = check(Deployment { close_delay_s: 5, ..good.clone() }).await;
    let ContractDiffers { what, got, expected, .. } = other_delay else { panic!("{other_delay}") };
    assert_eq!((what, got.as_str(), expected.as_str()), ("close delay in seconds", "3600", "5"));
    // A contract, and another one: it has none of the functions.
    let not_channels = check(Deployment { channels: good.gnt, ..good.clone() }).await;
    assert!(matches!(not_channels, ChainError::ContractDiffers { contract: "PaymentChannels", .. }), "{not_channels}");

    let other_token = check(Deployment { gnt: good.faucet.unwrap(), ..good.clone() }).await;
    let ContractDiffers { contract, what, .. } = other_token else { panic!("{other_token}") };
    assert_eq!((contract, what), ("PaymentChannels", "token"));

    let reset = check(Deployment { block: 1_000_000, ..good.clone() }).await;
    assert!(matches!(reset, ChainError::ChainReset { deployed: 1_000_000, .. }), "{reset}");
    assert!(ChainClient::new(rpc.clone(), good.clone()).await.is_ok());

    // Another build of the same contract: it answers alike, and nobody knows what it does.
    let code: String = rpc.request("eth_getCode", (good.channels, "latest")).await.unwrap();
    rpc.request::<_, Option<bool>>("anvil_setCode", (good.channels, format!("{code}00"))).await.unwrap();
    let other_version = check(good).await;
    assert!(matches!(other_version, ContractDiffers { what: "code", .. }), "{other_version}");
}
