import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fromBase64, hex } from '@amanat/core/bytes';
import { expiresFrom, signingInput } from '@amanat/core/grants';
import { parsePublicKey, verify } from '@amanat/core/keys';
import { encodePersonalLeaf, leafHash, parseLeaf } from '@amanat/core/log';
import { readShredCertificate } from '@amanat/core/shred-certificate';
import { announcement, erasure, expiryLeaf, preparedErasure, recordOf } from './_shred.ts';
import { CNIC, HOLDING, publicLeaf, Trial } from './_trial.ts';
import { KEEPER_FILES } from './create.ts';
import { packLeaves } from './frame.ts';
import { Refusal } from './refusal.ts';

const DAY = 86_400_000;
/** The month in which what `Trial.draw` writes expires, and when it is due. */
const MONTH = '2031-01';
const DUE = expiresFrom(MONTH);

let trial: Trial;
beforeEach(async () => {
  trial = await Trial.ready();
});
afterEach(() => trial.end());

const refusal = (code: string) => ({ name: 'Refusal', code });

async function drawn() {
  const found = await trial.draw();
  assert.ok(found !== null);
  assert.equal(found.expiryMonth, MONTH);
  return found;
}

/** Why a row about her is not taken. */
async function refusedRow(value = CNIC, eventDate = '2026-01-01') {
  const { refused } = await trial.drawRows([
    {
      row: 9,
      primary: { type: 'cnic', value },
      secondary: [],
      recordKey: Buffer.alloc(32, 1),
      digest: Buffer.alloc(32, 2),
      eventDate,
    },
  ]);
  return refused[0]?.refused ?? null;
}

async function lookUp() {
  const [resolved] = await trial.resolve(trial.request());
  assert.ok(resolved?.outcome === 'resolved', JSON.stringify(resolved));
  const [found] = resolved.lookUps;
  assert.ok(found !== undefined);
  return found;
}

async function shredFrom(from: number) {
  const { answer } = await trial.ask('shred', { from });
  if (answer.shred === null) return null;
  const { certificate, signature } = answer.shred;
  const key = parsePublicKey(trial.keys.keeperKey);
  assert.ok(verify(key, signingInput(certificate), fromBase64(signature)));
  return readShredCertificate(certificate);
}

async function isDue(month = MONTH): Promise<boolean> {
  const { answer } = await trial.ask('status', {});
  return answer.due.some((each) => each.holding === HOLDING && each.month === month);
}

/** Keeps the keeper's database as it is, to be put back later. */
async function backUp(): Promise<string> {
  const copy = join(trial.dir, `copy-${hex(randomBytes(4))}`);
  close();
  copyFileSync(join(trial.dir, KEEPER_FILES.database), copy);
  await trial.reopen();
  return copy;
}

function close(): void {
  trial.keeper.close();
  trial.keeper = undefined as never;
}

async function putBack(copy: string): Promise<void> {
  close();
  for (const suffix of ['-wal', '-shm'])
    rmSync(join(trial.dir, KEEPER_FILES.database + suffix), { force: true });
  copyFileSync(copy, join(trial.dir, KEEPER_FILES.database));
  await trial.reopen();
}

