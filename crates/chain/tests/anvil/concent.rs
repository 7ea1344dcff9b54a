//! A promise claimed, contested, ruled on, settled and voided, to the wei.

use crate::operations::make_plain;
use crate::{devnet, gnt};
use alloy::primitives::{B256, Bytes, U256};
use alloy::sol_types::{SolConstructor, SolValue};
use golem_chain::{
    AppOperation, AppRegistryClient, Call, ChainError, ConcentClient, ConcentOperation, ConcentSender, Revert,
};
use golem_devnet::{DevAccount, Devnet};
use golem_protocol::{
    Address, ChainTime, ClaimStage, CompactSignature, ConcentAccount, GuaranteeTerms, KeySigner, Promise, Receipt,
    Ruling, Signed, Wei, pack_signatures, sign,
};

alloy::sol!(ConcentDeposit, "../../contracts/artifacts/ConcentDeposit.json");
alloy::sol!(AppRegistry, "../../contracts/artifacts/AppRegistry.json");

fn wei96(amount: Wei) -> alloy::primitives::Uint<96, 2> {
    alloy::primitives::Uint::from(amount.0)
}

fn terms(devnet: &Devnet) -> GuaranteeTerms {
    GuaranteeTerms {
        token: devnet.deployment().gnt,
        treasury: Address::repeat_byte(0x77),
        withdraw_delay_s: 1000,
        contest_window_s: 500,
        ruling_window_s: 700,
        rotation_delay_s: 2200,
        fee: gnt(2),
        cover: gnt(1),
        daily_limit: gnt(100),
        deposit_max: gnt(1000),
    }
}

async fn create(devnet: &Devnet, code: &Bytes, arguments: Vec<u8>) -> Address {
    let input = Bytes::from([&code[..], &arguments].concat());
    let call = Call { label: "create a contract".into(), to: None, input, value: 0 };
    let account = devnet.account(&devnet.accounts()[2]).await.unwrap();
    account.sender().send("create", call).await.unwrap().created.unwrap()
}

fn key(account: &DevAccount) -> KeySigner {
    KeySigner::from_bytes(&account.key).unwrap()
}

/// A guarantee whose one Concent key is that of the fourth account.
async fn guarantee(devnet: &Devnet) -> ConcentClient {
    let terms = terms(devnet);
    let constructor = ConcentDeposit::constructorCall {
        terms_: IConcentDeposit::Terms {
            token: terms.token,
            treasury: terms.treasury,
            withdrawDelay: terms.withdraw_delay_s,
            contestWindow: terms.contest_window_s,
            rulingWindow: terms.ruling_window_s,
            rotationDelay: terms.rotation_delay_s,
            fee: wei96(terms.fee),
            cover: wei96(terms.cover),
            dailyLimit: wei96(terms.daily_limit),
            depositMax: wei96(terms.deposit_max),
        },
        keys: vec![devnet.accounts()[3].address],
        threshold: U256::ONE,
    };
    let address = create(devnet, &ConcentDeposit::BYTECODE, constructor.abi_encode()).await;
    ConcentClient::new(devnet.client().await.unwrap(), address).await.unwrap()
}

async fn sender(devnet: &Devnet, concent: &ConcentClient, account: &DevAccount) -> ConcentSender {
    let sender = devnet.account(account).await.unwrap().sender().clone();
    ConcentSender::new(concent.clone(), sender).unwrap()
}

struct Scene {
    devnet: Devnet,
    concent: ConcentClient,
    requestor: ConcentSender,
    provider: ConcentSender,
    stranger: ConcentSender,
}

impl Scene {
    /// 50 GNT of the requestor and 10 of the provider are deposited.
    async fn new() -> Scene {
        let devnet = devnet().await;
        let [alice, bob, carol, _] = devnet.accounts() else { panic!() };
        let concent = guarantee(&devnet).await;
        let requestor = sender(&devnet, &concent, alice).await;
        let provider = sender(&devnet, &concent, bob).await;
        let stranger = sender(&devnet, &concent, carol).await;
        requestor.once(&ConcentOperation::Deposit { amount: gnt(50) }).await.unwrap();
        provider.once(&ConcentOperation::Deposit { amount: gnt(10) }).await.unwrap();
        Scene { devnet, concent, requestor, provider, stranger }
    }

