import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hex } from '@amanat/core/bytes';
import { generateSigningKey } from '@amanat/core/keys';
import sharp from 'sharp';
import { Bench, cnicOf, framed, inChunks, SIM_HEADING, simFile, simLine } from './_bench.ts';
import type { CustodyErrorCode } from './errors.ts';
import { CustodyError } from './errors.ts';

let bench: Bench;
before(async () => {
  bench = await Bench.open();
});
after(() => bench.close());

const refusedAs = (code: CustodyErrorCode) => (error: unknown) =>
  error instanceof CustodyError && error.code === code;

test('an announcement by a key that is no importer of the controller is refused', async () => {
  const upload = await framed({ 'a.csv': simFile(1, 3) });
  const before = bench.log.size;
  const stranger = generateSigningKey('ed25519');
  const other = bench.importers.get('travel-history');
  for (const key of [stranger, other]) {
    assert.ok(key !== undefined);
    await assert.rejects(
      bench.begin('sim-registrations', upload, { key }),
      refusedAs('not-the-importer'),
    );
  }
  const { signed, ...rest } = bench.announce('sim-registrations', upload);
  const unsigned = { signed: { ...signed, signatures: [] }, ...rest };
  await assert.rejects(bench.custody.imports.begin(unsigned), refusedAs('not-the-importer'));
  assert.equal(bench.log.size, before);
});

test('an announcement of an undeclared holding is refused', async () => {
  const announced = bench.announce('no-such-holding' as 'sim-registrations', Buffer.alloc(0), {
    key: bench.importers.get('sim-registrations') ?? generateSigningKey('ed25519'),
  });
  await assert.rejects(bench.custody.imports.begin(announced), refusedAs('undeclared-holding'));
});

test('an announcement with a clock an hour off is refused, and says which way', async () => {
  const upload = await framed({ 'a.csv': simFile(1, 3) });
  const hour = 3_600_000;
  const early = bench.begin('sim-registrations', upload, { time: Date.now() - hour });
  await assert.rejects(early, refusedAs('stale'));
  const late = bench.begin('sim-registrations', upload, { time: Date.now() + hour });
  await assert.rejects(late, refusedAs('clock-ahead'));
});

test('a replayed announcement is refused', async () => {
  const announced = bench.announce('sim-registrations', await framed({ 'a.csv': simFile(1, 3) }));
  await bench.custody.imports.begin(announced);
  await assert.rejects(bench.custody.imports.begin(announced), refusedAs('replayed'));
});

test('an announcement with a salt, mapping or encoding that is none is refused', async () => {
  const announced = bench.announce('sim-registrations', Buffer.alloc(0));
  const { imports } = bench.custody;
  for (const change of [
    { salt: 'zz' },
    { salt: '00' },
    { mapping: 'cnic' },
    { mapping: { CNIC: 7 } },
    { encoding: 'ebcdic' },
  ]) {
    await assert.rejects(imports.begin({ ...announced, ...change }), refusedAs('malformed'));
  }
});

test('an upload without the token, or to no import, is refused', async () => {
  const upload = await framed({ 'a.csv': simFile(10, 12) });
  const begun = await bench.begin('sim-registrations', upload);
  const stranger = { ...begun, upload: Buffer.alloc(32).toString('base64url') };
  await assert.rejects(bench.upload(stranger, upload), refusedAs('bad-token'));
  await assert.rejects(bench.upload({ ...begun, import: 0 }, upload), refusedAs('unknown-import'));
  assert.equal(bench.custody.imports.status(begun.import).rows, 0);
});

test('other bytes than the importer signed for are refused, and nothing of them is kept', async () => {
  const signed = await framed({ 'a.csv': simFile(20, 25) });
  const sent = await framed({ 'a.csv': simFile(20, 24) + simLine(26) });
  const begun = await bench.begin('sim-registrations', signed);
  const before = rowsStored();
  await assert.rejects(bench.upload(begun, sent), refusedAs('commitment-differs'));
  await bench.custody.imports.settled();
  assert.equal(rowsStored(), before);
  assert.equal(bench.custody.imports.status(begun.import).state, 'discarded');
  const list = join(bench.directory, 'imports', `${begun.import}.rejects.csv`);
  assert.ok(!existsSync(list), 'an empty list is left');
  await assert.rejects(bench.upload(begun, signed), refusedAs('import-refused'));
  const again = await bench.begin('sim-registrations', signed);
  assert.equal(again.outcome, 'begun');
  assert.equal((await bench.upload(again, signed)).stored, 6);
});

