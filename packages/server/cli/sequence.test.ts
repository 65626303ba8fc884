import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { takeSequence } from './sequence.ts';

describe('the number of a request', () => {
  const folder = mkdtempSync(join(tmpdir(), 'amanat-sequence-'));
  const key = join(folder, 'officer.pem');
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is never given from a file that does not hold one', async () => {
    for (const text of ['', 'x\n', '-1\n', '1', '0\n', '1e9\n']) {
      writeFileSync(`${key}.sequence`, text);
      await assert.rejects(takeSequence(key), /does not hold a number/);
      assert.equal(readFileSync(`${key}.sequence`, 'utf8'), text);
    }
    rmSync(`${key}.sequence`);
  });

  it('is given while another is being given only when that one is done', async () => {
    writeFileSync(`${key}.sequence.lock`, '');
    const taking = takeSequence(key);
    setTimeout(() => rmSync(`${key}.sequence.lock`), 60);
    assert.equal(await taking, 1);
  });

  it('is never given twice, however many ask at once', async () => {
    const numbers = await Promise.all(Array.from({ length: 20 }, () => takeSequence(key)));
    assert.deepEqual(
      numbers.toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, at) => at + 2),
    );
    assert.equal(statSync(`${key}.sequence`).mode & 0o777, 0o600);
  });
});
