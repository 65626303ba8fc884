import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hex } from '@amanat/core/bytes';
import { Bench, framed, inChunks, SIM_HEADING, simFile, simLine } from './_bench.ts';
import { CustodyError } from './errors.ts';

const HOLDING = 'sim-registrations';
const CHILD = fileURLToPath(new URL('./_import-until-killed.ts', import.meta.url));

let bench: Bench;
before(async () => {
  bench = await Bench.open();
});
after(() => bench.close());

test('an upload that goes on with other rows is refused, and the right file still goes on', async () => {
  const salt = hex(Buffer.alloc(32, 1));
  const right = await framed({ 'a.csv': simFile(1, 2500) });
  const begun = await bench.begin(HOLDING, right, { salt });
  await assert.rejects(bench.upload(begun, right.subarray(0, right.length - 10)));
  const { rows } = bench.custody.imports.status(begun.import);
  assert.ok(rows > 0 && rows < 2500);

  const wrong = await framed({
    'a.csv': SIM_HEADING + simLine(7000) + simFile(2, 2500).slice(SIM_HEADING.length),
  });
  await assert.rejects(bench.upload(begun, wrong), { code: 'different-file' });
  const short = await framed({ 'a.csv': simFile(1, 5) });
  await assert.rejects(bench.upload(begun, short), { code: 'different-file' });
  assert.equal(bench.custody.imports.status(begun.import).rows, rows);

  const again = await bench.begin(HOLDING, right, { salt });
  assert.deepEqual([again.outcome, again.import, again.rowsDone], ['resumed', begun.import, rows]);
  await assert.rejects(bench.upload(begun, right), { code: 'bad-token' });
  const ended = await bench.upload(again, right);
  assert.deepEqual([ended.rows, ended.stored, ended.rejected], [2500, 2500, 0]);
  assert.deepEqual(await bench.custody.verifyImports(bench.log), []);
});

test('an import with rows taken does not go on under another mapping', async () => {
  const salt = hex(Buffer.alloc(32, 2));
  const upload = await framed({ 'a.csv': simFile(3001, 4500) });
  const begun = await bench.begin(HOLDING, upload, { salt });
  await assert.rejects(bench.upload(begun, upload.subarray(0, upload.length - 10)));
  const mapped = bench.begin(HOLDING, upload, { salt, mapping: { imsi: null } });
  await assert.rejects(mapped, { code: 'mapping-differs' });
});

test('when the keeper is killed the upload stops with what was taken, and goes on when it is back', async () => {
  const salt = hex(Buffer.alloc(32, 3));
  const upload = await framed({ 'a.csv': simFile(100_001, 112_000) });
  const begun = await bench.begin(HOLDING, upload, { salt });
  async function* killing() {
    let sent = 0;
    for await (const chunk of inChunks(upload, 16_384)) {
      yield chunk;
      sent += chunk.length;
      if (sent > upload.length / 2) await bench.killKeeper();
    }
  }
  const { imports } = bench.custody;
  const broken = imports.upload(begun.import, begun.upload, killing());
  await assert.rejects(broken, (error: unknown) => {
    assert.ok(error instanceof CustodyError);
    return error.code === 'keeper-unavailable';
  });
  const taken = imports.status(begun.import);
  assert.equal(taken.state, 'open');
  assert.ok(taken.rows > 0 && taken.rows < 12_000);
  await bench.startKeeper();
  await bench.log.ready();
  const again = await bench.begin(HOLDING, upload, { salt });
  const ended = await bench.upload(again, upload);
  assert.deepEqual([again.import, ended.rows, ended.stored], [begun.import, 12_000, 12_000]);
});

test('rejections that were listed and not counted before a power cut are not listed twice', async () => {
  const upload = await framed({
    'a.csv': `${SIM_HEADING + simLine(20_201)}x\n${simLine(20_202)}`,
  });
  const begun = await bench.begin(HOLDING, upload);
  const writeBatch = bench.store.writeBatch.bind(bench.store);
  bench.store.writeBatch = () => {
    throw new Error('power cut');
  };
  await assert.rejects(bench.upload(begun, upload), /power cut/);
  bench.store.writeBatch = writeBatch;
  const ended = await bench.upload(begun, upload);
  assert.deepEqual([ended.stored, ended.rejected], [2, 1]);
  const path = join(bench.directory, 'imports', `${begun.import}.rejects.csv`);
  assert.equal(readFileSync(path, 'utf8'), 'line,column,reason\n3,,ragged-row\n');
});

