import { join } from 'node:path';
import { openDatabase } from '../storage/sqlite.ts';
import { FakeKeeper, personalLeaf } from './_fake-keeper.ts';
import { LogKeys } from './keys.ts';
import { Log } from './log.ts';
import { createSqliteLogStore } from './store-sqlite.ts';

// Appends until it is killed, and prints each index once it is acknowledged. Its keeper stands where it was known to be.
const directory = process.argv[2] as string;
const database = openDatabase(join(directory, 'store.db'));
const store = createSqliteLogStore(database);
const log = new Log({
  store,
  keeper: FakeKeeper.behind(store),
  keys: new LogKeys(directory, 'log.test.example'),
  publicDirectory: join(directory, 'public'),
  publishSeconds: 0,
  now: Date.now,
});
await log.ready();
let next = log.size;
const appendInTurn = async (): Promise<void> => {
  for (;;) {
    const seed = next++;
    const body = Buffer.from(`body ${seed}`);
    const subject = seed.toString(16).padStart(32, '0');
    const entry = { lookUp: seed, subject, number: 1, body, evidence: null };
    const [appended] = await log.append([{ bytes: personalLeaf(seed), entry }]);
    process.stdout.write(`${appended?.index} ${seed}\n`);
  }
};
await Promise.all(Array.from({ length: 16 }, appendInTurn));
