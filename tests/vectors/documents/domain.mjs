// What the documents of a deal share: the domain they are signed under, and a deal's parties.
import { Wallet, id } from "ethers";

/** The domain of all documents but the voucher, as `crates/protocol/src/signed.rs` has it. */
export const domain = (chainId, verifyingContract) => ({ name: "Golem", version: "1", chainId, verifyingContract });
export const local = domain(31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3");
export const elsewhere = [
  { name: "another chain", domain: domain(11155111, local.verifyingContract) },
  { name: "another contract", domain: domain(31337, "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512") },
];

const key = (name) => id(`golem test vector: ${name}`);
export const requestorKey = key("requestor");
export const providerKey = key("provider");
export const requestor = new Wallet(requestorKey).address;
export const provider = new Wallet(providerKey).address;
export const payer = new Wallet(key("payer")).address;
export const author = new Wallet(key("author")).address;
export const payee = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/** Stands for a hash whose preimage does not matter. */
export const hash = (name) => id(`golem test vector: ${name}`);

export const UINT96_MAX = String(2n ** 96n - 1n);
export const UINT64_MAX = String(2n ** 64n - 1n);
