import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hex } from '@amanat/core/bytes';
import type { RecordRead } from '@amanat/core/statement';
import type { KeeperPort } from '@amanat/keeper/client';
import { unpackDrawnRows } from '@amanat/keeper/client';
import sharp from 'sharp';
import { Bench, cnicOf, framed, SIM_HEADING, simFile, simLine } from './_bench.ts';
import type { FoundRecord } from './custody.ts';

const HOLDING = 'sim-registrations';
const GROUPS = ['identity', 'address', 'number', 'status'];

/** What the keeper gave for a row: only its own release gives it again, which disclosure sees to. */
interface Drawn {
  readonly subject: string;
  readonly record: string;
  readonly keys: readonly Buffer[];
}

let bench: Bench;
/** By `import/row`. */
const drawn = new Map<string, Drawn>();

before(async () => {
  bench = await Bench.open();
  bench.port = noteDraws(bench.port);
});
after(() => bench.close());

function noteDraws(port: KeeperPort): KeeperPort {
  return {
    async ask(name, body, attachment) {
      const reply = await port.ask(name, body, attachment);
      if (name !== 'draw') return reply;
      const { import: index } = body as unknown as { readonly import: number };
      const groups = bench.store.findImport(index)?.layout.length ?? 0;
      for (const { row, subject, record, keys } of unpackDrawnRows(reply.attachment, groups)) {
        drawn.set(`${index}/${row}`, {
          subject: hex(subject),
          record: hex(record),
          keys: Array.from({ length: groups }, (_, group) =>
            Buffer.from(keys.subarray(group * 32, (group + 1) * 32)),
          ),
        });
      }
      return reply;
    },
  };
}

function drawnFor(index: number, row: number): Drawn {
  const found = drawn.get(`${index}/${row}`);
  assert.ok(found !== undefined);
  return found;
}

function only(found: readonly FoundRecord[]): FoundRecord {
  assert.equal(found.length, 1);
  return found[0] as FoundRecord;
}

test('records of an import that has not ended are seen by nobody', async () => {
  const upload = await framed({ 'a.csv': simFile(1, 1500) });
  const begun = await bench.begin(HOLDING, upload);
  await assert.rejects(bench.upload(begun, upload.subarray(0, upload.length - 1)));
  const { stored } = bench.custody.imports.status(begun.import);
  assert.ok(stored > 0);
  const { subject } = drawnFor(begun.import, 1);
  assert.deepEqual(bench.custody.recordsOf(subject, HOLDING, GROUPS, 10), []);
  assert.deepEqual(bench.custody.heldAbout(subject), []);
  assert.equal(
    bench.custody.counts().find(({ holding }) => holding === HOLDING),
    undefined,
  );
  await bench.upload(begun, upload);
  assert.equal(bench.custody.recordsOf(subject, HOLDING, GROUPS, 10).length, 1);
  assert.equal(bench.custody.counts().find(({ holding }) => holding === HOLDING)?.records, 1500);
});

test('a record opens to what was imported, with its own keys and no others', async () => {
  const file = SIM_HEADING + simLine(2001, { name: 'Ayesha Test' }) + simLine(2002);
  const { import: index } = await bench.import(HOLDING, { 'a.csv': file });
  const mine = drawnFor(index, 1);
  const other = drawnFor(index, 2);
  const { read, sizeBytes } = only(bench.custody.recordsOf(mine.subject, HOLDING, GROUPS, 10));
  assert.equal(read.record, mine.record);
  assert.ok(sizeBytes > 0);
  const opened = bench.custody.open(mine.subject, read, mine.keys);
  assert.deepEqual(
    opened?.map(({ group }) => group),
    GROUPS,
  );
  assert.deepEqual(opened?.[0]?.fields, [
    { name: 'cnic', recorded: cnicOf(2001), normalised: cnicOf(2001).replaceAll('-', '') },
    { name: 'name', recorded: 'Ayesha Test', normalised: 'Ayesha Test' },
  ]);
  // Another's keys, a key too few, and the right ones in a wrong order.
  assert.equal(bench.custody.open(mine.subject, read, other.keys), null);
  assert.equal(bench.custody.open(mine.subject, read, mine.keys.slice(1)), null);
  assert.equal(bench.custody.open(mine.subject, read, mine.keys.toReversed()), null);
  // The same name under another subject.
  assert.equal(bench.custody.open(other.subject, read, mine.keys), null);
});

test('only the groups asked for are named and opened', async () => {
  const { import: index } = await bench.import(HOLDING, { 'a.csv': SIM_HEADING + simLine(2010) });
  const { subject, keys } = drawnFor(index, 1);
  const { read } = only(bench.custody.recordsOf(subject, HOLDING, ['number', 'no-such-group'], 10));
  assert.deepEqual(
    read.groups.map(({ group }) => group),
    ['number'],
  );
  const opened = bench.custody.open(subject, read, [keys[2] as Buffer]);
  assert.deepEqual(
    opened?.map(({ group }) => group),
    ['number'],
  );
  assert.deepEqual(bench.custody.recordsOf(subject, HOLDING, ['no-such-group'], 10), []);
});

