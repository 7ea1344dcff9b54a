//! The chain crate against a real anvil.

mod concent;
mod connecting;
mod deploying;
mod faulty;
mod operations;
mod rpc_faults;
mod sending;
mod stress;
mod watching;

use golem_chain::{Account, JournalError, MemoryJournal, Pending, PendingJournal, Rpc, SenderOptions, TxSender};
use golem_devnet::{AnvilOptions, DevAccount, Devnet, DevnetOptions, Mining};
use golem_protocol::{ChainRef, KeySigner, Signed, Voucher, Wei, sign};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// How long anything in these tests may take; only a fault needs it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn devnet() -> Devnet {
    devnet_with(Mining::Instant).await
}

async fn devnet_with(mining: Mining) -> Devnet {
    let anvil = AnvilOptions { accounts: 4, mining, ..AnvilOptions::default() };
    Devnet::start(DevnetOptions { anvil, ..DevnetOptions::default() }).await.unwrap()
}

fn gnt(amount: u64) -> Wei {
    Wei::from_gnt(amount).unwrap()
}

fn voucher(payer: &DevAccount, payee: &DevAccount, epoch: u32, cumulative: Wei, chain: &ChainRef) -> Signed<Voucher> {
    let signer = KeySigner::from_bytes(&payer.key).unwrap();
    sign(Voucher { payee: payee.address, epoch, cumulative }, chain, &signer).unwrap().into_signed()
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it takes too long")
}

/// An account over a connection and a journal of one's own.
async fn account_over(devnet: &Devnet, key: &DevAccount, rpc: Rpc, journal: Arc<dyn PendingJournal>) -> Account {
    account_with(devnet, key, rpc, journal, SenderOptions::default()).await
}

async fn account_with(
    devnet: &Devnet,
    key: &DevAccount,
    rpc: Rpc,
    journal: Arc<dyn PendingJournal>,
    options: SenderOptions,
) -> Account {
    let client = golem_chain::ChainClient::new(rpc.clone(), devnet.deployment().clone()).await.unwrap();
    Account::new(client, TxSender::start(rpc, &key.key, options, journal).await.unwrap()).unwrap()
}

/// Waits until the node has a transaction.
async fn known(rpc: &Rpc, pending: &Pending) {
    within(async {
        let hash = pending.hashes.last().unwrap();
        while rpc.request::<_, Option<serde_json::Value>>("eth_getTransactionByHash", (hash,)).await.unwrap().is_none()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A journal that tells of every record it gets.
struct TellingJournal {
    inner: MemoryJournal,
    saved: mpsc::UnboundedSender<Pending>,
}

impl TellingJournal {
    fn new() -> (Arc<TellingJournal>, mpsc::UnboundedReceiver<Pending>) {
        let (saved, records) = mpsc::unbounded_channel();
        (Arc::new(TellingJournal { inner: MemoryJournal::new(), saved }), records)
    }
}

impl PendingJournal for TellingJournal {
    fn save(&self, pending: &Pending) -> Result<(), JournalError> {
        self.inner.save(pending)?;
        let _ = self.saved.send(pending.clone());
        Ok(())
    }
    fn remove(&self, id: &str) -> Result<(), JournalError> {
        self.inner.remove(id)
    }
    fn load(&self) -> Result<Vec<Pending>, JournalError> {
        self.inner.load()
    }
}

/// A way to a chain that can be cut and joined again.
struct Cable {
    address: SocketAddr,
    joined: watch::Sender<bool>,
}

impl Cable {
    async fn to(port: u16) -> Cable {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (joined, is_joined) = watch::channel(true);
        tokio::spawn(async move {
            loop {
                let Ok((mut near, _)) = listener.accept().await else { return };
                let mut is_joined = is_joined.clone();
                tokio::spawn(async move {
                    if !*is_joined.borrow_and_update() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_joined.wait_for(|joined| !joined) => {}
                    }
                });
            }
        });
        Cable { address, joined }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn cut(&self) {
        self.joined.send_replace(false);
    }

    fn join(&self) {
        self.joined.send_replace(true);
    }
}
