//! The node's key, encrypted on disk in the Web3 Secret Storage format (version 3) that every Ethereum wallet reads.
//!
//! One secp256k1 key is the node's identity and its payment account. Beside what the format asks for, the file holds
//! the address and the public key, so that the ids can be shown without the password. The key is never printed, logged
//! or taken from a command line.
//!
//! Source: scrypt with N = 8192, r = 8, p = 1, as in Foundry's wallets; against guessing, the password has to be long.

use crate::folder::{create_private, read_small};
use golem_protocol::{Address, KeySigner, Signer};
use k256::ecdsa::SigningKey;
use k256::elliptic_curve::rand_core::{OsRng, RngCore};
use serde_json::Value;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The name of the node's key in its keystore folder.
pub const WALLET_FILE: &str = "wallet.json";
/// No shorter password is taken for a new key. Reason: below this even scrypt does not help.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Bounds on the key derivation of a file we did not write, so that opening one takes neither all memory nor for ever.
const SCRYPT_MEMORY_BYTES_MAX: u64 = 1 << 30;
const PBKDF2_ROUNDS_MAX: u64 = 10_000_000;

/// A node's key, decrypted.
#[derive(Clone)]
pub struct Wallet {
    secret: [u8; 32],
    signer: KeySigner,
    public_key: [u8; 33],
}

impl core::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Wallet({})", self.signer.address())
    }
}

impl Wallet {
    /// A new random key.
    pub fn generate() -> Wallet {
        loop {
            let mut secret = [0u8; 32];
            OsRng.fill_bytes(&mut secret);
            if let Ok(wallet) = Wallet::from_secret(secret) {
                return wallet;
            }
        }
    }

    /// The key of these 32 bytes.
    ///
    /// Errors: `BadKey` for zero, or a number not below the group's order.
    pub fn from_secret(secret: [u8; 32]) -> Result<Wallet, KeystoreError> {
        let signer = KeySigner::from_bytes(&secret).map_err(|_| KeystoreError::BadKey)?;
        let key = SigningKey::from_bytes((&secret).into()).map_err(|_| KeystoreError::BadKey)?;
        let point = key.verifying_key().to_encoded_point(true);
        let public_key = point.as_bytes().try_into().map_err(|_| KeystoreError::BadKey)?;
        Ok(Wallet { secret, signer, public_key })
    }

    /// The key of 64 hexadecimal digits, with or without `0x`, spaces around them allowed.
    pub fn from_hex(text: &str) -> Result<Wallet, KeystoreError> {
        let digits = text.trim().trim_start_matches("0x");
        let mut secret = [0u8; 32];
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(KeystoreError::NotHex { digits: digits.chars().count() });
        }
        for (byte, pair) in secret.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = std::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.chars().all(|digit| digit.is_ascii_hexdigit()))
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or(KeystoreError::NotHex { digits: digits.len() })?;
        }
        Wallet::from_secret(secret)
    }

    /// Its address: node id and payment account.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Its public key, compressed: what the peer id is made of.
    pub fn public_key(&self) -> [u8; 33] {
        self.public_key
    }

    /// What signs documents and vouchers with it.
    pub fn signer(&self) -> KeySigner {
        self.signer.clone()
    }

    /// The key itself, for the libraries that keep their own copy: the transport and the chain's client.
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Encrypts the key into `folder`, for its owner only. Never replaces a file.
    pub fn save(&self, folder: &Path, password: &str) -> Result<PathBuf, KeystoreError> {
        let target = folder.join(WALLET_FILE);
        let length = password.chars().count();
        if length < PASSWORD_CHARS_MIN {
            return Err(KeystoreError::PasswordTooShort { length, min: PASSWORD_CHARS_MIN });
        }
        if target.exists() {
            return Err(KeystoreError::Exists { path: target });
        }
        create_private(folder).map_err(KeystoreError::io("create", folder))?;
        let scratch = folder.join(format!(".new-{}", std::process::id()));
        let saved = self.save_through(&scratch, &target, password);
        let _ = fs::remove_dir_all(&scratch);
        saved.map(|()| target)
    }

    /// Writes into a folder that only the owner can look into, then links the whole file to its place.
    fn save_through(&self, scratch: &Path, target: &Path, password: &str) -> Result<(), KeystoreError> {
        let _ = fs::remove_dir_all(scratch);
        create_private(scratch).map_err(KeystoreError::io("create", scratch))?;
        eth_keystore::encrypt_key(scratch, &mut OsRng, self.secret, password, Some("plain.json"))
            .map_err(|error| KeystoreError::Encrypt { detail: error.to_string() })?;
        let text = read_small(&scratch.join("plain.json")).map_err(KeystoreError::io("read", scratch))?;
        let mut json: Value =
            serde_json::from_str(&text).map_err(|error| KeystoreError::Encrypt { detail: error.to_string() })?;
        json["address"] = hex(self.address().as_slice()).into();
        json["public_key"] = hex(&self.public_key).into();
        let fresh = scratch.join(WALLET_FILE);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&fresh).map_err(KeystoreError::io("create", &fresh))?;
        file.write_all(format!("{json:#}\n").as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(KeystoreError::io("write", &fresh))?;
        // A link, not a rename: it fails where a file is in its place already.
        fs::hard_link(&fresh, target).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeystoreError::Exists { path: target.to_path_buf() },
            _ => KeystoreError::io("create", target)(error),
        })
    }

    /// Decrypts the key in `folder`.
    pub fn open(folder: &Path, password: &str) -> Result<Wallet, KeystoreError> {
        Wallet::open_file(&folder.join(WALLET_FILE), password)
    }

    /// Decrypts any keystore file of version 3, for instance one of another wallet program.
    pub fn open_file(path: &Path, password: &str) -> Result<Wallet, KeystoreError> {
        let json = read_json(path)?;
        let malformed = |detail: String| KeystoreError::Malformed { path: path.to_path_buf(), detail };
        check_shape(&json).map_err(malformed)?;
        let secret = eth_keystore::decrypt_key(path, password).map_err(|error| match error {
            eth_keystore::KeystoreError::MacMismatch => KeystoreError::WrongPassword { path: path.to_path_buf() },
            other => malformed(other.to_string()),
        })?;
        let length = secret.len();
        let secret = secret.try_into().map_err(|_| malformed(format!("it holds {length} bytes, a key has 32")))?;
        Wallet::from_secret(secret)
    }
}

