//! `golem wallet`: the key of this node.

use crate::Answer;
use crate::context::{ChainArgs, Context, PasswordFor, chain_client, chain_settings};
use crate::output;
use crate::tx::{self, MoveArgs};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use golem_chain::{ChainError, Operation};
use golem_node::keystore::{PublicWallet, Wallet};
use golem_protocol::NodeId;
use indicatif::ProgressBar;
use serde_json::json;
use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// The longest text that can hold a private key. Reason: 64 digits, and space around them.
const KEY_TEXT_BYTES_MAX: u64 = 1024;

/// What to do with the key.
#[derive(Subcommand)]
pub enum WalletCommand {
    /// Make a new key in the data folder
    New {
        /// Try keys until one has so many bits of work in it, for those who deal with such only: each bit takes twice as long
        #[arg(long, value_name = "BITS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=40))]
        identity_bits: u8,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take over a private key: asked for on a terminal, else read from standard input
    Import {
        /// Read the private key, 64 hexadecimal digits, from this file
        #[arg(long, value_name = "FILE", conflicts_with = "keystore")]
        key_file: Option<PathBuf>,
        /// Take over a keystore file of another wallet (version 3), under the same password
        #[arg(long, value_name = "FILE")]
        keystore: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the node id, the payment address and the peer id; needs no password
    Address {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take GNT from the faucet of a test network
    Faucet(MoveArgs),
    /// Show what the account holds on the chain
    Balance {
        #[command(flatten)]
        chain: ChainArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub async fn run(context: &Context, command: WalletCommand) -> anyhow::Result<Answer> {
    match command {
        WalletCommand::New { identity_bits, json } => {
            let folder = context.folder_or_new()?;
            refuse_to_overwrite(&folder)?;
            let password = context.password(PasswordFor::NewKey)?;
            let path = wallet_with(identity_bits.into())?.save(&folder.keystore(), &password)?;
            note!("A new key is in {}.", path.display());
            note!("Keep a copy of that file and its password: without both, the money of this account is lost.");
            show(&folder, json)
        }
        WalletCommand::Import { key_file, keystore, json } => import(context, key_file, keystore, json),
        WalletCommand::Address { json } => show(&context.folder()?, json),
        WalletCommand::Faucet(how) => faucet(context, &how).await,
        WalletCommand::Balance { chain, json } => balance(context, &chain, json).await,
    }
}

/// A new key with so much work in it, tried on every processor.
fn wallet_with(bits: u32) -> anyhow::Result<Wallet> {
    let (sender, found) = std::sync::mpsc::sync_channel(1);
    let tried = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let bar = if bits > 0 { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, tried, done) = (sender.clone(), &tried, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let wallet = Wallet::generate();
                    tried.fetch_add(1, Ordering::Relaxed);
                    if NodeId(wallet.address()).work_bits() >= bits {
                        done.store(true, Ordering::Relaxed);
                        let _ = sender.try_send(wallet);
                    }
                }
            });
        }
        loop {
            match found.recv_timeout(Duration::from_millis(250)) {
                Ok(wallet) => {
                    bar.finish_and_clear();
                    return Ok(wallet);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let tried = tried.load(Ordering::Relaxed);
                    let left_s = began.elapsed().as_secs_f64() * 2f64.powi(bits as i32) / tried.max(1) as f64;
                    bar.set_message(format!("{tried} keys tried; one with {bits} bits takes {left_s:.0} s on average"));
                    bar.tick();
                }
                Err(RecvTimeoutError::Disconnected) => bail!("no key was found"),
            }
        }
    })
}

/// Before a password is asked for in vain.
fn refuse_to_overwrite(folder: &golem_node::folder::Folder) -> anyhow::Result<()> {
    let path = folder.keystore().join(golem_node::keystore::WALLET_FILE);
    if path.exists() {
        return Err(golem_node::keystore::KeystoreError::Exists { path }.into());
    }
    Ok(())
}

fn import(
    context: &Context,
    key_file: Option<PathBuf>,
    keystore: Option<PathBuf>,
    json: bool,
) -> anyhow::Result<Answer> {
    let folder = context.folder_or_new()?;
    refuse_to_overwrite(&folder)?;
    let (wallet, password) = match keystore {
        Some(file) => {
            let password = context.password(PasswordFor::OpenKey)?;
            (Wallet::open_file(&file, &password)?, password)
        }
        None => {
            let wallet = Wallet::from_hex(&read_key(key_file)?)?;
            (wallet, context.password(PasswordFor::NewKey)?)
        }
    };
    let path = wallet.save(&folder.keystore(), &password)?;
    note!("The key is in {}, encrypted.", path.display());
    show(&folder, json)
}

