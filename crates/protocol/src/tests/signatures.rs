use super::*;
use proptest::prelude::*;

/// Half the order of secp256k1, as 32 bytes; above it a signature's `s` is high.
const HALF_ORDER: &str = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";

fn with_s(signature: CompactSignature, s: [u8; 32]) -> CompactSignature {
    let mut bytes = signature.0;
    bytes[32..].copy_from_slice(&s);
    CompactSignature(bytes)
}

fn half_order_plus(n: u8) -> [u8; 32] {
    let mut s: [u8; 32] = alloy_primitives::hex::decode_to_array(HALF_ORDER).unwrap();
    s[31] += n;
    s
}

fn refuses_other_signers<T: Document<Binding = ChainRef>>(document: T, right: &KeySigner) {
    let wrong = key(99);
    let error = SignatureError::WrongSigner { document: T::NAME, claimed: right.address(), recovered: wrong.address() };
    assert_eq!(sign(document.clone(), &chain(), &wrong).err(), Some(error.clone()), "{}", T::NAME);
    let signature = wrong.sign_digest(&document.digest(&chain())).unwrap();
    assert_eq!(Signed { document, signature }.authenticate(&chain()).err(), Some(error), "{}", T::NAME);
}

#[test]
fn refuses_documents_that_somebody_else_signed() {
    refuses_other_signers(header(), &key(1));
    refuses_other_signers(offer(), &key(2));
    refuses_other_signers(agreement(), &key(1));
    refuses_other_signers(cancel(), &key(2));
    refuses_other_signers(report(), &key(2));
    refuses_other_signers(verdict(), &key(1));
}

#[test]
fn refuses_documents_of_another_chain_or_contract() {
    let signed = sign(offer(), &chain(), &key(2)).unwrap().into_signed();
    for elsewhere in [ChainRef { chain_id: 1, ..chain() }, ChainRef { channels: Address::repeat_byte(0xcd), ..chain() }]
    {
        let error = signed.clone().authenticate(&elsewhere).err();
        assert!(matches!(error, Some(SignatureError::WrongSigner { document: "offer", .. })), "{error:?}");
        // A voucher does not name its payer: elsewhere it is some stranger's, with no channel.
        let voucher = sign(voucher(), &chain(), &key(3)).unwrap().into_signed();
        let stranger = voucher.authenticate(&elsewhere).unwrap();
        assert_ne!(stranger.channel().payer, key(3).address());
    }
}

#[test]
fn refuses_documents_that_were_changed_after_signing() {
    let mut signed = sign(offer(), &chain(), &key(2)).unwrap().into_signed();
    signed.document.price = Wei(81);
    assert!(matches!(signed.authenticate(&chain()), Err(SignatureError::WrongSigner { .. })));
}

#[test]
fn a_promise_of_another_chain_or_contract_is_some_strangers() {
    let signed = sign(promise(), &concent(), &key(3)).unwrap();
    assert_eq!(signed.requestor(), key(3).address());
    let contract = Address::repeat_byte(0xce);
    for elsewhere in [ConcentRef { chain_id: 1, ..concent() }, ConcentRef { concent_deposit: contract, ..concent() }] {
        let stranger = signed.signed().clone().authenticate(&elsewhere).unwrap();
        assert_ne!(stranger.requestor(), key(3).address());
    }
}

#[test]
fn only_the_providers_receipt_of_the_same_promise_voids_it() {
    let signed = sign(promise(), &concent(), &key(3)).unwrap();
    let by = |receipt, signer: u8| sign(receipt, &concent(), &key(signer)).unwrap();
    assert!(!signed.is_voided_by(&by(receipt(), 3)), "by the requestor");
    assert!(!signed.is_voided_by(&by(Receipt { promise: hash(1), ..receipt() }, 4)), "of another promise");
    let other = Receipt { requestor: key(4).address(), ..receipt() };
    assert!(!signed.is_voided_by(&by(other, 4)), "of another requestor");
    assert_eq!(signed.receipt(), receipt());
    assert!(signed.is_voided_by(&by(receipt(), 4)));
}