describe('an erasure', () => {
  it('that one administrator signed, of an unknown controller, stale, malformed or sent twice is refused', async () => {
    const { signed } = erasure(trial);
    const once = { document: signed.document, signatures: signed.signatures.slice(0, 1) };
    const refusals = {
      'bad-signature': { kind: 'erasure', signed: once } as const,
      'unknown-controller': erasure(trial, { controller: 'nobody' }),
      stale: erasure(trial, { time: trial.now - 4 * DAY }),
      'clock-ahead': erasure(trial, { time: trial.now + DAY }),
      malformed: erasure(trial, { identifier: { type: 'cnic', value: '12' } }),
    };
    for (const [code, ask] of Object.entries(refusals)) {
      assert.deepEqual(await trial.resolve(ask), [{ outcome: 'rejected', code }]);
    }
    await trial.resolve(erasure(trial));
    const again = { kind: 'erasure', signed } as const;
    assert.equal((await trial.resolve(again))[0]?.outcome, 'resolved');
    assert.deepEqual(await trial.resolve(again), [{ outcome: 'rejected', code: 'replayed' }]);
  });

  it('destroys nothing before its leaf is in the tree, and is never given up', async () => {
    await drawn();
    const [resolved] = await trial.resolve(erasure(trial));
    assert.ok(resolved?.outcome === 'resolved');
    const id = resolved.lookUps[0]?.id ?? 0;
    const given = await trial.prepare(id, [], true);
    assert.ok(!('refused' in given));
    assert.equal(given.kind, 'erased');
    assert.equal(await refusedRow(), null);
    assert.equal((await lookUp()).erased, false);
    await trial.append([given.leaf]);
    assert.equal(await refusedRow(), 'erased');
  });

  it('shows outsiders the hour and that there was one: neither whose, nor that two are of one person', async () => {
    const [one, two] = [await preparedErasure(trial), await preparedErasure(trial)];
    const [a, b] = [parseLeaf(one), parseLeaf(two)];
    assert.ok(a.kind === 'erased' && b.kind === 'erased');
    assert.notDeepEqual(a.token, b.token);
    assert.equal(one.length, two.length);
  });

  it('leaves no key for her records: rows are refused, a look-up is a miss, and none is named', async () => {
    const record = recordOf(await drawn(), trial);
    await trial.append([await preparedErasure(trial)]);
    await trial.reopen();
    assert.equal(await refusedRow(), 'erased');
    assert.equal(await refusedRow('0999912345671'), null, 'others are written');
    const found = await lookUp();
    assert.deepEqual(found.reads, []);
    assert.equal(found.erased, true);
    assert.deepEqual(await trial.prepare(found.id, [record]), {
      id: found.id,
      refused: 'shredded',
    });
    const miss = await trial.prepare(found.id);
    assert.ok(!('refused' in miss));
    assert.equal(miss.kind, 'miss');
    assert.equal(miss.number, 2, 'on her chain, behind her erasure');
    // By her number she is found as before.
    const byNumber = trial.request({}, [trial.selector('+923980000001', 'msisdn')]);
    const [resolved] = await trial.resolve(byNumber);
    assert.ok(resolved?.outcome === 'resolved');
    assert.deepEqual(resolved.lookUps[0]?.subject, found.subject);
  });

  it('releases nothing to a look-up that was prepared before it and stands behind it', async () => {
    const record = recordOf(await drawn(), trial);
    const erased = await preparedErasure(trial);
    const { id } = await lookUp();
    const prepared = await trial.prepare(id, [record]);
    assert.ok(!('refused' in prepared));
    const { answer, attachment } = await trial.append([erased, prepared.leaf], [id]);
    assert.deepEqual(answer.released, []);
    assert.equal(attachment.length, 0);
  });

  it('of somebody of whom nothing is known keeps out what might come', async () => {
    await trial.append([await preparedErasure(trial)]);
    assert.equal(await refusedRow(), 'erased');
    const certificate = await shredFrom(0);
    assert.equal(certificate?.kind, 'person');
  });

  it('under a token of nobody’s is inert, and so is a repeated one', async () => {
    await drawn();
    const made = encodePersonalLeaf({
      kind: 'erased',
      hour: '2026-11-23T09Z',
      commitment: randomBytes(32),
      token: randomBytes(44),
    });
    await trial.append([made]);
    assert.equal(await refusedRow(), null);
    assert.equal(await shredFrom(0), null);
    const leaf = await preparedErasure(trial);
    await trial.append([leaf, leaf]);
    assert.equal((await shredFrom(0))?.generation, 2);
    assert.equal(await shredFrom(trial.range.size - 1), null, 'it is certified once');
    await trial.append([await preparedErasure(trial)]);
    assert.equal(await shredFrom(trial.range.size - 1), null, 'and so is she');
  });

  it('under a leaf that is not on her chain destroys, and is certified by the entry that is', async () => {
    await drawn();
    const [resolved] = await trial.resolve(erasure(trial));
    assert.ok(resolved?.outcome === 'resolved');
    const id = resolved.lookUps[0]?.id ?? 0;
    const prepare = async () => {
      const prepared = await trial.prepare(id);
      assert.ok(!('refused' in prepared));
      const leaf = parseLeaf(prepared.leaf);
      assert.ok(leaf.kind === 'erased');
      return { ...prepared, parsed: leaf };
    };
    const old = await prepare();
    const { leaf, number, parsed } = await prepare();
    const forged = encodePersonalLeaf({ ...parsed, commitment: randomBytes(32) });
    await trial.append([forged, old.leaf]);
    assert.equal(await refusedRow(), 'erased');
    assert.equal(await shredFrom(0), null);
    const { open } = (await trial.ask('status', {})).answer;
    assert.ok(open.some((each) => each.id === id));
    await trial.append([leaf]);
    assert.equal(number, 1);
    const certificate = await shredFrom(0);
    assert.deepEqual([certificate?.index, certificate?.generation], [trial.range.size - 1, 2]);
    assert.equal(await shredFrom(trial.range.size), null);
  });

  it('reaches a keeper that is put back from before it, whether or not that knew her', async () => {
    // Of somebody else: the key of the controller's ids is drawn with its first row.
    assert.equal(await refusedRow('0999912345671'), null);
    const empty = await backUp();
    await drawn();
    const copy = await backUp();
    const leaf = await preparedErasure(trial);
    const from = trial.range.size;
    await trial.append([leaf]);
    for (const older of [copy, empty]) {
      await putBack(older);
      assert.equal(await refusedRow(), null, 'it has forgotten');
      // What the gateway does before it serves: the same leaf once more, from where the keeper stands.
      const { range } = trial;
      const checkpoint = trial.checkpoint(range);
      assert.equal((await trial.ask('status', {})).answer.size, from);
      await trial.ask('commit', { checkpoint, leaves: 1, wanted: [] }, packLeaves([leaf]));
      assert.equal(await refusedRow(), 'erased');
      const certificate = await shredFrom(0);
      assert.equal(certificate?.index, from);
      assert.equal(certificate?.leaf, hex(leafHash(leaf)));
    }
  });
});