    async fn promise(&self, nonce: u64, amount: Wei) -> Signed<Promise> {
        let promise = Promise {
            provider: self.provider.address(),
            amount,
            nonce: U256::from(nonce),
            deal: B256::repeat_byte(7),
            deadline: self.now().await.saturating_add(10_000),
        };
        sign(promise, &self.concent.concent_ref(), &key(&self.devnet.accounts()[0])).unwrap().into_signed()
    }

    async fn now(&self) -> ChainTime {
        self.concent.client().chain_time().await.unwrap()
    }

    async fn claim(&self, promised: &Signed<Promise>, amount: Wei) -> B256 {
        let promised = promised.clone();
        let digest = promised.clone().authenticate(&self.concent.concent_ref()).unwrap().digest();
        let operation = ConcentOperation::Claim { promised, amount, reserved_min: amount };
        self.provider.once(&operation).await.unwrap();
        digest
    }

    async fn accounts(&self) -> [ConcentAccount; 2] {
        let of = async |owner| self.concent.account(owner).await.unwrap();
        [of(self.requestor.address()).await, of(self.provider.address()).await]
    }

    async fn gnt_of_provider(&self) -> Wei {
        self.concent.client().gnt_balance(self.provider.address()).await.unwrap()
    }

    fn ruling(&self, promise: B256, amount: Wei) -> Bytes {
        let ruling = Ruling { requestor: self.requestor.address(), promise, amount, evidence: B256::ZERO };
        let signer = key(&self.devnet.accounts()[3]);
        pack_signatures(&[sign(ruling, &self.concent.concent_ref(), &signer).unwrap()]).into()
    }
}

fn locked(deposit: Wei, reserved: Wei) -> ConcentAccount {
    ConcentAccount { deposit, reserved, unlock_at: ChainTime(0) }
}

fn words_of(error: ChainError) -> String {
    let ChainError::Reverted { tx: None, reason: Revert::Custom(words), .. } = error else { panic!("{error}") };
    words
}

#[tokio::test]
async fn knows_its_own_guarantee_from_any_other_contract() {
    let devnet = devnet().await;
    let client = devnet.client().await.unwrap();
    let channels = devnet.deployment().channels;
    let other = ConcentClient::new(client.clone(), channels).await.unwrap_err();
    assert!(matches!(other, ChainError::ContractDiffers { contract: "ConcentDeposit", what: "code", .. }), "{other}");
    let nothing = ConcentClient::new(client.clone(), Address::repeat_byte(1)).await.unwrap_err();
    assert!(matches!(nothing, ChainError::ContractAbsent { contract: "ConcentDeposit", .. }), "{nothing}");
    let concent = guarantee(&devnet).await;
    assert_eq!(*concent.terms(), terms(&devnet));
    let keys = concent.concent().await.unwrap();
    assert_eq!((keys.keys, keys.threshold), (vec![devnet.accounts()[3].address], 1));

    // And one for another token.
    let mut elsewhere = devnet.deployment().clone();
    elsewhere.gnt = Address::repeat_byte(2);
    let missing = golem_chain::ChainClient::new(devnet.anvil().rpc().clone(), elsewhere).await.unwrap_err();
    assert!(matches!(missing, ChainError::ContractAbsent { contract: "GNT", .. }), "{missing}");
}

