// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

/// @title The guarantee behind a deal: one deposit per requestor for all its providers
/// @notice A requestor signs a promise into every deal. Where work was done and no voucher came, the provider claims the
/// promise here. Whoever is silent loses nothing but the argument: a claim that the requestor does not contest pays by
/// itself, a contested one that Concent does not rule on lapses.
///
///     promise --claim--> open --(window over)--> paid
///        |                |---contest---> contested --(window over)--> lapsed
///        |                |                   |
///        |                '------ ruling -----'-----> paid what Concent says
///        |                '------ receipt ----'-----> void: the deal was paid elsewhere
///        |-- ruling ----------------------------> paid what Concent says
///        '-- receipt ---------------------------> void
///
/// Each of these arrows uses the promise up; none can be gone twice. Who claims puts a bond at stake, and so does who
/// contests. The loser's bond pays the verification fee and covers the other's gas.
///
/// Concent are `threshold` of the registered keys. They can direct a promised amount to the provider it was promised to,
/// or, where the requestor contests, not; within a day no more than `dailyLimit`. There is nothing else they can do with
/// anybody's money.
///
/// Signed, as EIP-712 in the domain (`Golem ConcentDeposit`, `1`, chain id, this contract), each signature as in
/// EIP-2098:
///
///     Promise(address provider,uint96 amount,uint256 nonce,bytes32 deal,uint40 deadline)            by the requestor
///     Receipt(address requestor,bytes32 promiseDigest)                                              by the provider
///     Ruling(address requestor,bytes32 promiseDigest,uint96 amount,bytes32 evidence)                by Concent
///     Rotation(address[] keys,uint256 threshold,uint256 nonce)                                      by Concent
///     CancelRotation(uint256 nonce)                                                                 by Concent
/// @dev The token is trusted to move what it says it moved, and to be neither fee-taking, rebasing downwards nor able to
/// refuse a payee. Its supply must fit 96 bits. Tokens sent here by a plain `transfer` belong to nobody and are lost;
/// they count towards no limit. A contract cannot sign and so can be neither requestor nor provider of a promise.
interface IConcentDeposit is IERC1363Receiver, IERC5267 {
    /// @notice How the contract was set up. Nothing of it can change.
    struct Terms {
        /// The token of all deposits.
        IERC20 token;
        /// Whose account gets the verification fees.
        address treasury;
        /// Seconds between `unlock` and `withdraw`.
        uint32 withdrawDelay;
        /// Seconds a requestor has to contest a claim.
        uint32 contestWindow;
        /// Seconds Concent has to rule on a contested claim; also, how long after its deadline a promise that nobody
        /// claimed can be ruled on.
        uint32 rulingWindow;
        /// Seconds between the announcement of new keys and their taking effect. At least `withdrawDelay`,
        /// `contestWindow` and `rulingWindow` together, so that whoever does not trust them can leave before, and has no
        /// claim left that they could rule on.
        uint32 rotationDelay;
        /// What the loser of a contested claim pays for the verification, in wei of the token.
        uint96 fee;
        /// What the loser of a claim pays to the other for its gas, in wei of the token.
        uint96 cover;
        /// What rulings can move within one day, in wei of the token.
        uint96 dailyLimit;
        /// The most that one account can have free after a deposit, in wei of the token. What is at stake in claims does
        /// not count.
        uint96 depositMax;
    }

    /// @notice An account, which is one storage slot.
    struct Account {
        /// What is held for it, in wei of the token.
        uint96 deposit;
        /// What of this is at stake in claims. At most `deposit`.
        uint96 reserved;
        /// Chain time from which the rest can be withdrawn; 0 while it is locked.
        uint40 unlockAt;
    }

    /// @notice How far a claim is.
    enum Stage {
        /// There is none: never made, or over.
        None,
        /// The requestor can contest it until it is due.
        Open,
        /// Concent can rule on it until it is due.
        Contested
    }

    /// @notice A claim, which is one storage slot.
    struct Claim {
        /// What the provider says it is owed, in wei of the token.
        uint96 amount;
        /// What of this the requestor's deposit had free, which is the most that is paid.
        uint96 reserved;
        /// Chain time from which `settle` works: it pays an open claim and ends a contested one.
        uint40 due;
        /// How far it is.
        Stage stage;
    }

    /// @notice What a requestor signs into a deal.
    struct Promise {
        /// To whom.
        address provider;
        /// The most that can be claimed, in wei of the token.
        uint96 amount;
        /// Makes it one promise among those of its requestor to its provider: each number serves once. Numbers that
        /// follow one another are cheapest, since 256 of them share a storage slot.
        uint256 nonce;
        /// The digest of the agreement.
        bytes32 deal;
        /// Chain time up to which it can be claimed. A provider accepts only a promise that it can claim before the
        /// deposit behind it could be withdrawn.
        uint40 deadline;
    }

