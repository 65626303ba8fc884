import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sheetXml, workbookParts, zip } from '../packages/server/custody/rows/xlsx/_workbook.ts';
import type { Gateway } from '../packages/server/gateway.ts';
import { readHistory } from './_history.ts';
import { cnicOf, Instance, ORIGIN } from './_instance.ts';
import { Served } from './_served.ts';

const HEADING = ['cnic', 'name', 'msisdn', 'operator', 'activation_date', 'biometric_status'];
/** 2021-03-04, as Excel counts days. */
const DAY = { xml: '<c s="1"><v>44259</v></c>' };

describe('tables that are no CSV, from file to page', { concurrency: false }, () => {
  let instance: Instance;
  let gateway: Gateway | null = null;
  let served: Served;

  before(async () => {
    instance = await Instance.create();
    await instance.stopGateway();
    served = new Served(instance);
    gateway = await instance.serve();
    await served.well();
  });

  after(async () => {
    await gateway?.close();
    await instance?.[Symbol.asyncDispose]();
  });

  function write(name: string, content: string | Uint8Array): string {
    const path = join(instance.dir, name);
    writeFileSync(path, content);
    return path;
  }

  function take(paths: readonly string[], sheet: string | null = null) {
    const importer = instance.key('telecom-importer');
    return served.import(importer, 'sim-registrations', paths, null, sheet);
  }

  const row = (person: number, name: string) => [
    cnicOf(person),
    name,
    `+92 398 00000${person}0`,
    'Bay Telecom',
    DAY,
    'verified',
  ];
  const formula = { xml: '<c t="str"><f>A1</f><v>Planted</v></c>' };
  const book = () =>
    zip(
      workbookParts(
        {
          SIMs: sheetXml([HEADING, row(1, 'Amna Sheet'), row(2, 'x').with(1, formula)]),
          Notes: sheetXml([['private']]),
        },
        { formats: ['dd/mm/yyyy'] },
      ),
    );

  test('a workbook that leaves open which sheet is meant, or that is cut off, is refused before anything is announced', async () => {
    const head = async () => (await served.get('/checkpoint')).text;
    const first = await head();
    assert.ok(first.startsWith(ORIGIN));
    const path = write('sims.xlsx', book());
    await assert.rejects(take([path]), /more than one sheet.*SIMs, Notes/);
    await assert.rejects(take([path], 'Other'), /no sheet of the name/);
    await assert.rejects(take([write('cut.xlsx', book().subarray(0, 900))]), /none that holds/);
    assert.equal(await head(), first);
  });

  test('a workbook’s sheet and JSON Lines are imported, and every row is accounted for', async () => {
    const named = (name: string) => ({ ...objectOf(3), name });
    const lines = `\ufeff${JSON.stringify(named('Chand Lines'))}\r\n\n${JSON.stringify({ ...named('x'), vetting: 1 })}\n{"cnic":\n`;
    const ended = await take([write('sims.txt', lines)]);
    assert.deepEqual([ended.rows, ended.stored, ended.rejected], [3, 1, 2]);
    const sheet = await take([write('a name that says nothing.csv', book())], 'SIMs');
    assert.deepEqual([sheet.rows, sheet.stored, sheet.rejected], [2, 1, 1]);
    const again = await take([join(instance.dir, 'sims.xlsx')], 'SIMs');
    assert.deepEqual([again.stored, again.unchanged, again.rejected], [0, 1, 1]);
  });

  test('what they held is disclosed, and shows on the person’s page', async () => {
    const request = instance.request('officer', [cnicOf(1), cnicOf(3)]);
    const answer = await served.post('/v1/requests', { ...request, approval: null });
    assert.equal(answer.status, 200, answer.text);
    for (const name of ['Amna Sheet', 'Chand Lines']) assert.ok(answer.text.includes(name));
    const { code, signed } = instance.code(cnicOf(1));
    assert.equal((await served.post('/v1/codes', signed)).status, 201);
    const history = await readHistory(served, code);
    assert.ok(history.verified, JSON.stringify(history.checks));
    const kinds = history.chains.flatMap(({ entries }) => entries.map((e) => e.statement?.kind));
    assert.ok(kinds.includes('disclosure'), kinds.join(' '));
  });

  function objectOf(person: number) {
    return {
      cnic: cnicOf(person),
      msisdn: `0398 00000${person}0`,
      operator: 'Alif Mobile',
      activation_date: '2021-03-04',
      biometric_status: 'verified',
    };
  }
});
