//! Signatures: `Signed<T>` as it comes off the wire, `Authentic<T>` once the signature is checked.

use crate::ids::Binding;
use crate::limits::DocumentError;
use alloy_primitives::{Address, B256, Signature, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct};
use k256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};

/// The EIP-712 name of the domain of what only nodes read: all documents of a deal but the voucher.
pub const DOCUMENT_DOMAIN: &str = "Golem";
/// The EIP-712 name of the domain of the `PaymentChannels` contract, under which vouchers are signed.
pub const CHANNELS_DOMAIN: &str = "Golem PaymentChannels";
/// The EIP-712 name of the domain of the `ConcentDeposit` contract: promises, receipts, rulings and rotations.
pub const CONCENT_DOMAIN: &str = "Golem ConcentDeposit";
/// The EIP-712 version of all domains.
pub const DOMAIN_VERSION: &str = "1";

/// A domain of typed data.
///
/// Source: EIP-712, "Definition of domainSeparator"; all of name, version, chain id and contract are bound, so that a
/// signature is worth nothing on another chain or for another deployment.
pub fn domain(name: &'static str, at: &impl Binding) -> Eip712Domain {
    Eip712Domain::new(
        Some(name.into()),
        Some(DOMAIN_VERSION.into()),
        Some(alloy_primitives::U256::from(at.chain_id())),
        Some(at.contract()),
        None,
    )
}

/// A document that somebody signs.
pub trait Document: Clone + Serialize + for<'de> Deserialize<'de> {
    /// The document's name, as in the glossary.
    const NAME: &'static str;

    /// What its signature is good for.
    type Binding: Binding;

    /// Who has to have signed it, by its own words. `None` where the document does not say (as the voucher).
    fn claimed_signer(&self) -> Option<Address>;

    /// The EIP-712 digest that is signed; it is also the name by which later documents refer to this one.
    fn digest(&self, at: &Self::Binding) -> B256;

    /// Whether the shape is within the bounds of `limits`.
    fn check(&self) -> Result<(), DocumentError>;
}

pub(crate) fn typed_digest<S: SolStruct>(name: &'static str, typed: &S, at: &impl Binding) -> B256 {
    typed.eip712_signing_hash(&domain(name, at))
}

/// A signature in the compact form of EIP-2098.
///
/// Shape: `r` (32 bytes), then `s` with the recovery bit as its top bit (32 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CompactSignature(pub [u8; 64]);

impl core::fmt::Debug for CompactSignature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "0x{}", alloy_primitives::hex::encode(self.0))
    }
}

impl CompactSignature {
    /// Who signed `digest`.
    ///
    /// Errors: `Malformed` where the bytes are no signature of anyone, or `s` is in the upper half of the order
    /// (EIP-2: the contract refuses such a signature, so we do too).
    pub fn recover(&self, digest: &B256) -> Result<Address, SignatureError> {
        let signature = Signature::from_erc2098(&self.0);
        if signature.normalize_s().is_some() {
            return Err(SignatureError::Malformed);
        }
        signature.recover_address_from_prehash(digest).map_err(|_| SignatureError::Malformed)
    }
}

impl Serialize for CompactSignature {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let (r, vs) = self.0.split_at(32);
        (B256::from_slice(r), B256::from_slice(vs)).serialize(s)
    }
}

impl<'de> Deserialize<'de> for CompactSignature {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let (r, vs) = <(B256, B256)>::deserialize(d)?;
        let mut bytes = [0u8; 64];
        bytes[..32].copy_from_slice(r.as_slice());
        bytes[32..].copy_from_slice(vs.as_slice());
        Ok(CompactSignature(bytes))
    }
}

/// A document with a signature that nobody has checked yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed<T> {
    /// What was signed.
    pub document: T,
    /// The signature over the document's digest.
    pub signature: CompactSignature,
}

impl<T: Document> Signed<T> {
    /// Checks bounds and signature.
    ///
    /// Errors: `OutOfBounds`, `Malformed`, or `WrongSigner` where the document names somebody else as its author.
    pub fn authenticate(self, at: &T::Binding) -> Result<Authentic<T>, SignatureError> {
        self.document.check()?;
        let digest = self.document.digest(at);
        let signer = self.signature.recover(&digest)?;
        if let Some(claimed) = self.document.claimed_signer()
            && claimed != signer
        {
            return Err(SignatureError::WrongSigner { document: T::NAME, claimed, recovered: signer });
        }
        Ok(Authentic { signed: self, digest, signer })
    }
}