    /// @notice `account` deposited, and holds `deposit` now. It is locked.
    event Deposited(address indexed account, uint96 deposit);
    /// @notice From `unlockAt` on, `account` can withdraw what is not at stake.
    event Unlocked(address indexed account, uint40 unlockAt);
    /// @notice `account` took `amount` out.
    event Withdrawn(address indexed account, uint96 amount);
    /// @notice `provider` claims `amount` of a promise, of which `reserved` is there. `requestor` can contest until `due`.
    event Claimed(
        address indexed requestor,
        address indexed provider,
        bytes32 indexed promiseDigest,
        uint96 amount,
        uint96 reserved,
        uint40 due
    );
    /// @notice The requestor says that the claim is wrong. Concent can rule until `due`.
    event Contested(address indexed requestor, bytes32 indexed promiseDigest, uint40 due);
    /// @notice Nobody contested, and the provider got `amount`.
    event Settled(address indexed requestor, address indexed provider, bytes32 indexed promiseDigest, uint96 amount);
    /// @notice Concent did not rule: both are as before the claim, and the promise is used up.
    event Lapsed(address indexed requestor, address indexed provider, bytes32 indexed promiseDigest);
    /// @notice Concent ruled, and the provider got `amount`.
    event Ruled(
        address indexed requestor,
        address indexed provider,
        bytes32 indexed promiseDigest,
        uint96 amount,
        bytes32 evidence
    );
    /// @notice The provider's receipt was shown: the deal was paid elsewhere.
    event Voided(address indexed requestor, address indexed provider, bytes32 indexed promiseDigest);
    /// @notice New keys were announced. From `activeAt` on anybody can `rotate` to them.
    event RotationProposed(address[] keys, uint256 threshold, uint40 activeAt);
    /// @notice The announced keys will not come.
    event RotationCancelled(uint256 nonce);
    /// @notice The keys are these now.
    event Rotated(address[] keys, uint256 threshold);

    /// @notice There is no contract at `token`.
    error NotAToken(address token);
    /// @notice A term of the constructor that makes no sense: `got`, where `allowed` is the bound.
    error BadTerm(string term, uint256 got, uint256 allowed);
    /// @notice Keys must be 1 to 16, not zero, in ascending order, and the threshold from 1 to their number.
    error BadKeys(uint256 keys, uint256 threshold);
    /// @notice Only the token itself can report a transfer: `got` is not `allowed`.
    error NotTheToken(address got, address allowed);
    /// @notice `operator` moved the tokens of `owner`. Only an owner deposits for itself, since that locks its account.
    error NotTheOwner(address operator, address owner);
    /// @notice A deposit comes with `length` bytes, and should with none.
    error BadLength(uint256 length);
    /// @notice A deposit of `asked`, and `received` arrived.
    error WrongTotal(uint256 asked, uint256 received);
    /// @notice An amount of `got`, where 1 to `allowed` is in order.
    error BadAmount(uint256 got, uint256 allowed);
    /// @notice With the deposit, `got` would be free, above `allowed`.
    error DepositTooLarge(uint256 got, uint256 allowed);
    /// @notice `account` has `got` free, and `needed` is needed.
    error TooLittle(address account, uint256 got, uint256 needed);
    /// @notice The account of `account` is locked. `unlock` starts the delay.
    error Locked(address account);
    /// @notice The account is unlocked already, for `unlockAt`.
    error AlreadyUnlocked(uint40 unlockAt);
    /// @notice It is possible from `due` on; it is `currentTime` now.
    error TooEarly(uint256 due, uint256 currentTime);
    /// @notice It was possible before `due`; it is `currentTime` now.
    error TooLate(uint256 due, uint256 currentTime);
    /// @notice Only the provider of a promise can claim it: `got` is not `allowed`.
    error NotTheProvider(address got, address allowed);
    /// @notice A requestor's promise to itself, or to nobody.
    error BadProvider(address provider);
    /// @notice The signature is malformed, or not by whom it should be: it recovers to `signer` (zero if to nobody).
    error BadSignature(address signer);
    /// @notice The promise was claimed, ruled on or voided before.
    error UsedUp(address requestor, address provider, uint256 nonce);
    /// @notice There is no claim of this promise, or it is over.
    error NoClaim(address requestor, bytes32 promiseDigest);
    /// @notice Only a claim that the requestor contested can be ruled against.
    error NotContested(address requestor, bytes32 promiseDigest);
    /// @notice The claim is contested already.
    error AlreadyContested(uint40 due);
    /// @notice Rulings moved `moved` today; `asked` more would pass `allowed`. Tomorrow the same ruling is good.
    error DailyLimitReached(uint256 moved, uint256 asked, uint256 allowed);
    /// @notice `got` signatures of registered keys in ascending order of the keys, where `needed` are.
    error TooFewSignatures(uint256 got, uint256 needed);
    /// @notice No new keys are announced, or not these.
    error NotProposed();

    /// @notice Deposits `amount` of the caller, which must have approved it before. Locks its account.
    function deposit(uint96 amount) external;

    /// @notice `deposit` with an ERC-2612 permit of the caller for exactly the amount, its signature as in EIP-2098.
    /// @dev A permit that was used already (by somebody who saw it in the mempool) does no harm: the allowance counts.
    function depositByPermit(uint96 amount, uint256 deadline, bytes32 r, bytes32 vs) external;

