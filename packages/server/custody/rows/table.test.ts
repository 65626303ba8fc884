import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { declarationOf, gather, inChunks } from './_sample.ts';
import { RowBound, readTable } from './table.ts';
import { workbook } from './xlsx/_workbook.ts';

const sims = declarationOf('sim-registrations');
const NAMES = sims.fields.map(({ name }) => name);
const GOOD = [
  '00001-0000001-1',
  'Test Person',
  'House 1, "Example" Road',
  '0398 1230001',
  '001010123456789',
  'Bay Telecom',
  '2026-01-02',
  'verified',
];
/** The same inputs at every run, so that a failure is everybody's. */
const SETTINGS = { seed: 20_261_126, numRuns: process.env.SLOW === '1' ? 5_000 : 150 };

async function read(bytes: Uint8Array, chunk = 65_536) {
  const opened = await readTable(inChunks(bytes, chunk), sims, { identifiers: 'synthetic' });
  return opened.ok ? gather(opened.batches) : opened;
}

/** What became of each row, wherever in its file it stood. */
async function outcomes(bytes: Uint8Array, chunk: number) {
  const found = await read(bytes, chunk);
  assert.ok('rows' in found, 'code' in found ? found.code : '');
  const { rows, rejections, totals } = found;
  assert.equal(totals.rows, totals.accepted + totals.rejected);
  assert.deepEqual([rows.length, rejections.length], [totals.accepted, totals.rejected]);
  return {
    rows: rows.map(({ row, values }) => [row, values]),
    rejections: rejections.map(({ row, column, code }) => [row, column, code]),
  };
}

function csv(table: readonly (readonly string[])[]): Buffer {
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
  return Buffer.from(table.map((row) => row.map(quote).join(',')).join('\r\n'));
}

function jsonLines([names = [], ...rows]: readonly (readonly string[])[]): Buffer {
  const objects = rows.map((row) => Object.fromEntries(names.map((name, at) => [name, row[at]])));
  return Buffer.from(objects.map((object) => JSON.stringify(object)).join('\n'));
}

const anything = fc.oneof(
  fc.constantFrom('', ' ', 'x', '35202-1234567-1', '2026-02-30', '۰۱/۰۲/۲۰۲۶', '_x0041_', '&amp;'),
  fc.constantFrom('a\nb', 'a\r\nb', '\t', '\u0007', '"', '<t>', ']]>', "'", '\\', '\ufeff', '=1+1'),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
);
/** A good row with some cells replaced, and at most one that holds what no text does. */
const anyRow = fc
  .record({
    replaced: fc.dictionary(fc.constantFrom(...NAMES), anything, { maxKeys: 3 }),
    broken: fc.option(
      fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom('\0', '\ufffd', '\ud800', 'x\udc00')),
      { freq: 6 },
    ),
  })
  .map(({ replaced, broken }) =>
    NAMES.map((name, at) => {
      if (broken?.[0] === name) return broken[1];
      const value = replaced[name] ?? (GOOD[at] as string);
      // NULs and what cannot be decoded are left to `broken`: of two in a row, formats name different ones.
      return value.toWellFormed().replace(/[\0\ufffd]/g, '');
    }),
  );

test('the same table is the same rows and rejections as CSV, JSON Lines and a workbook, however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyRow, { minLength: 1, maxLength: 8 }),
      fc.constantFrom(1, 3, 64, 65_536),
      async (rows, chunk) => {
        const table = [NAMES, ...rows];
        const expected = await outcomes(csv(table), 65_536);
        assert.deepEqual(await outcomes(jsonLines(table), chunk), expected);
        assert.deepEqual(await outcomes(workbook(table), chunk), expected);
      },
    ),
    SETTINGS,
  );
});

test('a damaged file is rows and rejections that add up, or refused, and never anything else', async () => {
  const table = [NAMES, ...new Array(20).fill(GOOD)];
  const files = [csv(table), jsonLines(table), workbook(table)];
  const damage = fc.record({
    file: fc.constantFrom(...files),
    flips: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 6 }),
    cut: fc.option(fc.nat(), { freq: 3 }),
  });
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(damage, async ({ file, flips, cut }) => {
      const bytes = Buffer.from(file.subarray(0, cut === null ? file.length : cut % file.length));
      for (const [place, bits] of flips) {
        if (bytes.length > 0) bytes[place % bytes.length]! ^= bits;
      }
      const found = await read(bytes, 17);
      if ('code' in found) return;
      const { rows, rejections, totals } = found;
      taken += 1;
      assert.deepEqual([rows.length, rejections.length], [totals.accepted, totals.rejected]);
      assert.equal(totals.rows, totals.accepted + totals.rejected);
      const numbers = [...rows, ...rejections].map(({ row }) => row).sort((a, b) => a - b);
      assert.deepEqual(
        numbers,
        numbers.map((_, at) => at + 1),
      );
    }),
    { ...SETTINGS, numRuns: SETTINGS.numRuns * 4 },
  );
  assert.ok(taken > 0, 'every damaged file was refused');
});

test('a bound of rows counts line ends of every kind, however they are cut', async () => {
  const bytes = Buffer.from('a\rb\nc\r\nd\r\r\n\ne');
  for (let size = 1; size <= bytes.length; size++) {
    const bound = new RowBound(undefined);
    for await (const chunk of inChunks(bytes, size)) bound.take(Buffer.from(chunk));
    assert.deepEqual(await bound.rows(), { ok: true, rows: 7 });
  }
});