/// A document whose bounds and signature were checked. It is made by [`Signed::authenticate`] or by [`sign`], in no
/// other way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentic<T> {
    signed: Signed<T>,
    digest: B256,
    signer: Address,
}

impl<T> Authentic<T> {
    /// The document.
    pub fn document(&self) -> &T {
        &self.signed.document
    }
    /// The EIP-712 digest: the document's name.
    pub fn digest(&self) -> B256 {
        self.digest
    }
    /// Who signed it.
    pub fn signer(&self) -> Address {
        self.signer
    }
    /// The document with its signature, to store or send.
    pub fn signed(&self) -> &Signed<T> {
        &self.signed
    }
    /// The same, taking it.
    pub fn into_signed(self) -> Signed<T> {
        self.signed
    }
}

impl<T> core::ops::Deref for Authentic<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.signed.document
    }
}

/// Signs a document, after the same checks that the other side will make.
pub fn sign<T: Document>(document: T, at: &T::Binding, signer: &dyn Signer) -> Result<Authentic<T>, SignatureError> {
    document.check()?;
    if let Some(claimed) = document.claimed_signer()
        && claimed != signer.address()
    {
        return Err(SignatureError::WrongSigner { document: T::NAME, claimed, recovered: signer.address() });
    }
    let digest = document.digest(at);
    let signature = signer.sign_digest(&digest)?;
    Ok(Authentic { signed: Signed { document, signature }, digest, signer: signer.address() })
}

/// The signatures of several, as the contract takes them: 64 bytes each, in the ascending order of who signed. Of
/// two signatures of one key the first is left out, since a key counts once.
pub fn pack_signatures<'a, T: 'a>(signed: impl IntoIterator<Item = &'a Authentic<T>>) -> Vec<u8> {
    let by_signer = signed.into_iter().map(|one| (one.signer, one.signed.signature));
    let by_signer: std::collections::BTreeMap<Address, CompactSignature> = by_signer.collect();
    by_signer.into_values().flat_map(|signature| signature.0).collect()
}

/// Something that signs digests with one key.
pub trait Signer: Send + Sync {
    /// The key's address.
    fn address(&self) -> Address;
    /// Signs a digest; the same digest gives the same signature (RFC 6979).
    fn sign_digest(&self, digest: &B256) -> Result<CompactSignature, SignatureError>;
}

/// A key in memory.
#[derive(Clone)]
pub struct KeySigner {
    key: SigningKey,
    address: Address,
}

impl core::fmt::Debug for KeySigner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeySigner({})", self.address)
    }
}

impl KeySigner {
    /// Takes 32 bytes as a secp256k1 key.
    ///
    /// Errors: `BadKey` for zero or a number not below the group's order.
    pub fn from_bytes(secret: &[u8; 32]) -> Result<KeySigner, SignatureError> {
        let key = SigningKey::from_bytes(secret.into()).map_err(|_| SignatureError::BadKey)?;
        let address = Address::from_public_key(key.verifying_key());
        Ok(KeySigner { key, address })
    }
}

impl Signer for KeySigner {
    fn address(&self) -> Address {
        self.address
    }

    fn sign_digest(&self, digest: &B256) -> Result<CompactSignature, SignatureError> {
        let (signature, recovery) =
            self.key.sign_prehash_recoverable(digest.as_slice()).map_err(|_| SignatureError::BadKey)?;
        Ok(CompactSignature(Signature::from((signature, recovery)).as_erc2098()))
    }
}

/// The address of a public key in its uncompressed form without the leading 4.
pub fn address_of_public_key(uncompressed: &[u8; 64]) -> Address {
    Address::from_slice(&keccak256(uncompressed)[12..])
}

/// Why a signature is not accepted. The fault is the sender's, and nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No key can have made it.
    #[error("the signature is malformed (not on the curve, or with a high s)")]
    Malformed,
    /// Made by another key than the document names.
    #[error("{document} says it is from {claimed} but was signed by {recovered}")]
    WrongSigner {
        /// Which document.
        document: &'static str,
        /// Who it names.
        claimed: Address,
        /// Who signed.
        recovered: Address,
    },
    /// The document itself is out of bounds.
    #[error(transparent)]
    OutOfBounds(#[from] DocumentError),
    /// Not a private key.
    #[error("the private key is not a secp256k1 key (32 bytes, not zero, below the group's order)")]
    BadKey,
}
