// Stage 6: what a requestor accepts.
import { elsewhere, hash, local, requestor, requestorKey } from "./domain.mjs";

export const file = "verdict";
export const primaryType = "Verdict";
export const types = {
  Verdict: [
    { name: "agreement", type: "bytes32" },
    { name: "report", type: "bytes32" },
    { name: "requestor", type: "address" },
    { name: "decisions", type: "Decision[]" },
  ],
  Decision: [
    { name: "index", type: "uint32" },
    { name: "decision", type: "uint8" },
  ],
};

const usual = {
  name: "usual",
  privateKey: requestorKey,
  domain: local,
  message: {
    agreement: hash("agreement"),
    report: hash("report"),
    requestor,
    decisions: [
      { index: 0, decision: 0 },
      { index: 1, decision: 5 },
    ],
  },
};

export const cases = [
  usual,
  {
    ...usual,
    name: "every decision",
    message: { ...usual.message, decisions: Array.from({ length: 7 }, (_, n) => ({ index: 10 + n, decision: n })) },
  },
  {
    ...usual,
    name: "largest batch",
    message: { ...usual.message, decisions: Array.from({ length: 256 }, (_, index) => ({ index, decision: 0 })) },
  },
  ...elsewhere.map((other) => ({ ...usual, ...other })),
];
