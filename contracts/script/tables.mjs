// Holds the tables of `docs/SECURITY.md` and the tests together: every test named there exists, every test of the game is
// named there, and its numbers are those of the test. Exits 1 where one is not so.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const text = readFileSync(join(root, "../docs/SECURITY.md"), "utf8");
const GAME = ["ConcentGame", "ConcentStories", "ConcentMistakes"].map((name) => `integration/${name}.t.sol`);

const tests = new Map();
for (const file of readdirSync(join(root, "test"), { recursive: true }).filter((name) => name.endsWith(".sol"))) {
  const source = readFileSync(join(root, "test", file), "utf8");
  for (const [, name, body] of source.matchAll(/function ((?:test|testFuzz|invariant|check)_\w+)([^]*?)\n    }/g)) {
    tests.set(name, { file: file.replaceAll("\\", "/"), body });
  }
}

const wrong = [];
const named = new Set([...text.matchAll(/`((?:test|testFuzz|invariant|check)_\w+)`/g)].map(([, name]) => name));
for (const name of named) {
  if (!tests.has(name)) wrong.push(`docs/SECURITY.md names ${name}, which is no test`);
}
for (const [name, { file }] of tests) {
  if (GAME.includes(file) && !named.has(name)) wrong.push(`${name} of ${file} is not in docs/SECURITY.md`);
}

let rows = 0;
for (const line of text.split("\n")) {
  const name = line.match(/`(test_requestor_\w+)`/)?.[1];
  if (!name || !tests.has(name)) continue;
  rows += 1;
  const cells = line.split("|").map((cell) => cell.trim());
  const parties = `test_requestor_${cells[1]}_provider_${cells[2]}_concent_${cells[3]}`;
  if (parties !== name) wrong.push(`the row of ${name} is about ${parties}`);
  const end = tests.get(name).body.match(/ end\(([^)]*)\)/)?.[1] ?? "";
  const expected = end.split(",").slice(0, 3).map((amount) => Number.parseInt(amount, 10));
  const said = cells.slice(4, 7).map(Number);
  if (expected.join() !== said.join()) wrong.push(`the row of ${name} says ${said}, and the test ${expected}`);
}
if (rows !== 27) wrong.push(`the game has ${rows} rows, and 27 combinations`);

for (const line of wrong) console.error(line);
process.exit(wrong.length === 0 ? 0 : 1);
