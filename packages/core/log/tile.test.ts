import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CoreError } from '../errors.ts';
import { someLeaves } from './_tree.ts';
import {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  FULL_TILE_BYTES,
  parseTilePath,
  tilePath,
  tilesBetween,
  tilesForSize,
  tileWidth,
} from './tile.ts';

const badTile = { name: 'CoreError', code: 'bad-tile' };

const somePosition = fc.record(
  {
    level: fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 })),
    index: fc.oneof(fc.nat(3_000), fc.maxSafeNat()),
    width: fc.integer({ min: 1, max: 256 }),
  },
  { noNullPrototype: true },
);

describe('a tile path', () => {
  it('comes back from what it says', () => {
    fc.assert(
      fc.property(somePosition, (position) => {
        assert.deepEqual(parseTilePath(tilePath(position)), position);
      }),
    );
  });

  it('is either refused or the one path of its tile, whatever the text', () => {
    const mutated = fc
      .tuple(somePosition, fc.nat(), fc.constantFrom('', 'x', '0', '9', '/', '.p/', '-', ' ', '\n'))
      .map(([position, at, put]) => {
        const path = tilePath(position);
        const place = at % (path.length + 1);
        return path.slice(0, place) + put + path.slice(place + (at % 2));
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string()), (path) => {
        try {
          assert.equal(tilePath(parseTilePath(path)), path);
        } catch (error) {
          assert.ok(error instanceof CoreError && error.code === 'bad-tile', String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('of a position that cannot be is refused', () => {
    for (const position of [
      { level: -1, index: 0, width: 256 },
      { level: 64, index: 0, width: 256 },
      { level: 0.5, index: 0, width: 256 },
      { level: 0, index: -1, width: 256 },
      { level: 0, index: 2 ** 53, width: 256 },
      { level: 0, index: 0, width: 0 },
      { level: 0, index: 0, width: 257 },
      { level: 0, index: 0, width: 1.5 },
    ]) {
      assert.throws(() => tilePath(position), badTile);
    }
  });
});

describe('tiles of a tree', () => {
  it('of sizes out of order are refused', () => {
    assert.throws(() => [...tilesBetween({ oldSize: 2, newSize: 1 })], { code: 'out-of-range' });
    assert.throws(() => [...tilesForSize(-1)], { code: 'out-of-range' });
  });

  it('are those of the specification’s example', () => {
    const widths = new Map<number, number[]>();
    for (const { level, width } of tilesForSize(70_000)) {
      widths.set(level, [...(widths.get(level) ?? []), width]);
    }
    assert.deepEqual([...widths.keys()], [0, 1, 2]);
    assert.deepEqual(widths.get(0), [...Array.from({ length: 273 }, () => 256), 112]);
    assert.deepEqual(widths.get(1), [256, 17]);
    assert.deepEqual(widths.get(2), [1]);
    assert.deepEqual([...tilesForSize(256)].map(tilePath), ['tile/0/000', 'tile/1/000.p/1']);
    assert.deepEqual([...tilesForSize(0)], []);
  });

  it('after growing are those that changed, no more and no fewer', () => {
    const size = fc.oneof(fc.nat(2_000), fc.integer({ min: 65_000, max: 66_500 }));
    fc.assert(
      fc.property(size, fc.nat(1_500), (oldSize, growth) => {
        const newSize = oldSize + growth;
        const before = new Set([...tilesForSize(oldSize)].map(tilePath));
        const expected = [...tilesForSize(newSize)]
          .map(tilePath)
          .filter((path) => !before.has(path));
        assert.deepEqual([...tilesBetween({ oldSize, newSize })].map(tilePath), expected);
      }),
      { numRuns: 60 },
    );
  });

  it('do not exist before their first hash', () => {
    assert.equal(tileWidth({ level: 0, index: 1, size: 256 }), 0);
    assert.equal(tileWidth({ level: 0, index: 1, size: 257 }), 1);
    assert.equal(tileWidth({ level: 1, index: 0, size: 255 }), 0);
    assert.equal(tileWidth({ level: 1, index: 0, size: 70_000 }), 256);
  });
});

describe('a tile', () => {
  it('empty, too wide, of another width or ragged is refused', () => {
    const hashes = someLeaves(257);
    assert.throws(() => encodeTile([]), badTile);
    assert.throws(() => encodeTile(hashes), badTile);
    assert.throws(() => encodeTile([new Uint8Array(31)]), badTile);
    const bytes = encodeTile(hashes.slice(0, 256));
    assert.equal(bytes.length, FULL_TILE_BYTES);
    assert.throws(() => decodeTile(bytes, 255), badTile);
    assert.throws(() => decodeTile(bytes.subarray(1), 256), badTile);
    assert.throws(() => decodeTile(new Uint8Array(0), 0), badTile);
  });

  it('comes back', () => {
    const hashes = someLeaves(5);
    assert.deepEqual(decodeTile(encodeTile(hashes), 5), hashes);
  });
});

describe('an entry bundle', () => {
  it('empty, too wide or with an entry too long is refused', () => {
    assert.throws(() => encodeEntryBundle([]), badTile);
    assert.throws(() => encodeEntryBundle(Array(257).fill(new Uint8Array(1))), badTile);
    assert.throws(() => encodeEntryBundle([new Uint8Array(65_536)]), badTile);
    assert.equal(encodeEntryBundle([new Uint8Array(65_535)]).length, 65_537);
  });

  it('comes back, and at no other width', () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(entries, fc.integer({ min: 0, max: 257 }), (some, width) => {
        const bytes = encodeEntryBundle(some);
        assert.deepEqual(decodeEntryBundle(bytes, some.length), some);
        if (width !== some.length) assert.throws(() => decodeEntryBundle(bytes, width), badTile);
        assert.throws(() => decodeEntryBundle(bytes.subarray(0, -1), some.length), badTile);
      }),
    );
  });

  it('is either refused or the one encoding of its entries, whatever the bytes', () => {
    const small = fc.array(fc.constantFrom(0, 0, 1, 2, 255), { maxLength: 24 });
    fc.assert(
      fc.property(small, fc.integer({ min: 1, max: 6 }), (some, width) => {
        const bytes = Uint8Array.from(some);
        try {
          assert.deepEqual(encodeEntryBundle(decodeEntryBundle(bytes, width)), bytes);
        } catch (error) {
          assert.ok(error instanceof CoreError && error.code === 'bad-tile', String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
