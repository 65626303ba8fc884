import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DESTROYED, FIRST_GENERATION, Slots } from './slots.ts';
import { KeeperStore } from './store.ts';

let dir: string;
let store: KeeperStore;
let slots: Slots;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'amanat-slots-'));
  store = KeeperStore.create(join(dir, 'keeper.db'));
  slots = new Slots(store);
});
afterEach(() => {
  store.close();
  rmSync(dir, { recursive: true });
});

function wrapped(generation = FIRST_GENERATION) {
  return { generation, wrapped: randomBytes(60) };
}

/** Everything that stands in the keeper's files. */
function readAll(): Buffer {
  return Buffer.concat(readdirSync(dir).map((name) => readFileSync(join(dir, name))));
}

function count(all: Buffer, bytes: Uint8Array): number {
  let times = 0;
  for (let at = all.indexOf(bytes); at >= 0; at = all.indexOf(bytes, at + 1)) times += 1;
  return times;
}

/** Writes back what stands in the journal, and empties it. */
function settle(): void {
  store.get('PRAGMA wal_checkpoint(TRUNCATE)');
}

describe('a slot', () => {
  it('takes no key of another length, and none is read or overwritten that is not there', () => {
    for (const bytes of [0, 59, 61]) {
      const odd = { generation: FIRST_GENERATION, wrapped: randomBytes(bytes) };
      assert.throws(() => slots.append(odd), /does not fit a slot/);
    }
    const slot = slots.append(wrapped());
    assert.throws(() => slots.overwrite(slot, { generation: 2, wrapped: randomBytes(61) }), /fit/);
    assert.throws(() => slots.read(slot + 1), /lacks a slot/);
    assert.throws(() => slots.overwrite(slot + 1, wrapped()), /lacks a slot/);
  });

  it('gives what was put in last', () => {
    const [first, second] = [slots.append(wrapped()), slots.append(wrapped())];
    const other = wrapped(3);
    slots.overwrite(first, other);
    const { generation, wrapped: bytes } = slots.read(first);
    assert.deepEqual(
      { generation, bytes: Buffer.from(bytes) },
      { generation: 3, bytes: other.wrapped },
    );
    slots.overwrite(second, DESTROYED);
    assert.equal(slots.read(second).generation, 0);
  });

  it('takes a key that is wrapped anew without a page laid out anew, to the byte', () => {
    const all = store.transaction(() =>
      Array.from({ length: 2000 }, () => slots.append(wrapped())),
    );
    const pages = () => store.get('PRAGMA page_count')?.page_count;
    const before = pages();
    store.transaction(() => {
      for (const slot of all) slots.overwrite(slot, wrapped(FIRST_GENERATION + 1));
    });
    assert.equal(pages(), before);
  });

  // Where a table's rows grow and stand in the order of random names, about 1 of 3,000 such keys stood in the file twice.
  it('holds the one copy in the file, though keys are wrapped anew while others are drawn', () => {
    const keys: { slot: number; bytes: Buffer }[] = [];
    const gone: Buffer[] = [];
    for (let round = 0; round < 40; round++) {
      store.transaction(() => {
        for (let n = 0; n < 100; n++) {
          const key = wrapped(FIRST_GENERATION + Math.floor(round / 10));
          const slot = slots.append(key);
          keys.push({ slot, bytes: key.wrapped });
          store.run(
            'INSERT INTO subjects (subject, subject_slot, number, protected) VALUES (?, ?, 0, 0)',
            randomBytes(16),
            slot,
          );
        }
        // As when a generation is replaced.
        for (const key of keys.filter((_, at) => at % 3 === round % 3)) {
          const anew = wrapped(FIRST_GENERATION + Math.floor((round + 10) / 10));
          slots.overwrite(key.slot, anew);
          gone.push(key.bytes);
          key.bytes = anew.wrapped;
        }
      });
      if (round % 7 === 0) settle();
    }
    const destroyed = keys.filter((_, at) => at % 2 === 0);
    store.transaction(() => {
      for (const { slot } of destroyed) slots.overwrite(slot, DESTROYED);
    });
    settle();
    const all = readAll();
    const kept = keys.filter((_, at) => at % 2 !== 0);
    assert.equal(destroyed.filter(({ bytes }) => count(all, bytes) !== 0).length, 0);
    assert.equal(gone.filter((bytes) => count(all, bytes) !== 0).length, 0);
    assert.equal(kept.filter(({ bytes }) => count(all, bytes) !== 1).length, 0);
  });
});