test('a ciphertext that is not the one named does not open', async () => {
  const { import: index } = await bench.import(HOLDING, { 'a.csv': SIM_HEADING + simLine(2020) });
  const { subject, keys } = drawnFor(index, 1);
  const { read } = only(bench.custody.recordsOf(subject, HOLDING, ['identity'], 10));
  const [key] = keys;
  assert.ok(key !== undefined && bench.custody.open(subject, read, [key]) !== null);
  const [named] = read.groups;
  assert.ok(named !== undefined);
  for (const lie of [{ sha256: '0'.repeat(64) }, { nonce: '0'.repeat(32) }, { group: 'address' }]) {
    const groups: RecordRead['groups'] = [{ ...named, ...lie }];
    assert.equal(bench.custody.open(subject, { ...read, groups }, [key]), null);
  }
  for (const lie of [{ row: 2 }, { import: index - 1 }, { expiryMonth: '2099-01' }]) {
    assert.equal(bench.custody.open(subject, { ...read, ...lie }, [key]), null);
  }
});

test('of a record with versions the latest is read, and the earlier one still opens by its name', async () => {
  const first = await bench.import(HOLDING, { 'a.csv': SIM_HEADING + simLine(2030) });
  const early = drawnFor(first.import, 1);
  const before = only(bench.custody.recordsOf(early.subject, HOLDING, ['address'], 10));
  const moved = simLine(2030).replace('Lahore', 'Multan');
  const second = await bench.import(HOLDING, { 'a.csv': SIM_HEADING + moved });
  const late = drawnFor(second.import, 1);
  assert.deepEqual([late.subject, late.record], [early.subject, early.record]);
  const after = only(bench.custody.recordsOf(early.subject, HOLDING, ['address'], 10));
  assert.deepEqual([before.read.import, after.read.import], [first.import, second.import]);
  const address = (found: FoundRecord, key: Buffer | undefined) =>
    bench.custody.open(early.subject, found.read, [key as Buffer])?.[0]?.fields[0]?.recorded;
  assert.match(address(before, early.keys[1]) ?? '', /Lahore/);
  assert.match(address(after, late.keys[1]) ?? '', /Multan/);
});

test('no more records are given than asked for', async () => {
  const lines = [2040, 2041, 2042].map((sim) => simLine(sim, { person: 2040 })).join('');
  const { import: index } = await bench.import(HOLDING, { 'a.csv': SIM_HEADING + lines });
  const { subject } = drawnFor(index, 1);
  assert.equal(bench.custody.recordsOf(subject, HOLDING, GROUPS, 2).length, 2);
  assert.equal(bench.custody.recordsOf(subject, HOLDING, GROUPS, 9).length, 3);
  const [held] = bench.custody.heldAbout(subject);
  assert.equal(held?.holding, HOLDING);
  assert.equal(held?.records, 3);
  assert.match(held?.until ?? '', /^20\d\d-\d\d$/);
  assert.ok(Math.abs((held?.firstImport ?? 0) - Date.now()) < 600_000);
});

test('one person is another subject in each controller’s holdings', async () => {
  const sim = await bench.import(HOLDING, { 'a.csv': SIM_HEADING + simLine(2050) });
  const crossing = await bench.import('travel-history', {
    'a.csv': `cnic,name,crossed_at,direction,post\n${cnicOf(2050)},A Person,2026-10-01 10:00,exit,Wagah\n`,
  });
  assert.notEqual(drawnFor(sim.import, 1).subject, drawnFor(crossing.import, 1).subject);
});

test('an image comes back as it was, in base64', async () => {
  const image = await sharp({ create: { width: 32, height: 20, channels: 3, background: '#caa' } })
    .jpeg()
    .toBuffer();
  const { import: index } = await bench.import('identity-card-images', {
    [`${cnicOf(2060)}.front.jpg`]: image,
  });
  const { subject, keys } = drawnFor(index, 1);
  const { read } = only(bench.custody.recordsOf(subject, 'identity-card-images', ['image'], 1));
  const [opened] = bench.custody.open(subject, read, [keys[1] as Buffer]) ?? [];
  const field = opened?.fields.find(({ name }) => name === 'image');
  assert.equal(field?.recorded, image.toString('base64'));
});

