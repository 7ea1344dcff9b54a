// Stage 5: what came out of some subtasks. A failure's text is bound by its hash and length; see `text`.
import { id, toUtf8Bytes } from "ethers";
import { UINT64_MAX, elsewhere, hash, local, provider, providerKey } from "./domain.mjs";

export const file = "report";
export const primaryType = "Report";
export const types = {
  Report: [
    { name: "agreement", type: "bytes32" },
    { name: "provider", type: "address" },
    { name: "results", type: "Result[]" },
  ],
  Result: [
    { name: "index", type: "uint32" },
    { name: "outcome", type: "uint8" },
    { name: "output", type: "bytes32" },
    { name: "outputBytes", type: "uint64" },
    { name: "fuel", type: "uint64" },
    { name: "failure", type: "uint8" },
  ],
};

/** What failed results say, found again by their hash. */
const TEXTS = ["", "the module trapped: unreachable", "exit status 3: Größe größer als erlaubt"];

const completed = (index, outputBytes, fuel) => ({
  index,
  outcome: 0,
  output: hash(`output ${index}`),
  outputBytes,
  fuel,
  failure: 0,
});
const failed = (index, failure, text) => ({
  index,
  outcome: 1,
  output: id(text),
  outputBytes: String(toUtf8Bytes(text).length),
  fuel: "0",
  failure,
});

const usual = {
  name: "usual",
  privateKey: providerKey,
  domain: local,
  message: {
    agreement: hash("agreement"),
    provider,
    results: [completed(0, "200", "1234567890"), failed(1, 6, TEXTS[1])],
  },
};

export const cases = [
  usual,
  {
    ...usual,
    name: "every failure",
    message: { ...usual.message, results: Array.from({ length: 9 }, (_, kind) => failed(kind, kind, TEXTS[kind % 3])) },
  },
  {
    ...usual,
    name: "largest numbers",
    message: { ...usual.message, results: [completed(2 ** 32 - 1, UINT64_MAX, UINT64_MAX)] },
  },
  {
    ...usual,
    name: "largest batch",
    message: { ...usual.message, results: Array.from({ length: 256 }, (_, index) => completed(index, "200", "7")) },
  },
  ...elsewhere.map((other) => ({ ...usual, ...other })),
];

/** The texts of the message's failures, in order: what the receiver is sent and hashes. */
export const text = (message) =>
  message.results
    .filter((result) => result.outcome === 1)
    .map((result) => TEXTS.find((one) => id(one) === result.output));
