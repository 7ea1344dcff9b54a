// Stage 2: what a provider offers for a header.
import { UINT64_MAX, UINT96_MAX, elsewhere, hash, local, payee, provider, providerKey } from "./domain.mjs";

export const file = "offer";
export const primaryType = "Offer";
export const types = {
  Offer: [
    { name: "header", type: "bytes32" },
    { name: "provider", type: "address" },
    { name: "payee", type: "address" },
    { name: "price", type: "uint96" },
    { name: "performance", type: "uint64" },
    { name: "slots", type: "uint16" },
    { name: "expires", type: "uint64" },
  ],
};

const usual = {
  name: "usual",
  privateKey: providerKey,
  domain: local,
  message: {
    header: hash("header"),
    provider,
    payee,
    price: "1200000000000000000",
    performance: "61234567",
    slots: 4,
    expires: "1800000000",
  },
};

export const cases = [
  usual,
  { ...usual, name: "for nothing", message: { ...usual.message, price: "0" } },
  {
    ...usual,
    name: "largest numbers",
    message: { ...usual.message, price: UINT96_MAX, performance: UINT64_MAX, slots: 1024, expires: UINT64_MAX },
  },
  ...elsewhere.map((other) => ({ ...usual, ...other })),
];
