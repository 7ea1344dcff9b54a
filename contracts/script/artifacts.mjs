// Writes what the Rust crates embed: `artifacts/<Contract>.json`, and in `artifacts/sources.json` every source that one
// of them is made of. With `--check` it writes nothing and exits 1 where a file is not what the sources make. Then it
// also compiles each contract from the committed files alone, as an explorer that verifies it does, and exits 1 where
// the bytecode is another. Run `forge build src` before.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CONTRACTS = ["AppRegistry", "ConcentDeposit", "Faucet", "GNT", "PaymentChannels"];

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const check = process.argv.includes("--check");

/** Every source that was used, by its path. Shared, since most contracts are made of the same library. */
const used = {};

function source(path) {
  used[path] ??= readFileSync(join(root, path), "utf8").replaceAll("\r\n", "\n");
  return used[path];
}

/** Hash of every source the compiler read for a contract, each with its path, in the order of the paths. */
function sourceHash(paths) {
  const hash = createHash("sha256");
  for (const path of paths) {
    hash.update(`${path}\0${source(path)}\0`);
  }
  return `0x${hash.digest("hex")}`;
}

/** The settings of the standard JSON input, from those that forge writes into the metadata. */
function compilerSettings({ compilationTarget: _, ...settings }) {
  return { ...settings, outputSelection: { "*": { "*": ["abi", "evm.bytecode", "evm.deployedBytecode", "metadata"] } } };
}

function artifact(name) {
  const path = join(root, "out", `${name}.sol`, `${name}.json`);
  if (!existsSync(path)) {
    console.error(`${path} is missing: run \`forge build src\` first`);
    process.exit(2);
  }
  const built = JSON.parse(readFileSync(path, "utf8"));
  const { compiler, settings, sources } = built.metadata;
  const paths = Object.keys(sources).sort();
  return {
    contractName: name,
    abi: built.abi,
    bytecode: built.bytecode.object,
    deployedBytecode: built.deployedBytecode.object,
    compilerVersion: compiler.version,
    compilationTarget: Object.keys(settings.compilationTarget)[0],
    settings: compilerSettings(settings),
    sources: paths,
    sourceHash: sourceHash(paths),
  };
}

let stale = 0;

function write(name, content) {
  const path = join(root, "artifacts", name);
  const text = `${JSON.stringify(content, null, 2)}\n`;
  if (existsSync(path) && readFileSync(path, "utf8") === text) {
    console.error(`artifacts/${name} is up to date`);
  } else if (check) {
    console.error(`artifacts/${name} is stale: run \`npm run artifacts\` in contracts/ and commit it`);
    stale += 1;
  } else {
    writeFileSync(path, text);
    console.error(`artifacts/${name} written`);
  }
}

/** Compiles a contract from the committed files alone, the standard JSON input that an explorer gets. */
function verify(name) {
  const read = (file) => JSON.parse(readFileSync(join(root, "artifacts", file), "utf8"));
  const { bytecode, deployedBytecode, compilationTarget, settings, sources } = read(`${name}.json`);
  const all = read("sources.json");
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(sources.map((path) => [path, { content: all[path] }])),
    settings,
  };
  const { contracts, errors } = JSON.parse(createRequire(import.meta.url)("solc").compile(JSON.stringify(input)));
  const { evm } = contracts?.[compilationTarget]?.[name] ?? {};
  if (`0x${evm?.bytecode.object}` === bytecode && `0x${evm?.deployedBytecode.object}` === deployedBytecode) {
    console.error(`${name} compiles from its committed sources to its committed bytecode`);
    return;
  }
  const fault = errors?.find(({ severity }) => severity === "error")?.formattedMessage;
  console.error(`${name} does not compile from its committed sources to its committed bytecode: ${fault ?? "it is another"}`);
  stale += 1;
}

mkdirSync(join(root, "artifacts"), { recursive: true });
for (const name of CONTRACTS) write(`${name}.json`, artifact(name));
write("sources.json", Object.fromEntries(Object.entries(used).sort(([a], [b]) => (a < b ? -1 : 1))));
if (check && stale === 0) CONTRACTS.forEach(verify);
process.exit(stale === 0 ? 0 : 1);
