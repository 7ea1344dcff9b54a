#!/usr/bin/env node
// The npm `solc` behind the two calls forge makes of a native compiler: `--version` and `--standard-json`.
const solc = require("solc");

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else {
  process.stdout.write(solc.compile(require("fs").readFileSync(0, "utf8")));
}
