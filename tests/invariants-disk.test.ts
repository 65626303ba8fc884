import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { readRequestBody } from '../packages/server/disclosure/body.ts';
import { cnicOf, Instance, simsCsv } from './_instance.ts';
import { until } from './_served.ts';

describe('a disk that is full', { concurrency: false }, () => {
  let instance: Instance;
  const rows = 3_000;
  const csv = simsCsv(Array.from({ length: rows }, (_, at) => at + 1));

  before(async () => {
    instance = await Instance.create();
    await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv([9001, 9002]));
  });

  after(async () => {
    await instance?.[Symbol.asyncDispose]();
  });

  function pages(more: number): void {
    const { database } = instance.gateway;
    const used = Number(database.prepare('PRAGMA page_count').get()?.page_count);
    const most = used + more;
    database.exec(`PRAGMA max_page_count = ${most}`);
  }

  async function disclose(serial: number) {
    const request = instance.request('officer', [cnicOf(serial)]);
    return instance.gateway.disclosure.request(readRequestBody({ ...request, approval: null }));
  }

  function chainOf(index: number): { readonly number: number; readonly idx: number }[] {
    const database = new DatabaseSync(instance.paths.database, { readOnly: true });
    const found = database
      .prepare(
        'SELECT number, idx FROM entries WHERE subject = (SELECT subject FROM entries WHERE idx = ?) ORDER BY number',
      )
      .all(index);
    database.close();
    return found as unknown as { number: number; idx: number }[];
  }

  test('while entries are written answers nobody it has not entered, and goes on by itself', async () => {
    const first = await disclose(9001);
    assert.ok(first.outcome === 'disclosed');
    pages(12);
    const answered: number[] = [first.results[0]?.index ?? -1];
    let refused = 0;
    for (let at = 0; at < 400 && refused < 5; at++) {
      try {
        const found = await disclose(9001);
        assert.ok(found.outcome === 'disclosed');
        answered.push(found.results[0]?.index ?? -1);
      } catch (error) {
        assert.equal((error as { code?: unknown }).code, 'log-unavailable');
        refused += 1;
      }
    }
    assert.ok(refused >= 5, 'the store was full');
    const stored = new Set(chainOf(answered[0] ?? -1).map(({ idx }) => idx));
    assert.ok(answered.every((index) => stored.has(index)));
    pages(1_000_000);
    const after = await until(() => disclose(9001).catch(() => null));
    assert.ok(after.outcome === 'disclosed');
    const chain = chainOf(answered[0] ?? -1);
    assert.deepEqual(
      chain.map(({ number }) => number),
      chain.map((_, at) => at + 1),
      'her chain has no gap',
    );
    const problems = await instance.gateway.custody.verifyImports(instance.gateway.log);
    assert.deepEqual(problems, []);
  });

  test('while rows are written shows nothing half-done, and the same file goes on', async () => {
    const { database } = instance.gateway;
    const count = () =>
      Number(database.prepare('SELECT count(*) AS n FROM custody_ciphertexts').get()?.n);
    const before = count();
    const salt = randomBytes(16);
    // Room for some batches and not for all.
    pages(300);
    await assert.rejects(
      instance.importCsv('telecom-importer', 'sim-registrations', csv, salt),
      (error: { code?: unknown }) => {
        assert.equal(error.code, 'store-full');
        return true;
      },
    );
    const taken = count() - before;
    assert.ok(taken > 0 && taken < rows, `${taken} rows were taken`);
    pages(1_000_000);
    await until(() => (instance.gateway.log.reason === null ? true : null));
    const half = await until(() => disclose(5).catch(() => null));
    assert.ok(half.outcome === 'disclosed');
    assert.deepEqual(half.results[0]?.records, []);
    const ended = await instance.importCsv('telecom-importer', 'sim-registrations', csv, salt);
    assert.deepEqual([ended.rows, ended.stored, ended.unchanged], [rows, rows, 0]);
    assert.equal(count() - before, rows, 'what was taken is not taken again');
    const whole = await disclose(5);
    assert.ok(whole.outcome === 'disclosed');
    assert.equal(whole.results[0]?.records.length, 1);
    assert.deepEqual(await instance.gateway.custody.verifyImports(instance.gateway.log), []);
  });
});
