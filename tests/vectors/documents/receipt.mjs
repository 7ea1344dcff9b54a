// The guarantee's end: a provider says that the deal was paid, which voids the promise.
import { elsewhere, local } from "./concent.mjs";
import { hash, payer, providerKey, requestor } from "./domain.mjs";

export const file = "receipt";
export const primaryType = "Receipt";
export const types = {
  Receipt: [
    { name: "requestor", type: "address" },
    { name: "promiseDigest", type: "bytes32" },
  ],
};

const usual = {
  name: "usual",
  privateKey: providerKey,
  domain: local,
  message: { requestor, promiseDigest: hash("promise") },
};

export const cases = [
  usual,
  { ...usual, name: "another requestor", message: { ...usual.message, requestor: payer } },
  { ...usual, name: "another promise", message: { ...usual.message, promiseDigest: hash("another promise") } },
  ...elsewhere.map((other) => ({ ...usual, ...other })),
];
