//! `ConcentDeposit` as this crate calls it, and its errors in words.

use super::bounded;
use crate::abi::wei;
use golem_protocol::{ChainTime, ClaimStage, ConcentAccount, ConcentClaim, GuaranteeTerms, Promise, Wei};

alloy::sol! {
    #[derive(Debug)]
    interface ConcentDeposit {
        struct Terms {
            address token;
            address treasury;
            uint32 withdrawDelay;
            uint32 contestWindow;
            uint32 rulingWindow;
            uint32 rotationDelay;
            uint96 fee;
            uint96 cover;
            uint96 dailyLimit;
            uint96 depositMax;
        }
        struct Account {
            uint96 deposit;
            uint96 reserved;
            uint40 unlockAt;
        }
        enum Stage {
            None,
            Open,
            Contested
        }
        struct Claim {
            uint96 amount;
            uint96 reserved;
            uint40 due;
            Stage stage;
        }
        struct Promised {
            address provider;
            uint96 amount;
            uint256 nonce;
            bytes32 deal;
            uint40 deadline;
        }

        error NotAToken(address token);
        error BadTerm(string term, uint256 got, uint256 allowed);
        error BadKeys(uint256 keys, uint256 threshold);
        error NotTheToken(address got, address allowed);
        error NotTheOwner(address operator, address owner);
        error BadLength(uint256 length);
        error WrongTotal(uint256 asked, uint256 received);
        error BadAmount(uint256 got, uint256 allowed);
        error DepositTooLarge(uint256 got, uint256 allowed);
        error TooLittle(address account, uint256 got, uint256 needed);
        error Locked(address account);
        error AlreadyUnlocked(uint40 unlockAt);
        error TooEarly(uint256 due, uint256 currentTime);
        error TooLate(uint256 due, uint256 currentTime);
        error NotTheProvider(address got, address allowed);
        error BadProvider(address provider);
        error BadSignature(address signer);
        error UsedUp(address requestor, address provider, uint256 nonce);
        error NoClaim(address requestor, bytes32 promiseDigest);
        error NotContested(address requestor, bytes32 promiseDigest);
        error AlreadyContested(uint40 due);
        error DailyLimitReached(uint256 moved, uint256 asked, uint256 allowed);
        error TooFewSignatures(uint256 got, uint256 needed);
        error NotProposed();

        function deposit(uint96 amount) external;
        function unlock() external;
        function withdraw(uint96 amount) external;
        function claim(Promised promised, bytes32 r, bytes32 vs, uint96 amount, uint96 reservedMin) external;
        function contest(bytes32 promiseDigest) external;
        function settle(address requestor, Promised promised) external;
        function rule(Promised promised, bytes32 r, bytes32 vs, uint96 amount, bytes32 evidence, bytes signatures) external;
        function void(Promised promised, bytes32 r, bytes32 vs, bytes32 receiptR, bytes32 receiptVs) external;
        function account(address owner) external view returns (Account);
        function claimOf(address requestor, bytes32 promiseDigest) external view returns (Claim);
        function isUsedUp(address requestor, address provider, uint256 nonce) external view returns (bool);
        function concent() external view returns (address[] keys, uint256 threshold);
        function movedToday() external view returns (uint256);
        function terms() external view returns (Terms);
        function DOMAIN_SEPARATOR() external view returns (bytes32);
    }
}
pub(crate) use ConcentDeposit::*;

impl From<Terms> for GuaranteeTerms {
    fn from(terms: Terms) -> GuaranteeTerms {
        GuaranteeTerms {
            token: terms.token,
            treasury: terms.treasury,
            withdraw_delay_s: terms.withdrawDelay,
            contest_window_s: terms.contestWindow,
            ruling_window_s: terms.rulingWindow,
            rotation_delay_s: terms.rotationDelay,
            fee: Wei(terms.fee.to::<u128>()),
            cover: Wei(terms.cover.to::<u128>()),
            daily_limit: Wei(terms.dailyLimit.to::<u128>()),
            deposit_max: Wei(terms.depositMax.to::<u128>()),
        }
    }
}

impl From<Account> for ConcentAccount {
    fn from(account: Account) -> ConcentAccount {
        ConcentAccount {
            deposit: Wei(account.deposit.to::<u128>()),
            reserved: Wei(account.reserved.to::<u128>()),
            unlock_at: ChainTime(account.unlockAt.to::<u64>()),
        }
    }
}