test('more rows than were announced are refused, and nothing of them is kept', async () => {
  const upload = await framed({ 'a.csv': simFile(30, 40) });
  const begun = await bench.begin('sim-registrations', upload, { rowLimit: 10 });
  await assert.rejects(bench.upload(begun, upload), refusedAs('row-limit'));
  await bench.custody.imports.settled();
  assert.equal(bench.custody.imports.status(begun.import).state, 'discarded');
});

test('a file with an undeclared column is refused by the name of the column', async () => {
  const text = simFile(50, 52).replace('imsi', 'religion');
  const upload = await framed({ 'a.csv': text });
  const begun = await bench.begin('sim-registrations', upload);
  await assert.rejects(bench.upload(begun, upload), (error: unknown) => {
    assert.ok(refusedAs('bad-file')(error));
    assert.match((error as Error).message, /religion/);
    return true;
  });
  // No row was taken: the same file may be sent again under a mapping that makes it fit.
  const mapping = { religion: null };
  const salt = hex(Buffer.alloc(32, 5));
  const first = await bench.begin('sim-registrations', upload, { salt });
  const second = await bench.begin('sim-registrations', upload, { salt, mapping });
  assert.deepEqual([second.import, second.outcome], [first.import, 'resumed']);
  assert.equal((await bench.upload(second, upload)).stored, 3);
});

test('a second file that does not fit takes the first with it', async () => {
  const files = { 'a.csv': simFile(10_000, 11_500), 'b.csv': 'nothing,declared\n1,2\n' };
  const upload = await framed(files);
  const begun = await bench.begin('sim-registrations', upload);
  const before = rowsStored();
  await assert.rejects(bench.upload(begun, upload), (error: unknown) => {
    assert.match((error as Error).message, /file 2, b\.csv: /);
    return refusedAs('bad-file')(error);
  });
  assert.ok(bench.custody.imports.status(begun.import).stored > 1000);
  await bench.custody.imports.settled();
  assert.equal(bench.custody.imports.status(begun.import).state, 'discarded');
  assert.equal(rowsStored(), before);
});

test('an upload that is no stream of files is refused, and may be sent again', async () => {
  const upload = await framed({ 'a.csv': simFile(70, 72) });
  const begun = await bench.begin('sim-registrations', upload);
  await assert.rejects(bench.upload(begun, upload.subarray(0, 100)), refusedAs('bad-upload'));
  await assert.rejects(bench.upload(begun, Buffer.alloc(40)), refusedAs('bad-upload'));
  assert.equal((await bench.upload(begun, upload)).stored, 3);
});

test('an import that a later one has overtaken is refused', async () => {
  const older = await framed({ 'a.csv': simFile(80, 82) });
  const begun = await bench.begin('sim-registrations', older);
  await bench.import('sim-registrations', { 'b.csv': simFile(83, 85) });
  await assert.rejects(bench.upload(begun, older), refusedAs('overtaken'));
});

test('a second upload to a holding has to wait for the first', async () => {
  const upload = await framed({ 'a.csv': simFile(90, 92) });
  const first = await bench.begin('sim-registrations', upload);
  const second = await bench.begin('sim-registrations', upload);
  const running = bench.upload(first, upload);
  await assert.rejects(bench.upload(second, upload), refusedAs('upload-running'));
  assert.equal((await running).stored, 3);
});

test('an importer whose key was revoked since cannot upload', async () => {
  const key = await bench.enrol('travel-history');
  const upload = await framed({ 'a.csv': 'cnic,name,crossed_at,direction,post\n' });
  const begun = await bench.begin('travel-history', upload, { key });
  await bench.revoke(key);
  await assert.rejects(bench.upload(begun, upload), refusedAs('not-the-importer'));
});

test('an import that began under an earlier declaration is refused', async () => {
  const files = { 'a.csv': 'cnic,name,crossed_at,direction,post\n' };
  const upload = await framed(files);
  const begun = await bench.begin('travel-history', upload);
  await bench.redeclare('travel-history', { retentionMonths: 24 });
  await assert.rejects(bench.upload(begun, upload), refusedAs('declaration-changed'));
  assert.equal((await bench.import('travel-history', files)).state, 'ended');
});

