// Stage 3: what both sign for one batch of subtasks.
import { ZeroAddress } from "ethers";
import {
  UINT64_MAX, UINT96_MAX, author, elsewhere, hash, local, payee, payer, provider, providerKey, requestor, requestorKey,
} from "./domain.mjs";

export const file = "agreement";
export const primaryType = "Agreement";
export const types = {
  Agreement: [
    { name: "header", type: "bytes32" },
    { name: "offer", type: "bytes32" },
    { name: "requestor", type: "address" },
    { name: "provider", type: "address" },
    { name: "payer", type: "address" },
    { name: "payee", type: "address" },
    { name: "epoch", type: "uint32" },
    { name: "batch", type: "uint32" },
    { name: "price", type: "uint96" },
    { name: "fuelRate", type: "uint64" },
    { name: "subtaskTimeout", type: "uint32" },
    { name: "deadline", type: "uint64" },
    { name: "author", type: "address" },
    { name: "fee", type: "uint96" },
    { name: "subtasks", type: "Subtask[]" },
  ],
  Subtask: [
    { name: "index", type: "uint32" },
    { name: "input", type: "bytes32" },
    { name: "value", type: "uint96" },
  ],
};

const subtask = (index) => ({ index, input: hash(`input ${index}`), value: "20000000000000000" });

const usual = {
  name: "usual",
  privateKey: requestorKey,
  domain: local,
  message: {
    header: hash("header"),
    offer: hash("offer"),
    requestor,
    provider,
    payer,
    payee,
    epoch: 1,
    batch: 0,
    price: "1200000000000000000",
    fuelRate: "61234567",
    subtaskTimeout: 60,
    deadline: "1800000000",
    author,
    fee: "5000000000000000",
    subtasks: [subtask(0), subtask(1), subtask(7)],
  },
};

export const cases = [
  usual,
  { ...usual, name: "countersigned", privateKey: providerKey },
  { ...usual, name: "one subtask", message: { ...usual.message, subtasks: [subtask(3)] } },
  {
    ...usual,
    name: "largest batch",
    message: { ...usual.message, subtasks: Array.from({ length: 256 }, (_, index) => subtask(index)) },
  },
  {
    ...usual,
    name: "largest numbers",
    message: {
      ...usual.message,
      epoch: 2 ** 32 - 1,
      batch: 2 ** 32 - 1,
      price: UINT96_MAX,
      fuelRate: UINT64_MAX,
      subtaskTimeout: 86_400,
      deadline: UINT64_MAX,
      fee: UINT96_MAX,
      subtasks: [{ index: 2 ** 32 - 1, input: hash("input"), value: UINT96_MAX }],
    },
  },
  { ...usual, name: "no author", message: { ...usual.message, author: ZeroAddress, fee: "0" } },
  ...elsewhere.map((other) => ({ ...usual, ...other })),
];
