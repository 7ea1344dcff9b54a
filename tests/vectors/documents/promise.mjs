// The guarantee behind a deal: what a requestor promises a provider out of its deposit.
import { UINT256_MAX, elsewhere, local } from "./concent.mjs";
import { UINT96_MAX, hash, payee, provider, requestorKey } from "./domain.mjs";

export const file = "promise";
export const primaryType = "Promise";
export const types = {
  Promise: [
    { name: "provider", type: "address" },
    { name: "amount", type: "uint96" },
    { name: "nonce", type: "uint256" },
    { name: "deal", type: "bytes32" },
    { name: "deadline", type: "uint40" },
  ],
};

const usual = {
  name: "usual",
  privateKey: requestorKey,
  domain: local,
  message: { provider, amount: "2500000000000000000", nonce: "7", deal: hash("agreement"), deadline: 1900000000 },
};
const but = (name, change) => ({ ...usual, name, message: { ...usual.message, ...change } });

export const cases = [
  usual,
  but("least of everything", { amount: "1", nonce: "0", deadline: 0 }),
  but("most of everything", { amount: UINT96_MAX, nonce: UINT256_MAX, deadline: 2 ** 40 - 1 }),
  but("next nonce", { nonce: "8" }),
  but("nonce of the next word", { nonce: "256" }),
  but("another provider", { provider: payee }),
  but("another deal", { deal: hash("another agreement") }),
  ...elsewhere.map((other) => ({ ...usual, ...other })),
];