describe('an expiry', () => {
  it('before the month is over by a day is inert, to the millisecond, whoever enters it', async () => {
    await drawn();
    trial.now = DUE - 1;
    assert.equal(await isDue(), false);
    await trial.append([expiryLeaf(trial, MONTH)]);
    await trial.appendPublic(
      trial.byAdministrators({ type: 'expiry', holding: HOLDING, month: MONTH, time: trial.now }),
    );
    assert.equal(await shredFrom(0), null);
    await trial.reopen();
    trial.now = DUE;
    assert.equal(await isDue(), true);
    await trial.append([expiryLeaf(trial, MONTH)]);
    assert.equal(await isDue(), false);
    assert.equal((await shredFrom(0))?.index, trial.range.size - 1);
  });

  it('of a month in which nothing was written, or of an undeclared holding, keeps it shut or is inert', async () => {
    trial.now = DUE;
    await trial.append([expiryLeaf(trial, '2031-01', 'nothing')]);
    assert.equal(await shredFrom(0), null);
    await trial.append([expiryLeaf(trial, MONTH)]);
    const certificate = await shredFrom(0);
    assert.deepEqual([certificate?.month, certificate?.generation], [MONTH, null]);
  });

  it('twice is one: the second changes nothing and has no certificate', async () => {
    await drawn();
    trial.now = DUE;
    await trial.append([expiryLeaf(trial, MONTH), expiryLeaf(trial, MONTH)]);
    const first = await shredFrom(0);
    assert.equal(first?.index, trial.range.size - 2);
    assert.equal(first.kind, 'period');
    assert.equal(first.generation, 2);
    assert.equal(await shredFrom(first.index + 1), null);
  });

  it('may come early only once two administrators have announced it for seven days', async () => {
    const found = await drawn();
    const record = recordOf(found, trial);
    const announced = announcement(trial, MONTH);
    await trial.appendPublic({ ...announced, signatures: announced.signatures.slice(0, 1) });
    trial.now += 7 * DAY;
    await trial.append([expiryLeaf(trial, MONTH)]);
    assert.equal(await shredFrom(0), null, 'one administrator alone announces nothing');

    await trial.appendPublic(announcement(trial, MONTH));
    const signed = trial.now;
    trial.now = signed + 7 * DAY - 1;
    await trial.append([expiryLeaf(trial, MONTH)]);
    assert.equal(await isDue(), false);
    assert.equal(await shredFrom(0), null);
    assert.equal(await refusedRow(), null, 'it is written to until then');
    trial.now = signed + 7 * DAY;
    assert.equal(await isDue(), true);

    const before = await lookUp();
    const prepared = await trial.prepare(before.id, [record]);
    assert.ok(!('refused' in prepared));
    const { answer } = await trial.append([expiryLeaf(trial, MONTH), prepared.leaf], [before.id]);
    assert.deepEqual(answer.released, [], 'what was prepared before has no key any more');
    assert.equal(await refusedRow(), 'expired');
    assert.equal(await refusedRow(CNIC, '2026-02-01'), null, 'other months are written to');
    const after = await lookUp();
    assert.equal(after.erased, false);
    assert.deepEqual(await trial.prepare(after.id, [record]), {
      id: after.id,
      refused: 'shredded',
    });
  });

  it('reaches a keeper that is put back from before it was announced, at once', async () => {
    await drawn();
    const copy = await backUp();
    const leaves = [publicLeaf(announcement(trial, MONTH))];
    const from = trial.range.size;
    await trial.append(leaves);
    trial.now += 7 * DAY;
    leaves.push(expiryLeaf(trial, MONTH));
    await trial.append(leaves.slice(1));
    assert.equal((await shredFrom(0))?.index, from + 1);
    await putBack(copy);
    assert.equal(await shredFrom(0), null);
    await trial.ask(
      'commit',
      { checkpoint: trial.checkpoint(), leaves: 2, wanted: [] },
      packLeaves(leaves),
    );
    assert.equal(await refusedRow(), 'expired');
    assert.equal((await shredFrom(0))?.index, from + 1);
  });

  it('goes by the keeper’s clock: put back, it refuses to go on; put forward, it is believed', async () => {
    await drawn();
    trial.now = DUE - 60_000;
    await trial.append([expiryLeaf(trial, '2020-01')]);
    // A minute behind its past is as far as it goes along; the month’s end does not come the sooner for it.
    trial.now = DUE - 120_000;
    assert.equal(await isDue(), false);
    trial.now = DUE - 120_001;
    await assert.rejects(trial.ask('status', {}), refusal('clock-behind'));
    trial.now = DUE;
    assert.equal(await isDue(), true);
    await trial.append([expiryLeaf(trial, MONTH)]);
    trial.now = DUE - 60_000;
    assert.equal(await isDue(), false);
    assert.equal((await shredFrom(0))?.month, '2020-01');
    await trial.reopen();
    assert.equal(
      (await shredFrom(trial.range.size - 1))?.month,
      MONTH,
      'what is destroyed stays so',
    );
  });
});