#[tokio::test]
async fn an_uncontested_claim_is_settled_and_the_rest_withdrawn() {
    let scene = Scene::new().await;
    let promised = scene.promise(1, gnt(20)).await;
    let operation = ConcentOperation::Claim { promised: promised.clone(), amount: gnt(21), reserved_min: Wei::ZERO };
    let words = words_of(scene.provider.estimate(&operation).await.unwrap_err());
    assert_eq!(words, "BadAmount: 21 GNT, allowed is what is above 0 and up to 20 GNT");
    let digest = scene.claim(&promised, gnt(20)).await;
    assert_eq!(scene.accounts().await, [locked(gnt(50), gnt(20)), locked(gnt(10), gnt(3))]);
    let claim = scene.concent.claim_of(scene.requestor.address(), digest).await.unwrap();
    assert_eq!((claim.amount, claim.reserved, claim.stage), (gnt(20), gnt(20), ClaimStage::Open));

    let (requestor, promise) = (scene.requestor.address(), promised.document);
    let settle = ConcentOperation::Settle { requestor, promise };
    let early = words_of(scene.stranger.once(&settle).await.unwrap_err());
    assert!(early.starts_with("TooEarly"), "{early}");
    let before = scene.gnt_of_provider().await;
    scene.devnet.increase_time(500).await.unwrap();
    assert!(scene.stranger.estimate(&settle).await.unwrap()[0].gas > 21_000);
    scene.stranger.once(&settle).await.unwrap();
    assert_eq!(scene.gnt_of_provider().await, before.checked_add(gnt(20)).unwrap());
    assert_eq!(scene.accounts().await, [locked(gnt(30), Wei::ZERO), locked(gnt(10), Wei::ZERO)]);
    assert!(scene.concent.is_used_up(requestor, promise.provider, promise.nonce).await.unwrap());

    let withdraw = ConcentOperation::Withdraw { amount: gnt(30) };
    assert!(words_of(scene.requestor.once(&withdraw).await.unwrap_err()).starts_with("Locked"));
    scene.requestor.once(&ConcentOperation::Unlock).await.unwrap();
    scene.devnet.increase_time(1000).await.unwrap();
    scene.requestor.once(&withdraw).await.unwrap();
    assert_eq!(scene.accounts().await[0].deposit, Wei::ZERO);
}

#[tokio::test]
async fn a_contested_claim_is_ruled_on() {
    let scene = Scene::new().await;
    let promised = scene.promise(1, gnt(20)).await;
    let digest = scene.claim(&promised, gnt(20)).await;
    scene.requestor.once(&ConcentOperation::Contest { promise: digest }).await.unwrap();
    let claim = scene.concent.claim_of(scene.requestor.address(), digest).await.unwrap();
    assert_eq!(claim.stage, ClaimStage::Contested);
    let rule = |amount, signatures| ConcentOperation::Rule {
        promised: promised.clone(),
        amount,
        evidence: B256::ZERO,
        signatures,
    };
    let foreign = rule(gnt(20), scene.ruling(digest, gnt(19)));
    let refused = words_of(scene.stranger.once(&foreign).await.unwrap_err());
    assert!(refused.starts_with("TooFewSignatures: 0"), "{refused}");
    let before = scene.gnt_of_provider().await;
    scene.stranger.once(&rule(gnt(20), scene.ruling(digest, gnt(20)))).await.unwrap();
    assert_eq!(scene.gnt_of_provider().await, before.checked_add(gnt(20)).unwrap());
    assert_eq!(scene.accounts().await, [locked(gnt(27), Wei::ZERO), locked(gnt(11), Wei::ZERO)]);
    assert_eq!(scene.concent.moved_today().await.unwrap(), gnt(23));
}

#[tokio::test]
async fn a_receipt_takes_the_bond_of_who_claims_all_the_same() {
    let scene = Scene::new().await;
    let promised = scene.promise(1, gnt(20)).await;
    let digest = scene.claim(&promised, gnt(20)).await;
    let receipt = Receipt { requestor: scene.requestor.address(), promise: digest };
    let void = |signer: &DevAccount| {
        let receipt = sign(receipt, &scene.concent.concent_ref(), &key(signer)).unwrap();
        ConcentOperation::Void { promised: promised.clone(), receipt: receipt.signed().signature }
    };
    let forged = words_of(scene.stranger.once(&void(&scene.devnet.accounts()[2])).await.unwrap_err());
    assert!(forged.starts_with("BadSignature"), "{forged}");
    scene.stranger.once(&void(&scene.devnet.accounts()[1])).await.unwrap();
    assert_eq!(scene.accounts().await, [locked(gnt(52), Wei::ZERO), locked(gnt(7), Wei::ZERO)]);
    let stranger = scene.concent.client().gnt_balance(scene.stranger.address()).await.unwrap();
    assert_eq!(stranger, gnt(10_001), "the cover is the messenger's");
}

