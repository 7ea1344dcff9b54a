// Concent takes the announcement of its next keys back.
import { UINT256_MAX, concentKey, elsewhere, local } from "./concent.mjs";

export const file = "cancel-rotation";
export const primaryType = "CancelRotation";
export const types = { CancelRotation: [{ name: "nonce", type: "uint256" }] };

const usual = { name: "usual", privateKey: concentKey, domain: local, message: { nonce: "1" } };

export const cases = [
  usual,
  { ...usual, name: "first nonce", message: { nonce: "0" } },
  { ...usual, name: "largest nonce", message: { nonce: UINT256_MAX } },
  ...elsewhere.map((other) => ({ ...usual, ...other })),
];
