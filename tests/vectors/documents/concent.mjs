// What the documents that `ConcentDeposit` reads share: their domain, and Concent's keys.
import { Wallet, id } from "ethers";

/** The domain of `contracts/src/interfaces/IConcentDeposit.sol`. */
const domain = (chainId, verifyingContract) => ({
  name: "Golem ConcentDeposit",
  version: "1",
  chainId,
  verifyingContract,
});
export const local = domain(31337, "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9");
export const elsewhere = [
  { name: "another chain", domain: domain(11155111, local.verifyingContract) },
  { name: "another contract", domain: domain(31337, "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0") },
];

export const concentKey = id("golem test vector: concent");
export const otherConcentKey = id("golem test vector: another key of concent");

/** So many addresses in ascending order, as Concent's keys are registered. */
export const ascending = (count) =>
  Array.from({ length: count }, (_, n) => new Wallet(id(`golem test vector: new key ${n} of concent`)).address).sort(
    (one, other) => (BigInt(one) < BigInt(other) ? -1 : 1),
  );

export const UINT256_MAX = String(2n ** 256n - 1n);
