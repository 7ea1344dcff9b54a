//! The contracts as this crate calls them, and the code that it deploys.
//!
//! The declarations say only what is used; a test holds them against the ABI of the committed artifacts.

pub(crate) mod concent;
pub(crate) mod registry;

use crate::call::LogRecord;
use crate::error::{ChainError, Revert};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolError, SolEvent, SolEventInterface, SolInterface};
use golem_protocol::{ChainTime, ChannelId, ChannelState, Wei};

pub(crate) mod gnt {
    alloy::sol! {
        #[derive(Debug)]
        interface Gnt {
            event Transfer(address indexed from, address indexed to, uint256 value);

            error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
            error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
            error ERC20InvalidSender(address sender);
            error ERC20InvalidReceiver(address receiver);
            error ERC20InvalidApprover(address approver);
            error ERC20InvalidSpender(address spender);
            error ERC1363InvalidReceiver(address receiver);

            function balanceOf(address holder) external view returns (uint256);
            function decimals() external view returns (uint8);
            function allowance(address owner, address spender) external view returns (uint256);
            function approve(address spender, uint256 value) external returns (bool);
            function transfer(address to, uint256 value) external returns (bool);
            function transferAndCall(address to, uint256 value, bytes data) external returns (bool);
            function batchTransfer(bytes32[] payments) external returns (bool);
            function supportsInterface(bytes4 interfaceId) external view returns (bool);
        }
    }
    pub(crate) use Gnt::*;
}

pub(crate) mod faucet {
    alloy::sol! {
        #[derive(Debug)]
        interface Faucet {
            error TooSoon(address to, uint256 nextAt, uint256 currentTime);
            error Dry(uint256 held, uint256 drip);
            error NotAToken(address token);
            error NoLimit(uint256 drip, uint256 interval);

            function drip(address to) external;
            function TOKEN() external view returns (address);
            function DRIP() external view returns (uint256);
            function INTERVAL() external view returns (uint256);
        }
    }
    pub(crate) use Faucet::*;
}

pub(crate) mod channels {
    alloy::sol! {
        #[derive(Debug)]
        interface PaymentChannels {
            struct Channel {
                uint96 claimed;
                uint96 deposit;
                uint32 closeAt;
                uint32 epoch;
            }

            event Funded(address indexed payer, address indexed payee, uint32 epoch, uint96 deposit);
            event Claimed(address indexed payee, bytes32[] channels);
            event CloseRequested(address indexed payer, address indexed payee, uint32 closeAt);
            event Closed(address indexed payer, address indexed payee, uint96 claimed, uint96 refund);

            error NotAToken(address token);
            error BadCloseDelay(uint256 got, uint256 allowed);
            error NotTheToken(address got, address allowed);
            error NotThePayer(address operator, address payer);
            error BadLength(uint256 length);
            error WrongTotal(uint256 asked, uint256 received);
            error BadPayee(address payee);
            error ZeroAmount(address payee);
            error DepositTooLarge(uint256 got, uint256 allowed);
            error EpochsUsedUp(address payee);
            error NotOpen(address payer, address payee);
            error WrongEpoch(uint32 got, uint32 current);
            error StaleVoucher(uint96 cumulative, uint96 claimed);
            error BadSignature(address signer, address payer);
            error AlreadyClosing(uint32 closeAt);
            error NotClosing(address payer, address payee);
            error TooEarly(uint32 closeAt, uint256 currentTime);

            function fund(bytes32[] fundings) external;
            function claimMany(address payee, bytes vouchers) external returns (uint256 paid);
            function close(address payer, uint96 cumulative, uint32 epoch, bytes32 r, bytes32 vs) external;
            function requestClose(address payee) external;
            function finalize(address payer, address payee) external;
            function channel(address payer, address payee) external view returns (Channel);
            function DOMAIN_SEPARATOR() external view returns (bytes32);
            function TOKEN() external view returns (address);
            function CLOSE_DELAY() external view returns (uint32);
        }
    }
    pub(crate) use PaymentChannels::*;
}

alloy::sol! {
    /// The two errors that Solidity itself has.
    interface Solidity {
        error Error(string message);
        error Panic(uint256 code);
    }
}

