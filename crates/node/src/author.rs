//! What an author does that was away: asks nodes for the vouchers they owe it or keep for it, and checks each.

use crate::error::StartError;
use crate::settings::{MdnsMode, NetworkSettings};
use golem_net::{Network, NetworkConfig, NetworkEvent, NetworkHandle, NoContent};
use golem_protocol::limits::VOUCHERS_PER_ANSWER_MAX;
use golem_protocol::{Address, AppFee, ChainRef, ContentHash, Message, NodeId, Signed, Voucher, Wei};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Nodes that are asked. Reason: a handful of those that worked for an app have all of its vouchers.
const PEERS_MAX: usize = 64;
/// Payers taken of one node. Reason: each costs a look at the chain, and a node can make up as many as it likes.
const PAYERS_PER_PEER_MAX: usize = 4096;
/// How often a node is asked again that could not take the question.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Whom to ask, and for whom.
#[derive(Clone, Debug)]
pub struct AuthorSearch {
    /// Whose vouchers.
    pub author: Address,
    /// What they are bound to.
    pub chain: ChainRef,
    /// Where to begin.
    pub network: NetworkSettings,
    /// The longest that is waited for answers.
    pub wait: Duration,
    /// So many nodes that have answered in full are enough; fewer are waited for.
    pub nodes_enough: usize,
}

/// What came in. None of it was held against the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundVouchers {
    /// How many nodes have answered in full.
    pub answered: usize,
    /// How many could be reached and have not.
    pub unanswered: usize,
    /// The highest voucher of each payer and epoch: only the chain tells which epoch is open.
    pub best: BTreeMap<(Address, u32), Signed<Voucher>>,
    /// Vouchers that were none: of another payee, or with a signature that is nobody's.
    pub refused: usize,
}

impl FoundVouchers {
    /// Takes one answer; gives the last payer in it, after which more is asked for where there is more.
    fn take(&mut self, search: &AuthorSearch, payee: Address, vouchers: Vec<Signed<Voucher>>) -> Option<Address> {
        let count = vouchers.len();
        let mut last = None;
        for voucher in vouchers {
            let authentic = match voucher.authenticate(&search.chain) {
                Ok(authentic) if authentic.payee == search.author && payee == search.author => authentic,
                Ok(_) | Err(_) => {
                    self.refused += 1;
                    continue;
                }
            };
            let (payer, epoch) = (authentic.signer(), authentic.epoch);
            last = last.max(Some(payer));
            let better = |known: &Signed<Voucher>| known.document.cumulative < authentic.cumulative;
            if self.best.get(&(payer, epoch)).is_none_or(better) {
                self.best.insert((payer, epoch), authentic.into_signed());
            }
        }
        last.filter(|_| count >= VOUCHERS_PER_ANSWER_MAX)
    }
}

/// Where the questions to one node stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    /// After this payer; the answer is to come. Counts the payers it has named.
    After(Address, usize),
    /// It has told all.
    Told,
}

/// Asks every node that can be reached, until enough have answered or the time is over.
///
/// The key that asks is made for this: who the author is on the network is nobody's business. Errors: `Net`.
pub async fn find_author_vouchers(search: &AuthorSearch) -> Result<FoundVouchers, StartError> {
    let mut config = NetworkConfig::new(rand::random(), Arc::new(NoContent));
    // It only asks; and a port that is set is the running node's.
    config.listen = Vec::new();
    config.bootstrap = search.network.bootstrap.clone();
    config.mdns = search.network.mdns == MdnsMode::On;
    let started = Network::start(config);
    let (net, mut events) = started.map_err(|error| StartError::Net { detail: error.to_string() })?;
    let mut found = FoundVouchers::default();
    let mut asking: BTreeMap<NodeId, Asking> = BTreeMap::new();
    let mut questions = JoinSet::new();
    let end = tokio::time::Instant::now() + search.wait;
    loop {
        let told = asking.values().filter(|asking| **asking == Asking::Told).count();
        if told >= search.nodes_enough && told == asking.len() {
            break;
        }
        tokio::select! {
            event = events.recv() => match event {
                Some(NetworkEvent::PeerConnected { node, .. }) if asking.len() < PEERS_MAX => {
                    if let Entry::Vacant(place) = asking.entry(node) {
                        place.insert(Asking::After(Address::ZERO, 0));
                        questions.spawn(ask(net.clone(), node, search.author, Address::ZERO));
                    }
                }
                Some(NetworkEvent::Message { from, bytes }) => {
                    let Some(Asking::After(after, before)) = asking.get(&from).copied() else { continue };
                    let Ok(Message::Vouchers { payee, vouchers }) = Message::decode(&bytes) else { continue };
                    let payers = before + vouchers.len();
                    let next = found.take(search, payee, vouchers).filter(|last| *last > after);
                    let state = match next.filter(|_| payers < PAYERS_PER_PEER_MAX) {
                        Some(next) => {
                            questions.spawn(ask(net.clone(), from, search.author, next));
                            Asking::After(next, payers)
                        }
                        None => Asking::Told,
                    };
                    asking.insert(from, state);
                }
                Some(_) => {}
                None => break,
            },
            Some(_) = questions.join_next() => {}
            () = tokio::time::sleep_until(end) => break,
        }
    }
    questions.shutdown().await;
    net.shutdown().await;
    found.answered = asking.values().filter(|asking| **asking == Asking::Told).count();
    found.unanswered = asking.len() - found.answered;
    Ok(found)
}

