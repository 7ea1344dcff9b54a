//! The ledgers of a node that does not run, read out of its data folder.

use anyhow::Context as _;
use golem_chain::ChainClient;
use golem_deal::{
    CopyAddresses, Keys, Provider, ProviderSettings, Record, Requestor, RequestorSettings, Table, TaskStatus,
};
use golem_node::folder::{Folder, write_private};
use golem_node::keystore::PublicWallet;
use golem_node::{ChainSettings, OnRecord, RECORD_SCHEMA, tasks_on_record};
use golem_payments::{Claimable, PayeeLedger, PayerLedger};
use golem_protocol::{
    Address, B256, ByteCount, ChainTime, CompactSignature, LocalTime, Now, SignatureError, Signed, Signer, Voucher, Wei,
};
use golem_store::{DiskStore, SCAN_RECORDS_MAX, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A key that stays shut: its address is known, and it signs nothing.
struct ShutKey(Address);

impl Signer for ShutKey {
    fn address(&self) -> Address {
        self.0
    }

    fn sign_digest(&self, _: &B256) -> Result<CompactSignature, SignatureError> {
        Err(SignatureError::BadKey)
    }
}

/// What a data folder holds of money. The folder stays locked, so that no node starts on it meanwhile.
pub struct Ledgers {
    /// Channels that pay this node.
    pub payee: Vec<PayeeLedger>,
    /// The best vouchers held, by payer.
    pub vouchers: Vec<(Address, Signed<Voucher>)>,
    /// Channels that this node pays from.
    pub payer: Vec<PayerLedger>,
    /// Its tasks, newest last.
    pub tasks: Vec<TaskStatus>,
    /// What else is on record of them, by header.
    pub on_record: BTreeMap<B256, OnRecord>,
    /// Whose they are.
    pub address: Address,
    provider: Provider,
    _store: DiskStore,
}

impl Ledgers {
    /// Opens the records of a folder on which no node runs.
    ///
    /// The key is not opened: nobody types a password to look at what is there.
    /// Errors: another process holds the folder; records of another version, chain or key.
    pub fn open(folder: &Folder, chain: &ChainSettings) -> anyhow::Result<Ledgers> {
        let store = DiskStore::open(&folder.store(), RECORD_SCHEMA)?;
        let records = load(&store)?;
        let address = PublicWallet::read(&folder.keystore())?.address;
        let shut = Arc::new(ShutKey(address));
        let keys = Keys { identity: shut.clone(), payment: shut };
        // Nothing is done with these machines but to look at them: no time passes, no bound is met.
        let now = Now::default();
        let chain = chain.chain_ref();
        let provider = ProviderSettings {
            chain,
            payee: address,
            slots: 1,
            profile: golem_node::sandbox_profile(),
            memory_max: ByteCount::from_bytes(0),
            memory_total: ByteCount::from_bytes(0),
            output_max: ByteCount::from_bytes(0),
            offer_life_s: 1,
            claim_margin_s: 0,
            overdue_ms: LocalTime::default().0,
        };
        let what = || format!("the records in {} cannot be read", folder.store().display());
        let provider = Provider::recover(provider, keys.clone(), &records, now).with_context(what)?;
        let requestor = RequestorSettings { chain, grace_ms: 0, lost_ms: 0, copy_addresses: CopyAddresses::Distinct };
        let requestor = Requestor::recover(requestor, keys, &records, now).with_context(what)?;
        let on_record = tasks_on_record(&store)?;
        let mut tasks = requestor.tasks();
        tasks.sort_by_key(|task| (on_record.get(&task.header).map_or(0, |task| task.begun_ms), task.header));
        Ok(Ledgers {
            payee: provider.ledgers(),
            vouchers: provider.vouchers(),
            payer: requestor.ledgers(),
            tasks,
            on_record,
            address,
            provider,
            _store: store,
        })
    }

    /// What all vouchers are worth, as the channels were observed.
    pub fn claimable(&self) -> Wei {
        self.payee.iter().fold(Wei::ZERO, |sum, ledger| sum.saturating_add(ledger.claimable()))
    }

    /// Whether there is a channel with money in it and a voucher of its payer.
    pub fn has_to_close(&self) -> bool {
        let held = |payer: Address| self.vouchers.iter().any(|(other, _)| *other == payer);
        self.payee.iter().any(|ledger| {
            let state = ledger.state();
            state.deposit != state.claimed && held(ledger.channel().payer)
        })
    }

    /// What can be claimed, as the rule of when to claim sees it: by the chain's time, and as the channels were observed.
    pub fn claimables(&self, now: ChainTime) -> Vec<Claimable> {
        let waited = self.provider.claimables(now);
        let claimable = |ledger: &PayeeLedger| {
            let payer = ledger.channel().payer;
            let wei_seconds = waited.iter().find(|held| held.payer == payer).map_or(0, |held| held.wei_seconds);
            Claimable { payer, amount: ledger.claimable(), wei_seconds, due: ledger.state().close_at }
        };
        self.payee.iter().map(claimable).filter(|claimable| claimable.amount > Wei::ZERO).collect()
    }

    /// Takes over how the channels stand on the chain now.
    pub async fn observe(&mut self, client: &ChainClient) -> anyhow::Result<()> {
        for ledger in &mut self.payee {
            ledger.observe(client.channel_state(ledger.channel()).await?);
        }
        for ledger in &mut self.payer {
            ledger.observe(client.channel_state(ledger.channel()).await?);
        }
        Ok(())
    }
}

/// Everything that is saved in a folder on which no node runs.
///
/// Errors: another process holds the folder; it is of another version.
pub fn records(folder: &Folder) -> anyhow::Result<Vec<Record>> {
    load(&DiskStore::open(&folder.store(), RECORD_SCHEMA)?)
}

fn load(store: &dyn Store) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    for table in Table::ALL {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = store.scan(golem_store::Table::new(table.name()), b"", after.as_deref(), SCAN_RECORDS_MAX)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            records.extend(page.into_iter().map(|(key, value)| Record { table, key, value: Some(value) }));
        }
    }
    Ok(records)
}

/// The most channels opened by hand that are remembered. Reason: a file that is read whole.
const FUNDED_MAX: usize = 1000;

fn funded_file(folder: &Folder) -> std::path::PathBuf {
    folder.path().join("channels.json")
}

/// Payees whose channels were funded by a command, oldest first.
pub fn funded_by_hand(folder: &Folder) -> anyhow::Result<Vec<Address>> {
    let file = funded_file(folder);
    match std::fs::read(&file) {
        Ok(text) => serde_json::from_slice(&text).with_context(|| {
            format!("{} is no list of addresses: move it away; channels stay open without it", file.display())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Remembers a payee, before its channel is funded.
pub fn note_funded(folder: &Folder, payee: Address) -> anyhow::Result<()> {
    let mut payees = funded_by_hand(folder)?;
    if payees.contains(&payee) {
        return Ok(());
    }
    payees.push(payee);
    let first = payees.len().saturating_sub(FUNDED_MAX);
    let text = serde_json::to_vec(&payees[first..])?;
    write_private(&funded_file(folder), &text).context("cannot remember the channel")
}