#[test]
fn signatures_are_packed_by_ascending_signer_and_each_key_once() {
    let rulings: Vec<_> = (1..6).map(|n| sign(ruling(), &concent(), &key(n)).unwrap()).collect();
    let packed = pack_signatures(rulings.iter().chain(&rulings[..2]));
    assert_eq!(packed.len(), 5 * 64);
    let digest = ruling().digest(&concent());
    let signature = |bytes: &[u8]| CompactSignature(bytes.try_into().unwrap());
    let signers: Vec<_> = packed.chunks(64).map(|bytes| signature(bytes).recover(&digest).unwrap()).collect();
    assert!(signers.is_sorted_by(|one, next| one < next), "{signers:?}");
    assert_eq!(pack_signatures::<Ruling>(&[]), Vec::<u8>::new());
}

#[test]
fn refuses_signatures_with_a_high_s() {
    let digest = hash(1);
    let signature = key(1).sign_digest(&digest).unwrap();
    assert!(with_s(signature, half_order_plus(0)).recover(&digest).is_ok(), "the largest s that is low");
    assert_eq!(with_s(signature, half_order_plus(1)).recover(&digest), Err(SignatureError::Malformed));
}

#[test]
fn refuses_bytes_that_are_no_signature() {
    let digest = hash(1);
    let good = key(1).sign_digest(&digest).unwrap();
    assert_eq!(CompactSignature([0; 64]).recover(&digest), Err(SignatureError::Malformed));
    assert_eq!(CompactSignature([0xff; 64]).recover(&digest), Err(SignatureError::Malformed));
    assert_eq!(with_s(good, [0; 32]).recover(&digest), Err(SignatureError::Malformed));
    let mut no_r = good;
    no_r.0[..32].fill(0);
    assert_eq!(no_r.recover(&digest), Err(SignatureError::Malformed));
}

#[test]
fn refuses_bytes_that_are_no_key() {
    assert_eq!(KeySigner::from_bytes(&[0; 32]).err(), Some(SignatureError::BadKey));
    assert_eq!(KeySigner::from_bytes(&[0xff; 32]).err(), Some(SignatureError::BadKey));
}

#[test]
fn a_key_is_never_printed() {
    let shown = format!("{:?}", key(7));
    assert_eq!(shown, format!("KeySigner({})", key(7).address()));
}

#[test]
fn authentic_documents_keep_what_was_signed() {
    let authentic = sign(agreement(), &chain(), &key(1)).unwrap();
    assert_eq!(authentic.document(), &agreement());
    assert_eq!(authentic.digest(), agreement().digest(&chain()));
    assert_eq!(authentic.signer(), key(1).address());
    assert_eq!(authentic.signed().clone().authenticate(&chain()), Ok(authentic.clone()));
    let voucher = sign(voucher(), &chain(), &key(3)).unwrap();
    assert_eq!(voucher.channel(), ChannelId { payer: key(3).address(), payee: key(4).address() });
}

#[test]
fn a_providers_clock_is_not_signed() {
    let mut slower = report();
    if let SubtaskOutcome::Completed { time_ms, .. } = &mut slower.results[0].outcome {
        *time_ms += 1;
    }
    assert_eq!(slower.digest(&chain()), report().digest(&chain()));
    let mut other = report();
    other.results[0] = failed(0, "a".into());
    let mut text = other.clone();
    text.results[0] = failed(0, "b".into());
    assert_ne!(other.digest(&chain()), text.digest(&chain()), "what a failure says is signed");
}

proptest! {
    #[test]
    fn one_flipped_bit_is_another_signer_or_none(bit in 0usize..512, digest in any::<[u8; 32]>()) {
        let digest = B256::from(digest);
        let mut signature = key(1).sign_digest(&digest).unwrap();
        prop_assert_eq!(signature.recover(&digest), Ok(key(1).address()));
        signature.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert_ne!(signature.recover(&digest), Ok(key(1).address()));
    }

    #[test]
    fn random_bytes_never_panic(bytes in any::<[u8; 32]>(), more in any::<[u8; 32]>(), digest in any::<[u8; 32]>()) {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&bytes);
        signature[32..].copy_from_slice(&more);
        drop(CompactSignature(signature).recover(&B256::from(digest)));
        drop(KeySigner::from_bytes(&bytes));
    }
}