/// Until it is taken; the caller stops it with everything else.
async fn ask(net: NetworkHandle, node: NodeId, payee: Address, after: Address) {
    let message = Message::AskVouchers { payee, after };
    let Ok(bytes) = message.encode() else { return };
    while let Err(error) = net.send(node, bytes.clone()).await {
        tracing::debug!(peer = %node, %error, "not asked yet");
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// What the registry of a chain says that an app's author is to get: from now on fixed in what is agreed.
///
/// Errors: `NoRegistry`, `NotPublished`, `TooHigh`, `IsPayer`; `Chain` where it cannot be read.
pub async fn app_fee(
    client: &golem_chain::ChainClient,
    author: Address,
    module: ContentHash,
    fee_max: Wei,
    payer: Address,
) -> Result<AppFee, AppFeeError> {
    let app_registry = client.deployment().app_registry.ok_or(AppFeeError::NoRegistry)?;
    let chain = |error: golem_chain::ChainError| AppFeeError::Chain { detail: error.to_string() };
    let registry = golem_chain::AppRegistryClient::new(client.clone(), app_registry).await.map_err(chain)?;
    let app = registry.app(author, module.0).await.map_err(chain)?;
    if !app.published {
        return Err(AppFeeError::NotPublished { author, module });
    }
    if author == payer {
        return Err(AppFeeError::IsPayer { author });
    }
    if app.fee > fee_max {
        return Err(AppFeeError::TooHigh { author, fee: app.fee, fee_max });
    }
    Ok(AppFee { author, fee: app.fee })
}

/// Why a task with an author is not announced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppFeeError {
    /// The deployment names no registry.
    #[error(
        "no AppRegistry is known on this chain, so no author's fee: leave the author out, or name a deployment that has one"
    )]
    NoRegistry,
    /// The author does not stand by that module.
    #[error(
        "{author} published no module {module}, or retired it: the author publishes it with `golem app publish`; without the author it can be run as it is"
    )]
    NotPublished {
        /// Who was named.
        author: Address,
        /// The module's digest.
        module: ContentHash,
    },
    /// More than its user wants to pay.
    #[error("the author {author} asks {fee} for each subtask, and the most allowed is {fee_max}: --max-fee {} allows it", fee.to_gnt_string())]
    TooHigh {
        /// Who asks.
        author: Address,
        /// What it asks.
        fee: Wei,
        /// The most allowed.
        fee_max: Wei,
    },
    /// Its own app.
    #[error("the author {author} is who pays: leave the author out, nobody pays itself")]
    IsPayer {
        /// Who.
        author: Address,
    },
    /// The chain did not say.
    #[error("what the author asks cannot be read: {detail}")]
    Chain {
        /// Why.
        detail: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::{KeySigner, Signer, sign};

    const CHAIN: ChainRef = ChainRef { chain_id: 31337, channels: Address::repeat_byte(5) };
    const AUTHOR: Address = Address::repeat_byte(0xA0);

    fn search() -> AuthorSearch {
        let network = NetworkSettings::default();
        AuthorSearch { author: AUTHOR, chain: CHAIN, network, wait: Duration::ZERO, nodes_enough: 1 }
    }

    fn voucher(key: u8, payee: Address, epoch: u32, cumulative: u128) -> Signed<Voucher> {
        let key = KeySigner::from_bytes(&[key; 32]).unwrap();
        sign(Voucher { payee, epoch, cumulative: Wei(cumulative) }, &CHAIN, &key).unwrap().into_signed()
    }

    #[test]
    fn keeps_the_highest_of_each_payer_and_epoch_and_nothing_that_is_anothers() {
        let mut found = FoundVouchers::default();
        let mut forged = voucher(1, AUTHOR, 1, 5);
        forged.signature.0 = [0xff; 64];
        let answer = vec![
            voucher(1, AUTHOR, 1, 5),
            voucher(1, AUTHOR, 1, 9),
            voucher(1, AUTHOR, 1, 7),
            voucher(1, AUTHOR, 2, 1),
            voucher(2, Address::repeat_byte(3), 1, 99),
            forged,
        ];
        assert_eq!(found.take(&search(), AUTHOR, answer), None, "that was all");
        let payer = KeySigner::from_bytes(&[1; 32]).unwrap().address();
        let sums: Vec<_> = found.best.iter().map(|(key, voucher)| (*key, voucher.document.cumulative)).collect();
        assert_eq!(sums, vec![((payer, 1), Wei(9)), ((payer, 2), Wei(1))]);
        assert_eq!(found.refused, 2);
    }

    #[test]
    fn a_full_answer_is_asked_on_after_its_last_payer() {
        let mut found = FoundVouchers::default();
        let answer = vec![voucher(1, AUTHOR, 1, 5); VOUCHERS_PER_ANSWER_MAX];
        let payer = KeySigner::from_bytes(&[1; 32]).unwrap().address();
        assert_eq!(found.take(&search(), AUTHOR, answer), Some(payer));
    }
}
