//! Transactions that a command sends itself: which are under way is kept in the data folder, so that a command that was
//! broken off and is given again does not do a thing twice.

use crate::Answer;
use crate::context::{ChainArgs, Context, rpc_config};
use crate::output::{self, Table};
use anyhow::bail;
use clap::Args;
use golem_chain::{
    Account, ChainClient, ChainError, Estimate, JournalError, Operation, Pending, PendingJournal, Rpc, SenderOptions,
    TxReceipt, TxSender,
};
use golem_node::ChainSettings;
use golem_node::folder::{Folder, create_private, write_private};
use golem_node::keystore::Wallet;
use golem_protocol::{Address, Wei};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most records in the journal's folder. Reason: a command sends a handful of transactions.
const RECORDS_MAX: usize = 1024;

/// Records of transactions under way, one file each.
pub struct FileJournal {
    folder: PathBuf,
}

impl FileJournal {
    /// Keeps them in this folder, which need not be there yet.
    pub fn new(folder: PathBuf) -> FileJournal {
        FileJournal { folder }
    }

    fn file(&self, id: &str) -> PathBuf {
        let name: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{name}.json"))
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> JournalError {
    let path = path.display().to_string();
    move |error| JournalError(format!("{path}: {error}"))
}

impl PendingJournal for FileJournal {
    fn save(&self, pending: &Pending) -> Result<(), JournalError> {
        create_private(&self.folder).map_err(failed(&self.folder))?;
        let file = self.file(&pending.id);
        let text = serde_json::to_vec_pretty(pending).map_err(|error| JournalError(error.to_string()))?;
        write_private(&file, &text).map_err(failed(&file))?;
        // The name is durable only with its folder.
        fs::File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed(&self.folder))
    }

    fn remove(&self, id: &str) -> Result<(), JournalError> {
        let file = self.file(id);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(&file)(error)),
            _ => Ok(()),
        }
    }

    fn load(&self) -> Result<Vec<Pending>, JournalError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&self.folder)(error)),
        };
        let mut all = Vec::new();
        for entry in entries.take(RECORDS_MAX) {
            let path = entry.map_err(failed(&self.folder))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read(&path).map_err(failed(&path))?;
            let pending = serde_json::from_slice(&text).map_err(|error| {
                JournalError(format!("{}: {error}; look at it, and move it away if it is broken", path.display()))
            })?;
            all.push(pending);
        }
        Ok(all)
    }
}

/// How money is moved.
#[derive(Args)]
pub struct MoveArgs {
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Show what would be done and what it would cost; send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A sender for this key whose journal lies in the data folder.
pub async fn sender(folder: &Folder, wallet: &Wallet, rpc: Rpc) -> anyhow::Result<TxSender> {
    sender_with(folder, wallet, rpc, SenderOptions::default()).await
}

async fn sender_with(folder: &Folder, wallet: &Wallet, rpc: Rpc, options: SenderOptions) -> anyhow::Result<TxSender> {
    let journal = Arc::new(FileJournal::new(folder.path().join("transactions")));
    Ok(TxSender::start(rpc, wallet.secret(), options, journal).await?)
}

/// What an account of this chain could not send for want of money, found out without its key. So is the rest that a command
/// can know beforehand: nobody types a password in vain.
///
/// Errors: no ether for gas, or less GNT than the operation moves.
pub async fn check_money(client: &ChainClient, address: Address, needed: Wei) -> anyhow::Result<()> {
    let balance = client.gnt_balance(address).await?;
    if balance < needed {
        return Err(ChainError::NotEnoughGnt { address, balance, needed }.into());
    }
    check_ether(client, address).await
}

/// Whether there is anything to pay gas with.
pub async fn check_ether(client: &ChainClient, address: Address) -> anyhow::Result<()> {
    if client.eth_balance(address).await? == 0 {
        bail!("{address} has no ether to pay gas with: have some sent to it, and give the command again");
    }
    Ok(())
}

/// The account of this folder on its chain. What an earlier command left under way is taken up first, so what the chain
/// said before may not be so any more.
pub async fn account(
    context: &Context,
    folder: &Folder,
    settings: &ChainSettings,
    client: ChainClient,
) -> anyhow::Result<Account> {
    let wallet = context.wallet(folder)?;
    let rpc = Rpc::connect(rpc_config(settings)).await?;
    let options = SenderOptions { max_fee_limit: settings.max_fee_wei(), ..SenderOptions::default() };
    let account = Account::new(client, sender_with(folder, &wallet, rpc, options).await?)?;
    if !account.sender().pending().is_empty() {
        note!("Waiting for transactions that an earlier command left under way.");
        for (id, result) in account.resume().await {
            match result {
                Ok(receipt) => note!("  {id}: done in block {}", receipt.block),
                Err(error) => note!("  {id}: {error}"),
            }
        }
    }
    Ok(account)
}

/// Shows what an operation would send and cost; sends nothing.
pub async fn dry_run(account: &Account, operation: &Operation, json: bool) -> anyhow::Result<Answer> {
    let estimates = account.estimate(operation).await?;
    if json {
        output::json(&json!({ "from": account.address(), "transactions": estimates }))?;
    } else {
        print_estimates(&estimates)?;
    }
    Ok(Answer::Yes)
}

/// Shows what would be sent, and what that would cost.
pub fn print_estimates(estimates: &[Estimate]) -> anyhow::Result<()> {
    let mut table = Table::new(&["transaction", ">gas", ">cost now", ">at most"]);
    for estimate in estimates {
        table.row([
            estimate.label.clone(),
            estimate.gas.to_string(),
            output::eth(estimate.cost_wei),
            output::eth(estimate.cost_max_wei),
        ]);
    }
    output::line(table.render().trim_end())
}

/// Shows what was sent.
pub fn print_receipts(receipts: &[TxReceipt]) -> anyhow::Result<()> {
    for receipt in receipts {
        output::line(&format!("transaction {} in block {}, {} gas", receipt.tx, receipt.block, receipt.gas_used))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_damaged_record_and_names_it() {
        let home = tempfile::tempdir().unwrap();
        let journal = FileJournal::new(home.path().join("transactions"));
        assert!(journal.load().unwrap().is_empty(), "none yet, not even the folder");
        journal.remove("never saved").unwrap();
        create_private(&journal.folder).unwrap();
        fs::write(journal.file("a/b"), "{").unwrap();
        let error = journal.load().unwrap_err();
        assert!(error.0.contains("612f62.json"), "{}", error.0);
        journal.remove("a/b").unwrap();
        assert!(journal.load().unwrap().is_empty());
    }
}
