// Concent announces its next keys.
import { UINT256_MAX, ascending, concentKey, elsewhere, local } from "./concent.mjs";

export const file = "rotation";
export const primaryType = "Rotation";
export const types = {
  Rotation: [
    { name: "keys", type: "address[]" },
    { name: "threshold", type: "uint256" },
    { name: "nonce", type: "uint256" },
  ],
};

const usual = {
  name: "usual",
  privateKey: concentKey,
  domain: local,
  message: { keys: ascending(3), threshold: 2, nonce: "0" },
};
const but = (name, change) => ({ ...usual, name, message: { ...usual.message, ...change } });

export const cases = [
  usual,
  but("one key", { keys: ascending(1), threshold: 1 }),
  but("most keys", { keys: ascending(16), threshold: 16 }),
  but("another threshold", { threshold: 3 }),
  but("next nonce", { nonce: "1" }),
  but("largest nonce", { nonce: UINT256_MAX }),
  ...elsewhere.map((other) => ({ ...usual, ...other })),
];
