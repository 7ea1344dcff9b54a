//! A client by a third library, `tests/vectors/client.mjs`, and our side take each other's vouchers and promises, and
//! the contracts take both.

use super::abi::concent as abi;
use super::channels::uint96;
use alloy_primitives::{B256, Bytes, U256, hex};
use alloy_sol_types::SolConstructor;
use golem_chain::{Call, ConcentClient, ConcentOperation, ConcentSender};
use golem_devnet::{AnvilOptions, DevAccount, Devnet, DevnetOptions};
use golem_protocol::{Address, ChainTime, ChannelId, ClaimStage, KeySigner, Promise, Signed, Voucher, Wei, sign};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

const CONTEST_WINDOW_S: u32 = 300;

fn gnt(amount: u64) -> Wei {
    Wei::from_gnt(amount).expect("an amount")
}

struct Scene {
    devnet: Devnet,
    concent: ConcentClient,
}

impl Scene {
    async fn new() -> Scene {
        let anvil = AnvilOptions { accounts: 4, ..AnvilOptions::default() };
        let options = DevnetOptions { anvil, ..DevnetOptions::default() };
        let devnet = Devnet::start(options).await.expect("a development chain");
        let constructor = abi::constructorCall {
            terms_: abi::Terms {
                token: devnet.deployment().gnt,
                treasury: Address::repeat_byte(0x77),
                withdrawDelay: 3600,
                contestWindow: CONTEST_WINDOW_S,
                rulingWindow: 600,
                rotationDelay: 4500,
                fee: uint96(gnt(2)),
                cover: uint96(gnt(1)),
                dailyLimit: uint96(gnt(1000)),
                depositMax: uint96(gnt(1000)),
            },
            keys: vec![Address::repeat_byte(0x99)],
            threshold: U256::ONE,
        };
        let input = Bytes::from([&abi::BYTECODE[..], &constructor.abi_encode()].concat());
        let call = Call { label: "deploy ConcentDeposit".into(), to: None, input, value: 0 };
        let deployer = devnet.account(&devnet.accounts()[3]).await.expect("an account");
        let created = deployer.sender().send("concent", call).await.expect("a contract").created;
        let client = devnet.client().await.expect("the contracts");
        let concent = ConcentClient::new(client, created.expect("an address")).await.expect("ConcentDeposit");
        Scene { devnet, concent }
    }

    /// What the client has to know of the chain, and whose key it has.
    fn for_client(&self, account: &DevAccount, more: Value) -> Value {
        let mut scene = json!({
            "rpcUrl": self.devnet.rpc_url(),
            "privateKey": hex::encode_prefixed(account.key),
            "deployment": self.devnet.deployment(),
            "concentDeposit": self.concent.concent_ref().concent_deposit,
        });
        scene.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        scene
    }

    async fn sender(&self, account: &DevAccount) -> ConcentSender {
        let account = self.devnet.account(account).await.expect("an account");
        ConcentSender::new(self.concent.clone(), account.sender().clone()).expect("one chain")
    }

    async fn gnt_of(&self, holder: Address) -> Wei {
        self.concent.client().gnt_balance(holder).await.expect("a balance")
    }

    async fn now(&self) -> ChainTime {
        self.concent.client().chain_time().await.expect("a time")
    }

    /// Lets the window of a claim pass and settles it.
    async fn settle(&self, by: &ConcentSender, requestor: Address, promise: Promise) {
        self.devnet.increase_time(CONTEST_WINDOW_S.into()).await.expect("time");
        by.once(&ConcentOperation::Settle { requestor, promise }).await.expect("a settled claim");
    }
}

