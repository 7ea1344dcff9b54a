// Stage 1: what a requestor wants done.
import { ZeroAddress } from "ethers";
import { UINT64_MAX, UINT96_MAX, author, elsewhere, hash, local, payer, requestor, requestorKey } from "./domain.mjs";

export const file = "header";
export const primaryType = "Header";
export const types = {
  Header: [
    { name: "requestor", type: "address" },
    { name: "payer", type: "address" },
    { name: "nonce", type: "uint64" },
    { name: "module", type: "bytes32" },
    { name: "moduleBytes", type: "uint64" },
    { name: "subtasks", type: "uint32" },
    { name: "maxPrice", type: "uint96" },
    { name: "subtaskTimeout", type: "uint32" },
    { name: "minPerf", type: "uint64" },
    { name: "pricing", type: "uint8" },
    { name: "fuelMax", type: "uint64" },
    { name: "memoryMax", type: "uint64" },
    { name: "outputMax", type: "uint64" },
    { name: "recheckPpm", type: "uint32" },
    { name: "profile", type: "bytes32" },
    { name: "deadline", type: "uint64" },
    { name: "author", type: "address" },
    { name: "fee", type: "uint96" },
  ],
};

const usual = {
  name: "usual",
  privateKey: requestorKey,
  domain: local,
  message: {
    requestor,
    payer,
    nonce: "81985529216486895",
    module: hash("module"),
    moduleBytes: "123456",
    subtasks: 64,
    maxPrice: "1500000000000000000",
    subtaskTimeout: 60,
    minPerf: "50000000",
    pricing: 0,
    fuelMax: "9000000000",
    memoryMax: "268435456",
    outputMax: "1048576",
    recheckPpm: 50000,
    profile: hash("profile"),
    deadline: "1900000000",
    author,
    fee: "5000000000000000",
  },
};

export const cases = [
  usual,
  { ...usual, name: "metered", message: { ...usual.message, pricing: 1 } },
  {
    ...usual,
    name: "largest numbers",
    message: {
      ...usual.message,
      nonce: UINT64_MAX,
      subtasks: 1_000_000,
      maxPrice: UINT96_MAX,
      subtaskTimeout: 86_400,
      minPerf: UINT64_MAX,
      fuelMax: UINT64_MAX,
      recheckPpm: 1_000_000,
      deadline: UINT64_MAX,
      fee: UINT96_MAX,
    },
  },
  { ...usual, name: "no author", message: { ...usual.message, author: ZeroAddress, fee: "0" } },
  ...elsewhere.map((other) => ({ ...usual, ...other })),
];