/// The id of ERC-1363 for `supportsInterface` (ERC-165).
pub(crate) const ERC1363_ID: [u8; 4] = [0xb0, 0x20, 0x2a, 0x11];

/// An amount and an address in one word: `amount uint96 | address`, as `fund` and `batchTransfer` take them.
pub(crate) fn amount_word(amount: Wei, address: Address) -> B256 {
    let address = U256::from_be_bytes(address.into_word().0);
    B256::from((U256::from(amount.0) << 160) | address)
}

/// An amount as the contracts take it; one above 96 bits is held at the most.
pub(crate) fn uint96(amount: Wei) -> alloy::primitives::Uint<96, 2> {
    alloy::primitives::Uint::saturating_from(amount.0)
}

/// The parts of such a word.
pub(crate) fn split_amount_word(word: &B256) -> (Wei, Address) {
    (wei(U256::from_be_bytes(word.0) >> 160), Address::from_word(*word))
}

/// A token amount off the chain; above 96 bits it is held at the most that a channel could hold.
pub(crate) fn wei(amount: U256) -> Wei {
    Wei(u128::try_from(amount).unwrap_or(u128::MAX)).bounded().unwrap_or(Wei::MAX)
}

impl From<channels::Channel> for ChannelState {
    fn from(channel: channels::Channel) -> ChannelState {
        ChannelState {
            claimed: Wei(channel.claimed.to::<u128>()),
            deposit: Wei(channel.deposit.to::<u128>()),
            close_at: ChainTime(u64::from(channel.closeAt)),
            epoch: channel.epoch,
        }
    }
}

/// What `PaymentChannels` said happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A channel was opened (an epoch not seen before) or topped up; a requested close is withdrawn.
    Funded {
        /// Which channel.
        channel: ChannelId,
        /// Its epoch.
        epoch: u32,
        /// All that was funded in this epoch.
        deposit: Wei,
    },
    /// Vouchers were claimed, and the payee got the sum of what was added.
    Claimed {
        /// Who got the money.
        payee: Address,
        /// Payer by payer, what is now claimed in the channel's epoch. A payer that occurs twice is right the second
        /// time.
        claimed: Vec<(Address, Wei)>,
    },
    /// The payer wants out.
    CloseRequested {
        /// Which channel.
        channel: ChannelId,
        /// When it can be finalized.
        close_at: ChainTime,
    },
    /// The channel is closed.
    Closed {
        /// Which channel.
        channel: ChannelId,
        /// What the payee got in all in the epoch that ended.
        claimed: Wei,
        /// What went back to the payer.
        refund: Wei,
    },
}

impl Change {
    /// Reads an entry of the log; `None` where it is not one of the events of `PaymentChannels`.
    pub(crate) fn decode(record: &LogRecord) -> Option<Change> {
        let event = channels::PaymentChannelsEvents::decode_raw_log(&record.topics, &record.data).ok()?;
        Some(match event {
            channels::PaymentChannelsEvents::Funded(e) => Change::Funded {
                channel: ChannelId { payer: e.payer, payee: e.payee },
                epoch: e.epoch,
                deposit: Wei(e.deposit.to::<u128>()),
            },
            channels::PaymentChannelsEvents::Claimed(e) => Change::Claimed {
                payee: e.payee,
                claimed: e
                    .channels
                    .iter()
                    .map(|word| {
                        let (claimed, payer) = split_amount_word(word);
                        (payer, claimed)
                    })
                    .collect(),
            },
            channels::PaymentChannelsEvents::CloseRequested(e) => Change::CloseRequested {
                channel: ChannelId { payer: e.payer, payee: e.payee },
                close_at: ChainTime(u64::from(e.closeAt)),
            },
            channels::PaymentChannelsEvents::Closed(e) => Change::Closed {
                channel: ChannelId { payer: e.payer, payee: e.payee },
                claimed: Wei(e.claimed.to::<u128>()),
                refund: Wei(e.refund.to::<u128>()),
            },
        })
    }

    /// The channels that it is about, in order.
    pub fn channels(&self) -> Vec<ChannelId> {
        match self {
            Change::Funded { channel, .. }
            | Change::CloseRequested { channel, .. }
            | Change::Closed { channel, .. } => {
                vec![*channel]
            }
            Change::Claimed { payee, claimed, .. } => {
                claimed.iter().map(|(payer, _)| ChannelId { payer: *payer, payee: *payee }).collect()
            }
        }
    }
}

