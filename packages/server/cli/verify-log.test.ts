import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { base64 } from '@amanat/core/bytes';
import type { DocumentOf } from '@amanat/core/grants';
import { signingInput, writeDocument } from '@amanat/core/grants';
import type { CosigningKey, SigningKey } from '@amanat/core/keys';
import { cosign, generateCosigningKey, generateSigningKey, sign } from '@amanat/core/keys';
import {
  CompactRange,
  encodeEntryBundle,
  encodePersonalLeaf,
  encodeTile,
  formatNote,
  formatVerifierKey,
  leafHash,
  noteKey,
  parseNote,
  tilePath,
  tilesForSize,
} from '@amanat/core/log';
import { TestLog } from '../audit/_log.ts';
import type { LogKey } from '../log/key.ts';
import { createLogKey, signCheckpoint } from '../log/key.ts';
import { encodeSigned } from '../log/signed.ts';
import type { LeafToStore } from '../log/store.ts';
import { createSqliteLogStore } from '../log/store-sqlite.ts';
import type { Database } from '../storage/sqlite.ts';
import { openDatabase } from '../storage/sqlite.ts';
import type { LogDifference, LogVerificationTerms } from './verify-log.ts';
import { verifyLog } from './verify-log.ts';

/** More than two full tiles, and a partial one: tiles of two levels. */
const SIZE = 600;
const ORIGIN = 'verify.example/log';

type Keys = Pick<LogVerificationTerms, 'logKey' | 'pinned'>;

/** What the store has of an entry about a person besides its leaf. */
function entryAt(index: number): NonNullable<LeafToStore['entry']> {
  const subject = (index % 256).toString(16).padStart(2, '0').repeat(16);
  return { subject, number: index, body: Buffer.alloc(8), evidence: null };
}

