import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { writeDocument } from '@amanat/core/grants';
import { generateSigningKey } from '@amanat/core/keys';
import {
  CompactRange,
  encodeEntryBundle,
  encodePersonalLeaf,
  encodeTile,
  leafHash,
  tilePath,
  tilesForSize,
} from '@amanat/core/log';
import { createLogKey, signCheckpoint } from '../log/key.ts';
import { encodeSigned } from '../log/signed.ts';
import { createSqliteLogStore } from '../log/store-sqlite.ts';
import type { Database } from '../storage/sqlite.ts';
import { openDatabase } from '../storage/sqlite.ts';
import type { LogDifference } from './verify-log.ts';
import { verifyLog } from './verify-log.ts';

/** More than two full tiles, and a partial one: tiles of two levels. */
const SIZE = 600;
const ORIGIN = 'verify.example/log';

describe('checking a whole log', () => {
  const folder = mkdtempSync(join(tmpdir(), 'amanat-verify-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const key = createLogKey(folder, ORIGIN);
  const key32 = () => generateSigningKey('ed25519').public.text;
  const genesis = writeDocument<'genesis'>({
    type: 'genesis',
    origin: ORIGIN,
    mode: 'demo',
    logKey: key.verifierKey,
    keeperKey: key32(),
    keeperSealingKey: `${'A'.repeat(87)}=`,
    administrators: [key32(), key32()],
    registrar: key32(),
    activationSeconds: 0,
    time: 0,
  });
  const leaves = Array.from({ length: SIZE }, (_, index) =>
    index === 0
      ? (encodeSigned({ document: genesis, signatures: [] }) as Uint8Array)
      : encodePersonalLeaf({ hour: '2026-11-23T09Z', commitment: Buffer.alloc(32, index) }),
  );
  let nth = 0;
  let publicDirectory = '';
  let database: Database;

  beforeEach(() => {
    nth += 1;
    publicDirectory = join(folder, String(nth));
    database = openDatabase(join(folder, `${nth}.db`));
    const store = createSqliteLogStore(database);
    store.append(
      0,
      leaves.map((bytes, index) => ({ bytes, entry: null, publicTime: index === 0 ? 0 : null })),
      [],
      0,
    );
    publish(SIZE);
  });

  const write = (name: string, bytes: Uint8Array | string) => {
    mkdirSync(dirname(join(publicDirectory, name)), { recursive: true });
    writeFileSync(join(publicDirectory, name), bytes);
  };

  function publish(size: number): void {
    const nodes: Uint8Array[][] = [];
    const range = CompactRange.empty();
    for (const bytes of leaves.slice(0, size)) {
      range.append(leafHash(bytes), (level, _index, hash) => {
        if (level % 8 !== 0) return;
        nodes[level / 8] ??= [];
        nodes[level / 8]?.push(hash);
      });
    }
    for (const tile of tilesForSize(size)) {
      const from = tile.index * 256;
      const hashes = nodes[tile.level]?.slice(from, from + tile.width) ?? [];
      write(tilePath(tile), encodeTile(hashes));
      if (tile.level > 0) continue;
      const bundle = encodeEntryBundle(leaves.slice(from, from + tile.width));
      write(tilePath({ ...tile, level: 'entries' }), bundle);
    }
    write('checkpoint', signCheckpoint(key, { size, root: range.root() }));
  }

  const differencesOf = async (logKey: string | null = null): Promise<LogDifference[]> => {
    const store = createSqliteLogStore(database);
    const found = await verifyLog({ store, publicDirectory, logKey, onLeaves: () => {} });
    return found.differences.map(({ difference }) => difference);
  };

  const flip = (name: string, at: number) => {
    const bytes = readFileSync(join(publicDirectory, name));
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    write(name, bytes);
  };

  it('finds one flipped byte in any tile or bundle', async () => {
    for (const [name, difference] of [
      ['tile/0/000', 'tile-differs'],
      ['tile/0/002.p/88', 'tile-differs'],
      ['tile/1/000.p/2', 'tile-differs'],
      ['tile/entries/001', 'bundle-differs'],
      ['tile/entries/002.p/88', 'bundle-differs'],
    ] as const) {
      flip(name, 40);
      assert.deepEqual(await differencesOf(), [difference], name);
      flip(name, 40);
      rmSync(join(publicDirectory, name));
      assert.deepEqual(await differencesOf(), [difference.replace('differs', 'missing')], name);
      publish(SIZE);
    }
  });

  it('finds a leaf of the store that was changed, removed or added behind the published tree', async () => {
    const other = encodePersonalLeaf({
      hour: '2026-11-23T09Z',
      commitment: Buffer.alloc(32, 255),
    });
    database.prepare('UPDATE leaves SET bytes = ? WHERE idx = 300').run(other);
    const changed = await differencesOf();
    for (const each of ['checkpoint-root', 'tile-differs', 'bundle-differs'] as const) {
      assert.ok(changed.includes(each), each);
    }
    database.prepare('UPDATE leaves SET bytes = ? WHERE idx = 300').run(leaves[300] as Uint8Array);
    assert.deepEqual(await differencesOf(), []);
    database.prepare('DELETE FROM leaves WHERE idx >= 599').run();
    assert.ok((await differencesOf()).includes('checkpoint-ahead-of-store'));
  });

  it('finds a checkpoint that the log’s key did not sign, and one that is not there', async () => {
    const note = readFileSync(join(publicDirectory, 'checkpoint'), 'utf8');
    write('checkpoint', note.replace(`\n${SIZE}\n`, `\n${SIZE - 1}\n`));
    assert.deepEqual(await differencesOf(), ['checkpoint-signature']);
    write('checkpoint', note);
    mkdirSync(join(folder, `other-${nth}`));
    const other = createLogKey(join(folder, `other-${nth}`), ORIGIN);
    assert.deepEqual(await differencesOf(other.verifierKey), ['checkpoint-signature']);
    rmSync(join(publicDirectory, 'checkpoint'));
    assert.deepEqual(await differencesOf(), ['no-checkpoint']);
  });

  it('finds a leaf that is none, and a public entry that the store takes for a person’s', async () => {
    const store = createSqliteLogStore(database);
    store.append(SIZE, [{ bytes: Buffer.from('x'), entry: null, publicTime: null }], [], SIZE);
    assert.deepEqual(await differencesOf(), ['leaf-malformed']);
    database.prepare('DELETE FROM leaves WHERE idx = 600').run();
    database.prepare('DELETE FROM public_leaves WHERE idx = 0').run();
    assert.deepEqual(await differencesOf(), ['leaf-out-of-place']);
  });

  it('passes a whole log, published up to its end or some way before it', async () => {
    const store = createSqliteLogStore(database);
    const found = await verifyLog({
      store,
      publicDirectory,
      logKey: key.verifierKey,
      onLeaves: () => {},
    });
    assert.deepEqual(found.differences, []);
    assert.deepEqual([found.size, found.publicEntries, found.personalEntries], [SIZE, 1, SIZE - 1]);
    assert.equal(found.register.genesis?.origin, ORIGIN);
    for (const size of [512, 300, 256, 1]) {
      rmSync(publicDirectory, { recursive: true });
      publish(size);
      assert.deepEqual(await differencesOf(), [], String(size));
    }
  });
});
