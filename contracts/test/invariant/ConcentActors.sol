// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ConcentDeposit} from "../../src/ConcentDeposit.sol";
import {GNT} from "../../src/GNT.sol";
import {IConcentDeposit} from "../../src/interfaces/IConcentDeposit.sol";

/// Parties that are requestors and providers of one another, Concent, which rules well and badly, and a stranger. They
/// keep books apart from the contract, of what must come of each call by the rules: success, or the one error it has to
/// fail with. Anything else stops the run (`fail_on_revert`).
contract ConcentActors is Test {
    /// An account and a wallet as the books have them.
    struct Known {
        uint256 deposit;
        uint256 reserved;
        uint256 unlockAt;
        uint256 held;
    }

    /// A promise that was signed, and how far its claim is.
    struct Signed {
        address requestor;
        IConcentDeposit.Promise promised;
        bytes32 digest;
        bytes32 r;
        bytes32 vs;
        bool receipted;
        IConcentDeposit.Stage stage;
        uint256 amount;
        uint256 reserved;
        uint256 due;
        /// What was paid for it, and how often anything was.
        uint256 paid;
        uint256 timesPaid;
    }

    uint256 public constant PARTIES = 3;
    uint256 public constant FUNDS = 1000 ether;
    /// Enough to try old ones; more would only slow the run.
    uint256 private constant PROMISES_MAX = 48;
    /// Few, so that some promises have the same; on both sides of a border of their words.
    uint256 private constant NONCES = 12;
    uint256 private constant FIRST_NONCE = 250;
    bytes32 private constant EVIDENCE = keccak256("a bundle");

    GNT private immutable GNT_;
    ConcentDeposit private immutable CONCENT;
    IConcentDeposit.Terms private terms;
    uint256 private immutable BOND;

    /// The last is Concent's treasury, which only takes out what it got.
    address[] public parties;
    mapping(address party => uint256) private keys;
    mapping(address party => Known) private known_;
    Signed[] private promises;
    mapping(address requestor => mapping(address provider => mapping(uint256 nonce => bool))) private used;
    mapping(uint256 day => uint256) public movedOn;

    /// The keys that Concent has had and will have, by their number.
    uint256 private office;
    uint256 private rotations;
    uint256 private activeAt;

    constructor(GNT gnt, ConcentDeposit concent, address treasury) {
        (GNT_, CONCENT) = (gnt, concent);
        terms = concent.terms();
        BOND = uint256(terms.fee) + terms.cover;
        for (uint256 i; i < PARTIES; ++i) {
            (address party, uint256 key) = makeAddrAndKey(string.concat("party ", vm.toString(i)));
            parties.push(party);
            keys[party] = key;
            known_[party].held = FUNDS;
        }
        parties.push(treasury);
    }

    function known(address party) external view returns (Known memory) {
        return known_[party];
    }

    function promiseCount() external view returns (uint256) {
        return promises.length;
    }

    function signed(uint256 index) external view returns (Signed memory) {
        return promises[index];
    }

    // Accounts

    function deposit(uint256 seed, uint96 amount, bool byAllowance) external {
        address party = parties[seed % PARTIES];
        Known storage k = known_[party];
        if (k.held == 0) return;
        amount = uint96(bound(amount, 1, k.held));
        bytes4 refusal = free(k) + amount > terms.depositMax ? IConcentDeposit.DepositTooLarge.selector : bytes4(0);
        if (byAllowance) {
            vm.prank(party);
            GNT_.approve(address(CONCENT), amount);
            calls(party, address(CONCENT), abi.encodeCall(CONCENT.deposit, (amount)), refusal);
        } else {
            bytes memory data = abi.encodeWithSignature("transferAndCall(address,uint256)", CONCENT, amount);
            calls(party, address(GNT_), data, refusal);
        }
        if (refusal != 0) return;
        k.deposit += amount;
        k.held -= amount;
        k.unlockAt = 0;
    }

    function unlock(uint256 seed) external {
        address party = parties[seed % (PARTIES + 1)];
        Known storage k = known_[party];
        bytes4 refusal = k.deposit == 0
            ? IConcentDeposit.TooLittle.selector
            : k.unlockAt != 0 ? IConcentDeposit.AlreadyUnlocked.selector : bytes4(0);
        calls(party, abi.encodeCall(CONCENT.unlock, ()), refusal);
        if (refusal == 0) k.unlockAt = vm.getBlockTimestamp() + terms.withdrawDelay;
    }

    function withdraw(uint256 seed, uint96 amount, bool patient) external {
        address party = parties[seed % (PARTIES + 1)];
        Known storage k = known_[party];
        if (patient) waitUntil(k.unlockAt);
        amount = uint96(bound(amount, 1, free(k) + 1));
        bytes4 refusal = k.unlockAt == 0
            ? IConcentDeposit.Locked.selector
            : vm.getBlockTimestamp() < k.unlockAt
                ? IConcentDeposit.TooEarly.selector
                : amount > free(k) ? IConcentDeposit.TooLittle.selector : bytes4(0);
        calls(party, abi.encodeCall(CONCENT.withdraw, (amount)), refusal);
        if (refusal != 0) return;
        k.deposit -= amount;
        k.held += amount;
    }

    function wait(uint256 time) external {
        skip(bound(time, 1, 2 days));
    }

    // Promises

    function promise_(uint256 seed, uint96 amount, uint256 nonce, uint256 time) external {
        if (promises.length == PROMISES_MAX) return;
        address requestor = parties[seed % PARTIES];
        IConcentDeposit.Promise memory p = IConcentDeposit.Promise({
            provider: parties[(seed % PARTIES + 1 + (seed / PARTIES) % (PARTIES - 1)) % PARTIES],
            amount: uint96(bound(amount, 1, 50 ether)),
            nonce: FIRST_NONCE + nonce % NONCES,
            deal: bytes32(promises.length),
            deadline: uint40(vm.getBlockTimestamp() + bound(time, 0, 20 days))
        });
        Signed storage s = promises.push();
        (s.requestor, s.promised, s.digest) = (requestor, p, CONCENT.promiseDigest(p));
        (s.r, s.vs) = vm.signCompact(keys[requestor], s.digest);
    }

    /// The provider was paid elsewhere and says so.
    function receipt(uint256 index) external {
        if (promises.length != 0) promises[index % promises.length].receipted = true;
    }

    function claim(uint256 index, uint96 amount, bool whole) external {
        if (promises.length == 0) return;
        // Mostly the newest, which is likely to be good yet.
        Signed storage s = promises[index % 4 == 0 ? index % promises.length : promises.length - 1];
        IConcentDeposit.Promise memory p = s.promised;
        Known storage theirs = known_[s.requestor];
        Known storage own = known_[p.provider];
        amount = uint96(bound(amount, 1, p.amount));
        uint256 reserved = min(amount, free(theirs));
        bytes4 refusal = vm.getBlockTimestamp() > p.deadline
            ? IConcentDeposit.TooLate.selector
            : free(own) < BOND || reserved == 0 || (whole && reserved < amount)
                ? IConcentDeposit.TooLittle.selector
                : used[s.requestor][p.provider][p.nonce] ? IConcentDeposit.UsedUp.selector : bytes4(0);
        calls(p.provider, abi.encodeCall(CONCENT.claim, (p, s.r, s.vs, amount, whole ? amount : 0)), refusal);
        if (refusal != 0) return;
        used[s.requestor][p.provider][p.nonce] = true;
        theirs.reserved += reserved;
        own.reserved += BOND;
        (s.stage, s.amount, s.reserved) = (IConcentDeposit.Stage.Open, amount, reserved);
        s.due = vm.getBlockTimestamp() + terms.contestWindow;
    }

    function contest(uint256 index) external {
        if (promises.length == 0) return;
        Signed storage s = claimedOne(index);
        Known storage k = known_[s.requestor];
        bytes4 refusal = s.stage == IConcentDeposit.Stage.None
            ? IConcentDeposit.NoClaim.selector
            : s.stage == IConcentDeposit.Stage.Contested
                ? IConcentDeposit.AlreadyContested.selector
                : vm.getBlockTimestamp() >= s.due
                    ? IConcentDeposit.TooLate.selector
                    : free(k) < BOND ? IConcentDeposit.TooLittle.selector : bytes4(0);
        calls(s.requestor, abi.encodeCall(CONCENT.contest, (s.digest)), refusal);
        if (refusal != 0) return;
        k.reserved += BOND;
        (s.stage, s.due) = (IConcentDeposit.Stage.Contested, vm.getBlockTimestamp() + terms.rulingWindow);
    }

    function settle(uint256 index, uint256 sender, bool patient) external {
        if (promises.length == 0) return;
        Signed storage s = claimedOne(index);
        if (patient) waitUntil(s.due);
        bytes4 refusal = s.stage == IConcentDeposit.Stage.None
            ? IConcentDeposit.NoClaim.selector
            : vm.getBlockTimestamp() < s.due ? IConcentDeposit.TooEarly.selector : bytes4(0);
        calls(parties[sender % PARTIES], abi.encodeCall(CONCENT.settle, (s.requestor, s.promised)), refusal);
        if (refusal != 0) return;
        uint256 paid = s.stage == IConcentDeposit.Stage.Open ? s.reserved : 0;
        release(s);
        if (paid != 0) pay(s, paid);
    }

    /// Concent rules, rightly or wrongly, and anybody submits it.
    function rule(uint256 index, uint96 amount, bool asClaimed, uint256 sender) external {
        if (promises.length == 0) return;
        Signed storage s = claimedOne(index);
        amount = asClaimed ? uint96(s.amount) : uint96(bound(amount, 0, s.promised.amount));
        address caller = parties[sender % PARTIES];
        (bytes4 refusal, uint256 paid, uint256 moved) = ruling(s, amount, caller);
        uint256 today = vm.getBlockTimestamp() / 1 days;
        uint256 movedThen = movedOn[today] + (moved + 1 gwei - 1) / 1 gwei * 1 gwei;
        if (refusal == 0 && movedThen > terms.dailyLimit) refusal = IConcentDeposit.DailyLimitReached.selector;
        bytes32 digest = CONCENT.rulingDigest(s.requestor, s.digest, amount, EVIDENCE);
        bytes memory signatures = packed(judgeKey(office), digest);
        calls(caller, abi.encodeCall(CONCENT.rule, (s.promised, s.r, s.vs, amount, EVIDENCE, signatures)), refusal);
        if (refusal != 0) return;
        movedOn[today] = movedThen;
        used[s.requestor][s.promised.provider][s.promised.nonce] = true;
        bool contested = s.stage == IConcentDeposit.Stage.Contested;
        if (s.stage != IConcentDeposit.Stage.None) release(s);
        if (paid != 0) pay(s, paid);
        if (!contested) return;
        bool granted = amount >= s.amount;
        known_[granted ? s.requestor : s.promised.provider].deposit -= BOND;
        known_[granted ? s.promised.provider : s.requestor].deposit += terms.cover;
        known_[terms.treasury].deposit += terms.fee;
    }

    /// Anybody shows the receipt, if there is one; if not, one that the requestor made itself.
    function void(uint256 index, uint256 sender) external {
        if (promises.length == 0) return;
        Signed storage s = promises[index % promises.length];
        IConcentDeposit.Promise memory p = s.promised;
        bool claimed = s.stage != IConcentDeposit.Stage.None;
        bytes4 refusal = !s.receipted
            ? IConcentDeposit.BadSignature.selector
            : !claimed && used[s.requestor][p.provider][p.nonce] ? IConcentDeposit.UsedUp.selector : bytes4(0);
        bytes32 digest = CONCENT.receiptDigest(s.requestor, s.digest);
        (bytes32 r, bytes32 vs) = vm.signCompact(keys[s.receipted ? p.provider : s.requestor], digest);
        address caller = parties[sender % PARTIES];
        calls(caller, abi.encodeCall(CONCENT.void, (p, s.r, s.vs, r, vs)), refusal);
        if (refusal != 0) return;
        used[s.requestor][p.provider][p.nonce] = true;
        if (!claimed) return;
        release(s);
        known_[p.provider].deposit -= BOND;
        known_[s.requestor].deposit += terms.fee;
        known_[caller].held += terms.cover;
    }

    // Concent's keys

    function rotate(uint8 step, uint256 sender) external {
        address caller = parties[sender % PARTIES];
        address[] memory next = new address[](1);
        next[0] = vm.addr(judgeKey(office + 1));
        // Mostly what can be done, since the delay is long.
        if (step % 8 == 0 || (activeAt == 0 && step % 8 > 2)) {
            bytes memory signatures = packed(judgeKey(office), CONCENT.rotationDigest(next, 1, rotations));
            calls(caller, abi.encodeCall(CONCENT.proposeRotation, (next, 1, signatures)), 0);
            rotations += 1;
            activeAt = vm.getBlockTimestamp() + terms.rotationDelay;
        } else if (step % 8 == 1) {
            bytes memory signatures = packed(judgeKey(office), CONCENT.cancelRotationDigest(rotations));
            bytes4 refusal = activeAt == 0 ? IConcentDeposit.NotProposed.selector : bytes4(0);
            calls(caller, abi.encodeCall(CONCENT.cancelRotation, (signatures)), refusal);
            if (refusal != 0) return;
            rotations += 1;
            activeAt = 0;
        } else {
            if (step % 8 > 4) waitUntil(activeAt);
            bytes4 refusal = activeAt == 0
                ? IConcentDeposit.NotProposed.selector
                : vm.getBlockTimestamp() < activeAt ? IConcentDeposit.TooEarly.selector : bytes4(0);
            calls(caller, abi.encodeCall(CONCENT.rotate, (next, 1)), refusal);
            if (refusal != 0) return;
            office += 1;
            activeAt = 0;
        }
    }

    // What a stranger tries

    /// Sends tokens without a word, deposits in the name of others, and rules with keys that are not Concent's: its own,
    /// old ones, and those that were announced and have not come.
    function meddle(uint256 seed, uint96 amount, uint256 key) external {
        address party = parties[seed % PARTIES];
        amount = uint96(bound(amount, 1, 1 ether));
        if (GNT_.balanceOf(address(this)) > amount) GNT_.transfer(address(CONCENT), amount);
        bytes memory data = abi.encodeCall(CONCENT.onTransferReceived, (party, party, amount, ""));
        calls(address(this), data, IConcentDeposit.NotTheToken.selector);
        if (GNT_.balanceOf(party) >= amount) {
            vm.prank(party);
            GNT_.approve(address(this), amount);
            data = abi.encodeWithSignature("transferFromAndCall(address,address,uint256)", party, CONCENT, amount);
            calls(address(this), address(GNT_), data, IConcentDeposit.NotTheOwner.selector);
            vm.prank(party);
            GNT_.approve(address(this), 0);
        }
        if (promises.length == 0) return;
        Signed storage s = promises[seed % promises.length];
        (bytes4 refusal,,) = ruling(s, s.promised.amount, address(this));
        if (refusal != 0) return;
        key = key % 3 == 0 ? judgeKey(office + 1) : key % 3 == 1 && office != 0 ? judgeKey(office - 1) : keys[party];
        bytes32 digest = CONCENT.rulingDigest(s.requestor, s.digest, s.promised.amount, EVIDENCE);
        data = abi.encodeCall(CONCENT.rule, (s.promised, s.r, s.vs, s.promised.amount, EVIDENCE, packed(key, digest)));
        calls(address(this), data, IConcentDeposit.TooFewSignatures.selector);
    }

    // The books

    /// What must come of a ruling, but for the daily limit.
    function ruling(Signed storage s, uint256 amount, address caller)
        private
        view
        returns (bytes4 refusal, uint256 paid, uint256 moved)
    {
        uint256 time = vm.getBlockTimestamp();
        if (s.stage != IConcentDeposit.Stage.None) {
            bool contested = s.stage == IConcentDeposit.Stage.Contested;
            if (time >= s.due) return (IConcentDeposit.TooLate.selector, 0, 0);
            if (!contested && amount < s.amount) return (IConcentDeposit.NotContested.selector, 0, 0);
            paid = min(amount, s.reserved);
            return (0, paid, contested ? paid + BOND : paid);
        }
        address provider = s.promised.provider;
        if (used[s.requestor][provider][s.promised.nonce]) return (IConcentDeposit.UsedUp.selector, 0, 0);
        if (time >= uint256(s.promised.deadline) + terms.rulingWindow) return (IConcentDeposit.TooLate.selector, 0, 0);
        if (amount == 0) return (IConcentDeposit.BadAmount.selector, 0, 0);
        paid = min(amount, free(known_[s.requestor]));
        if (paid < amount && (paid == 0 || caller != provider)) return (IConcentDeposit.TooLittle.selector, 0, 0);
        return (0, paid, paid);
    }

    function waitUntil(uint256 time) private {
        if (time > vm.getBlockTimestamp()) vm.warp(time);
    }

    /// A promise that is claimed, if every second time; there are few of them among many.
    function claimedOne(uint256 index) private view returns (Signed storage s) {
        uint256 count = promises.length;
        for (uint256 i; index % 2 == 0 && i < count; ++i) {
            s = promises[(index % count + i) % count];
            if (s.stage != IConcentDeposit.Stage.None) return s;
        }
        return promises[index % count];
    }

    function release(Signed storage s) private {
        known_[s.requestor].reserved -= s.reserved + (s.stage == IConcentDeposit.Stage.Contested ? BOND : 0);
        known_[s.promised.provider].reserved -= BOND;
        s.stage = IConcentDeposit.Stage.None;
    }

    function pay(Signed storage s, uint256 paid) private {
        known_[s.requestor].deposit -= paid;
        known_[s.promised.provider].held += paid;
        s.paid += paid;
        s.timesPaid += 1;
    }

    function free(Known storage k) private view returns (uint256) {
        return k.deposit - k.reserved;
    }

    function calls(address from, bytes memory data, bytes4 refusal) private {
        calls(from, address(CONCENT), data, refusal);
    }

    /// Succeeds if no refusal is expected, else fails with that one.
    function calls(address from, address to, bytes memory data, bytes4 refusal) private {
        vm.prank(from);
        (bool success, bytes memory result) = to.call(data);
        bytes4 got = success ? bytes4(0) : bytes4(result);
        assertEq(got, refusal, "not what the rules say");
        assertEq(success, refusal == 0);
    }

    function judgeKey(uint256 index) private pure returns (uint256) {
        return uint256(keccak256(abi.encode("judge", index)));
    }

    function packed(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, digest);
        return abi.encodePacked(r, vs);
    }

    function min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