impl From<Claim> for ConcentClaim {
    fn from(claim: Claim) -> ConcentClaim {
        ConcentClaim {
            amount: Wei(claim.amount.to::<u128>()),
            reserved: Wei(claim.reserved.to::<u128>()),
            due: ChainTime(claim.due.to::<u64>()),
            stage: match claim.stage {
                Stage::Open => ClaimStage::Open,
                Stage::Contested => ClaimStage::Contested,
                Stage::None | Stage::__Invalid => ClaimStage::None,
            },
        }
    }
}

impl From<&Promise> for Promised {
    fn from(promise: &Promise) -> Promised {
        Promised {
            provider: promise.provider,
            amount: super::uint96(promise.amount),
            nonce: promise.nonce,
            deal: promise.deal,
            deadline: alloy::primitives::Uint::saturating_from(promise.deadline.0),
        }
    }
}

/// What the contract refused, in words.
pub(super) fn error_in_words(error: &ConcentDepositErrors) -> String {
    use ConcentDepositErrors as E;
    match error {
        E::NotAToken(e) => format!("NotAToken: there is no contract at {}", e.token),
        E::BadTerm(e) => format!("BadTerm: the {} is {}, and the bound is {}", bounded(&e.term), e.got, e.allowed),
        E::BadKeys(e) => format!(
            "BadKeys: {} keys of which {} make a ruling; allowed are 1 to 16 keys, each once and none zero, and a \
             threshold from 1 to their number",
            e.keys, e.threshold
        ),
        E::NotTheToken(e) => format!("NotTheToken: {} called, only {} may", e.got, e.allowed),
        E::NotTheOwner(e) => format!("NotTheOwner: {} moved the tokens of {}", e.operator, e.owner),
        E::BadLength(e) => format!("BadLength: {} bytes came with a deposit, and none should", e.length),
        E::WrongTotal(e) => format!("WrongTotal: {} were asked for and {} arrived", wei(e.asked), wei(e.received)),
        E::BadAmount(e) => {
            format!("BadAmount: {}, allowed is what is above 0 and up to {}", wei(e.got), wei(e.allowed))
        }
        E::DepositTooLarge(e) => {
            format!("DepositTooLarge: with the deposit {} would be free, above {}", wei(e.got), wei(e.allowed))
        }
        E::TooLittle(e) => format!("TooLittle: {} has {} free, and {} is needed", e.account, wei(e.got), wei(e.needed)),
        E::Locked(e) => format!("Locked: the deposit of {} is locked; unlock it first", e.account),
        E::AlreadyUnlocked(e) => format!("AlreadyUnlocked: it can be withdrawn from chain time {} on", e.unlockAt),
        E::TooEarly(e) => format!("TooEarly: it is possible at chain time {}, and it is {} now", e.due, e.currentTime),
        E::TooLate(e) => {
            format!("TooLate: it was possible before chain time {}, and it is {} now", e.due, e.currentTime)
        }
        E::NotTheProvider(e) => format!("NotTheProvider: {} claims, and the promise is to {}", e.got, e.allowed),
        E::BadProvider(e) => format!("BadProvider: {} cannot be the provider of this promise", e.provider),
        E::BadSignature(e) => format!("BadSignature: it was signed by {}, who is not the one asked for", e.signer),
        E::UsedUp(e) => {
            format!("UsedUp: promise {} of {} to {} was claimed, ruled on or voided", e.nonce, e.requestor, e.provider)
        }
        E::NotContested(e) => {
            format!("NotContested: the claim of promise {} of {} is not contested", e.promiseDigest, e.requestor)
        }
        E::NoClaim(e) => format!("NoClaim: there is no claim of promise {} of {}", e.promiseDigest, e.requestor),
        E::AlreadyContested(e) => format!("AlreadyContested: Concent has until chain time {} to rule", e.due),
        E::DailyLimitReached(e) => format!(
            "DailyLimitReached: rulings moved {} today, {} more would pass {}; tomorrow the same ruling is good",
            wei(e.moved),
            wei(e.asked),
            wei(e.allowed)
        ),
        E::TooFewSignatures(e) => {
            format!(
                "TooFewSignatures: {} of Concent's keys signed, in ascending order, and {} have to",
                e.got, e.needed
            )
        }
        E::NotProposed(_) => "NotProposed: these keys are not announced".into(),
    }
}