test('verifying finds what was changed, lost, swapped or led astray, and by which import', async () => {
  const { import: index } = await bench.import(HOLDING, { 'a.csv': simFile(3001, 3010) });
  assert.deepEqual(await bench.custody.verifyImports(bench.log), []);
  const rows = bench.database
    .prepare('SELECT * FROM custody_ciphertexts WHERE import = ? ORDER BY id')
    .all(index) as ({ id: number } & Record<'subject' | 'record' | 'bytes', Uint8Array>)[];
  const [first, second] = rows;
  assert.ok(first !== undefined && second !== undefined);
  const flipped = Uint8Array.from(first.bytes);
  flipped[30] = (flipped[30] as number) ^ 1;
  const put = 'UPDATE custody_ciphertexts SET bytes = ? WHERE id = ?';
  const point = 'UPDATE custody_records SET ciphertexts = ? WHERE ciphertexts = ? AND import = ?';
  const cases: [string[], () => void][] = [
    [['root-differs'], () => run(put, flipped, first.id)],
    [['root-differs'], () => run(put, first.bytes.subarray(1), first.id)],
    [['root-differs'], () => swap(put, first, second)],
    [
      ['rows-differ', 'index-differs'],
      () => run('DELETE FROM custody_ciphertexts WHERE id = ?', first.id),
    ],
    [['index-differs'], () => run('DELETE FROM custody_records WHERE ciphertexts = ?', first.id)],
    [['index-differs'], () => run(point, second.id, first.id, index)],
    [
      ['root-differs', 'index-differs'],
      () => run('UPDATE custody_ciphertexts SET row = 99 WHERE id = ?', first.id),
    ],
    [
      ['rows-differ'],
      () => run('UPDATE custody_ciphertexts SET import = 0 WHERE id = ?', first.id),
    ],
    ...['subject', 'digest'].map((column): [string[], () => void] => [
      ['root-differs'],
      () => run(`UPDATE custody_ciphertexts SET ${column} = zeroblob(16) WHERE id = ?`, first.id),
    ]),
    [
      ['root-differs'],
      () => run('UPDATE custody_ciphertexts SET expiry_month = 1 WHERE id = ?', first.id),
    ],
    // Each byte where it was, and the names otherwise divided.
    [
      ['root-differs'],
      () => {
        const both = Buffer.concat([first.subject, first.record]);
        const set = 'UPDATE custody_ciphertexts SET subject = ?, record = ? WHERE id = ?';
        run(set, both.subarray(0, 15), both.subarray(15), first.id);
      },
    ],
    [
      ['index-differs'],
      () => {
        const columns = 'subject, record, import, row, expiry_month, digest, bytes';
        const copy = `SELECT -5, ${columns} FROM custody_ciphertexts WHERE id = ?`;
        run(`INSERT INTO custody_ciphertexts (id, ${columns}) ${copy}`, first.id);
        run(point, -5, first.id, index);
      },
    ],
    ...['subject = zeroblob(16)', 'holding = 99'].map((set): [string[], () => void] => [
      ['index-differs'],
      () => run(`UPDATE custody_records SET ${set} WHERE ciphertexts = ?`, first.id),
    ]),
  ];
  const ofImport = ['time = 1', 'ended_idx = 1', 'unchanged = 1', "layout = '[]'"];
  for (const set of [...ofImport, 'range_hashes = zeroblob(64)', "importer = 'another'"]) {
    const change = `UPDATE custody_imports SET ${set} WHERE idx = ?`;
    cases.push([['entry-differs'], () => run(change, index)]);
  }
  // Kept and put back, not rolled back: a transaction held open would meet those of the log.
  const tables = ['custody_ciphertexts', 'custody_records', 'custody_imports'];
  const each = (sql: (table: string) => string) => bench.database.exec(tables.map(sql).join(';'));
  each((table) => `CREATE TABLE kept_${table} AS SELECT * FROM ${table}`);
  for (const [expected, damage] of cases) {
    damage();
    const found = await bench.custody.verifyImports(bench.log);
    each((table) => `DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM kept_${table}`);
    for (const problem of expected) {
      assert.ok(
        found.some((each) => each.import === index && each.problem === problem),
        `${problem} is not among ${JSON.stringify(found)}`,
      );
    }
  }
  each((table) => `DROP TABLE kept_${table}`);
  assert.deepEqual(await bench.custody.verifyImports(bench.log), []);
});

test('verifying finds an import that only the log or only the store knows', async () => {
  const { import: index } = await bench.import(HOLDING, { 'a.csv': simFile(3101, 3103) });
  run(`UPDATE custody_imports SET state = 'open' WHERE idx = ?`, index);
  assert.deepEqual(await bench.custody.verifyImports(bench.log), [
    { import: index, problem: 'missing-from-store' },
  ]);
  run(`UPDATE custody_imports SET state = 'ended' WHERE idx = ?`, index);
  const blind = {
    publicLeaves: (from: number) =>
      [...bench.log.publicLeaves(from)].filter((leaf) => leaf.index < index),
  };
  assert.deepEqual(await bench.custody.verifyImports(blind), [
    { import: index, problem: 'not-in-log' },
  ]);
});

function run(sql: string, ...values: (number | Uint8Array)[]): void {
  bench.database.prepare(sql).run(...values);
}

function swap(
  put: string,
  one: { id: number; bytes: Uint8Array },
  other: { id: number; bytes: Uint8Array },
): void {
  run(put, other.bytes, one.id);
  run(put, one.bytes, other.id);
}
