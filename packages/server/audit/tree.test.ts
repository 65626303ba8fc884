import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import {
  CompactRange,
  encodeEntryBundle,
  encodePersonalLeaf,
  encodePublicLeaf,
  leafHash,
  nodeHash,
} from '@amanat/core/log';
import fc from 'fast-check';
import { someLeaf, TestLog } from './_log.ts';
import { memoryFiles } from './_memory.ts';
import { readCheckpoint } from './checkpoint.ts';
import type { Finding } from './errors.ts';
import { AuditError } from './errors.ts';
import { bundleHashes, tileRoot } from './hashing.ts';
import { PART_LEAVES, verifyPart } from './part.ts';
import { verifyFolder } from './processes.ts';
import { sourceOf } from './source.ts';
import type { TreeVerification } from './tree.ts';
import { verifyTree } from './tree.ts';

/** Of a long file, each so-and-so-many-th byte is changed; with SLOW=1 every one. */
const STEP = process.env.SLOW === '1' ? 1 : 8;

/** Opens the checkpoint of some files and verifies the tree behind it. */
async function verifyFiles(
  log: TestLog,
  files: ReadonlyMap<string, Uint8Array>,
  from: CompactRange = CompactRange.empty(),
): Promise<TreeVerification> {
  const source = sourceOf(memoryFiles(files));
  return verifyTree({
    source,
    checkpoint: await readCheckpoint(source, log.key),
    from,
    runners: [(task) => verifyPart(source, task)],
    onLeaves: () => {},
    signal: new AbortController().signal,
  });
}

function rangeOf(log: TestLog, size: number): CompactRange {
  const range = CompactRange.empty();
  for (const leaf of log.leaves.slice(0, size)) range.append(leafHash(leaf));
  return range;
}

/** A change of one byte, another for each place. */
function alter(bytes: Uint8Array, at: number): Uint8Array {
  const altered = new Uint8Array(bytes);
  altered[at] = (altered[at] as number) ^ (1 + ((at * 131) % 255));
  return altered;
}

const codesOf = (findings: readonly Finding[]) => findings.map(({ code }) => code);