/// What a keystore file shows without its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicWallet {
    /// Node id and payment account.
    pub address: Address,
    /// The compressed public key.
    pub public_key: [u8; 33],
}

impl PublicWallet {
    /// Reads them from the key in `folder`. They are what the file says: only opening it proves them.
    pub fn read(folder: &Path) -> Result<PublicWallet, KeystoreError> {
        let path = folder.join(WALLET_FILE);
        let json = read_json(&path)?;
        let field = |name: &str| json[name].as_str().unwrap_or_default().trim_start_matches("0x").to_owned();
        let malformed = |name: &str| KeystoreError::Malformed {
            path: path.clone(),
            detail: format!("its `{name}` is missing or malformed"),
        };
        let address = field("address").parse().map_err(|_| malformed("address"))?;
        let public_key: alloy_primitives::FixedBytes<33> =
            field("public_key").parse().map_err(|_| malformed("public_key"))?;
        let key =
            k256::ecdsa::VerifyingKey::from_sec1_bytes(public_key.as_slice()).map_err(|_| malformed("public_key"))?;
        if Address::from_public_key(&key) != address {
            return Err(KeystoreError::Malformed {
                path,
                detail: format!("its public key does not belong to its address {address}"),
            });
        }
        Ok(PublicWallet { address, public_key: public_key.0 })
    }
}

fn read_json(path: &Path) -> Result<Value, KeystoreError> {
    let text = match read_small(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(KeystoreError::Absent { path: path.to_path_buf() });
        }
        Err(error) => return Err(KeystoreError::io("read", path)(error)),
    };
    serde_json::from_str(&text)
        .map_err(|error| KeystoreError::Malformed { path: path.to_path_buf(), detail: error.to_string() })
}

