// Checks a saved history: node docs/examples/check-proof.ts PROOF.json KEYS.json
// KEYS.json is GET /v1/instance of the instance, saved when you trusted it, or had from somebody who did.
import { readFileSync } from 'node:fs';
import { readInstanceKeys, verifyBundle } from '@amanat/core/verify';

const [proof, keys] = process.argv.slice(2).map((path) => readFileSync(path, 'utf8'));
if (proof === undefined || keys === undefined) throw new Error('give a proof and the keys');
const found = await verifyBundle(proof, readInstanceKeys(JSON.parse(keys)), Date.now());
for (const { id, state } of found.checks) console.log(state.padEnd(12), id);
for (const { controller, number, completeTo } of found.chains) {
  console.log(
    `${number} entries at ${controller}, complete to ${new Date(completeTo).toISOString()}`,
  );
}
process.exitCode = found.verified ? 0 : 1;