    /// @notice `deposit` by ERC-1363: `token.transferAndCall(this, amount)`, with no allowance left behind.
    /// @dev Only the token calls it.
    /// @param operator Must be `from`: nobody else can lock an account.
    /// @param from Whose account.
    /// @param value How much.
    /// @param data Must be empty.
    function onTransferReceived(address operator, address from, uint256 value, bytes calldata data)
        external
        override
        returns (bytes4);

    /// @notice Starts the delay after which the caller can withdraw. A deposit locks again; nothing else does.
    function unlock() external;

    /// @notice Pays `amount` of what is not at stake out to the caller, whose account must be unlocked and due.
    function withdraw(uint96 amount) external;

    /// @notice Claims `amount` of a promise to the caller. Stakes the bond, out of the caller's own account, and reserves
    /// the amount in the requestor's, or what is free there if that is less.
    /// @dev Uses the promise up, however the claim ends. What is claimed beyond what is due costs the bond.
    /// @param r, vs The requestor's signature of the promise.
    /// @param reservedMin What must be free for it. With 0, anything: a promise is used up even where a wei is left.
    function claim(Promise calldata promised, bytes32 r, bytes32 vs, uint96 amount, uint96 reservedMin) external;

    /// @notice The requestor, who calls it, says that a claim is wrong. Stakes a bond of the same size.
    function contest(bytes32 promiseDigest_) external;

    /// @notice Ends a claim whose window is over: an uncontested one pays, a contested one lapses. Anybody may call it.
    function settle(address requestor, Promise calldata promised) external;

    /// @notice Does what Concent ruled. Anybody may call it; but where nothing was claimed and the deposit has not got
    /// all of it, only the provider may, who gets what there is.
    /// @dev The provider lost a contested claim if it is granted less than it claimed. Whoever lost pays the bond. A claim
    /// that is not contested cannot be lost: granted whole, it is paid before its window is over.
    /// @param r, vs The requestor's signature of the promise.
    /// @param amount What the provider gets, at most what was promised, and with a claim at most what it reserved.
    /// @param evidence Digest of what the ruling rests on.
    /// @param signatures 64 bytes each, in the ascending order of the keys that made them.
    function rule(
        Promise calldata promised,
        bytes32 r,
        bytes32 vs,
        uint96 amount,
        bytes32 evidence,
        bytes calldata signatures
    ) external;

    /// @notice Shows the provider's receipt for a deal that was paid, which voids its promise. Anybody may call it.
    /// @dev Against a claim it also takes the provider's bond: the cover goes to the caller, the fee's part to the
    /// requestor, so that a provider that shows its own receipt in time to be first still loses.
    /// @param r, vs The requestor's signature of the promise.
    /// @param receiptR, receiptVs The provider's signature of the receipt.
    function void(Promise calldata promised, bytes32 r, bytes32 vs, bytes32 receiptR, bytes32 receiptVs) external;

    /// @notice Announces new keys of Concent, signed by the present ones. Replaces what was announced before.
    function proposeRotation(address[] calldata keys, uint256 threshold, bytes calldata signatures) external;

    /// @notice Takes an announcement back, signed by the present keys.
    function cancelRotation(bytes calldata signatures) external;

    /// @notice Makes the announced keys the present ones, once their delay is over. Anybody may call it.
    function rotate(address[] calldata keys, uint256 threshold) external;

    /// @notice The account as it is now.
    function account(address owner) external view returns (Account memory);

    /// @notice The claim of a promise as it is now.
    function claimOf(address requestor, bytes32 promiseDigest_) external view returns (Claim memory);

    /// @notice Whether a promise of this number was claimed, ruled on or voided.
    function isUsedUp(address requestor, address provider, uint256 nonce) external view returns (bool);

    /// @notice Concent's keys, in ascending order, and how many of them make a ruling.
    function concent() external view returns (address[] memory keys, uint256 threshold);

    /// @notice What rulings moved today, in wei of the token, rounded up to 1e9 wei at each.
    function movedToday() external view returns (uint256);

    /// @notice The number that the next announcement or cancellation must carry, and what is announced: the hash of
    /// `abi.encode(keys, threshold)`, and from when on it can be made true. Zeros where nothing is.
    function rotation() external view returns (uint256 nonce, bytes32 proposed, uint40 activeAt);

    /// @notice What a requestor signs.
    function promiseDigest(Promise calldata promised) external view returns (bytes32);

    /// @notice What a provider signs when the deal is paid.
    function receiptDigest(address requestor, bytes32 promiseDigest_) external view returns (bytes32);

    /// @notice What Concent's keys sign to rule.
    function rulingDigest(address requestor, bytes32 promiseDigest_, uint96 amount, bytes32 evidence)
        external
        view
        returns (bytes32);

    /// @notice What Concent's keys sign to announce others.
    function rotationDigest(address[] calldata keys, uint256 threshold, uint256 nonce) external view returns (bytes32);

    /// @notice What Concent's keys sign to take an announcement back.
    function cancelRotationDigest(uint256 nonce) external view returns (bytes32);

    /// @notice How the contract was set up.
    function terms() external view returns (Terms memory);

    /// @notice The EIP-712 domain of everything signed here, hashed.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}