test('an answer of the keeper that is not in its form stores nothing', async () => {
  const port = bench.port;
  const upload = await framed({ 'a.csv': simFile(100, 103) });
  const lies: ((drawn: Buffer, half: number) => [Buffer, object[]])[] = [
    (drawn) => [drawn.subarray(1), []],
    (drawn) => [drawn, [{ row: 1, refused: 'date-ahead' }]],
    (drawn, half) => [drawn.subarray(half), []],
    (drawn, half) => [Buffer.concat([drawn.subarray(half), drawn.subarray(0, half)]), []],
  ];
  const salt = hex(Buffer.alloc(32, 7));
  try {
    for (const lie of lies) {
      const begun = await bench.begin('sim-registrations', upload, { salt });
      bench.port = {
        async ask(name, body, attachment) {
          const reply = await port.ask(name, body, attachment);
          const { length } = reply.attachment;
          const [drawn, refused] = lie(reply.attachment, length / 2);
          return { answer: { refused } as never, attachment: drawn };
        },
      };
      await assert.rejects(bench.upload(begun, upload), refusedAs('keeper-refused'));
      assert.equal(bench.custody.imports.status(begun.import).rows, 0);
    }
  } finally {
    bench.port = port;
  }
});

test('rows that do not fit are listed by line, column and reason, and do not stop the rest', async () => {
  const text =
    SIM_HEADING +
    simLine(200) +
    simLine(201).replace('2021', '2021-13') +
    'only,three,fields\n' +
    simLine(202).replace('Bay Telecom', 'Nobody') +
    // The number of SIM 200, by another person.
    simLine(200, { person: 203 }) +
    simLine(204).replace(/^0/, '3') +
    simLine(205);
  const salt = hex(Buffer.alloc(32, 9));
  const upload = await framed({ 'a.csv': text, 'b.csv': `${simFile(206, 206)}x\n` });
  const begun = await bench.begin('sim-registrations', upload, { salt });
  const ended = await bench.upload(begun, upload);
  const { rows, stored, unchanged, rejected } = ended;
  assert.deepEqual(
    { rows, stored, unchanged, rejected },
    { rows: 9, stored: 3, unchanged: 0, rejected: 6 },
  );
  const list = await textOf(bench.custody.imports.rejects(begun.import, begun.upload));
  assert.equal(
    list,
    'line,column,reason\n' +
      '3,activation_date,bad-date\n' +
      '4,,ragged-row\n' +
      '5,operator,not-in-enum\n' +
      '6,msisdn,bound-to-another\n' +
      '7,cnic,real-identifier\n' +
      '2:3,,ragged-row\n',
  );
  assert.equal(
    readFileSync(join(bench.directory, 'imports', `${begun.import}.rejects.csv`), 'utf8'),
    list,
  );
  assert.throws(() => bench.custody.imports.rejects(begun.import, 'AAAA'), refusedAs('bad-token'));
});

test('a crossing whose retention is over, or that lies ahead, is rejected by the keeper', async () => {
  const line = (person: number, time: string) =>
    `${cnicOf(person)},A Person,${time},entry,Torkham\n`;
  const ended = await bench.import('travel-history', {
    'a.csv':
      'cnic,name,crossed_at,direction,post\n' +
      line(1, '2026-11-01 10:00') +
      line(2, '1990-01-01 10:00') +
      line(3, '2190-01-01 10:00'),
  });
  assert.deepEqual([ended.stored, ended.rejected], [1, 2]);
  const list = readFileSync(
    join(bench.directory, 'imports', `${ended.import}.rejects.csv`),
    'utf8',
  );
  assert.match(list, /^3,crossed_at,retention-over$/m);
  assert.match(list, /^4,crossed_at,date-ahead$/m);
});