describe('a whole log', () => {
  it('with any byte of any file changed is refused, and the file is named, unless the byte says nothing', async (t) => {
    // A full tile and a partial one, a level above, and a signature of somebody unknown.
    const log = new TestLog().grow(260);
    const files = log.files();
    const stranger = `— stranger.example ${Buffer.alloc(68, 7).toString('base64')}\n`;
    const note = Buffer.concat([files.get('checkpoint') as Uint8Array, Buffer.from(stranger)]);
    files.set('checkpoint', note);
    const { range } = await verifyFiles(log, files);
    let detected = 0;
    let harmless = 0;
    for (const [path, bytes] of files) {
      const isLong = bytes.length > 1_024;
      for (let at = 0; at < bytes.length; at += isLong ? STEP : 1) {
        const altered = new Map(files).set(path, alter(bytes, at));
        const found = await verifyFiles(log, altered).catch((error: unknown) => error);
        const place = `${path} at ${at}`;
        if (found instanceof AuditError) {
          assert.equal(found.code, 'bad-checkpoint', place);
          assert.equal(path, 'checkpoint', place);
          detected += 1;
        } else if (path === 'checkpoint') {
          // Only the stranger's line may change: the tree is the one that the log signed.
          const { range: same } = found as TreeVerification;
          assert.ok(at >= note.length - Buffer.byteLength(stranger), place);
          assert.deepEqual(same?.root(), range?.root(), place);
          harmless += 1;
        } else {
          const code = path.startsWith('tile/entries/') ? 'bundle-differs' : 'tile-differs';
          assert.deepEqual((found as TreeVerification).findings, [{ code, at: path }], place);
          detected += 1;
        }
      }
    }
    t.diagnostic(`${detected} changes detected, ${harmless} harmless`);
    assert.ok(detected > 1_000 && harmless > 0 && harmless < Buffer.byteLength(stranger));
  });

  it('without any one of its files has a hole there', async () => {
    for (const size of [1, 255, 256, 257, 600, 1024]) {
      const log = new TestLog().grow(size);
      const files = log.files();
      for (const path of files.keys()) {
        if (path === 'checkpoint') continue;
        const holed = new Map(files);
        holed.delete(path);
        const { findings, range } = await verifyFiles(log, holed);
        assert.deepEqual(findings, [{ code: 'hole', at: path }], `${size} ${path}`);
        assert.equal(range, null);
      }
    }
  });

  it('whose files are cut short or run on is refused', async () => {
    const log = new TestLog().grow(600);
    const files = log.files();
    for (const [path, bytes] of files) {
      if (path === 'checkpoint') continue;
      for (const other of [bytes.slice(0, -1), new Uint8Array(0), Buffer.concat([bytes, bytes])]) {
        const { findings } = await verifyFiles(log, new Map(files).set(path, other));
        assert.deepEqual(
          findings.map(({ at }) => at),
          [path],
          path,
        );
      }
    }
  });

  it('whose files agree with one another but not with the signed root is refused', async () => {
    const log = new TestLog().grow(600);
    const other = new TestLog([...log.leaves.slice(0, 599), Buffer.from('another')]);
    const files = other.files().set('checkpoint', Buffer.from(log.checkpoint()));
    const { findings, range } = await verifyFiles(log, files);
    assert.deepEqual(findings, [{ code: 'root-differs', at: null }]);
    assert.equal(range, null);
  });

  it('of which nothing is there ends after a bounded number of holes', async () => {
    const log = new TestLog().grow(1);
    const note = Buffer.from(log.checkpoint(2 ** 50, Buffer.alloc(32)));
    const { findings } = await verifyFiles(log, new Map([['checkpoint', note]]));
    assert.deepEqual(new Set(codesOf(findings)), new Set(['hole']));
    assert.ok(findings.length < 1024);
  });

  it('is accepted at every size, its partial tiles served or gone', async () => {
    const log = new TestLog().grow(1_100);
    const whole = log.files();
    for (const size of [0, 1, 2, 255, 256, 257, 511, 512, 513, 768, 1_023, 1_024, 1_025]) {
      const { range, findings } = await verifyFiles(log, log.files(size));
      assert.deepEqual(findings, [], String(size));
      assert.deepEqual(range?.root(), log.root(size));
      // The bigger log's full tiles serve for the partial ones of the smaller.
      const files = new Map(whole).set('checkpoint', Buffer.from(log.checkpoint(size)));
      if (size % 256 !== 0 && size > 1_024) continue;
      for (const [path, bytes] of log.files(size)) {
        if (path.startsWith('tile/1/')) files.set(path, bytes);
      }
      assert.deepEqual((await verifyFiles(log, files)).findings, [], `${size} from full tiles`);
    }
  });

  it('has its leaves counted by what they are about', async () => {
    const personal = encodePersonalLeaf({
      kind: 'person',
      hour: '2026-11-23T08Z',
      commitment: Buffer.alloc(32),
    });
    const open = encodePublicLeaf({ document: '{"type":"x"}', signatures: [] });
    const unknown = ['', 'amanat/v1 public', 'amanat/v1 person', 'x'].map((text) =>
      Buffer.from(text),
    );
    // The next one's length begins with a newline, which is not this one's.
    const log = new TestLog([personal, open, personal, ...unknown]);
    log.leaves.splice(4, 0, Buffer.from('amanat/v1 public'), Buffer.alloc(2_560));
    const { counts } = await verifyFiles(log, log.files());
    assert.deepEqual(counts, { personal: 2, public: 1, unknown: 6 });
  });
});