/// Runs the client: what it answers, or why it does not accept.
fn client(command: &str, scene: &Value) -> Result<Value, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/client.mjs");
    let mut node = Command::new("node")
        .args([script, command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node, which has to be on PATH, with `npm ci` done in tests/vectors");
    node.stdin.take().expect("an input").write_all(scene.to_string().as_bytes()).expect("a scene that is read");
    let output = node.wait_with_output().expect("an end");
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).expect("JSON"));
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_take_what_another_client_signs() {
    let scene = Scene::new().await;
    let [alice, bob, ..] = scene.devnet.accounts() else { panic!("too few accounts") };
    let deadline = scene.now().await.saturating_add(3600);
    let promise = json!({
        "amount": gnt(20).0.to_string(), "nonce": "0x7", "deal": B256::repeat_byte(5), "deadline": deadline,
    });
    let asked = json!({
        "payee": bob.address, "channelWei": gnt(10).0.to_string(), "depositWei": gnt(50).0.to_string(),
        "voucherWei": gnt(4).0.to_string(), "promise": promise,
    });
    let answer = client("open", &scene.for_client(alice, asked)).expect("an opened channel");
    let voucher: Signed<Voucher> = serde_json::from_value(answer["voucher"].clone()).expect("a voucher");
    let promised: Signed<Promise> = serde_json::from_value(answer["promise"].clone()).expect("a promise");

    // By our own eyes they are what was asked for, and from whom.
    let (chain, guarantee) = (scene.devnet.deployment().chain_ref(), scene.concent.concent_ref());
    let authentic = voucher.clone().authenticate(&chain).expect("an authentic voucher");
    assert_eq!(authentic.channel(), ChannelId { payer: alice.address, payee: bob.address });
    assert_eq!((authentic.epoch, authentic.cumulative), (1, gnt(4)));
    let authentic = promised.clone().authenticate(&guarantee).expect("an authentic promise");
    assert_eq!((authentic.requestor(), authentic.provider), (alice.address, bob.address));
    assert_eq!((authentic.amount, authentic.nonce, authentic.deadline), (gnt(20), U256::from(7), deadline));

    // And the contracts pay on them when our side shows them.
    let before = scene.gnt_of(bob.address).await;
    let account = scene.devnet.account(bob).await.expect("an account");
    assert_eq!(account.claim_many(bob.address, &[voucher]).await.expect("a claim").paid, gnt(4));
    let provider = scene.sender(bob).await;
    provider.once(&ConcentOperation::Deposit { amount: gnt(3) }).await.expect("a bond");
    let claim = ConcentOperation::Claim { promised: promised.clone(), amount: gnt(20), reserved_min: gnt(20) };
    provider.once(&claim).await.expect("a claim");
    scene.settle(&provider, alice.address, promised.document).await;
    assert_eq!(scene.gnt_of(bob.address).await, Wei(before.0 + gnt(4).0 - gnt(3).0 + gnt(20).0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_takes_what_we_sign() {
    let scene = Scene::new().await;
    let [alice, bob, ..] = scene.devnet.accounts() else { panic!("too few accounts") };
    let account = scene.devnet.account(alice).await.expect("an account");
    account.open_or_topup(bob.address, gnt(10)).await.expect("a channel");
    let requestor = scene.sender(alice).await;
    requestor.once(&ConcentOperation::Deposit { amount: gnt(50) }).await.expect("a deposit");
    let key = KeySigner::from_bytes(&alice.key).expect("a key");
    let voucher = Voucher { payee: bob.address, epoch: 1, cumulative: gnt(6) };
    let voucher = sign(voucher, &scene.devnet.deployment().chain_ref(), &key).expect("a voucher");
    let promise = Promise {
        provider: bob.address,
        amount: gnt(30),
        nonce: U256::MAX,
        deal: B256::repeat_byte(5),
        deadline: scene.now().await.saturating_add(3600),
    };
    let promised = sign(promise, &scene.concent.concent_ref(), &key).expect("a promise");
    let shown = |promised: &Signed<Promise>| {
        let more = json!({
            "payer": alice.address, "voucher": voucher.signed(), "promise": promised, "bondWei": gnt(3).0.to_string(),
        });
        scene.for_client(bob, more)
    };

    let mut raised = promised.signed().clone();
    raised.document.amount = gnt(31);
    let refused = client("accept", &shown(&raised)).expect_err("a promise that nobody signed");
    assert!(refused.contains("the promise is signed by"), "{refused}");

    let answer = client("accept", &shown(promised.signed())).expect("an acceptance");
    assert_eq!(answer["paidWei"], gnt(6).0.to_string());
    assert_eq!(answer["promiseDigest"], promised.digest().to_string());
    let channel = ChannelId { payer: alice.address, payee: bob.address };
    let state = scene.concent.client().channel_state(channel).await.expect("a channel");
    assert_eq!((state.claimed, state.deposit), (gnt(6), gnt(10)));
    let claim = scene.concent.claim_of(alice.address, promised.digest()).await.expect("a claim");
    assert_eq!((claim.stage, claim.reserved, json!(claim.due)), (ClaimStage::Open, gnt(30), answer["due"].clone()));

    let before = scene.gnt_of(bob.address).await;
    scene.settle(&requestor, alice.address, promise).await;
    assert_eq!(scene.gnt_of(bob.address).await, Wei(before.0 + gnt(30).0));
}
