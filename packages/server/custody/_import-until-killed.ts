import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeeperClient } from '@amanat/keeper/client';
import { LogKeys } from '../log/keys.ts';
import { Log } from '../log/log.ts';
import { createSqliteLogStore } from '../log/store-sqlite.ts';
import { openDatabase } from '../storage/sqlite.ts';
import { ORIGIN } from './_bench.ts';
import type { ImportAsk } from './custody.ts';
import { createCustody } from './custody.ts';
import { SqliteCustodyStore } from './store-sqlite.ts';

/**
 * A gateway that goes on with an import and says after each batch how many rows are durable, until it is killed.
 * `_import-until-killed.ts DIRECTORY UPLOAD`, the announcement as JSON on standard input.
 */
const [, , directory = '', upload = ''] = process.argv;
const announcement = JSON.parse(await text(process.stdin)) as ImportAsk;
const keeper = new KeeperClient(join(directory, 'keeper.sock'));
const database = openDatabase(join(directory, 'amanat.db'));
const log = new Log({
  store: createSqliteLogStore(database),
  keeper,
  keys: new LogKeys(join(directory, 'log'), ORIGIN),
  publicDirectory: join(directory, 'log', 'public'),
  publishSeconds: 600,
  now: Date.now,
});
await log.ready();
const store = new SqliteCustodyStore(database);
const writeBatch = store.writeBatch.bind(store);
store.writeBatch = (index, records, progress) => {
  writeBatch(index, records, progress);
  process.stdout.write(`${progress.rowsDone}\n`);
};
const custody = createCustody({
  store,
  keeper,
  log,
  folder: join(directory, 'imports'),
  allowSynthetic: true,
  randomBytes,
});
custody.imports.recover();
const begun = await custody.imports.begin(announcement);

async function* slowly() {
  // So that the kill comes before the end.
  for await (const chunk of createReadStream(upload, { highWaterMark: 65_536 })) {
    await sleep(20);
    yield chunk as Uint8Array;
  }
}
await custody.imports.upload(begun.import, begun.upload, slowly());