describe('a log that was verified before', () => {
  it('and has another history now is found to be a fork, wherever it parts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 900 }),
        fc.integer({ min: 0, max: 900 }),
        fc.nat(),
        async (oldSize, more, seed) => {
          const log = new TestLog().grow(oldSize + more);
          const from = rangeOf(log, oldSize);
          log.leaves[seed % oldSize] = Buffer.from('another');
          const { findings, range } = await verifyFiles(log, log.files(), from);
          // Of equal trees nothing is fetched: that the root is another is all there is to see.
          assert.equal(findings[0]?.code, 'fork');
          assert.equal(range, null);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('and whose tiles are wrong besides is not called a fork without proof', async () => {
    const log = new TestLog().grow(600);
    const from = rangeOf(log, 300);
    for (const [path, bytes] of log.files()) {
      if (path === 'checkpoint' || path === 'tile/0/000' || path === 'tile/entries/000') continue;
      const { findings } = await verifyFiles(log, log.files().set(path, alter(bytes, 40)), from);
      const code = path.startsWith('tile/entries/') ? 'bundle-differs' : 'tile-differs';
      assert.deepEqual(findings, [{ code, at: path }]);
    }
    const note = Buffer.from(log.checkpoint(600, Buffer.alloc(32, 1)));
    const { findings } = await verifyFiles(log, log.files().set('checkpoint', note), from);
    assert.deepEqual(codesOf(findings), ['root-differs']);
    const holed = log.files();
    for (const path of ['tile/0/002.p/88', 'tile/entries/002.p/88']) holed.delete(path);
    assert.deepEqual(codesOf((await verifyFiles(log, holed, from)).findings), ['hole', 'hole']);
    // New leaves that are not the tree's, and old hashes that are not either.
    const other = new TestLog([...log.leaves.slice(0, 599), Buffer.from('another')]).files();
    const above = alter(log.files().get('tile/1/000.p/2') as Uint8Array, 3);
    const mixed = other.set('checkpoint', Buffer.from(log.checkpoint()));
    const wrong = await verifyFiles(log, mixed.set('tile/1/000.p/2', above), from);
    assert.deepEqual(wrong.findings, [{ code: 'tile-differs', at: 'tile/1/000.p/2' }]);
    // Tiles that lead to the root, and leaves that are not theirs.
    const grown = new TestLog(log.leaves).grow(300);
    const false2 = new TestLog(grown.leaves.with(600, Buffer.from('another'))).files();
    const replaced = grown.files();
    for (const path of ['tile/0/002', 'tile/entries/002']) {
      replaced.set(path, false2.get(path) as Uint8Array);
    }
    assert.deepEqual((await verifyFiles(grown, replaced, from)).findings, [
      { code: 'tile-differs', at: 'tile/1/000.p/3' },
    ]);
  });

  it('without a bundle and its tile has two holes, and no other file is blamed', async () => {
    const log = new TestLog().grow(900);
    for (const index of ['001', '002', '003.p/132']) {
      const files = log.files();
      for (const level of ['0', 'entries']) files.delete(`tile/${level}/${index}`);
      const { findings } = await verifyFiles(log, files, rangeOf(log, 300));
      assert.deepEqual(findings.map(({ at }) => at).toSorted(), [
        `tile/0/${index}`,
        `tile/entries/${index}`,
      ]);
    }
  });

  it('with one byte wrong among what is new has it named, and is no fork', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 700 }),
        fc.integer({ min: 1, max: 700 }),
        fc.nat(),
        fc.nat(),
        async (oldSize, more, nth, place) => {
          const log = new TestLog().grow(oldSize + more);
          const files = log.files();
          const fresh = [...files].filter(([path]) => !log.files(oldSize).has(path));
          const [path, bytes] = fresh[nth % fresh.length] as [string, Uint8Array];
          const altered = files.set(path, alter(bytes, place % bytes.length));
          const { findings } = await verifyFiles(log, altered, rangeOf(log, oldSize));
          const code = path.startsWith('tile/entries/') ? 'bundle-differs' : 'tile-differs';
          assert.deepEqual(findings, [{ code, at: path }]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('is accepted in every honest sequence of growing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 6 }),
        async (steps) => {
          const log = new TestLog();
          let range = CompactRange.empty();
          for (const step of steps) {
            const known = range.size;
            const found = await verifyFiles(log.grow(step), log.files(), range);
            assert.deepEqual(found.findings, []);
            assert.equal(found.counts.unknown, log.leaves.length - known);
            range = found.range as CompactRange;
            assert.deepEqual(range.root(), log.root());
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('a log of several parts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'amanat-parts-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const size = 2 * PART_LEAVES + 300;
  const log = new TestLog().grow(size);
  log.publish(folder);
  const checkpoint = { size, root: log.root() };

  it('is refused by processes beside one another as by one', async () => {
    for (const path of ['tile/0/300', 'tile/entries/300', 'tile/1/001', 'tile/2/000.p/2']) {
      const bytes = readFileSync(join(folder, path));
      writeFileSync(join(folder, path), alter(bytes, 33));
      const code = path.startsWith('tile/entries/') ? 'bundle-differs' : 'tile-differs';
      for (const processes of [1, 2]) {
        const { findings, range } = await verifyFolder(folder, checkpoint, { processes });
        assert.deepEqual(findings, [{ code, at: path }], `${path} by ${processes}`);
        assert.equal(range, null);
      }
      writeFileSync(join(folder, path), bytes);
    }
  });

  it('with a file that is longer than any can be ends the audit, whoever reads it', async () => {
    const path = join(folder, 'tile/0/300');
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.concat([bytes, bytes]));
    for (const processes of [1, 2]) {
      const failing = verifyFolder(folder, checkpoint, { processes });
      await assert.rejects(failing, { name: 'AuditError', code: 'bad-response', at: 'tile/0/300' });
    }
    writeFileSync(path, bytes);
  });

  it('is accepted, whole or from any size on, and the processes end', async () => {
    for (const processes of [1, 2]) {
      const seen: number[] = [];
      const { range, findings, counts } = await verifyFolder(folder, checkpoint, {
        processes,
        onLeaves: (leaves) => seen.push(leaves),
      });
      assert.deepEqual(findings, []);
      assert.deepEqual(range?.root(), checkpoint.root);
      assert.equal(counts.unknown, size);
      assert.equal(seen.at(-1), size);
    }
    for (const from of [65_535, PART_LEAVES, PART_LEAVES + 257, 2 * PART_LEAVES, size]) {
      const found = await verifyFolder(folder, checkpoint, {
        processes: 2,
        from: rangeOf(log, from),
      });
      assert.deepEqual(found.findings, [], String(from));
      assert.equal(found.counts.unknown, size - from);
    }
  });

  it('that parts from the remembered one in an earlier part is a fork', async () => {
    const other = new TestLog(log.leaves.with(5, Buffer.from('another')));
    const from = rangeOf(other, PART_LEAVES + 700);
    const { findings } = await verifyFolder(folder, checkpoint, { processes: 2, from });
    assert.deepEqual(findings, [{ code: 'fork', at: null }]);
  });

  it('is no longer verified once that is called off', async () => {
    const signal = AbortSignal.abort();
    await assert.rejects(verifyFolder(folder, checkpoint, { processes: 2, signal }), {
      name: 'AbortError',
    });
  });
});

describe('hashing a bundle and a tile', () => {
  it('is the same as core’s, whatever the entries, and leaves the bytes as they were', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 40 }),
        (entries) => {
          const bundle = encodeEntryBundle(entries);
          const before = bundle.slice();
          const hashed = bundleHashes(bundle, { width: entries.length });
          assert.deepEqual(
            new Uint8Array(hashed?.hashes ?? []),
            new Uint8Array(Buffer.concat(entries.map(leafHash))),
          );
          assert.deepEqual(bundle, before);
          assert.equal(bundleHashes(bundle, { width: entries.length + 1 }), null);
          assert.equal(bundleHashes(bundle.subarray(0, -1), { width: entries.length }), null);
        },
      ),
    );
    let hashes = Array.from({ length: 256 }, (_, i) => leafHash(someLeaf(i)));
    const tile = Buffer.concat(hashes);
    while (hashes.length > 1) {
      hashes = Array.from({ length: hashes.length / 2 }, (_, i) =>
        nodeHash(hashes[2 * i] as Uint8Array, hashes[2 * i + 1] as Uint8Array),
      );
    }
    assert.deepEqual(tileRoot(tile), hashes[0]);
    assert.throws(() => tileRoot(tile.subarray(32)));
  });
});
