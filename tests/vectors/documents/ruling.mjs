// A dispute's end: what Concent says a provider gets of a promise.
import { concentKey, elsewhere, local, otherConcentKey } from "./concent.mjs";
import { UINT96_MAX, hash, requestor } from "./domain.mjs";

export const file = "ruling";
export const primaryType = "Ruling";
export const types = {
  Ruling: [
    { name: "requestor", type: "address" },
    { name: "promiseDigest", type: "bytes32" },
    { name: "amount", type: "uint96" },
    { name: "evidence", type: "bytes32" },
  ],
};

const usual = {
  name: "usual",
  privateKey: concentKey,
  domain: local,
  message: { requestor, promiseDigest: hash("promise"), amount: "1250000000000000000", evidence: hash("evidence") },
};
const but = (name, change) => ({ ...usual, name, message: { ...usual.message, ...change } });

export const cases = [
  usual,
  { ...usual, name: "another key", privateKey: otherConcentKey },
  but("nothing granted", { amount: "0" }),
  but("largest amount", { amount: UINT96_MAX }),
  but("another promise", { promiseDigest: hash("another promise") }),
  but("other evidence", { evidence: hash("other evidence") }),
  ...elsewhere.map((other) => ({ ...usual, ...other })),
];