test('the same file twice changes nothing, and a changed row becomes a version', async () => {
  const files = { 'a.csv': simFile(300, 319) };
  assert.equal((await bench.import('sim-registrations', files)).stored, 20);
  const again = await bench.import('sim-registrations', files);
  assert.deepEqual([again.rows, again.stored, again.unchanged], [20, 0, 20]);
  assert.equal(again.root, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  // A row that comes twice in one file, then once more as it was first.
  const moved = simLine(305).replace('Lahore', 'Multan');
  const text = SIM_HEADING + moved + moved + moved + simLine(305);
  const changed = await bench.import('sim-registrations', { 'a.csv': text });
  assert.deepEqual([changed.stored, changed.unchanged], [2, 2]);
});

test('a number written in another way is the same record, and a version of it', async () => {
  await bench.import('sim-registrations', { 'a.csv': SIM_HEADING + simLine(330) });
  const written = simLine(330).replace('0398-0000330', '+92 398 0000330');
  const count = () => bench.custody.counts().find(({ holding }) => holding === 'sim-registrations');
  const before = count();
  await bench.import('sim-registrations', { 'a.csv': SIM_HEADING + written });
  assert.equal(count()?.records, before?.records);
  assert.equal(count()?.versions, (before?.versions ?? 0) + 1);
});

test('each image of a set is a row, and a truncated one is rejected', async () => {
  const image = await sharp({ create: { width: 64, height: 40, channels: 3, background: '#aac' } })
    .jpeg()
    .toBuffer();
  const ended = await bench.import('identity-card-images', {
    [`${cnicOf(1)}.front.jpg`]: image,
    [`${cnicOf(1)}.back.jpg`]: image,
    [`${cnicOf(2)}.front.jpg`]: image.subarray(0, image.length - 100),
    'holiday.jpg': image,
  });
  assert.deepEqual([ended.rows, ended.stored, ended.rejected], [4, 2, 2]);
  const list = readFileSync(
    join(bench.directory, 'imports', `${ended.import}.rejects.csv`),
    'utf8',
  );
  assert.match(list, /^3,image,jpeg-truncated$/m);
  assert.match(list, /^4,,bad-file-name$/m);
});

test('nothing of what was imported stands in the store, its WAL, or the lists of rejected rows', async () => {
  const planted = { name: 'Zubeidaparkmasala', street: 'Gulmohurlane', person: 90_909 };
  const line = simLine(90_909, { name: planted.name }).replace('Street', planted.street);
  await bench.import('sim-registrations', {
    'plantedfile.csv': `${SIM_HEADING + line + line.replace('verified', planted.name)}${planted.name}\n`,
  });
  const needles = [
    ...[planted.name, planted.street, 'plantedfile'],
    ...[cnicOf(planted.person), cnicOf(planted.person).replaceAll('-', ''), '3980090909'],
  ];
  const files = readdirSync(bench.directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  assert.ok(files.some((path) => path.endsWith('amanat.db-wal')) && existsSync(files[0] ?? ''));
  for (const path of files) {
    const bytes = readFileSync(path);
    for (const needle of needles) {
      assert.equal(bytes.includes(needle), false, `${path} holds a planted value`);
    }
  }
});

test('a salt is nowhere in the store, so that nobody can try guesses of a file', async () => {
  const salt = Buffer.alloc(32, 0xa7);
  const upload = await framed({ 'a.csv': simFile(400, 402) });
  const begun = await bench.begin('sim-registrations', upload, { salt: hex(salt) });
  await assert.rejects(bench.upload(begun, upload.subarray(0, 120)));
  for (const name of ['amanat.db', 'amanat.db-wal']) {
    const bytes = readFileSync(join(bench.directory, name));
    assert.equal(bytes.includes(salt) || bytes.includes(hex(salt)), false);
  }
});

test('an upload cut into any pieces comes to the same', async () => {
  for (const [at, size] of [1, 7, 1000].entries()) {
    const upload = await framed({ 'a.csv': simFile(500 + 10 * at, 504 + 10 * at) });
    const begun = await bench.begin('sim-registrations', upload);
    const ended = await bench.custody.imports.upload(
      begun.import,
      begun.upload,
      inChunks(upload, size),
    );
    assert.equal(ended.stored, 5);
  }
});

test('after all of it, the store agrees with the log', async () => {
  await bench.custody.imports.settled();
  assert.deepEqual(await bench.custody.verifyImports(bench.log), []);
});

function rowsStored(): number {
  const row = bench.database.prepare('SELECT count(*) AS n FROM custody_records').get();
  const other = bench.database.prepare('SELECT count(*) AS n FROM custody_ciphertexts').get();
  assert.equal(row?.n, other?.n);
  return Number(row?.n);
}

async function textOf(stream: AsyncIterable<Uint8Array | string>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk.toString();
  return text;
}