#[tokio::test]
async fn says_before_sending_what_cannot_be_done() {
    let scene = Scene::new().await;
    let nothing = scene.requestor.once(&ConcentOperation::Deposit { amount: Wei::ZERO }).await.unwrap_err();
    assert!(matches!(nothing, ChainError::BadRequest(_)), "{nothing}");
    let too_much = scene.requestor.once(&ConcentOperation::Deposit { amount: gnt(9_951) }).await.unwrap_err();
    assert!(matches!(too_much, ChainError::NotEnoughGnt { .. }), "{too_much}");
    let unsigned = Signed { signature: CompactSignature([0; 64]), ..scene.promise(1, gnt(1)).await };
    let claim = ConcentOperation::Claim { promised: unsigned, amount: gnt(1), reserved_min: Wei::ZERO };
    assert!(words_of(scene.provider.once(&claim).await.unwrap_err()).starts_with("BadSignature"));
    // A dry run sends nothing.
    let estimate = scene.requestor.estimate(&ConcentOperation::Deposit { amount: gnt(1) }).await.unwrap();
    assert_eq!((estimate.len(), estimate[0].label.as_str()), (1, "deposit 1 GNT"));
    assert_eq!(scene.accounts().await[0].deposit, gnt(50));
}

#[tokio::test]
async fn deposits_a_plain_token_by_allowance() {
    let devnet = devnet().await;
    make_plain(&devnet).await;
    let concent = guarantee(&devnet).await;
    let owner = sender(&devnet, &concent, &devnet.accounts()[0]).await;
    let deposit = ConcentOperation::Deposit { amount: gnt(5) };
    assert_eq!(owner.estimate(&deposit).await.unwrap().len(), 2, "the allowance, and the deposit that rests on it");
    assert_eq!(owner.once(&deposit).await.unwrap().len(), 2);
    assert_eq!(concent.account(owner.address()).await.unwrap(), locked(gnt(5), Wei::ZERO));
}

#[tokio::test]
async fn an_author_publishes_changes_its_fee_with_notice_and_retires() {
    let devnet = devnet().await;
    let client = devnet.client().await.unwrap();
    let at = create(&devnet, &AppRegistry::BYTECODE, U256::from(600).abi_encode()).await;
    let registry = AppRegistryClient::new(client.clone(), at).await.unwrap();
    assert_eq!(registry.fee_notice_s().await.unwrap(), 600);
    let account = devnet.account(&devnet.accounts()[0]).await.unwrap();
    let (author, module, sender) = (account.address(), B256::repeat_byte(1), account.sender());
    let unknown = registry.app(author, module).await.unwrap();
    assert!(!unknown.published && unknown.metadata == B256::ZERO);
    let early = registry.estimate(sender, &AppOperation::Retire { module }).await.unwrap_err();
    assert!(early.to_string().contains("NotPublished"), "{early}");

    let metadata = B256::repeat_byte(2);
    let publish = AppOperation::Publish { module, metadata, fee: Wei(40) };
    assert!(registry.estimate(sender, &publish).await.unwrap().gas > 21_000);
    registry.once(sender, &publish).await.unwrap();
    let app = registry.app(author, module).await.unwrap();
    assert_eq!((app.published, app.metadata, app.fee, app.next_fee_at), (true, metadata, Wei(40), ChainTime(0)));
    // A lower fee counts at once, a higher one after the notice.
    registry.once(sender, &AppOperation::SetFee { module, fee: Wei(30) }).await.unwrap();
    assert_eq!(registry.app(author, module).await.unwrap().fee, Wei(30));
    registry.once(sender, &AppOperation::SetFee { module, fee: Wei(90) }).await.unwrap();
    let announced = registry.app(author, module).await.unwrap();
    assert_eq!((announced.fee, announced.next_fee), (Wei(30), Wei(90)));
    assert!(announced.next_fee_at > ChainTime(0));
    devnet.increase_time(600).await.unwrap();
    assert_eq!(registry.app(author, module).await.unwrap().fee, Wei(90));
    let described = B256::repeat_byte(3);
    registry.once(sender, &AppOperation::Describe { module, metadata: described }).await.unwrap();
    assert_eq!(registry.app(author, module).await.unwrap().metadata, described);
    registry.once(sender, &AppOperation::Retire { module }).await.unwrap();
    assert!(!registry.app(author, module).await.unwrap().published);
    assert!(sender.pending().is_empty(), "nothing is left in the journal");

    let other = AppRegistryClient::new(client, devnet.deployment().gnt).await.unwrap_err();
    assert!(matches!(other, ChainError::ContractDiffers { contract: "AppRegistry", .. }), "{other}");
}