describe('checking a whole log', () => {
  const folder = mkdtempSync(join(tmpdir(), 'amanat-verify-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const key = createLogKey(folder, ORIGIN);
  const administrators = [generateSigningKey('ed25519'), generateSigningKey('ed25519')];
  const witnesses = ['east', 'west', 'north', 'south'].map((name, at) =>
    generateCosigningKey(at === 0 ? 'ml-dsa-44' : 'ed25519', `witness.example/${name}`),
  );
  const key32 = () => generateSigningKey('ed25519').public.text;
  const genesis = writeDocument<'genesis'>({
    type: 'genesis',
    origin: ORIGIN,
    mode: 'demo',
    logKey: key.verifierKey,
    keeperKey: key32(),
    keeperSealingKey: `${'A'.repeat(87)}=`,
    administrators: administrators.map((each) => each.public.text),
    registrar: key32(),
    activationSeconds: 0,
    time: 0,
  });
  const leaves = Array.from({ length: SIZE }, (_, index) =>
    index === 0
      ? (encodeSigned({ document: genesis, signatures: [] }) as Uint8Array)
      : encodePersonalLeaf({
          kind: 'person',
          hour: '2026-11-23T09Z',
          commitment: Buffer.alloc(32, index),
        }),
  );
  let nth = 0;
  let publicDirectory = '';
  let database: Database;

  beforeEach(() => {
    leaves.length = SIZE;
    nth += 1;
    publicDirectory = join(folder, String(nth));
    database = openDatabase(join(folder, `${nth}.db`));
    const store = createSqliteLogStore(database);
    store.append(
      0,
      leaves.map((bytes, index) => ({
        bytes,
        entry: index === 0 ? null : entryAt(index),
        publicTime: index === 0 ? 0 : null,
      })),
      [],
      0,
    );
    publish(SIZE);
  });

  const write = (name: string, bytes: Uint8Array | string) => {
    mkdirSync(dirname(join(publicDirectory, name)), { recursive: true });
    writeFileSync(join(publicDirectory, name), bytes);
  };

  /** Adds an entry about organisations, signed by both administrators. */
  const enter = (
    document: DocumentOf<'witnesses' | 'broken-glass' | 'log-key'>,
    ...logKeys: readonly SigningKey[]
  ) => {
    const text = writeDocument(document);
    const signatures = [...administrators, ...logKeys].map((each) => ({
      key: each.public.id,
      signature: base64(sign(each, signingInput(text))),
    }));
    addLeaf(encodeSigned({ document: text, signatures }) as Uint8Array, document.time);
  };

  const addPersonal = (hour: string) =>
    addLeaf(
      encodePersonalLeaf({ kind: 'person', hour, commitment: Buffer.alloc(32, leaves.length) }),
      null,
    );

  const addLeaf = (bytes: Uint8Array, publicTime: number | null) => {
    const store = createSqliteLogStore(database);
    const entry = publicTime === null ? entryAt(leaves.length) : null;
    store.append(leaves.length, [{ bytes, entry, publicTime }], [], leaves.length);
    leaves.push(bytes);
  };

  /** Publishes all there is, cosigned by these. */
  const publishCosigned = (cosigners: readonly CosigningKey[]) => {
    publish(leaves.length);
    const note = readFileSync(join(publicDirectory, 'checkpoint'), 'utf8');
    const { text, signatures } = parseNote(note);
    const cosigned = cosigners.map((each) => cosign(each, text, 1_800_000_000));
    write('checkpoint', formatNote(text, [...signatures, ...cosigned]));
  };

  function publish(size: number, signers: LogKey | readonly LogKey[] = key): void {
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
    write('checkpoint', signCheckpoint(signers, { size, root: range.root() }));
  }

  const verifyAll = ({ logKey = null, pinned = null }: Partial<Keys> = {}) =>
    verifyLog({
      store: createSqliteLogStore(database),
      database: database.path,
      publicDirectory,
      logKey,
      pinned,
      processes: 1,
      onLeaves: () => {},
      signal: new AbortController().signal,
    });

  /** What differs, and where. */
  const placesOf = async (keys: Partial<Keys> = {}) => {
    const { differences } = await verifyAll(keys);
    return differences.map(({ difference, at }) => `${difference} ${at}`);
  };

  const differencesOf = async (keys: Partial<Keys> = {}): Promise<LogDifference[]> => {
    const { differences } = await verifyAll(keys);
    return differences.map(({ difference }) => difference);
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
      assert.deepEqual(await placesOf(), [`${difference} ${name}`]);
      flip(name, 40);
      const bytes = readFileSync(join(publicDirectory, name));
      write(name, Buffer.alloc(20_000_000));
      assert.deepEqual(await placesOf(), [`${difference} ${name}`]);
      rmSync(join(publicDirectory, name));
      const missing = difference.replace('differs', 'missing');
      assert.deepEqual(await placesOf(), [`${missing} ${name}`]);
      write(name, bytes);
    }
  });

  it('finds a leaf of the store that was changed, removed or added behind the published tree', async () => {
    const other = encodePersonalLeaf({
      kind: 'person',
      hour: '2026-11-23T09Z',
      commitment: Buffer.alloc(32, 255),
    });
    database.prepare('UPDATE leaves SET bytes = ? WHERE idx = 300').run(other);
    const changed = [`checkpoint-root ${SIZE}`, 'bundle-differs tile/entries/001'];
    assert.deepEqual(await placesOf(), changed);
    database.prepare('DELETE FROM leaves WHERE idx = 300').run();
    const [root = '', bundle = ''] = changed;
    assert.deepEqual(await placesOf(), [root, 'leaf-out-of-place 300', bundle]);
    database.prepare('INSERT INTO leaves VALUES (300, zeroblob(65536))').run();
    assert.deepEqual(await placesOf(), [root, 'leaf-malformed 300', bundle]);
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
    assert.deepEqual(await differencesOf({ logKey: other.verifierKey }), ['checkpoint-signature']);
    rmSync(join(publicDirectory, 'checkpoint'));
    assert.deepEqual(await differencesOf(), ['no-checkpoint']);
  });

  it('finds a checkpoint that was not signed by the key which its tree names last', async () => {
    mkdirSync(join(folder, `next-${nth}`));
    const next = createLogKey(join(folder, `next-${nth}`), ORIGIN);
    const document = { version: 1, key: next.verifierKey, bothUntil: 0, time: 0 } as const;
    enter({ type: 'log-key', ...document }, key.signing, next.signing);
    // What is published is from before the next key.
    assert.deepEqual(await differencesOf(), []);
    assert.equal((await verifyAll()).logKey, key.verifierKey);
    publish(SIZE, next);
    assert.deepEqual(await differencesOf(), ['checkpoint-signature']);
    publish(leaves.length);
    assert.deepEqual(await differencesOf(), ['checkpoint-signature']);
    for (const signers of [next, [key, next]]) {
      publish(leaves.length, signers);
      assert.deepEqual(await differencesOf(), []);
      // Known from elsewhere, either key leads to the one that signs.
      for (const { verifierKey } of [key, next]) {
        const found = await verifyAll({ logKey: verifierKey });
        assert.deepEqual([found.differences, found.logKey], [[], next.verifierKey]);
      }
    }
    const other = formatVerifierKey(noteKey(ORIGIN, Buffer.alloc(32, 7)));
    assert.deepEqual(await differencesOf({ logKey: other }), ['checkpoint-signature']);
  });

  it('finds that the leaves are not those of the tree that was signed, though every file is theirs', async () => {
    write('checkpoint', signCheckpoint(key, { size: SIZE, root: Buffer.alloc(32, 1) }));
    assert.deepEqual(await placesOf(), [`checkpoint-root ${SIZE}`]);
    rmSync(join(publicDirectory, 'tile'), { recursive: true });
    const found = await differencesOf();
    for (const each of ['checkpoint-root', 'tile-missing', 'bundle-missing'] as const) {
      assert.ok(found.includes(each), each);
    }
  });

  it('finds a leaf about a person that is written in any other way, published or not', async () => {
    const good = Buffer.from(leaves[5] as Uint8Array);
    const line = good.toString();
    const malformed = [
      'x',
      '',
      line.slice(0, -1),
      `${line}\n`,
      line.replace(/.=\n$/, '==\n'),
      // 43 digits may hold two bits more than 32 bytes.
      line.replace(/U=\n$/, 'V=\n'),
      line.replace(/Q(?=.*=\n$)/, '-'),
      line.replace('T09Z', 'T24Z'),
      line.replace('11-23', '02-30'),
      line.replace('person', 'persom'),
      `${line.slice(0, 40)}é${line.slice(42)}`,
    ].map((text) => Buffer.from(text));
    const set = database.prepare('UPDATE leaves SET bytes = ? WHERE idx = ?');
    for (const published of [SIZE, 2]) {
      rmSync(publicDirectory, { recursive: true });
      publish(published);
      for (const bytes of malformed) {
        assert.ok(!bytes.equals(good), bytes.toString());
        set.run(bytes, 5);
        const found = await placesOf();
        assert.ok(found.includes('leaf-malformed 5'), bytes.toString());
        const isRootWrong = found.some((each) => each.startsWith('checkpoint-root '));
        assert.equal(isRootWrong, published === SIZE);
      }
      set.run(good, 5);
    }
  });

  it('ends soon where the store says that it has more leaves than any has', async () => {
    addPersonal('2026-11-23T10Z');
    database.prepare('UPDATE leaves SET idx = ? WHERE idx = 600').run(2 ** 50);
    const found = await differencesOf();
    assert.deepEqual(new Set(found), new Set(['leaf-out-of-place']));
    assert.equal(found.length, 100);
  });

  it('finds a leaf about a person that nobody prepared, published or not', async () => {
    addPersonal('2026-11-23T10Z');
    for (const table of ['entries', 'bodies']) {
      database.prepare(`DELETE FROM ${table} WHERE idx IN (1, 599, 600)`).run();
    }
    assert.deepEqual(
      await placesOf(),
      [1, 599, 600].map((index) => `leaf-without-entry ${index}`),
    );
    const put = database.prepare('INSERT INTO bodies VALUES (?, ?, NULL)');
    for (const index of [1, 599, 600]) put.run(index, entryAt(index).body);
    // One whose number was given again has no entry, and its statement still.
    database.prepare('DELETE FROM entries WHERE idx = 7').run();
    assert.deepEqual(await placesOf(), []);
  });

  it('finds a leaf that is none, and a public entry that the store takes for a person’s', async () => {
    const store = createSqliteLogStore(database);
    store.append(SIZE, [{ bytes: Buffer.from('x'), entry: null, publicTime: null }], [], SIZE);
    assert.deepEqual(await differencesOf(), ['leaf-malformed']);
    database.prepare('DELETE FROM leaves WHERE idx = 600').run();
    database.prepare('DELETE FROM public_leaves WHERE idx = 0').run();
    assert.deepEqual(await differencesOf(), ['leaf-out-of-place']);
  });

  describe('of a log that appoints witnesses', () => {
    const APPOINTED = Date.UTC(2026, 10, 23, 9, 30);
    const NEXT_HOUR = '2026-11-23T10Z';
    const [east, west, north, south] = witnesses as [
      CosigningKey,
      CosigningKey,
      CosigningKey,
      CosigningKey,
    ];
    const keysOf = (keys: readonly CosigningKey[]) =>
      keys.map((each) => formatVerifierKey(each.public));

    const appoint = (version: number, keys: readonly CosigningKey[], time: number) =>
      enter({
        type: 'witnesses',
        version,
        witnesses: keysOf(keys).map((each) => ({ key: each, url: 'https://witness.example/' })),
        quorum: 3,
        faulty: 1,
        breakGlass: { quorum: 1, releases: 10 },
        time,
      });

    it('finds a published checkpoint that too few have cosigned, or one falsely', async () => {
      appoint(1, witnesses, APPOINTED);
      addPersonal(NEXT_HOUR);
      const stranger = generateCosigningKey('ed25519', 'witness.example/other');
      const impostor = generateCosigningKey('ed25519', 'witness.example/south');
      for (const cosigners of [
        [],
        [east, west],
        [east, west, west],
        [east, west, stranger],
        [east, west, impostor],
      ]) {
        publishCosigned(cosigners);
        assert.deepEqual(await differencesOf(), ['too-few-cosignatures']);
      }
      publishCosigned([east, west, north, south]);
      const note = readFileSync(join(publicDirectory, 'checkpoint'), 'utf8');
      write('checkpoint', note.replace(/.{12}\n$/, 'AAAAAAAAAAA=\n'));
      const found = await verifyAll();
      assert.deepEqual(
        found.differences.map(({ difference }) => difference),
        ['too-few-cosignatures'],
      );
      assert.deepEqual(found.witnesses, { cosigners: [], count: 4, quorum: 3 });
    });

    it('passes what a quorum has cosigned, those of ML-DSA-44 among them, and tells who', async () => {
      appoint(1, witnesses, APPOINTED);
      addPersonal(NEXT_HOUR);
      publishCosigned([south, east, west]);
      const found = await verifyAll();
      assert.deepEqual(found.differences, []);
      const cosigners = ['east', 'west', 'south'].map((name) => `witness.example/${name}`);
      assert.deepEqual(found.witnesses, { cosigners, count: 4, quorum: 3 });
    });

    it('asks for nobody before they are in force, nor for what brought them in', async () => {
      publishCosigned([]);
      assert.equal((await verifyAll()).witnesses, null);
      appoint(1, witnesses, APPOINTED);
      publishCosigned([]);
      const found = await verifyAll();
      assert.deepEqual([found.differences, found.witnesses], [[], null]);
      // Of this hour it is not known whether they had to; where they did cosign, that is told.
      addPersonal('2026-11-23T09Z');
      publishCosigned([west]);
      assert.equal((await verifyAll()).witnesses, null);
      publishCosigned([west, north, south]);
      assert.equal((await verifyAll()).witnesses?.cosigners.length, 3);
    });

    it('lets those who follow them do from when they may be in force, and not before', async () => {
      const others = [1, 2, 3, 4].map((at) =>
        generateCosigningKey('ed25519', `other.example/${at}`),
      );
      appoint(1, witnesses, APPOINTED);
      addPersonal(NEXT_HOUR);
      publishCosigned(others);
      assert.deepEqual(await differencesOf(), ['too-few-cosignatures']);
      appoint(2, others, Date.UTC(2026, 10, 23, 10, 30));
      for (const cosigners of [witnesses, others]) {
        publishCosigned(cosigners);
        assert.deepEqual(await differencesOf(), []);
      }
      addPersonal('2026-11-23T11Z');
      publishCosigned(witnesses);
      assert.deepEqual(await differencesOf(), ['too-few-cosignatures']);
      publishCosigned(others);
      assert.deepEqual(await differencesOf(), []);
    });

    it('lets fewer do while the glass is broken, and no longer', async () => {
      appoint(1, witnesses, APPOINTED);
      addPersonal(NEXT_HOUR);
      const time = Date.UTC(2026, 10, 23, 10, 30);
      const until = Date.UTC(2026, 10, 23, 10, 45);
      enter({ type: 'broken-glass', reason: 'need', until, nonce: '00'.repeat(16), time });
      publishCosigned([]);
      assert.deepEqual(await differencesOf(), ['too-few-cosignatures']);
      publishCosigned([west]);
      const found = await verifyAll();
      assert.deepEqual([found.differences, found.witnesses?.quorum], [[], 1]);
      addPersonal('2026-11-23T11Z');
      publishCosigned([west]);
      assert.deepEqual(await differencesOf(), ['too-few-cosignatures']);
    });

    it('asks for those of the keys from elsewhere too, whatever the log names', async () => {
      publishCosigned([east, west]);
      const pinned = { keys: keysOf(witnesses), quorum: 3 };
      assert.deepEqual(await differencesOf({ pinned }), ['too-few-cosignatures']);
      publishCosigned([east, west, north]);
      const found = await verifyAll({ pinned });
      assert.deepEqual([found.differences, found.witnesses?.cosigners.length], [[], 3]);
      appoint(1, witnesses, APPOINTED);
      addPersonal(NEXT_HOUR);
      publishCosigned([south]);
      const mine = { keys: keysOf([south]), quorum: 1 };
      assert.deepEqual(await differencesOf({ pinned: mine }), ['too-few-cosignatures']);
    });
  });

  it('passes a whole log, published up to its end or some way before it', async () => {
    const found = await verifyAll({ logKey: key.verifierKey });
    assert.deepEqual(found.differences, []);
    assert.deepEqual([found.size, found.publicEntries, found.personalEntries], [SIZE, 1, SIZE - 1]);
    assert.equal(found.register.genesis?.origin, ORIGIN);
    // A partial tile may go once the full one is there, as it does beside a gateway.
    publish(300);
    for (const level of ['0', 'entries']) {
      rmSync(join(publicDirectory, 'tile', level, '001.p'), { recursive: true });
    }
    assert.deepEqual(await placesOf(), []);
    for (const size of [512, 300, 256, 1]) {
      rmSync(publicDirectory, { recursive: true });
      publish(size);
      assert.deepEqual(await differencesOf(), [], String(size));
    }
  });
});