/// Refuses what would make the decryption panic, or run without end.
fn check_shape(json: &Value) -> Result<(), String> {
    if json["version"] != 3 {
        return Err(format!("it has keystore version {}, not 3", json["version"]));
    }
    let crypto = &json["crypto"];
    if crypto["cipher"] != "aes-128-ctr" {
        return Err(format!("its cipher is {}, not \"aes-128-ctr\"", crypto["cipher"]));
    }
    if crypto["cipherparams"]["iv"].as_str().map(str::len) != Some(32) {
        return Err("its initialisation vector has not 16 bytes".to_owned());
    }
    let derivation = &crypto["kdfparams"];
    let number = |name: &str| derivation[name].as_u64().unwrap_or(0);
    if number("dklen") != 32 {
        return Err(format!("its derived key has {} bytes, not 32", derivation["dklen"]));
    }
    let fits = match crypto["kdf"].as_str() {
        Some("scrypt") => {
            let (n, r, p) = (number("n"), number("r"), number("p"));
            let memory = n.saturating_mul(r).saturating_mul(128);
            n.is_power_of_two() && n > 1 && r > 0 && (1..=16).contains(&p) && memory <= SCRYPT_MEMORY_BYTES_MAX
        }
        Some("pbkdf2") => (1..=PBKDF2_ROUNDS_MAX).contains(&number("c")),
        _ => return Err(format!("its key derivation {} is neither scrypt nor pbkdf2", crypto["kdf"])),
    };
    if fits { Ok(()) } else { Err(format!("its key derivation {derivation} is out of bounds")) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a key could not be kept or read. Nothing on disk was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// There is no key yet.
    #[error(
        "there is no key {path}: make one with `golem wallet new`, or take one over with `golem wallet import`",
        path = path.display()
    )]
    Absent {
        /// Where it would be.
        path: PathBuf,
    },
    /// There is one already.
    #[error("there is a key {path} already, and a key is never overwritten: name another folder with --dir, or move that file away (without it, the money of its account is lost)", path = path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The password does not open it.
    #[error("the password does not open {path}: try again, or name the right file with --password-file", path = path.display())]
    WrongPassword {
        /// Which key.
        path: PathBuf,
    },
    /// Too easy to guess.
    #[error("the password has {length} characters; a new key needs at least {min}")]
    PasswordTooShort {
        /// How many it has.
        length: usize,
        /// How many it needs.
        min: usize,
    },
    /// Not a keystore file of version 3.
    #[error("{path} is no keystore file that can be read: {detail}", path = path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Not hexadecimal.
    #[error(
        "a private key is 64 hexadecimal digits, with or without 0x; this has {digits} characters or others among them"
    )]
    NotHex {
        /// How many characters it has.
        digits: usize,
    },
    /// Not a key.
    #[error("the private key is zero or not below the order of secp256k1: check that all of it was copied")]
    BadKey,
    /// Encryption failed.
    #[error("cannot encrypt the key: {detail}")]
    Encrypt {
        /// What the library said.
        detail: String,
    },
    /// The system said no.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl KeystoreError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeystoreError {
        let path = path.to_path_buf();
        move |source| KeystoreError::Io { action, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "a long enough password";

    #[test]
    fn gives_back_the_key_it_was_given() {
        let home = tempfile::tempdir().unwrap();
        let wallet = Wallet::generate();
        let path = wallet.save(home.path(), PASSWORD).unwrap();
        let again = Wallet::open(home.path(), PASSWORD).unwrap();
        assert_eq!(again.secret(), wallet.secret());
        let public = PublicWallet::read(home.path()).unwrap();
        assert_eq!((public.address, public.public_key), (wallet.address(), wallet.public_key()));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing else is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn never_overwrites_a_key() {
        let home = tempfile::tempdir().unwrap();
        let first = Wallet::generate();
        first.save(home.path(), PASSWORD).unwrap();
        assert!(matches!(Wallet::generate().save(home.path(), PASSWORD), Err(KeystoreError::Exists { .. })));
        assert_eq!(Wallet::open(home.path(), PASSWORD).unwrap().address(), first.address());
    }

    #[test]
    fn refuses_a_wrong_or_short_password() {
        let home = tempfile::tempdir().unwrap();
        let wallet = Wallet::generate();
        assert!(matches!(
            wallet.save(home.path(), "short"),
            Err(KeystoreError::PasswordTooShort { length: 5, min: 8 })
        ));
        wallet.save(home.path(), PASSWORD).unwrap();
        assert!(matches!(Wallet::open(home.path(), "another one"), Err(KeystoreError::WrongPassword { .. })));
    }

    #[test]
    fn refuses_what_is_no_keystore_without_panicking() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(Wallet::open(home.path(), PASSWORD), Err(KeystoreError::Absent { .. })));
        let path = Wallet::generate().save(home.path(), PASSWORD).unwrap();
        let good: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let spoils: [(&str, Value); 6] = [
            ("/version", 1.into()),
            ("/crypto/cipher", "rot13".into()),
            ("/crypto/cipherparams/iv", "00".into()),
            ("/crypto/kdfparams/dklen", 8.into()),
            ("/crypto/kdfparams/n", (1u64 << 40).into()),
            ("/crypto/kdf", "none".into()),
        ];
        for (pointer, value) in spoils {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = value;
            fs::write(&path, bad.to_string()).unwrap();
            assert!(matches!(Wallet::open(home.path(), PASSWORD), Err(KeystoreError::Malformed { .. })), "{pointer}");
        }
        fs::write(&path, "not json").unwrap();
        assert!(matches!(PublicWallet::read(home.path()), Err(KeystoreError::Malformed { .. })));
    }

    #[test]
    fn refuses_what_is_no_private_key() {
        assert!(matches!(Wallet::from_hex("0x12"), Err(KeystoreError::NotHex { digits: 2 })));
        assert!(matches!(Wallet::from_hex(&"zz".repeat(32)), Err(KeystoreError::NotHex { digits: 64 })));
        assert!(matches!(Wallet::from_hex(&"+1".repeat(32)), Err(KeystoreError::NotHex { .. })));
        assert!(matches!(Wallet::from_hex(&"00".repeat(32)), Err(KeystoreError::BadKey)));
        assert!(matches!(Wallet::from_hex(&"ff".repeat(32)), Err(KeystoreError::BadKey)));
        let known = Wallet::from_hex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80\n").unwrap();
        assert_eq!(known.address().to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    }

    #[test]
    fn shows_no_key_when_printed() {
        let wallet = Wallet::generate();
        let shown = format!("{wallet:?}");
        assert!(!shown.contains(&hex(wallet.secret())) && shown.contains("0x"), "{shown}");
    }
}
