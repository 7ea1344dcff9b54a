// Writes `<document>.json` for every document that is signed, so that Rust and Solidity can be held against a third
// library. With `--check` it writes nothing and exits 1 where a file is not what this makes.
//
// A document is a file in `documents/` that exports
//   file         the name of the JSON file, without `.json`
//   primaryType  the EIP-712 struct
//   types        that struct and those in it, as ethers takes them
//   cases        [{ name, privateKey, domain, message }], integers above 2^53 as decimal strings
//   packed       optional: (message, compact) => hex, for a document that also travels as packed bytes
//   text         optional: (message) => [string], for a document that binds texts by their hashes
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { SigningKey, TypedDataEncoder, computeAddress, id } from "ethers";

import * as agreement from "./documents/agreement.mjs";
import * as cancel from "./documents/cancel.mjs";
import * as cancelRotation from "./documents/cancel-rotation.mjs";
import * as header from "./documents/header.mjs";
import * as offer from "./documents/offer.mjs";
import * as promise from "./documents/promise.mjs";
import * as receipt from "./documents/receipt.mjs";
import * as report from "./documents/report.mjs";
import * as rotation from "./documents/rotation.mjs";
import * as ruling from "./documents/ruling.mjs";
import * as verdict from "./documents/verdict.mjs";
import * as voucher from "./documents/voucher.mjs";

const DOCUMENTS = [
  ...[header, offer, agreement, cancel, report, verdict, voucher],
  ...[promise, receipt, ruling, rotation, cancelRotation],
];

/** Everything about one signed message that two implementations could differ in. */
function vector(document, { name, privateKey, domain, message }) {
  const encoder = TypedDataEncoder.from(document.types);
  const digest = TypedDataEncoder.hash(domain, document.types, message);
  const signature = new SigningKey(privateKey).sign(digest);
  const compact = signature.compactSerialized;
  return {
    name,
    privateKey,
    signer: computeAddress(privateKey),
    domain,
    domainSeparator: TypedDataEncoder.hashDomain(domain),
    message,
    structHash: encoder.hashStruct(document.primaryType, message),
    digest,
    signature: signature.serialized,
    compact,
    ...(document.packed && { packed: document.packed(message, compact) }),
    ...(document.text && { text: document.text(message) }),
  };
}

function vectors(document) {
  const type = TypedDataEncoder.from(document.types).encodeType(document.primaryType);
  return { type, typeHash: id(type), cases: document.cases.map((one) => vector(document, one)) };
}

const check = process.argv.includes("--check");
let stale = 0;
for (const document of DOCUMENTS) {
  const name = `${document.file}.json`;
  const path = new URL(name, import.meta.url);
  const text = `${JSON.stringify(vectors(document), null, 2)}\n`;
  if (existsSync(path) && readFileSync(path, "utf8") === text) {
    console.error(`${name} is up to date`);
  } else if (check) {
    console.error(`${name} is stale: run \`npm run make\` in tests/vectors/ and commit it`);
    stale += 1;
  } else {
    writeFileSync(path, text);
    console.error(`${name} written`);
  }
}
process.exit(stale === 0 ? 0 : 1);