/// The private key's text, from a file, a terminal or standard input; never from the command line, which others can see.
fn read_key(file: Option<PathBuf>) -> anyhow::Result<String> {
    let mut text = String::new();
    let length = match file {
        Some(file) => {
            let cannot = || format!("cannot read the private key from {}", file.display());
            let opened = std::fs::File::open(&file).with_context(cannot)?;
            opened.take(KEY_TEXT_BYTES_MAX).read_to_string(&mut text).with_context(cannot)?
        }
        None if std::io::stdin().is_terminal() => {
            text = rpassword::prompt_password("Private key (64 hexadecimal digits): ")
                .context("cannot read the private key")?;
            text.len()
        }
        None => std::io::stdin()
            .take(KEY_TEXT_BYTES_MAX)
            .read_to_string(&mut text)
            .context("cannot read the private key from standard input")?,
    };
    if length as u64 == KEY_TEXT_BYTES_MAX {
        bail!("what was given as a private key is longer than {KEY_TEXT_BYTES_MAX} bytes; give 64 hexadecimal digits");
    }
    Ok(text)
}

fn show(folder: &golem_node::folder::Folder, json: bool) -> anyhow::Result<Answer> {
    let wallet = PublicWallet::read(&folder.keystore())?;
    let peer_id = peer_id(&wallet.public_key);
    let bits = NodeId(wallet.address).work_bits();
    if json {
        output::json(
            &json!({ "node": wallet.address, "payment_address": wallet.address, "peer_id": peer_id, "identity_bits": bits }),
        )?;
    } else {
        output::line(&format!("node id          {}", wallet.address))?;
        output::line(&format!("payment address  {}", wallet.address))?;
        output::line(&format!("peer id          {peer_id}"))?;
        output::line(&format!("identity work    {}", output::count(bits, "bit")))?;
    }
    Ok(Answer::Yes)
}

async fn faucet(context: &Context, how: &MoveArgs) -> anyhow::Result<Answer> {
    let folder = context.folder()?;
    let settings = chain_settings(&folder, &context.config(&folder)?, &how.chain).await?;
    let address = PublicWallet::read(&folder.keystore())?.address;
    if settings.deployment.faucet.is_none() {
        return Err(ChainError::NoFaucet { chain_id: settings.deployment.chain_id, address }.into());
    }
    let client = chain_client(&settings).await?;
    tx::check_ether(&client, address).await?;
    let account = tx::account(context, &folder, &settings, client).await?;
    if how.dry_run {
        return tx::dry_run(&account, &Operation::FaucetClaim, how.json).await;
    }
    let settled = account.faucet_claim().await?;
    let gnt = account.client().gnt_balance(account.address()).await?;
    if how.json {
        output::json(&json!({ "address": account.address(), "gnt_wei": gnt, "receipts": settled.receipts }))?;
    } else {
        output::line(&format!("{} has {gnt} now.", account.address()))?;
        tx::print_receipts(&settled.receipts)?;
    }
    Ok(Answer::Yes)
}

async fn balance(context: &Context, chain: &ChainArgs, json: bool) -> anyhow::Result<Answer> {
    let folder = context.folder()?;
    let address = PublicWallet::read(&folder.keystore())?.address;
    let settings = chain_settings(&folder, &context.config(&folder)?, chain).await?;
    let client = chain_client(&settings).await?;
    let (gnt, eth) = (client.gnt_balance(address).await?, client.eth_balance(address).await?);
    if json {
        output::json(&json!({
            "address": address, "chain_id": settings.deployment.chain_id, "gnt_wei": gnt, "eth_wei": eth.to_string(),
        }))?;
    } else {
        output::line(&format!("{address} on chain {}", settings.deployment.chain_id))?;
        output::line(&format!("{gnt}"))?;
        output::line(&output::eth(eth))?;
    }
    if eth == 0 {
        note!("Without ether this account cannot send transactions: have some sent to it.");
    }
    Ok(Answer::Yes)
}

/// The libp2p peer id of a secp256k1 key.
///
/// Encoding: base58 of the identity multihash (code 0, length 37) of the key's protobuf (type 2, 33 bytes).
fn peer_id(public_key: &[u8; 33]) -> String {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = vec![0x00, 0x25, 0x08, 0x02, 0x12, 0x21];
    bytes.extend(public_key);
    // Digits of base 58, the least first.
    let mut digits: Vec<u8> = Vec::new();
    for byte in &bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let leading = std::iter::repeat_n(0, zeros);
    leading.chain(digits.into_iter().rev()).map(|digit| char::from(ALPHABET[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_key_with_the_work_that_is_asked() {
        let wallet = wallet_with(4).unwrap();
        assert!(NodeId(wallet.address()).work_bits() >= 4);
    }

    /// The key of an account of every development chain; the id is what a node of that key calls itself.
    #[test]
    fn makes_the_peer_id_that_libp2p_makes() {
        let wallet = Wallet::from_hex("7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6").unwrap();
        assert_eq!(peer_id(&wallet.public_key()), "16Uiu2HAkwdQ9geiyZ6Mv6vfoZcWW6frHNDe2GajMmmFpc2dG7SwC");
    }
}
