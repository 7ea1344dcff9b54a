// Writes what the Rust crates embed: `artifacts/<Contract>.json`. With `--check` it writes nothing and exits 1 where
// a file is not what the sources make. Run `forge build src` before.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CONTRACTS = ["AppRegistry", "ConcentDeposit", "Faucet", "GNT", "PaymentChannels"];

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const check = process.argv.includes("--check");

/** Hash of every source the compiler read for a contract, each with its path, in the order of the paths. */
function sourceHash(sources) {
  const hash = createHash("sha256");
  for (const path of Object.keys(sources).sort()) {
    hash.update(`${path}\0${readFileSync(join(root, path), "utf8").replaceAll("\r\n", "\n")}\0`);
  }
  return `0x${hash.digest("hex")}`;
}

function artifact(name) {
  const path = join(root, "out", `${name}.sol`, `${name}.json`);
  if (!existsSync(path)) {
    console.error(`${path} is missing: run \`forge build src\` first`);
    process.exit(2);
  }
  const built = JSON.parse(readFileSync(path, "utf8"));
  const { compiler, settings, sources } = built.metadata;
  return {
    contractName: name,
    abi: built.abi,
    bytecode: built.bytecode.object,
    deployedBytecode: built.deployedBytecode.object,
    compiler: {
      version: compiler.version,
      evmVersion: settings.evmVersion,
      viaIR: settings.viaIR ?? false,
      optimizerRuns: settings.optimizer.enabled ? settings.optimizer.runs : 0,
    },
    sourceHash: sourceHash(sources),
  };
}

let stale = 0;
mkdirSync(join(root, "artifacts"), { recursive: true });
for (const name of CONTRACTS) {
  const path = join(root, "artifacts", `${name}.json`);
  const text = `${JSON.stringify(artifact(name), null, 2)}\n`;
  if (existsSync(path) && readFileSync(path, "utf8") === text) {
    console.error(`artifacts/${name}.json is up to date`);
  } else if (check) {
    console.error(`artifacts/${name}.json is stale: run \`npm run artifacts\` in contracts/ and commit it`);
    stale += 1;
  } else {
    writeFileSync(path, text);
    console.error(`artifacts/${name}.json written`);
  }
}
process.exit(stale === 0 ? 0 : 1);
