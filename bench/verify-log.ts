import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  CompactRange,
  encodeEntryBundle,
  encodePersonalLeaf,
  encodeTile,
  leafHash,
  TILE_HEIGHT,
  TILE_WIDTH,
  tilePath,
} from '@amanat/core/log';
import { verifyFolder } from '../packages/server/audit/audit.ts';
import { verifyLog } from '../packages/server/cli/verify-log.ts';
import { createLogKey, signCheckpoint } from '../packages/server/log/key.ts';
import { createSqliteLogStore } from '../packages/server/log/store-sqlite.ts';
import { openDatabase, openDatabaseForReading } from '../packages/server/storage/sqlite.ts';

/**
 * How fast a whole log is verified, tiles to root, on one process and on two: a synthetic log of 77-byte leaves is
 * written to a temporary folder, and verified from there, as `amanat audit` does. With --store it is also written to a
 * store, with bodies as long as the demonstration's, and both are verified as `amanat verify` does. Run by hand:
 * node bench/verify-log.ts [--entries 2000000] [--processes 1,2] [--store]
 */
const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '2000000' },
    processes: { type: 'string', default: '1,2' },
    store: { type: 'boolean', default: false },
  },
});

/** About as many as a sealed statement of the demonstration has, and its evidence. */
const BODY_BYTES = 1_000;
const BATCH_LEAVES = 4_096;

const size = Number(values.entries);
const folder = mkdtempSync(join(tmpdir(), 'amanat-verify-log-'));
try {
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node.js ${process.version}`);
  const root = writeLog(folder, size);
  const counts = values.processes.split(',').map(Number);
  for (const processes of counts) {
    await measure('the files', processes, async () => {
      const { range, findings } = await verifyFolder(
        folder,
        { size, root },
        { processes, wantsNotices: true },
      );
      if (range === null) throw new Error(JSON.stringify(findings));
    });
  }
  if (values.store) {
    const key = createLogKey(folder, 'bench.example/log');
    writeFileSync(join(folder, 'checkpoint'), signCheckpoint(key, { size, root }));
    const path = join(folder, 'store.db');
    writeStore(path, size);
    const database = openDatabaseForReading(path);
    for (const processes of counts) {
      await measure('store and files', processes, async () => {
        const { differences } = await verifyLog({
          store: createSqliteLogStore(database),
          database: path,
          publicDirectory: folder,
          logKey: key.verifierKey,
          pinned: null,
          processes,
          onLeaves: () => {},
          signal: new AbortController().signal,
        });
        if (differences.length > 0) throw new Error(JSON.stringify(differences));
      });
    }
    database.close();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measure(what: string, processes: number, verify: () => Promise<void>) {
  const started = performance.now();
  const cpu = process.cpuUsage();
  await verify();
  const seconds = (performance.now() - started) / 1000;
  const rate = Math.round(size / seconds).toLocaleString('en-US');
  const { user, system } = process.cpuUsage(cpu);
  // Of the other processes this one does not know it.
  const own = processes === 1 ? `, ${((user + system) / size).toFixed(2)} µs of CPU each` : '';
  console.log(`${what}, ${processes} processes: ${rate} entries/s (${seconds.toFixed(2)} s${own})`);
}

/** Writes the same leaves to a store, each of another person. */
function writeStore(path: string, leaves: number): void {
  const database = openDatabase(path);
  const store = createSqliteLogStore(database);
  const body = Buffer.alloc(BODY_BYTES);
  for (let at = 0; at < leaves; at += BATCH_LEAVES) {
    const batch = Array.from({ length: Math.min(BATCH_LEAVES, leaves - at) }, (_, i) => ({
      bytes: syntheticLeaf(at + i),
      entry: { subject: randomBytes(16).toString('hex'), number: 1, body, evidence: body },
      publicTime: null,
    }));
    store.append(at, batch, [], at);
  }
  database.checkpoint();
  database.close();
}

/** Writes the files of a log of so many leaves, and gives its root. */
function writeLog(directory: string, leaves: number): Uint8Array {
  const range = CompactRange.empty();
  const filling: { index: number; hashes: Uint8Array[] }[] = [];
  const write = (path: string, bytes: Uint8Array) => {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), bytes);
  };
  const flush = (level: number) => {
    const { index, hashes } = filling[level] ?? { index: 0, hashes: [] };
    if (hashes.length === 0) return;
    write(tilePath({ level, index, width: hashes.length }), encodeTile(hashes));
    filling[level] = { index: index + 1, hashes: [] };
  };
  for (let at = 0; at < leaves; at += TILE_WIDTH) {
    const width = Math.min(TILE_WIDTH, leaves - at);
    const bundle = Array.from({ length: width }, (_, i) => syntheticLeaf(at + i));
    write(tilePath({ level: 'entries', index: at / TILE_WIDTH, width }), encodeEntryBundle(bundle));
    for (const leaf of bundle) {
      range.append(leafHash(leaf), (nodeLevel, _index, hash) => {
        if (nodeLevel % TILE_HEIGHT !== 0) return;
        const level = nodeLevel / TILE_HEIGHT;
        filling[level] ??= { index: 0, hashes: [] };
        if (filling[level].hashes.push(hash) === TILE_WIDTH) flush(level);
      });
    }
  }
  for (const level of filling.keys()) flush(level);
  return range.root();
}

function syntheticLeaf(seed: number): Uint8Array {
  const commitment = Buffer.alloc(32);
  commitment.writeUInt32BE(seed, 28);
  return encodePersonalLeaf({ kind: 'person', hour: '2026-11-23T08Z', commitment });
}
