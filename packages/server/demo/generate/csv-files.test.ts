import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import {
  CROSSING_HEADINGS,
  SIM_HEADINGS,
  writeBorderCrossings,
  writeSimRegistrations,
} from './csv-files.ts';
import { generatePeople } from './people.ts';

const people = generatePeople('seed', 2_000, '2026-11-23');
const IMPOSSIBLE = /-02-30/;
let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'amanat-csv-'));
});
after(() => rm(dir, { recursive: true }));

test('a dirtyEvery below one is refused before anything is written', async () => {
  for (const dirtyEvery of [0, -1, Number.NaN]) {
    await assert.rejects(
      writeSimRegistrations(join(dir, 'refused.csv'), people, { dirtyEvery }),
      RangeError,
    );
  }
  assert.ok(!(await readdir(dir)).some((name) => name.startsWith('refused')));
});

test('a writer that fails half-way leaves nothing behind', async () => {
  function* broken() {
    yield people.at(0);
    throw new Error('no more people');
  }
  await assert.rejects(writeSimRegistrations(join(dir, 'broken.csv'), broken()), /no more people/);
  assert.ok(!(await readdir(dir)).some((name) => name.startsWith('broken')));
});

test('the file of SIM registrations holds one row for each SIM and reads back as it was', async () => {
  const path = join(dir, 'sims.csv');
  const written = await writeSimRegistrations(path, people);
  const [headings, ...rows] = await readRows(path);
  assert.deepEqual(headings, [...SIM_HEADINGS]);
  assert.deepEqual(
    rows,
    [...people].flatMap(({ cnic, address, sims }) =>
      sims.map((sim) => [
        cnic,
        sim.nameWritten,
        address,
        sim.msisdnWritten,
        sim.imsi,
        sim.operator,
        sim.activatedOn,
        sim.biometricStatus,
      ]),
    ),
  );
  const { size, mode } = await stat(path);
  assert.deepEqual(written, {
    rows: rows.length,
    sizeBytes: size,
    bad: { 'impossible-date': 0, ragged: 0, 'bad-cnic': 0 },
  });
  assert.equal(mode & 0o077, 0);
  assert.match(await readFile(path, 'utf8'), /,"House \d+, Street/);
});

test('the file of border crossings holds one row for each crossing and reads back as it was', async () => {
  const path = join(dir, 'crossings.csv');
  const written = await writeBorderCrossings(path, people);
  const [headings, ...rows] = await readRows(path);
  assert.deepEqual(headings, [...CROSSING_HEADINGS]);
  assert.deepEqual(
    rows,
    [...people].flatMap(({ cnic, name, document, crossings }) =>
      crossings.map((crossing) => [
        cnic,
        name.english,
        crossing.crossedAt,
        crossing.direction,
        crossing.post,
        crossing.carrier,
        document,
      ]),
    ),
  );
  assert.equal(written.rows, rows.length);
});

test('the same seed writes the same bytes', async () => {
  const paths = [join(dir, 'once.csv'), join(dir, 'again.csv')];
  for (const path of paths) {
    await writeSimRegistrations(path, generatePeople('seed', 500, '2026-11-23'), { dirtyEvery: 9 });
  }
  const [once, again] = await Promise.all(paths.map((path) => readFile(path)));
  assert.ok(once && again && once.equals(again));
});

test('exactly every n-th row is bad, of the kinds that were counted', async () => {
  const writers = [
    { write: writeSimRegistrations, columns: SIM_HEADINGS.length, dateColumn: 6 },
    { write: writeBorderCrossings, columns: CROSSING_HEADINGS.length, dateColumn: 2 },
  ];
  for (const dirtyEvery of [1, 2, 10]) {
    for (const [nth, { write, columns, dateColumn }] of writers.entries()) {
      const path = join(dir, `dirty-${nth}.csv`);
      const written = await write(path, people, { dirtyEvery });
      const rows = (await readRows(path)).slice(1);
      const found = { 'impossible-date': 0, ragged: 0, 'bad-cnic': 0 };
      for (const [position, row] of rows.entries()) {
        const kinds = [
          ...(row.length === columns ? [] : (['ragged'] as const)),
          ...(/^0\d{4}-\d{7}-\d$/.test(row[0] ?? '') ? [] : (['bad-cnic'] as const)),
          ...(IMPOSSIBLE.test(row[dateColumn] ?? '') ? (['impossible-date'] as const) : []),
        ];
        assert.equal(kinds.length, (position + 1) % dirtyEvery === 0 ? 1 : 0);
        for (const kind of kinds) found[kind] += 1;
      }
      assert.deepEqual(written.bad, found);
      assert.equal(
        found.ragged + found['bad-cnic'] + found['impossible-date'],
        Math.floor(rows.length / dirtyEvery),
      );
    }
  }
});

test('progress is told in order and ends with every row', async () => {
  const told: number[] = [];
  const written = await writeSimRegistrations(join(dir, 'progress.csv'), people, {
    onProgress: (rows) => told.push(rows),
  });
  assert.deepEqual(
    told,
    told.toSorted((a, b) => a - b),
  );
  assert.equal(told.at(-1), written.rows);
});

async function readRows(path: string): Promise<string[][]> {
  return parse(await readFile(path), { relax_column_count: true });
}
