import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { base64, fromBase64, hex, utf8 } from '@amanat/core/bytes';
import type { Selector, Signed } from '@amanat/core/grants';
import { documentHash, writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { generateSigningKey, sealTo } from '@amanat/core/keys';
import {
  CompactRange,
  encodePersonalLeaf,
  formatVerifierKey,
  leafHash,
  noteKey,
  parseLeaf,
} from '@amanat/core/log';
import type { RecordRead } from '@amanat/core/statement';
import { VIEW_INFO, writeViewAsk } from '@amanat/core/view';
import { CNIC, declaration, HOLDING, publicLeaf, Trial } from './_trial.ts';
import { packLeaves } from './frame.ts';
import type { PreparedLookUp } from './prepared.ts';
import type { Asked, LookUp, Resolved } from './protocol.ts';
import { Refusal } from './refusal.ts';

// The gateway is in the wrong hands: message by message, what it alters is refused, or harms nobody.
// The name of each test says which.

const OTHER = '0999912345671';

let trial: Trial;
beforeEach(async () => {
  trial = await Trial.ready();
});
afterEach(() => trial.end());

function refusal(code: string) {
  return (error: unknown) => error instanceof Refusal && error.code === code;
}

function lookUpsOf(resolved: Resolved | undefined): readonly LookUp[] {
  assert.ok(resolved?.outcome === 'resolved', JSON.stringify(resolved));
  return resolved.lookUps;
}

async function asked(ask: Asked = trial.request()): Promise<LookUp> {
  const [lookUp] = lookUpsOf((await trial.resolve(ask))[0]);
  assert.ok(lookUp);
  return lookUp;
}

async function leafOf(id: number, records: readonly RecordRead[] = [], abandoned = false) {
  const prepared: PreparedLookUp = await trial.prepare(id, records, abandoned);
  assert.ok('leaf' in prepared, JSON.stringify(prepared));
  return prepared.leaf;
}

async function drawn(row = 1, value = CNIC, msisdn = '+923980000001') {
  const answer = await trial.draw(row, value, msisdn);
  assert.ok(answer !== null);
  const record: RecordRead = {
    holding: HOLDING,
    record: answer.record,
    import: trial.importIndex,
    row,
    expiryMonth: answer.expiryMonth,
    groups: [
      {
        group: 'identity',
        nonce: answer.nonce,
        sha256: hex(randomBytes(32)),
      },
    ],
  };
  return { answer, record, key: answer.key };
}

/** Commits these leaves under a checkpoint for them, or for others. */
function commit(
  leaves: readonly Uint8Array[],
  wanted: readonly number[],
  changes: { checkpoint?: string; leaves?: number; packed?: Buffer } = {},
) {
  const range = trial.range.size;
  const checkpoint = changes.checkpoint ?? checkpointOver(leaves);
  assert.equal(trial.range.size, range);
  return trial.ask(
    'commit',
    { checkpoint, leaves: changes.leaves ?? leaves.length, wanted },
    changes.packed ?? packLeaves(leaves),
  );
}

/** A signed checkpoint of the present tree and these leaves, which do not enter the trial's own tree. */
function checkpointOver(leaves: readonly Uint8Array[]): string {
  return trial.checkpoint(growing(leaves));
}

/** The present tree and these leaves, which do not enter the trial's own. */
function growing(leaves: readonly Uint8Array[]): CompactRange {
  const copy = CompactRange.from(trial.range.size, trial.range.hashes());
  for (const leaf of leaves) copy.append(leafHash(leaf));
  return copy;
}

describe('the log’s key', () => {
  const ORIGIN = 'example.org/log';
  const textOf = (key: SigningKey) =>
    formatVerifierKey(noteKey(ORIGIN, fromBase64(key.public.text.slice('ed25519:'.length))));
  /** Names the next key, signed by whoever is given beside both administrators. */
  const naming = (version: number, key: SigningKey, ...logs: readonly SigningKey[]): Signed => {
    const document = { type: 'log-key', version, key: textOf(key), bothUntil: 0, time: trial.now };
    const { document: text, signatures } = trial.byAdministrators(document);
    const theirs = logs.flatMap((each) => trial.signed(each, document).signatures);
    return { document: text, signatures: [...signatures, ...theirs] };
  };
  const append = (leaves: readonly Uint8Array[], key: SigningKey) => {
    const checkpoint = trial.checkpoint(growing(leaves), ORIGIN, key);
    return commit(leaves, [], { checkpoint });
  };
  const grow = async (leaves: readonly Uint8Array[], key: SigningKey) => {
    await append(leaves, key);
    for (const leaf of leaves) trial.range.append(leafHash(leaf));
  };
  const [second, third] = [generateSigningKey('ed25519'), generateSigningKey('ed25519')];

  it('another that two administrators name without the log’s own signatures signs nothing', async () => {
    for (const logs of [[], [second], [trial.logKey], [third, second]]) {
      const leaf = publicLeaf(naming(1, second, ...logs));
      await assert.rejects(append([leaf], second), refusal('bad-checkpoint'));
    }
    // Inert, such a leaf is taken in, and the first key goes on.
    await grow([publicLeaf(naming(1, second))], trial.logKey);
    await assert.rejects(append([], second), refusal('bad-checkpoint'));
  });

  it('from the leaf on that names another, that one signs, and the first no more', async () => {
    const leaf = publicLeaf(naming(1, second, trial.logKey, second));
    await assert.rejects(append([leaf], trial.logKey), refusal('bad-checkpoint'));
    await grow([leaf], second);
    await assert.rejects(append([], trial.logKey), refusal('bad-checkpoint'));
    await trial.reopen();
    await assert.rejects(append([], trial.logKey), refusal('bad-checkpoint'));
    await grow([], second);
  });

  it('a keeper from before two changes follows to the third key, each named by the one before', async () => {
    const leaves = [
      publicLeaf(naming(1, second, trial.logKey, second)),
      publicLeaf(naming(2, third, second, third)),
    ];
    await assert.rejects(append(leaves, second), refusal('bad-checkpoint'));
    await assert.rejects(append(leaves.toReversed(), third), refusal('bad-checkpoint'));
    await grow(leaves, third);
  });

  it('a new keeper follows from the first leaf to the second key', async () => {
    trial.end();
    trial = await Trial.begin();
    const leaves = [
      publicLeaf({ document: trial.genesis, signatures: [] }),
      publicLeaf(naming(1, second, trial.logKey, second)),
    ];
    await assert.rejects(append(leaves, trial.logKey), refusal('bad-checkpoint'));
    await grow(leaves, second);
  });
});

describe('genesis', () => {
  const usurper = () =>
    writeDocument({
      ...(JSON.parse(trial.genesis) as object),
      administrators: [generateSigningKey('ed25519'), generateSigningKey('ed25519')].map(
        (key) => key.public.text,
      ),
    } as never);

  it('the pinned document with a signature, which would leave room for another genesis, is refused', async () => {
    const fresh = await Trial.begin();
    try {
      const signed = fresh.signed(fresh.registrar, JSON.parse(fresh.genesis) as object);
      await assert.rejects(fresh.append([publicLeaf(signed)]), refusal('not-genesis'));
    } finally {
      fresh.end();
    }
  });

  it('another genesis behind the pinned one names nobody: harmless', async () => {
    await trial.append([publicLeaf({ document: usurper(), signatures: [] })]);
    await trial.reopen();
    await asked();
    await trial.appendPublic(
      trial.byAdministrators({
        type: 'revocation',
        key: trial.officer.public.id,
        version: 1,
        reason: 'lost',
        time: trial.now,
      }),
    );
    assert.deepEqual(await trial.resolve(trial.request()), [
      { outcome: 'rejected', code: 'revoked-key' },
    ]);
  });

  it('a first leaf of any other text, or about a person, is refused', async () => {
    const fresh = await Trial.begin();
    try {
      const person = encodePersonalLeaf({
        kind: 'person',
        hour: '2026-11-23T09Z',
        commitment: randomBytes(32),
      });
      for (const leaf of [
        publicLeaf({ document: usurper(), signatures: [] }),
        person,
        Buffer.alloc(0),
        utf8('x'),
      ]) {
        const checkpointed = await Trial.begin();
        await assert.rejects(checkpointed.append([leaf]), refusal('not-genesis'));
        checkpointed.end();
      }
    } finally {
      fresh.end();
    }
  });
});

describe('draw', () => {
  const row = (changes: object = {}) => ({
    row: 1,
    primary: { type: 'cnic' as const, value: CNIC },
    secondary: [{ type: 'msisdn' as const, value: '+923980000001' }],
    recordKey: Buffer.alloc(32, 1),
    digest: Buffer.alloc(32, 2),
    eventDate: '2026-01-01',
    ...changes,
  });
  const draw = (rows: readonly ReturnType<typeof row>[], index = trial.importIndex) =>
    trial.drawRows(rows, index);

  it('for an entry that is no import, for one that ended, or for one to come, is refused', async () => {
    await trial.endImport();
    for (const index of [0, trial.importIndex - 1, trial.importIndex, trial.range.size]) {
      await assert.rejects(draw([row()], index), refusal('unknown-import'));
    }
  });

  it('for an announcement entered a second time is refused: no row limit opens twice', async () => {
    const announced = trial.signed(trial.importer, trial.importBegun(1));
    const first = trial.range.size;
    await trial.appendPublic(announced);
    await draw([row()], first);
    await assert.rejects(draw([row()], first), refusal('row-limit'));
    const second = trial.range.size;
    await trial.appendPublic(announced);
    await assert.rejects(draw([row()], second), refusal('unknown-import'));
    await trial.reopen();
    await assert.rejects(draw([row()], second), refusal('unknown-import'));
    await assert.rejects(draw([row()], first), refusal('row-limit'));
  });

  it('a row limit altered in the announcement, or signed by an officer, opens no import', async () => {
    const announced = trial.signed(trial.importer, trial.importBegun(1));
    const altered = announced.document.replace('"rowLimit":1', '"rowLimit":9');
    for (const signed of [
      { ...announced, document: altered },
      trial.signed(trial.officer, trial.importBegun(1)),
    ]) {
      const index = trial.range.size;
      await trial.appendPublic(signed);
      await assert.rejects(draw([row()], index), refusal('unknown-import'));
    }
  });

  it('the same row again gets other keys, which open nothing that is there: harmless', async () => {
    const one = await draw([row(), row()]);
    const two = await draw([row()]);
    const keys = [...one.drawn, ...two.drawn].map((each) => hex(each.keys.subarray(0, 32)));
    assert.equal(new Set(keys).size, 3);
  });

  it('another record key, digest or date gives another record, digest or month: harmless', async () => {
    const { drawn: rows } = await draw([
      row(),
      row({ recordKey: Buffer.alloc(32, 3) }),
      row({ digest: Buffer.alloc(32, 3) }),
      row({ eventDate: '2026-02-01' }),
    ]);
    assert.equal(rows.length, 4);
    assert.equal(new Set(rows.map(({ subject }) => hex(subject))).size, 1);
    assert.equal(new Set(rows.map(({ record }) => hex(record))).size, 2);
    assert.equal(new Set(rows.map(({ digest }) => hex(digest))).size, 3);
    assert.equal(new Set(rows.map(({ expiryMonth }) => expiryMonth)).size, 2);
  });

  it('a second number of somebody else’s refuses the row, and binds none of its numbers', async () => {
    await draw([row()]);
    const numbers = ['+923980000002', '+923980000001'].map((value) => ({
      type: 'msisdn' as const,
      value,
    }));
    const primary = { type: 'cnic' as const, value: OTHER };
    const { drawn, refused } = await draw([row({ primary, secondary: numbers })]);
    assert.deepEqual(refused, [{ row: 1, refused: 'bound-to-another' }]);
    assert.deepEqual(drawn, []);
    const ofOther = await asked(trial.request({}, [trial.selector(OTHER)]));
    const ofNumber = await asked(trial.request({}, [trial.selector('+923980000002', 'msisdn')]));
    assert.notEqual(ofNumber.subject, ofOther.subject);
  });
});

describe('resolve', () => {
  it('any member of a signed request altered is rejected, spends nothing and charges nothing', async () => {
    const approver = (request: string) =>
      trial.signed(trial.approver, {
        type: 'approval',
        request,
        nonce: hex(randomBytes(16)),
        time: trial.now,
      });
    const plain = trial.request({}, [trial.selector(), trial.selector(OTHER)]);
    const ask = { ...plain, approval: approver(hex(documentHash(plain.signed.document))) };
    const altered: Asked[] = [];
    const [first, second] = ask.selectors as [Selector, Selector];
    for (const selectors of [
      [],
      [first],
      [second, first],
      [first, first],
      [first, second, second],
      [{ ...first, value: OTHER }, second],
      [{ ...first, salt: '00'.repeat(16) }, second],
      [{ ...first, type: 'msisdn' as const }, second],
    ]) {
      altered.push({ ...ask, selectors });
    }
    for (const part of ['signed', 'approval'] as const) {
      const [signature] = ask[part].signatures as [{ key: string; signature: string }];
      const other = trial.signed(trial.registrar, JSON.parse(ask[part].document) as object);
      for (const signatures of [
        [],
        [signature, signature],
        [{ ...signature, key: trial.importer.public.id }],
        [{ ...signature, signature: other.signatures[0]?.signature as string }],
        [{ ...signature, signature: base64(new Uint8Array(64)) }],
        [{ ...signature, signature: 'x' }],
        other.signatures,
        ask[part === 'signed' ? 'approval' : 'signed'].signatures,
      ]) {
        altered.push({ ...ask, [part]: { ...ask[part], signatures } });
      }
      for (const at of [1, 30, 200]) {
        const { document } = ask[part];
        const cut = at % document.length;
        const changed = `${document.slice(0, cut)}~${document.slice(cut + 1)}`;
        altered.push({ ...ask, [part]: { ...ask[part], document: changed } });
      }
      altered.push({
        ...ask,
        [part]: { ...ask[part], document: ask[part === 'signed' ? 'approval' : 'signed'].document },
      });
    }
    for (const each of altered) {
      const [resolved] = await trial.resolve(each);
      assert.equal(resolved?.outcome, 'rejected', JSON.stringify(each).slice(0, 400));
    }
    assert.deepEqual((await trial.ask('status', {})).answer.open, []);
    const [resolved] = await trial.resolve(ask);
    assert.equal(lookUpsOf(resolved).length, 2);
  });

  it('an approval of another request, or without its need, opens no more than was signed', async () => {
    const one = trial.request();
    const two = trial.request();
    const approval = trial.signed(trial.approver, {
      type: 'approval',
      request: hex(documentHash(one.signed.document)),
      nonce: hex(randomBytes(16)),
      time: trial.now,
    });
    assert.deepEqual(await trial.resolve({ ...two, approval }), [
      { outcome: 'rejected', code: 'bad-approval' },
    ]);
    await asked({ ...one, approval });
    assert.deepEqual(await trial.resolve({ ...one, approval }, one), [
      { outcome: 'rejected', code: 'replayed' },
      { outcome: 'rejected', code: 'replayed' },
    ]);
  });

  it('the same request twice in one message opens it once', async () => {
    const ask = trial.request();
    const [first, second] = await trial.resolve(ask, ask);
    assert.equal(first?.outcome, 'resolved');
    assert.deepEqual(second, { outcome: 'rejected', code: 'replayed' });
  });

  it('a budget is charged whether or not the gateway ever enters the look-up', async () => {
    for (let i = 0; i < 50; i++) await asked();
    await trial.reopen();
    const [refused] = await trial.resolve(trial.request());
    assert.ok(refused?.outcome === 'resolved' && refused.decision.outcome === 'refused');
    assert.equal(refused.decision.code, 'budget-spent');
  });
});

describe('one request', () => {
  it('has one entry for a person, by however many of her identifiers it names her', async () => {
    const numbers = ['+923980000011', '+923980000012', '+923980000013'];
    for (const [at, number] of numbers.entries()) await drawn(at + 1, CNIC, number);
    const selectors = [trial.selector(), ...numbers.map((each) => trial.selector(each, 'msisdn'))];
    const lookUps = lookUpsOf((await trial.resolve(trial.request({}, selectors)))[0]);
    assert.equal(lookUps.length, selectors.length);
    assert.equal(new Set(lookUps.map(({ id }) => id)).size, 1);
  });
});

describe('prepare', () => {
  it('names of another subject’s record get a key that opens nothing: harmless', async () => {
    const { record, key } = await drawn(1, OTHER, '+923980000002');
    const lookUp = await asked();
    const { attachment } = await trial.append([await leafOf(lookUp.id, [record])], [lookUp.id]);
    assert.equal(attachment.length, 32);
    assert.ok(!key.equals(attachment));
  });

  it('a false ciphertext hash gets the key all the same: her statement then names what no import holds', async () => {
    const { record, key } = await drawn();
    const groups = record.groups.map((group) => ({ ...group, sha256: '00'.repeat(32) }));
    const lookUp = await asked();
    const leaf = await leafOf(lookUp.id, [{ ...record, groups }]);
    const { attachment } = await trial.append([leaf], [lookUp.id]);
    assert.ok(key.equals(attachment));
  });

  it('records for a refusal, for a second person, or for what is given up are refused', async () => {
    const { record } = await drawn();
    const refused = await asked(trial.request({ purpose: 'https://w3id.org/dpv#Marketing' }));
    const selectors = [1, 2, 3, 4].map((at) => trial.selector(`099991234567${at}`));
    const second = await asked(trial.request({}, selectors));
    const allowed = await asked();
    for (const [id, abandoned] of [
      [refused.id, false],
      [second.id, false],
      [allowed.id, true],
    ] as const) {
      assert.deepEqual(await trial.prepare(id, [record], abandoned), {
        id,
        refused: 'not-asked-for',
      });
    }
  });

  it('more record groups than a statement may name are refused, and the look-up can be given up', async () => {
    const holding = 'wide';
    const names = Array.from({ length: 5 }, (_, at) => `group-${at}`);
    const [first] = declaration().fields;
    assert.ok(first);
    await trial.declare({
      holding,
      recordKey: [],
      eventDate: null,
      fields: names.map((group, at) => ({
        ...first,
        name: group,
        group,
        ...(at === 0 ? {} : { type: 'text', identifier: null }),
      })),
    });
    const [row] = trial.grants().rows;
    const rows = [{ ...row, holding, groups: names }];
    await trial.appendPublic(trial.byAdministrators({ ...trial.grants(), version: 2, rows }));
    const lookUp = await asked(trial.request({ holdings: [{ holding, groups: names }] }));
    const groups = names.map((group) => ({
      group,
      nonce: '00'.repeat(16),
      sha256: '00'.repeat(32),
    }));
    const records = (count: number): RecordRead[] =>
      Array.from({ length: count }, (_, at) => ({
        holding,
        record: at.toString(16).padStart(32, '0'),
        import: 1,
        row: 1,
        expiryMonth: '2031-01',
        groups,
      }));
    await assert.rejects(trial.prepare(lookUp.id, records(4097)), refusal('malformed'));
    for (const count of [4096, 3277]) {
      assert.deepEqual(await trial.prepare(lookUp.id, records(count)), {
        id: lookUp.id,
        refused: 'too-many-records',
      });
    }
    assert.ok('leaf' in (await trial.prepare(lookUp.id, records(3276))));
    await trial.append([await leafOf(lookUp.id, [], true)]);
  });

  it('a sign-in prepared as given up shows nothing: her history would not tell of it', async () => {
    const { view } = await signIn();
    const [lookUp] = lookUpsOf(view);
    assert.ok(lookUp && view.outcome === 'resolved');
    const leaf = await leafOf(lookUp.id, [], true);
    await trial.append([leaf]);
    await assert.rejects(trial.ask('view', { ask: view.ask }), refusal('not-entered'));
  });

  it('a sign-in given up and then prepared again shows nothing either', async () => {
    const { view } = await signIn();
    const [lookUp] = lookUpsOf(view);
    assert.ok(lookUp && view.outcome === 'resolved');
    await leafOf(lookUp.id, [], true);
    await trial.append([await leafOf(lookUp.id)]);
    await assert.rejects(trial.ask('view', { ask: view.ask }), refusal('not-entered'));
  });
});

describe('commit', () => {
  it('leaves in another order than the tree’s, or with one dropped, doubled or altered, are refused', async () => {
    const leaves: Uint8Array[] = [];
    const ids: number[] = [];
    for (const value of [CNIC, OTHER]) {
      const lookUp = await asked(trial.request({}, [trial.selector(value)]));
      ids.push(lookUp.id);
      leaves.push(await leafOf(lookUp.id));
    }
    const [one, two] = leaves as [Uint8Array, Uint8Array];
    const checkpoint = checkpointOver(leaves);
    const altered = new Uint8Array(two);
    altered[40] = (altered[40] as number) ^ 1;
    for (const sent of [
      [two, one],
      [one],
      [two],
      [],
      [one, one],
      [one, two, two],
      [one, altered],
    ]) {
      await assert.rejects(commit(sent, ids, { checkpoint }), refusal('not-an-extension'));
    }
    const { answer } = await commit(leaves, ids, { checkpoint });
    assert.equal(answer.size, trial.range.size + 2);
  });

  it('a count that is not that of the leaves, or bytes behind them, are refused', async () => {
    const leaves = [utf8('a leaf')];
    const checkpoint = checkpointOver(leaves);
    for (const count of [0, 2]) {
      await assert.rejects(commit(leaves, [], { checkpoint, leaves: count }), refusal('malformed'));
    }
    const packed = Buffer.concat([packLeaves(leaves), Buffer.alloc(1)]);
    await assert.rejects(commit(leaves, [], { checkpoint, packed }), refusal('malformed'));
  });

  it('a smaller tree, a tree as large, or one leaf too many or too few is refused', async () => {
    const older = trial.checkpoint();
    await trial.append([utf8('a leaf')]);
    for (const leaves of [[], [utf8('a leaf')]]) {
      await assert.rejects(commit(leaves, [], { checkpoint: older }), refusal('not-an-extension'));
    }
    const ahead = checkpointOver([utf8('b'), utf8('c')]);
    await assert.rejects(
      commit([utf8('b')], [], { checkpoint: ahead }),
      refusal('not-an-extension'),
    );
    assert.equal((await trial.ask('status', {})).answer.size, trial.range.size);
  });

  it('any character of the checkpoint altered is refused', async () => {
    const leaves = [utf8('a leaf')];
    const checkpoint = checkpointOver(leaves);
    for (let at = 0; at < checkpoint.length; at++) {
      const other = checkpoint[at] === 'A' ? 'B' : 'A';
      const altered = checkpoint.slice(0, at) + other + checkpoint.slice(at + 1);
      await assert.rejects(commit(leaves, [], { checkpoint: altered }), Refusal, `at ${at}`);
    }
    await commit(leaves, [], { checkpoint });
  });

  it('entries put into the log in another order than they were prepared release nothing out of turn', async () => {
    const { record, key } = await drawn();
    const first = await asked();
    const second = await asked();
    const one = await leafOf(first.id, [record]);
    const two = await leafOf(second.id, [record]);
    const { answer } = await trial.append([two, one], [first.id, second.id]);
    // The first of the two is passed by with the second, whose number hung on it: both are open again.
    assert.deepEqual(answer.released, []);
    const again = await trial.append([await leafOf(second.id, [record])], [second.id]);
    assert.ok(key.equals(again.attachment));
  });

  it('an entry left out gets no key, and its subject’s next one takes its number', async () => {
    const { record } = await drawn();
    const left = await asked();
    const other = await asked(trial.request({}, [trial.selector(OTHER)]));
    await leafOf(left.id, [record]);
    const { answer } = await trial.append([await leafOf(other.id)], [left.id, other.id]);
    assert.deepEqual(answer.released, []);
    const prepared = await trial.prepare(left.id);
    assert.ok('number' in prepared && prepared.number === 1);
  });

  it('one entry twice in a batch releases once', async () => {
    const { record } = await drawn();
    const lookUp = await asked();
    const leaf = await leafOf(lookUp.id, [record]);
    const { answer, attachment } = await trial.append([leaf, leaf], [lookUp.id, lookUp.id]);
    assert.deepEqual(answer.released, [{ id: lookUp.id, keys: 1 }]);
    assert.equal(attachment.length, 32);
  });

  it('a prepared commitment in a leaf of another hour, or of the gateway’s own making, is inert', async () => {
    const { record } = await drawn();
    const lookUp = await asked();
    const parsed = parseLeaf(await leafOf(lookUp.id, [record]));
    assert.ok(parsed.kind === 'person');
    for (const forged of [
      { ...parsed, hour: '2026-11-23T08Z' },
      { ...parsed, commitment: randomBytes(32) },
    ]) {
      const { answer } = await trial.append([encodePersonalLeaf(forged)], [lookUp.id]);
      assert.deepEqual(answer.released, []);
    }
    assert.equal((await trial.ask('status', {})).answer.open.length, 1);
  });

  it('a leaf that was prepared anew is inert: only the last preparation counts', async () => {
    const { record } = await drawn();
    const lookUp = await asked();
    const former = await leafOf(lookUp.id, [record]);
    const renewed = await leafOf(lookUp.id, []);
    const { answer } = await trial.append([former], [lookUp.id]);
    assert.deepEqual(answer.released, []);
    assert.deepEqual((await trial.append([renewed], [lookUp.id])).answer.released, []);
    assert.deepEqual((await trial.append([former], [lookUp.id])).answer.released, []);
  });

  it('keys wanted for look-ups that are unknown, open, or entered before are not given: harmless', async () => {
    const { record } = await drawn();
    const open = await asked();
    const entered = await asked();
    await trial.append([await leafOf(entered.id, [record])], []);
    const { answer, attachment } = await trial.append(
      [utf8('another leaf')],
      [open.id, entered.id, 999_999],
    );
    assert.deepEqual(answer.released, []);
    assert.equal(attachment.length, 0);
  });

  it('keys come in the order of the entries and not in that of the wishes', async () => {
    const one = await drawn(1);
    const two = await drawn(2, OTHER, '+923980000002');
    const first = await asked();
    const second = await asked(trial.request({}, [trial.selector(OTHER)]));
    const leaves = [await leafOf(first.id, [one.record]), await leafOf(second.id, [two.record])];
    const { answer, attachment } = await trial.append(leaves, [second.id, first.id]);
    assert.deepEqual(
      answer.released.map(({ id }) => id),
      [first.id, second.id],
    );
    assert.ok(attachment.equals(Buffer.concat([one.key, two.key])));
  });
});

describe('an entry that was held back', () => {
  const protection = (value: boolean): Asked => ({
    kind: 'protection',
    signed: trial.byAdministrators({
      type: 'protection',
      identifier: { type: 'cnic', value: CNIC },
      protected: value,
      reason: 'at risk',
      nonce: hex(randomBytes(16)),
      time: trial.now,
    }),
  });
  const isProtected = async () => {
    const [resolved] = await trial.resolve(trial.request());
    assert.ok(resolved?.outcome === 'resolved');
    return resolved.decision.outcome === 'second-person';
  };

  it('has no keys any more once it is too late to name records: its officer’s key may be revoked since', async () => {
    const { record } = await drawn();
    const lookUp = await asked();
    const leaf = await leafOf(lookUp.id, [record]);
    trial.now += 10 * 60_000 + 1;
    const { answer, attachment } = await trial.append([leaf], [lookUp.id]);
    assert.equal(answer.size, trial.range.size);
    assert.equal(attachment.length, 0);
  });

  it('and is a code or a protection takes effect all the same when it is given up', async () => {
    const lookUp = await asked(protection(true));
    const given = await trial.prepare(lookUp.id, [], true);
    assert.ok('kind' in given && given.kind === 'protected');
    await trial.append([given.leaf]);
    assert.equal(await isProtected(), true);
  });

  it('and is the end of a protection does nothing once it is late', async () => {
    await trial.append([await leafOf((await asked(protection(true))).id)]);
    const end = await leafOf((await asked(protection(false))).id);
    trial.now += 10 * 60_000 + 1;
    await trial.append([end]);
    assert.equal(await isProtected(), true);
  });

  it('does not end a protection that was signed after it: it can only be given up', async () => {
    const older = await asked(protection(false));
    const newer = await asked(protection(true));
    await trial.append([await leafOf(newer.id)]);
    await trial.reopen();
    const prepared = await trial.prepare(older.id);
    assert.ok('kind' in prepared && prepared.kind === 'undelivered');
    await trial.append([prepared.leaf]);
    assert.equal(await isProtected(), true);
  });

  it('and was prepared before the newer one was entered is inert', async () => {
    const older = await asked(protection(false));
    const newer = await asked(protection(true));
    const first = await leafOf(newer.id);
    const second = await leafOf(older.id);
    await trial.append([first, second]);
    assert.equal(await isProtected(), true);
    assert.ok((await trial.ask('status', {})).answer.open.some(({ id }) => id === older.id));
  });

  it('does not bring back a code that a newer one has ended', async () => {
    const handOut = (code: string): Asked => ({
      kind: 'code',
      signed: trial.signed(trial.registrar, {
        type: 'code',
        identifier: { type: 'cnic', value: CNIC },
        codeHash: createHash('sha256').update(code).digest('hex'),
        nonce: hex(randomBytes(16)),
        time: trial.now,
      }),
    });
    const [lost, fresh] = [hex(randomBytes(16)), hex(randomBytes(16))] as const;
    const older = await asked(handOut(lost));
    const newer = await asked(handOut(fresh));
    await trial.append([await leafOf(newer.id)]);
    await trial.append([await leafOf(older.id)]);
    assert.deepEqual(await trial.resolve(await viewAsk(lost)), [
      { outcome: 'rejected', code: 'unknown-code' },
    ]);
    assert.equal((await trial.resolve(await viewAsk(fresh)))[0]?.outcome, 'resolved');
  });

  it('in the order in which they were signed each takes effect', async () => {
    const one = await asked(protection(true));
    const two = await asked(protection(false));
    await trial.append([await leafOf(one.id), await leafOf(two.id)]);
    assert.equal(await isProtected(), false);
  });
});

/** Hands out a code for the trial's person, and asks for her view with it. */
async function signIn(): Promise<{ view: Resolved }> {
  const code = hex(randomBytes(16));
  const handOut = await asked({
    kind: 'code',
    signed: trial.signed(trial.registrar, {
      type: 'code',
      identifier: { type: 'cnic', value: CNIC },
      codeHash: createHash('sha256').update(code).digest('hex'),
      nonce: hex(randomBytes(16)),
      time: trial.now,
    }),
  });
  await trial.append([await leafOf(handOut.id)]);
  const [view] = await trial.resolve(await viewAsk(code));
  assert.ok(view);
  return { view };
}

async function viewAsk(code: string): Promise<Asked> {
  const bytes = writeViewAsk({ type: 'view', code, time: trial.now });
  const sealed = await sealTo(fromBase64(trial.keys.keeperSealingKey), VIEW_INFO, bytes);
  return { kind: 'view', enc: base64(sealed.enc), ciphertext: base64(sealed.ciphertext) };
}

describe('view', () => {
  it('under another ask’s number, before its entry, or a second time is refused', async () => {
    const { view } = await signIn();
    assert.ok(view.outcome === 'resolved');
    const [lookUp] = view.lookUps;
    assert.ok(lookUp);
    for (const ask of [view.ask, view.ask + 1, view.ask - 1]) {
      await assert.rejects(trial.ask('view', { ask }), refusal('not-entered'));
    }
    const leaf = await leafOf(lookUp.id);
    await assert.rejects(trial.ask('view', { ask: view.ask }), refusal('not-entered'));
    await trial.append([leaf]);
    await trial.ask('view', { ask: view.ask });
    await assert.rejects(trial.ask('view', { ask: view.ask }), refusal('not-entered'));
  });

  it('that nobody came for in ten minutes is refused', async () => {
    const { view } = await signIn();
    assert.ok(view.outcome === 'resolved');
    await trial.append([await leafOf(lookUpsOf(view)[0]?.id ?? 0)]);
    trial.now += 10 * 60_000;
    await assert.rejects(trial.ask('view', { ask: view.ask }), refusal('not-entered'));
  });

  it('a sealed ask sent twice is rejected, and so is one with any byte altered', async () => {
    await signIn();
    const code = hex(randomBytes(16));
    const ask: Asked = await viewAsk(code);
    assert.ok(ask.kind === 'view');
    assert.deepEqual(await trial.resolve(ask), [{ outcome: 'rejected', code: 'unknown-code' }]);
    for (const part of ['enc', 'ciphertext'] as const) {
      const bytes: Buffer = Buffer.from(fromBase64(ask[part]));
      bytes[7] = (bytes[7] as number) ^ 1;
      assert.deepEqual(await trial.resolve({ ...ask, [part]: base64(bytes) }), [
        { outcome: 'rejected', code: 'malformed' },
      ]);
    }
  });
});