/// How many tokens this entry of the log moved between two addresses; `None` where it is about something else.
pub(crate) fn moved(record: &LogRecord, token: Address, from: Address, to: Address) -> Option<Wei> {
    if record.address != token {
        return None;
    }
    let transfer = gnt::Transfer::decode_raw_log(record.topics.iter().copied(), &record.data).ok()?;
    (transfer.from == from && transfer.to == to).then(|| wei(transfer.value))
}

/// Puts what a contract said on refusing into words.
pub(crate) fn decode_revert(data: &[u8]) -> Revert {
    if data.is_empty() {
        return Revert::Silent;
    }
    if let Ok(error) = Solidity::Error::abi_decode(data) {
        return Revert::Message(bounded(&error.message));
    }
    if let Ok(panic) = Solidity::Panic::abi_decode(data) {
        return Revert::Panic(format!("panic code {:#x}", panic.code));
    }
    if let Ok(error) = channels::PaymentChannelsErrors::abi_decode(data) {
        return Revert::Custom(channels_error(&error));
    }
    if let Ok(error) = faucet::FaucetErrors::abi_decode(data) {
        return Revert::Custom(faucet_error(&error));
    }
    if let Ok(error) = gnt::GntErrors::abi_decode(data) {
        return Revert::Custom(gnt_error(&error));
    }
    if let Ok(error) = concent::ConcentDepositErrors::abi_decode(data) {
        return Revert::Custom(concent::error_in_words(&error));
    }
    if let Ok(error) = registry::AppRegistryErrors::abi_decode(data) {
        return Revert::Custom(registry::error_in_words(&error));
    }
    Revert::Unknown(alloy::primitives::hex::encode(data.get(..data.len().min(64)).unwrap_or_default()))
}

/// Texts that come from elsewhere are cut: they go to logs and terminals.
pub(crate) fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

fn channels_error(error: &channels::PaymentChannelsErrors) -> String {
    use channels::PaymentChannelsErrors as E;
    match error {
        E::NotAToken(e) => format!("NotAToken: there is no contract at {}", e.token),
        E::BadCloseDelay(e) => format!("BadCloseDelay: {} s, allowed are 1 to {} s", e.got, e.allowed),
        E::NotTheToken(e) => format!("NotTheToken: {} called, only {} may", e.got, e.allowed),
        E::NotThePayer(e) => format!("NotThePayer: {} moved the tokens of {}", e.operator, e.payer),
        E::BadLength(e) => format!("BadLength: {} bytes are not a list of words", e.length),
        E::WrongTotal(e) => {
            format!("WrongTotal: the channels ask for {} and {} arrived", wei(e.asked), wei(e.received))
        }
        E::BadPayee(e) => format!("BadPayee: {} cannot be a payee of this account", e.payee),
        E::ZeroAmount(e) => format!("ZeroAmount: nothing for the channel to {}", e.payee),
        E::DepositTooLarge(e) => format!("DepositTooLarge: the deposit would be {}, above {}", e.got, e.allowed),
        E::EpochsUsedUp(e) => format!("EpochsUsedUp: the channel to {} was opened as often as it can be", e.payee),
        E::NotOpen(e) => format!("NotOpen: there is no open channel from {} to {}", e.payer, e.payee),
        E::WrongEpoch(e) => format!("WrongEpoch: the voucher is of epoch {}, open is {}", e.got, e.current),
        E::StaleVoucher(e) => {
            let (cumulative, claimed) = (Wei(e.cumulative.to::<u128>()), Wei(e.claimed.to::<u128>()));
            format!("StaleVoucher: the voucher is for {cumulative}, and {claimed} was claimed already")
        }
        E::BadSignature(e) => format!("BadSignature: the voucher was signed by {}, not by {}", e.signer, e.payer),
        E::AlreadyClosing(e) => format!("AlreadyClosing: a close is requested already, for chain time {}", e.closeAt),
        E::NotClosing(e) => format!("NotClosing: no close of the channel from {} to {} is requested", e.payer, e.payee),
        E::TooEarly(e) => {
            format!("TooEarly: it can be finalized at chain time {}, and it is {} now", e.closeAt, e.currentTime)
        }
    }
}