describe('checking a log of several parts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'amanat-verify-parts-'));
  const size = 65_536 + 700;
  const log = new TestLog(
    Array.from({ length: size }, (_, index) => {
      const commitment = Buffer.alloc(32);
      commitment.writeUInt32BE(index, 28);
      return encodePersonalLeaf({ kind: 'person', hour: '2026-11-23T09Z', commitment });
    }),
  );
  log.publish(folder);
  const database = openDatabase(join(folder, 'store.db'));
  after(() => {
    database.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const store = createSqliteLogStore(database);
  const stored = log.leaves.map((bytes, index) => ({
    bytes,
    entry: entryAt(index),
    publicTime: null,
  }));
  store.append(0, stored, [], 0);

  const verifyBy = (processes: number, signal = new AbortController().signal) =>
    verifyLog({
      store,
      database: database.path,
      publicDirectory: folder,
      logKey: formatVerifierKey(log.key),
      pinned: null,
      processes,
      onLeaves: () => {},
      signal,
    });
  const placesBy = async (processes: number) => {
    const { differences } = await verifyBy(processes);
    return differences.map(({ difference, at }) => `${difference} ${at}`);
  };

  it('finds by two processes what it finds by one', async () => {
    const change = database.prepare('UPDATE leaves SET bytes = ? WHERE idx = ?');
    for (const [path, difference] of [
      ['tile/0/256', 'tile-differs'],
      ['tile/0/100', 'tile-differs'],
      ['tile/1/000', 'tile-differs'],
      ['tile/2/000.p/1', 'tile-differs'],
      ['tile/entries/257', 'bundle-differs'],
    ] as const) {
      const bytes = readFileSync(join(folder, path));
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8(flipped.readUInt8(20) ^ 1, 20);
      writeFileSync(join(folder, path), flipped);
      for (const processes of [1, 2]) {
        assert.deepEqual(await placesBy(processes), [`${difference} ${path}`]);
      }
      writeFileSync(join(folder, path), bytes);
    }
    // A leaf, and the lowest tile and the bundle made to agree with it.
    const bundle = log.leaves.slice(256, 512).with(44, log.leaves[299] as Uint8Array);
    change.run(log.leaves[299] as Uint8Array, 300);
    const before = ['tile/0/001', 'tile/entries/001'].map(
      (path) => [path, readFileSync(join(folder, path))] as const,
    );
    writeFileSync(join(folder, 'tile/0/001'), encodeTile(bundle.map(leafHash)));
    writeFileSync(join(folder, 'tile/entries/001'), encodeEntryBundle(bundle));
    for (const processes of [1, 2]) {
      const above = ['tile-differs tile/1/000', 'tile-differs tile/2/000.p/1'];
      assert.deepEqual(await placesBy(processes), [`checkpoint-root ${size}`, ...above]);
    }
    change.run(log.leaves[300] as Uint8Array, 300);
    for (const [path, bytes] of before) writeFileSync(join(folder, path), bytes);
  });

  it('ends where a file cannot be read, or it is called off', async () => {
    const path = join(folder, 'tile/0/100');
    const bytes = readFileSync(path);
    rmSync(path);
    symlinkSync(path, path);
    for (const processes of [1, 2]) {
      await assert.rejects(verifyBy(processes), { name: 'AuditError', code: 'unreachable' });
      await assert.rejects(verifyBy(processes, AbortSignal.abort()), { name: 'AbortError' });
    }
    rmSync(path);
    writeFileSync(path, bytes);
  });

  it('passes it, and counts each leaf once', async () => {
    for (const processes of [1, 2]) {
      const { differences, personalEntries } = await verifyBy(processes);
      assert.deepEqual([differences, personalEntries], [[], size]);
    }
  });
});
