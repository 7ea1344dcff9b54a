// After stage 3: a provider steps back.
import { elsewhere, hash, local, provider, providerKey } from "./domain.mjs";

export const file = "cancel";
export const primaryType = "Cancel";
export const types = {
  Cancel: [
    { name: "agreement", type: "bytes32" },
    { name: "provider", type: "address" },
  ],
};

const usual = {
  name: "usual",
  privateKey: providerKey,
  domain: local,
  message: { agreement: hash("agreement"), provider },
};

export const cases = [
  usual,
  { ...usual, name: "another agreement", message: { ...usual.message, agreement: hash("another agreement") } },
  ...elsewhere.map((other) => ({ ...usual, ...other })),
];