fn faucet_error(error: &faucet::FaucetErrors) -> String {
    use faucet::FaucetErrors as E;
    match error {
        E::TooSoon(e) => {
            format!("TooSoon: {} can have more at chain time {}, and it is {} now", e.to, e.nextAt, e.currentTime)
        }
        E::Dry(e) => format!("Dry: the faucet holds {}, less than the {} it gives", wei(e.held), wei(e.drip)),
        E::NotAToken(e) => format!("NotAToken: there is no contract at {}", e.token),
        E::NoLimit(e) => format!("NoLimit: a drip of {} every {} s", e.drip, e.interval),
    }
}

fn gnt_error(error: &gnt::GntErrors) -> String {
    use gnt::GntErrors as E;
    match error {
        E::ERC20InsufficientBalance(e) => {
            let (balance, needed) = (wei(e.balance), wei(e.needed));
            format!("ERC20InsufficientBalance: {} has {balance} and {needed} is needed", e.sender)
        }
        E::ERC20InsufficientAllowance(e) => {
            let (allowance, needed) = (wei(e.allowance), wei(e.needed));
            format!("ERC20InsufficientAllowance: {} may take {allowance} and {needed} is needed", e.spender)
        }
        E::ERC20InvalidSender(e) => format!("ERC20InvalidSender: {}", e.sender),
        E::ERC20InvalidReceiver(e) => format!("ERC20InvalidReceiver: {}", e.receiver),
        E::ERC20InvalidApprover(e) => format!("ERC20InvalidApprover: {}", e.approver),
        E::ERC20InvalidSpender(e) => format!("ERC20InvalidSpender: {}", e.spender),
        E::ERC1363InvalidReceiver(e) => format!("ERC1363InvalidReceiver: {} takes no transfer with a call", e.receiver),
    }
}

/// A contract that this program can deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Artifact {
    Gnt,
    Faucet,
    PaymentChannels,
    AppRegistry,
    ConcentDeposit,
}

impl Artifact {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Artifact::Gnt => "GNT",
            Artifact::Faucet => "Faucet",
            Artifact::PaymentChannels => "PaymentChannels",
            Artifact::AppRegistry => "AppRegistry",
            Artifact::ConcentDeposit => "ConcentDeposit",
        }
    }

    pub(crate) fn json(self) -> &'static str {
        match self {
            Artifact::Gnt => include_str!("../../../contracts/artifacts/GNT.json"),
            Artifact::Faucet => include_str!("../../../contracts/artifacts/Faucet.json"),
            Artifact::PaymentChannels => include_str!("../../../contracts/artifacts/PaymentChannels.json"),
            Artifact::AppRegistry => include_str!("../../../contracts/artifacts/AppRegistry.json"),
            Artifact::ConcentDeposit => include_str!("../../../contracts/artifacts/ConcentDeposit.json"),
        }
    }

    /// The creation code, without arguments.
    pub(crate) fn bytecode(self) -> Result<Bytes, ChainError> {
        self.code("bytecode")
    }

    /// Whether this is the code on the chain. Immutable values are zero in the artifact, and anything on the chain.
    pub(crate) fn is_deployed_as(self, code: &[u8]) -> Result<bool, ChainError> {
        let built = self.deployed_bytecode()?;
        Ok(built.len() == code.len() && built.iter().zip(code).all(|(built, here)| built == here || *built == 0))
    }

    /// The code as it is on the chain, with zero for every immutable value.
    pub(crate) fn deployed_bytecode(self) -> Result<Bytes, ChainError> {
        self.code("deployedBytecode")
    }

    fn code(self, field: &'static str) -> Result<Bytes, ChainError> {
        let broken = |reason: String| ChainError::Artifact { contract: self.name(), reason };
        let json: serde_json::Value = serde_json::from_str(self.json()).map_err(|e| broken(e.to_string()))?;
        let text = json.get(field).and_then(|code| code.as_str());
        let text = text.ok_or_else(|| broken(format!("it has no `{field}`")))?;
        let code: Bytes = text.parse().map_err(|e| broken(format!("its `{field}` is not hex: {e}")))?;
        if code.is_empty() {
            return Err(broken(format!("its `{field}` is empty")));
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests;
