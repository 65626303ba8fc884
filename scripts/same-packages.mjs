// Exits 0 when node_modules holds what package-lock.json names, version and integrity: npm keeps what
// it installed in node_modules/.package-lock.json. Plain JavaScript and old enough for Node 20, as it
// runs before the pinned Node is there.
import { existsSync, readFileSync } from 'node:fs';

const INSTALLED = 'node_modules/.package-lock.json';
if (!existsSync(INSTALLED)) process.exit(1);

const wanted = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages;
const present = JSON.parse(readFileSync(INSTALLED, 'utf8')).packages;
const same = (a, b) =>
  a?.version === b?.version && a?.integrity === b?.integrity && a?.resolved === b?.resolved;

// What is optional may be missing (it is for another system), but may not differ.
const missing = Object.keys(wanted).filter(
  (path) => path.startsWith('node_modules/') && !wanted[path].optional && !(path in present),
);
const different = Object.keys(present).filter((path) => !same(present[path], wanted[path]));
for (const path of [...missing, ...different].slice(0, 10)) {
  console.error(`${path} is not what package-lock.json names`);
}
process.exit(missing.length + different.length === 0 ? 0 : 1);