test('an end that reached the log and not the store is found at the next start', async () => {
  const upload = await framed({ 'a.csv': simFile(20_001, 20_010) });
  const begun = await bench.begin(HOLDING, upload);
  const endImport = bench.store.endImport.bind(bench.store);
  bench.store.endImport = () => {
    throw new Error('power cut');
  };
  await assert.rejects(bench.upload(begun, upload), /power cut/);
  bench.store.endImport = endImport;
  assert.equal(bench.custody.imports.status(begun.import).state, 'open');
  await bench.closeGateway();
  await bench.openGateway();
  const found = bench.custody.imports.status(begun.import);
  assert.deepEqual([found.state, found.ended], ['ended', bench.log.size - 1]);
  assert.deepEqual(await bench.custody.verifyImports(bench.log), []);
});

test('an end that reached the log and not the store is also found by sending the file again', async () => {
  const upload = await framed({ 'a.csv': simFile(20_101, 20_110) });
  const begun = await bench.begin(HOLDING, upload);
  const endImport = bench.store.endImport.bind(bench.store);
  bench.store.endImport = () => {
    throw new Error('power cut');
  };
  await assert.rejects(bench.upload(begun, upload), /power cut/);
  bench.store.endImport = endImport;
  const ended = await bench.upload(begun, upload);
  assert.deepEqual([ended.state, ended.stored, ended.ended], ['ended', 10, bench.log.size - 1]);
});

test('an end that reached the log and not the store holds, though a later import has ended since', async () => {
  const salt = hex(Buffer.alloc(32, 5));
  const upload = await framed({ 'a.csv': simFile(20_301, 20_310) });
  const begun = await bench.begin(HOLDING, upload, { salt });
  const endImport = bench.store.endImport.bind(bench.store);
  bench.store.endImport = () => {
    throw new Error('power cut');
  };
  await assert.rejects(bench.upload(begun, upload), /power cut/);
  bench.store.endImport = endImport;
  await bench.import(HOLDING, { 'b.csv': simFile(20_311, 20_320) });
  const again = await bench.begin(HOLDING, upload, { salt });
  assert.equal(again.outcome, 'begun');
  assert.equal(bench.custody.imports.status(begun.import).state, 'ended');
  assert.equal((await bench.upload(again, upload)).unchanged, 10);
  assert.deepEqual(await bench.custody.verifyImports(bench.log), []);
});

test('after kill -9 of the gateway an import goes on exactly where its rows are durable', async (t) => {
  const lines = Array.from({ length: 9000 }, (_, at) =>
    // Every fifth row is rejected, so that the list of rejected rows is cut back and written on too.
    at % 5 === 4 ? 'a,ragged,row\n' : simLine(30_000 + at),
  );
  const upload = await framed({ 'a.csv': SIM_HEADING + lines.join('') });
  const uploadPath = join(bench.directory, 'upload');
  writeFileSync(uploadPath, upload);
  const salt = hex(Buffer.alloc(32, 4));
  let begun = await bench.begin(HOLDING, upload, { salt });
  let kills = 0;
  let rows = 0;
  for (let attempt = 0; attempt < 4; attempt++) {
    const announcement = JSON.stringify(bench.announce(HOLDING, upload, { salt }));
    await bench.closeGateway();
    const child = spawn(process.execPath, [CHILD, bench.directory, uploadPath], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(announcement);
    for await (const chunk of child.stdout) {
      const [, done] = /(\d+)\n$/.exec(String(chunk)) ?? [];
      if (Number(done) < rows + 1500) continue;
      child.kill('SIGKILL');
      kills += 1;
      break;
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await bench.openGateway();
    const status = bench.custody.imports.status(begun.import);
    assert.ok(status.rows >= rows, 'rows that were durable are lost');
    assert.equal(status.rows, status.stored + status.unchanged + status.rejected);
    rows = status.rows;
    assert.equal(status.state, 'open');
  }
  t.diagnostic(`${kills} kills, the last at row ${rows} of 9000`);
  assert.equal(kills, 4);
  begun = await bench.begin(HOLDING, upload, { salt });
  assert.deepEqual([begun.outcome, begun.rowsDone], ['resumed', rows]);
  const ended = await bench.upload(begun, upload);
  assert.deepEqual([ended.rows, ended.stored, ended.rejected], [9000, 7200, 1800]);
  const list = readFileSync(
    join(bench.directory, 'imports', `${begun.import}.rejects.csv`),
    'utf8',
  );
  const expected = Array.from({ length: 1800 }, (_, at) => `${5 * at + 6},,ragged-row\n`);
  assert.equal(list, `line,column,reason\n${expected.join('')}`);
  assert.deepEqual(await bench.custody.verifyImports(bench.log), []);
});