describe('a certificate', () => {
  const list = (...lines: readonly string[]) =>
    writeFileSync(join(trial.dir, KEEPER_FILES.backups), lines.map((line) => `${line}\n`).join(''));
  const backup = (changes: object) =>
    JSON.stringify({ id: 'ab'.repeat(32), time: 1, keepUntil: null, ...changes });

  it('names every backup that is listed, whatever the clock says of its day', async () => {
    await trial.append([await preparedErasure(trial)]);
    assert.deepEqual((await shredFrom(0))?.backups, []);
    list(backup({ keepUntil: trial.now }), backup({ time: 2, keepUntil: 3 }), backup({ time: 3 }));
    trial.now += 3650 * DAY;
    const named = (await shredFrom(0))?.backups.map(({ time, keepUntil }) => [time, keepUntil]);
    assert.deepEqual(named, [
      [1, trial.now - 3650 * DAY],
      [2, 3],
      [3, null],
    ]);
  });

  it('is not given where the list of backups cannot be read: none must be left out', async () => {
    await trial.append([await preparedErasure(trial)]);
    for (const bad of ['{', '[]', backup({ id: 'ab' }), backup({ more: 1 })]) {
      list(bad);
      await assert.rejects(trial.ask('shred', { from: 0 }), refusal('backups-unreadable'));
    }
    list(...Array.from({ length: 1001 }, () => backup({})));
    await assert.rejects(trial.ask('shred', { from: 0 }), refusal('backups-unreadable'));
    const path = join(trial.dir, KEEPER_FILES.backups);
    rmSync(path);
    await assert.rejects(trial.ask('shred', { from: 0 }), refusal('backups-unreadable'));
    mkdirSync(path);
    await assert.rejects(trial.ask('shred', { from: 0 }), refusal('backups-unreadable'));
    rmdirSync(path);
    symlinkSync(KEEPER_FILES.backups, path);
    await assert.rejects(trial.ask('shred', { from: 0 }), refusal('backups-unreadable'));
  });

  it('comes after whatever waits with it: asked for behind a commit it names what that destroys', async () => {
    await drawn();
    const leaf = await preparedErasure(trial);
    trial.range.append(leafHash(leaf));
    const commit = {
      name: 'commit',
      body: { checkpoint: trial.checkpoint(), leaves: 1, wanted: [] },
      attachment: packLeaves([leaf]),
    };
    const shred = { name: 'shred', body: { from: 0 }, attachment: Buffer.alloc(0) };
    const [before, , after] = await trial.keeper.answerTogether([shred, commit, shred]);
    for (const given of [before, after]) {
      assert.ok(given !== undefined && 'answer' in given && 'shred' in given.answer);
      const { certificate = '' } = given.answer.shred ?? {};
      assert.equal(readShredCertificate(certificate).index, trial.range.size - 1);
    }
  });

  it('is refused, and the rest done, while the journal cannot be wiped', async () => {
    await drawn();
    const leaf = await preparedErasure(trial);
    const copying = new DatabaseSync(join(trial.dir, KEEPER_FILES.database), { readOnly: true });
    copying.exec('BEGIN');
    copying.prepare('SELECT count(*) FROM slots').get();
    await trial.append([leaf]);
    const empty = Buffer.alloc(0);
    const [seals, shred] = await trial.keeper.answerTogether([
      { name: 'seals', body: {}, attachment: empty },
      { name: 'shred', body: { from: 0 }, attachment: empty },
    ]);
    assert.ok(seals !== undefined && 'answer' in seals);
    assert.ok(shred instanceof Refusal && shred.code === 'not-scrubbed');
    copying.close();
  });

  it('says of a person nothing but that there was an erasure', async () => {
    const { subject } = await drawn();
    await trial.append([await preparedErasure(trial)]);
    const certificate = await shredFrom(0);
    assert.ok(certificate !== null);
    assert.equal(certificate.kind, 'person');
    assert.deepEqual([certificate.holding, certificate.month], [null, null]);
    const text = JSON.stringify(certificate);
    for (const hidden of [subject, CNIC, 'asked for by the person'])
      assert.ok(!text.includes(hidden));
  });
});
