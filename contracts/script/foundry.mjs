// Runs a Foundry tool and exits as it did: `node script/foundry.mjs forge test`; with `--where forge` it says where the
// tool is. A tool on the PATH is taken as it is,
// else the one of the lock file. The launchers that npm puts into `node_modules/.bin` exit 0 whatever happened, so
// nothing that must notice a failure may go through them.
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";

const TOOLS = ["anvil", "cast", "forge"];

const where = process.argv[2] === "--where";
const [tool, ...args] = process.argv.slice(where ? 3 : 2);
if (!TOOLS.includes(tool)) {
  console.error(`usage: node script/foundry.mjs [--where] ${TOOLS.join("|")} ARGUMENTS...`);
  process.exit(2);
}

const name = process.platform === "win32" ? `${tool}.exe` : tool;

function onPath() {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder && !folder.includes("node_modules"));
  return folders.map((folder) => join(folder, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function ofLockFile() {
  const cpu = { x64: "amd64", arm64: "arm64" }[process.arch] ?? process.arch;
  const file = `@foundry-rs/${tool}-${process.platform}-${cpu}/bin/${name}`;
  try {
    return createRequire(import.meta.url).resolve(file);
  } catch {
    console.error(`there is no ${tool} on the PATH and no ${file}: run \`npm ci\` in contracts/, or install Foundry`);
    process.exit(2);
  }
}

const path = onPath() ?? ofLockFile();
if (where) {
  console.log(path);
  process.exit(0);
}
const { status, signal, error } = spawnSync(path, args, { stdio: "inherit" });
if (error) console.error(`${tool} did not start: ${error.message}`);
if (signal) console.error(`${tool} was ended by ${signal}`);
process.exit(status ?? 2);
