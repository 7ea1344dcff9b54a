// A payment channel's voucher, as `contracts/src/interfaces/IPaymentChannels.sol` has it.
import { concat, id, toBeHex } from "ethers";

export const file = "voucher";
export const primaryType = "Voucher";
export const types = {
  Voucher: [
    { name: "payee", type: "address" },
    { name: "epoch", type: "uint32" },
    { name: "cumulative", type: "uint96" },
  ],
};

const domain = (chainId, verifyingContract) => ({
  name: "Golem PaymentChannels",
  version: "1",
  chainId,
  verifyingContract,
});
const local = domain(31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3");
const payee = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const signedBy = (name) => id(`golem test vector: ${name}`);

const usual = {
  name: "usual",
  privateKey: signedBy("payer"),
  domain: local,
  message: { payee, epoch: 1, cumulative: "12345678901234567891" },
};

export const cases = [
  usual,
  { ...usual, name: "one wei", message: { ...usual.message, cumulative: "1" } },
  { ...usual, name: "largest amount", message: { ...usual.message, cumulative: String(2n ** 96n - 1n) } },
  { ...usual, name: "next epoch", message: { ...usual.message, epoch: 2 } },
  { ...usual, name: "largest epoch", message: { ...usual.message, epoch: 2 ** 32 - 1 } },
  { ...usual, name: "another payee", message: { ...usual.message, payee: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC" } },
  { ...usual, name: "another payer", privateKey: signedBy("another payer") },
  { ...usual, name: "another chain", domain: domain(11155111, local.verifyingContract) },
  { ...usual, name: "another contract", domain: domain(31337, "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512") },
  ...[1, 2, 3, 4].map((n) => ({
    ...usual,
    name: `subtask ${n}`,
    message: { ...usual.message, cumulative: String(BigInt(n) * 250_000_000_000_000_000n) },
  })),
];

/** An entry of `claimMany`. */
export const packed = ({ epoch, cumulative }, compact) => concat([toBeHex(cumulative, 12), toBeHex(epoch, 4), compact]);
