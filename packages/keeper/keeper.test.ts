import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { base64, fromBase64, fromHex, hex, utf8 } from '@amanat/core/bytes';
import { documentHash } from '@amanat/core/grants';
import { open, openOnce, openSealed, sealTo, secretKey } from '@amanat/core/keys';
import { CompactRange, chainStart, leafHash, nextChainHash } from '@amanat/core/log';
import type { RecordRead } from '@amanat/core/statement';
import { commitTo, decodeBody } from '@amanat/core/statement';
import {
  bodyAad,
  readHead,
  readView,
  VIEW_ANSWER,
  VIEW_INFO,
  writeViewAsk,
} from '@amanat/core/view';
import { CNIC, declaration, HOLDING, publicLeaf, Trial } from './_trial.ts';
import type { PreparedLookUp } from './prepared.ts';
import type { Asked, LookUp, Resolved } from './protocol.ts';
import { Refusal } from './refusal.ts';

let trial: Trial;
beforeEach(async () => {
  trial = await Trial.ready();
});
afterEach(() => trial.end());

function refusal(code: string) {
  return (error: unknown) => error instanceof Refusal && error.code === code;
}

function lookUpOf(resolved: Resolved | undefined): LookUp {
  assert.ok(resolved?.outcome === 'resolved', JSON.stringify(resolved));
  const [lookUp] = resolved.lookUps;
  assert.ok(lookUp);
  return lookUp;
}

function prepared(value: PreparedLookUp) {
  assert.ok(!('refused' in value), JSON.stringify(value));
  return value;
}

async function asked(ask: Asked = trial.request()): Promise<LookUp> {
  return lookUpOf((await trial.resolve(ask))[0]);
}

/** A record drawn for the trial's person, and how a statement names its identity group. */
async function drawnRecord(row = 1) {
  const drawn = await trial.draw(row);
  assert.ok(drawn !== null);
  const record: RecordRead = {
    holding: HOLDING,
    record: drawn.record,
    import: trial.importIndex,
    row,
    expiryMonth: drawn.expiryMonth,
    groups: [
      {
        group: 'identity',
        nonce: drawn.nonce,
        sha256: hex(randomBytes(32)),
      },
    ],
  };
  return { record, key: drawn.key, drawn };
}

describe('I1: no entry, no read', () => {
  it('a prepared look-up whose leaf is not in the tree gets no key', async () => {
    const { record } = await drawnRecord();
    const lookUp = await asked();
    prepared(await trial.prepare(lookUp.id, [record]));
    const { answer, attachment } = await trial.append([utf8('another leaf')], [lookUp.id]);
    assert.deepEqual(answer.released, []);
    assert.equal(attachment.length, 0);
  });

  it('a checkpoint that the log did not sign, or that is another log’s, is refused', async () => {
    const { record } = await drawnRecord();
    const lookUp = await asked();
    const { leaf } = prepared(await trial.prepare(lookUp.id, [record]));
    trial.range.append(leafHash(leaf));
    const packed = Buffer.concat([Buffer.from([0, 77]), leaf]);
    const commit = (checkpoint: string) =>
      trial.ask('commit', { checkpoint, leaves: 1, wanted: [lookUp.id] }, packed);
    await assert.rejects(
      commit(trial.checkpoint(trial.range, 'example.org/log', trial.officer)),
      refusal('bad-checkpoint'),
    );
    await assert.rejects(
      commit(trial.checkpoint(trial.range, 'example.org/other')),
      refusal('bad-checkpoint'),
    );
    assert.equal((await commit(trial.checkpoint())).answer.released.length, 1);
  });

  it('a signed checkpoint of a forked tree is refused, and nothing of it is kept', async () => {
    const { record } = await drawnRecord();
    const lookUp = await asked();
    const { leaf } = prepared(await trial.prepare(lookUp.id, [record]));
    const fork = CompactRange.empty();
    for (let i = 0; i < trial.range.size; i++) fork.append(leafHash(utf8(`forked ${i}`)));
    fork.append(leafHash(leaf));
    const packed = Buffer.concat([Buffer.from([0, 77]), leaf]);
    await assert.rejects(
      trial.ask(
        'commit',
        { checkpoint: trial.checkpoint(fork), leaves: 1, wanted: [lookUp.id] },
        packed,
      ),
      refusal('not-an-extension'),
    );
    const { answer } = await trial.append([leaf], [lookUp.id]);
    assert.equal(answer.released.length, 1);
  });

  it('each entry releases at most once', async () => {
    const { record } = await drawnRecord();
    const lookUp = await asked();
    const { leaf } = prepared(await trial.prepare(lookUp.id, [record]));
    const first = await trial.append([leaf], [lookUp.id]);
    assert.equal(first.answer.released.length, 1);
    const again = await trial.append([leaf], [lookUp.id]);
    assert.deepEqual(again.answer.released, []);
    await trial.reopen();
    assert.deepEqual((await trial.append([leaf], [lookUp.id])).answer.released, []);
  });

  it('the first leaf must be the pinned genesis', async () => {
    const fresh = await Trial.begin();
    try {
      const other = fresh.genesis.replace('"activationSeconds":0', '"activationSeconds":1');
      await assert.rejects(
        fresh.appendPublic({ document: other, signatures: [] }),
        refusal('not-genesis'),
      );
    } finally {
      fresh.end();
    }
  });
});

describe('I2: what is released is what was named', () => {
  it('a holding, or a group, that was not asked for cannot be named', async () => {
    const { record } = await drawnRecord();
    const lookUp = await asked();
    const named = (changes: Partial<RecordRead>) =>
      trial.prepare(lookUp.id, [{ ...record, ...changes }]);
    const [group] = record.groups;
    assert.ok(group);
    for (const changes of [
      { holding: 'travel-history' },
      { groups: [{ ...group, group: 'number' }] },
      { groups: [group, group] },
    ]) {
      assert.ok('refused' in (await named(changes)));
    }
    assert.ok('refused' in (await trial.prepare(lookUp.id, [record, record])));
    assert.ok('refused' in (await trial.prepare(lookUp.id, [record], true)));
    assert.ok('refused' in (await trial.prepare(999_999, [record])));
  });

  it('the key released opens what was sealed under the key drawn, and another subject’s record stays closed', async () => {
    const { record, key } = await drawnRecord();
    const lookUp = await asked();
    const { leaf } = prepared(await trial.prepare(lookUp.id, [record]));
    const { attachment } = await trial.append([leaf], [lookUp.id]);
    assert.deepEqual(Buffer.from(attachment), key);

    const other = await asked(trial.request({}, [trial.selector('0999912345671')]));
    const lie = prepared(await trial.prepare(other.id, [record]));
    const answer = await trial.append([lie.leaf], [other.id]);
    assert.notDeepEqual(Buffer.from(answer.attachment), key);
  });

  it('every name in the statement enters the key', async () => {
    const { record, key } = await drawnRecord();
    const changes: Partial<RecordRead>[] = [
      { record: '00'.repeat(16) },
      { import: record.import + 1 },
      { row: 2 },
      { expiryMonth: '2039-01' },
      { groups: record.groups.map((group) => ({ ...group, nonce: '00'.repeat(16) })) },
    ];
    for (const change of changes) {
      const lookUp = await asked();
      const { leaf } = prepared(await trial.prepare(lookUp.id, [{ ...record, ...change }]));
      const { attachment } = await trial.append([leaf], [lookUp.id]);
      assert.equal(attachment.length, 32);
      assert.notDeepEqual(Buffer.from(attachment), key);
    }
  });
});

describe('what an officer cannot make of others', () => {
  it('one person named twice in a request, or one holding, is rejected', async () => {
    const twice = trial.request({}, [trial.selector(), trial.selector()]);
    assert.deepEqual(await trial.resolve(twice), [{ outcome: 'rejected', code: 'malformed' }]);
    const holdings = [1, 2].map(() => ({ holding: HOLDING, groups: ['identity'] }));
    assert.throws(() => trial.request({ holdings }), { code: 'bad-document' });
  });

  it('past ten refusals an hour no answer tells who is protected without an entry', async () => {
    const protect = trial.byAdministrators({
      type: 'protection',
      identifier: { type: 'msisdn', value: '+923980000077' },
      protected: true,
      reason: 'at risk',
      nonce: hex(randomBytes(16)),
      time: trial.now,
    });
    const entry = prepared(
      await trial.prepare((await asked({ kind: 'protection', signed: protect })).id),
    );
    await trial.append([entry.leaf]);
    // The number is bound later, and brings its protection along.
    await trial.draw(1, CNIC, '+923980000077');
    const purpose = 'https://w3id.org/dpv#Marketing';
    for (let i = 0; i < 11; i++) await trial.resolve(trial.request({ purpose }));
    const [lone] = await trial.resolve(trial.request());
    assert.ok(lone?.outcome === 'resolved' && lone.decision.outcome === 'second-person');
    assert.equal(lone.lookUps.length, 1);
    const bulk = [CNIC, '0999912345671', '0999912345672', '0999912345673'];
    const [many] = await trial.resolve(
      trial.request(
        {},
        bulk.map((value) => trial.selector(value)),
      ),
    );
    assert.ok(many?.outcome === 'resolved' && many.decision.outcome === 'second-person');
    assert.deepEqual([many.decision.reasons, many.lookUps.length], [['bulk'], 0]);
  });

  it('an importer whose key is revoked draws no more', async () => {
    await trial.appendPublic(
      trial.byAdministrators({
        type: 'revocation',
        key: trial.importer.public.id,
        version: 1,
        reason: 'left',
        time: trial.now,
      }),
    );
    await assert.rejects(trial.draw(), refusal('unknown-import'));
  });
});

describe('look-ups that are kept back', () => {
  it('name nothing after ten minutes, and can then only be given up', async () => {
    const { record } = await drawnRecord();
    const lookUp = await asked();
    trial.now += 11 * 60_000;
    assert.deepEqual(await trial.prepare(lookUp.id, [record]), {
      id: lookUp.id,
      refused: 'too-late',
    });
    assert.equal(prepared(await trial.prepare(lookUp.id, [], true)).kind, 'undelivered');
  });
});

describe('I3: who asks', () => {
  const rejects = async (ask: Asked, code: string) => {
    assert.deepEqual(await trial.resolve(ask), [{ outcome: 'rejected', code }]);
  };

  it('a signature by another key, an altered document, or another role is rejected', async () => {
    const request = trial.request();
    const forged = trial.signed(trial.approver, JSON.parse(request.signed.document) as object);
    const [signature] = forged.signatures;
    assert.ok(signature);
    await rejects(
      {
        ...request,
        signed: { ...forged, signatures: [{ ...signature, key: trial.officer.public.id }] },
      },
      'bad-signature',
    );
    const altered = request.signed.document.replace('case-1', 'case-2');
    await rejects(
      { ...request, signed: { ...request.signed, document: altered } },
      'bad-signature',
    );
    await rejects(
      { ...request, signed: { ...request.signed, document: `${request.signed.document} ` } },
      'malformed',
    );
    await rejects(trial.request({}, undefined, trial.approver), 'wrong-role');
    await rejects(trial.request({}, undefined, trial.registrar), 'unknown-key');
  });

  it('another selector than the signed one is rejected', async () => {
    const request = trial.request();
    await rejects({ ...request, selectors: [trial.selector()] }, 'selectors-differ');
    await rejects(
      { ...request, selectors: [...request.selectors, trial.selector()] },
      'selectors-differ',
    );
  });

  it('a replay is rejected, and two requests under one number suspend the key', async () => {
    const request = trial.request({ sequence: 77 });
    await asked(request);
    await rejects(request, 'replayed');
    await trial.reopen();
    await rejects(request, 'replayed');
    await rejects(trial.request({ sequence: 77 }), 'sequence-reused');
    await rejects(trial.request(), 'suspended-key');
  });

  it('a clock an hour off is rejected either way', async () => {
    await rejects(trial.request({ time: trial.now - 3_600_000 }), 'stale');
    await rejects(trial.request({ time: trial.now + 3_600_000 }), 'clock-ahead');
  });

  it('a revoked key is rejected at once, an expired one when its time has come', async () => {
    await trial.appendPublic(
      trial.byAdministrators({
        type: 'revocation',
        key: trial.officer.public.id,
        version: 1,
        reason: 'lost',
        time: trial.now,
      }),
    );
    await rejects(trial.request(), 'revoked-key');
    trial.now += 366 * 86_400_000;
    await rejects(trial.request({}, undefined, trial.approver), 'expired-key');
  });
});

describe('I5 and the grants table', () => {
  const decides = async (changes: Parameters<Trial['request']>[0], code: string) => {
    const [resolved] = await trial.resolve(trial.request(changes));
    assert.ok(resolved?.outcome === 'resolved' && resolved.decision.outcome === 'refused');
    assert.equal(resolved.decision.code, code);
    return resolved.lookUps;
  };

  it('what was not declared is refused, with an entry where the subject is known', async () => {
    assert.equal(
      (await decides({ purpose: 'https://w3id.org/dpv#Marketing' }, 'undeclared-purpose')).length,
      1,
    );
    assert.equal(
      (await decides({ legalBasis: 'https://w3id.org/dpv#Consent' }, 'undeclared-legal-basis'))
        .length,
      1,
    );
    assert.equal(
      (await decides({ holdings: [{ holding: HOLDING, groups: ['secret'] }] }, 'undeclared-group'))
        .length,
      1,
    );
    assert.equal(
      (
        await decides(
          { holdings: [{ holding: 'no-such', groups: ['identity'] }] },
          'undeclared-holding',
        )
      ).length,
      0,
    );
    assert.equal(
      (await decides({ holdings: [{ holding: HOLDING, groups: ['status'] }] }, 'no-grant')).length,
      1,
    );
  });

  it('a refusal names nothing, releases nothing, and is in the chain with its rule', async () => {
    const { record } = await drawnRecord();
    const [lookUp] = await decides(
      { holdings: [{ holding: HOLDING, groups: ['status'] }] },
      'no-grant',
    );
    assert.ok(lookUp);
    assert.deepEqual(lookUp.reads, []);
    assert.ok('refused' in (await trial.prepare(lookUp.id, [record])));
    const entry = prepared(await trial.prepare(lookUp.id));
    assert.equal(entry.kind, 'refusal');
    assert.deepEqual((await trial.append([entry.leaf], [lookUp.id])).answer.released, []);
  });

  it('the eleventh refusal in an hour is only counted', async () => {
    for (let i = 0; i < 10; i++)
      await decides({ purpose: 'https://w3id.org/dpv#Marketing' }, 'undeclared-purpose');
    assert.equal(
      (await decides({ purpose: 'https://w3id.org/dpv#Marketing' }, 'undeclared-purpose')).length,
      0,
    );
  });

  it('a spent budget is refused, the next day allows again', async () => {
    for (let i = 0; i < 50; i++) await asked();
    await decides({}, 'budget-spent');
    trial.now += 86_400_000;
    await asked();
  });

  it('an undeclared holding draws no key, and neither does a row past the limit', async () => {
    await assert.rejects(trial.drawRows([drawRow(1)], 0), refusal('unknown-import'));
    const rows = Array.from({ length: 600 }, (_, i) => drawRow(i + 1));
    await trial.drawRows(rows);
    await assert.rejects(trial.drawRows(rows), refusal('row-limit'));
  });
});

function drawRow(row: number) {
  return {
    row,
    primary: { type: 'cnic' as const, value: CNIC },
    secondary: [],
    recordKey: randomBytes(32),
    digest: randomBytes(32),
    eventDate: null,
  };
}

describe('I8: one person alone cannot', () => {
  const bulk = () =>
    trial.request(
      {},
      Array.from({ length: 4 }, (_, i) => trial.selector(`012341234567${i}`)),
    );
  const approved = (ask: Extract<Asked, { kind: 'request' }>, key = trial.approver): Asked => ({
    ...ask,
    approval: trial.signed(key, {
      type: 'approval',
      request: hex(documentHash(ask.signed.document)),
      nonce: hex(randomBytes(16)),
      time: trial.now,
    }),
  });

  it('bulk asks for a second person, and a valid one opens it', async () => {
    const ask = bulk();
    const [first] = await trial.resolve(ask);
    assert.ok(first?.outcome === 'resolved' && first.decision.outcome === 'second-person');
    assert.deepEqual(first.decision.reasons, ['bulk']);
    assert.ok(first.lookUps.every((lookUp) => lookUp.reads.length === 0));
    const [second] = await trial.resolve(approved(ask));
    assert.ok(second?.outcome === 'resolved' && second.decision.outcome === 'allowed');
    assert.deepEqual(await trial.resolve(approved(ask)), [
      { outcome: 'rejected', code: 'replayed' },
    ]);
  });

  it('the same person, the same line, another agency, or an officer cannot approve', async () => {
    const { generateSigningKey } = await import('@amanat/core/keys');
    const own = generateSigningKey('ed25519');
    const sameLine = generateSigningKey('ed25519');
    await trial.certify(own, 'approver', 'o-1', 'line-b');
    await trial.certify(sameLine, 'approver', 'a-2', 'line-a');
    const codes = [];
    for (const key of [own, sameLine, trial.officer, trial.registrar]) {
      const [resolved] = await trial.resolve(approved(bulk(), key));
      codes.push(resolved?.outcome === 'rejected' ? resolved.code : 'accepted');
    }
    assert.deepEqual(codes, [
      'approver-same-person',
      'approver-same-line',
      'approver-unknown',
      'approver-unknown',
    ]);
    const [other] = await trial.resolve({
      ...bulk(),
      approval: (approved(bulk()) as { approval: null }).approval,
    });
    assert.deepEqual(other, { outcome: 'rejected', code: 'bad-approval' });
  });

  it('a protected subject needs a second person, whom one administrator alone cannot take away', async () => {
    const protection = (value: boolean) => ({
      type: 'protection',
      identifier: { type: 'cnic', value: CNIC },
      protected: value,
      reason: 'at risk',
      nonce: hex(randomBytes(16)),
      time: trial.now,
    });
    const lookUp = await asked({
      kind: 'protection',
      signed: trial.byAdministrators(protection(true)),
    });
    const entry = prepared(await trial.prepare(lookUp.id));
    await trial.append([entry.leaf]);
    const [resolved] = await trial.resolve(trial.request());
    assert.ok(resolved?.outcome === 'resolved' && resolved.decision.outcome === 'second-person');
    assert.deepEqual(resolved.decision.reasons, ['protected']);
    const alone = trial.signed(trial.administrators[0], protection(false));
    assert.deepEqual(await trial.resolve({ kind: 'protection', signed: alone }), [
      { outcome: 'rejected', code: 'bad-signature' },
    ]);
  });

  it('a document that one administrator signed, or signed twice, gives nobody anything', async () => {
    const { generateSigningKey } = await import('@amanat/core/keys');
    const key = generateSigningKey('ed25519');
    const certificate = {
      type: 'certificate',
      key: key.public.text,
      version: 1,
      person: 'x-1',
      agency: 'demo-police',
      line: 'line-a',
      role: 'officer',
      subjectsPerDay: 10,
      notAfter: trial.now + 86_400_000,
      time: trial.now,
    };
    const alone = trial.signed(trial.administrators[0], certificate);
    await trial.appendPublic(alone);
    await trial.append([publicLeaf({ ...alone, signatures: [...alone.signatures] })]);
    assert.deepEqual(await trial.resolve(trial.request({}, undefined, key)), [
      { outcome: 'rejected', code: 'unknown-key' },
    ]);
  });
});

describe('I4: histories', () => {
  it('prepares that the log passed by are void, with their successors, and may be prepared anew', async () => {
    const first = await asked();
    const second = await asked();
    const one = prepared(await trial.prepare(first.id));
    const two = prepared(await trial.prepare(second.id));
    assert.deepEqual([one.number, two.number], [1, 2]);
    await trial.append([two.leaf]);
    const status = (await trial.ask('status', {})).answer;
    assert.deepEqual(status.open.map(({ id }) => id).sort(), [first.id, second.id]);
    const again = prepared(await trial.prepare(second.id, [], true));
    assert.deepEqual([again.kind, again.number], ['undelivered', 1]);
    await trial.append([again.leaf]);
    await trial.append([one.leaf]);
    assert.deepEqual(
      (await trial.ask('status', {})).answer.open.map(({ id }) => id),
      [first.id],
    );
  });

  it('a leaf whose prepare a crash took is inert, and its look-up takes the number as given up', async () => {
    const { record } = await drawnRecord();
    const lookUp = await asked();
    const lost = prepared(await trial.prepare(lookUp.id, [record]));
    await trial.reopen();
    const { answer, attachment } = await trial.append([lost.leaf], [lookUp.id]);
    assert.deepEqual(answer.released, []);
    assert.equal(attachment.length, 0);
    assert.deepEqual(
      (await trial.ask('status', {})).answer.open.map(({ id }) => id),
      [lookUp.id],
    );
    const again = prepared(await trial.prepare(lookUp.id, [], true));
    assert.deepEqual([again.kind, again.number], ['undelivered', lost.number]);
    await trial.append([again.leaf]);
    assert.deepEqual((await trial.ask('status', {})).answer.open, []);
  });

  it('a person’s view holds every entry, opens to her alone, and says what was not delivered', async () => {
    const { record } = await drawnRecord();
    const chain: { index: number; leaf: Uint8Array; body: Uint8Array }[] = [];
    const enter = async (id: number, records: RecordRead[], wanted: boolean) => {
      const entry = prepared(await trial.prepare(id, records));
      const leaf = entry.leaf;
      chain.push({ index: trial.range.size, leaf, body: entry.body });
      await trial.append([leaf], wanted ? [id] : []);
    };
    await enter((await asked()).id, [record], true);
    await enter((await asked()).id, [record], false);
    const code = hex(randomBytes(16));
    const { createHash } = await import('node:crypto');
    const codeHash = createHash('sha256').update(code).digest('hex');
    const handOut = trial.signed(trial.registrar, {
      type: 'code',
      identifier: { type: 'cnic', value: CNIC },
      codeHash,
      nonce: hex(randomBytes(16)),
      time: trial.now,
    });
    const handedOut = await asked({ kind: 'code', signed: handOut });
    const ask = async (wanted: string) => {
      const bytes = writeViewAsk({ type: 'view', code: wanted, time: trial.now });
      const sealed = await sealTo(fromBase64(trial.keys.keeperSealingKey), VIEW_INFO, bytes);
      const [resolved] = await trial.resolve({
        kind: 'view',
        enc: base64(sealed.enc),
        ciphertext: base64(sealed.ciphertext),
      });
      return { resolved, sealed };
    };
    assert.deepEqual((await ask(code)).resolved, { outcome: 'rejected', code: 'unknown-code' });
    await enter(handedOut.id, [], false);

    const { resolved, sealed } = await ask(code);
    assert.ok(resolved?.outcome === 'resolved');
    await assert.rejects(trial.ask('view', { ask: resolved.ask }), refusal('not-entered'));
    await enter(lookUpOf(resolved).id, [], false);
    const { answer } = await trial.ask('view', { ask: resolved.ask });
    await assert.rejects(trial.ask('view', { ask: resolved.ask }), refusal('not-entered'));

    const key = secretKey(sealed.exporter(VIEW_ANSWER));
    const view = readView(openOnce(key, fromBase64(answer.sealed), new Uint8Array(0)));
    const [subject] = view.subjects;
    assert.ok(subject);
    const head = readHead(subject.head);
    assert.deepEqual([head.number, head.size], [4, trial.range.size]);
    let hash = chainStart(fromHex(head.subject));
    for (const each of chain) hash = nextChainHash(hash, each.index, leafHash(each.leaf));
    assert.equal(head.chain, hex(hash));
    assert.deepEqual(subject.undelivered, [2]);
    const keys = fromBase64(subject.bodyKeys);
    const kinds = chain.map(({ body, leaf }, i) => {
      const bytes = open(
        secretKey(keys.subarray(i * 32, i * 32 + 32)),
        body,
        bodyAad(head.subject, i + 1),
      );
      assert.ok(Buffer.from(leaf).includes(base64(commitTo(bytes))));
      const statement = decodeBody(bytes);
      assert.equal(statement.number, i + 1);
      return statement.kind;
    });
    assert.deepEqual(kinds, ['disclosure', 'disclosure', 'code', 'sign-in']);
    await assert.rejects(
      openSealed({ publicKey: sealed.enc, privateKey: await otherKey() }, VIEW_INFO, sealed),
    );
  });
});

async function otherKey() {
  const { generateSealingKey, importSealingKey } = await import('@amanat/core/keys');
  const { publicKey, pkcs8 } = await generateSealingKey();
  return (await importSealingKey(publicKey, pkcs8)).privateKey;
}

describe('I13: no dossier', () => {
  it('one person is another subject at each controller, and reading them together needs a second person', async () => {
    const other = declaration();
    await trial.appendPublic(
      trial.byAdministrators({
        ...other,
        holding: 'travel-history',
        controller: { ...other.controller, id: 'demo-border' },
      }),
    );
    await trial.appendPublic(
      trial.byAdministrators({
        ...trial.grants(),
        version: 2,
        rows: [
          ...trial.grants().rows,
          { ...trial.grants().rows[0], id: 'police-travel', holding: 'travel-history' },
        ],
      }),
    );
    const holdings = [HOLDING, 'travel-history'].map((holding) => ({
      holding,
      groups: ['identity'],
    }));
    const [resolved] = await trial.resolve(trial.request({ holdings }));
    assert.ok(resolved?.outcome === 'resolved' && resolved.decision.outcome === 'second-person');
    assert.deepEqual(resolved.decision.reasons, ['holdings-together']);
    assert.equal(new Set(resolved.lookUps.map(({ subject }) => subject)).size, 2);
    assert.equal(new Set(resolved.lookUps.map(({ controller }) => controller)).size, 2);
  });
});

describe('identifiers and bindings', () => {
  it('a number is one person’s: a row that gives it to another is refused and binds nothing', async () => {
    await trial.draw(1, CNIC, '+923980000001');
    const taken = { type: 'msisdn' as const, value: '+923980000001' };
    const primary = { type: 'cnic' as const, value: '0999912345671' };
    const { drawn, refused } = await trial.drawRows([
      { ...drawRow(2), primary, secondary: [taken] },
    ]);
    assert.deepEqual(drawn, []);
    assert.deepEqual(refused, [{ row: 2, refused: 'bound-to-another' }]);
  });

  it('a request by number finds the subject that the number is bound to, else a subject of its own', async () => {
    const { drawn } = await drawnRecord();
    const byCnic = await asked();
    const byNumber = await asked(trial.request({}, [trial.selector('+923980000001', 'msisdn')]));
    const unknown = await asked(trial.request({}, [trial.selector('+923990000009', 'msisdn')]));
    assert.equal(byCnic.subject, drawn.subject);
    assert.equal(byNumber.subject, drawn.subject);
    assert.notEqual(unknown.subject, drawn.subject);
  });

  it('an identifier that is not normalised, and a date to come, are refused by row', async () => {
    const rows = [
      { ...drawRow(1), primary: { type: 'cnic' as const, value: '01234-1234567-1' } },
      { ...drawRow(2), eventDate: '2030-01-01' },
      { ...drawRow(3), eventDate: '2001-01-01' },
    ];
    const { drawn, refused } = await trial.drawRows(rows);
    assert.deepEqual(drawn, []);
    assert.deepEqual(refused, [
      { row: 1, refused: 'bad-identifier' },
      { row: 2, refused: 'date-ahead' },
      { row: 3, refused: 'retention-over' },
    ]);
  });
});

describe('messages', () => {
  it('unknown messages and unknown members are refused', async () => {
    await assert.rejects(
      trial.keeper.answer('revive', {}, Buffer.alloc(0)),
      refusal('unknown-message'),
    );
    await assert.rejects(trial.keeper.answer('shred', {}, Buffer.alloc(0)), refusal('malformed'));
    await assert.rejects(
      trial.keeper.answer('status', { more: 1 }, Buffer.alloc(0)),
      refusal('malformed'),
    );
    await assert.rejects(
      trial.keeper.answer('commit', { leaves: 1 }, Buffer.alloc(0)),
      refusal('malformed'),
    );
  });

  it('a clock that is set back stops the keeper until it is right again', async () => {
    await asked();
    const { now } = trial;
    trial.now -= 120_000;
    await assert.rejects(trial.ask('status', {}), refusal('clock-behind'));
    await trial.reopen();
    await assert.rejects(trial.ask('status', {}), refusal('clock-behind'));
    trial.now = now;
    await trial.ask('status', {});
  });
});

describe('codes', () => {
  it('a new code ends the last one', async () => {
    const { createHash } = await import('node:crypto');
    const handOut = async () => {
      const code = hex(randomBytes(16));
      const signed = trial.signed(trial.registrar, {
        type: 'code',
        identifier: { type: 'cnic', value: CNIC },
        codeHash: createHash('sha256').update(code).digest('hex'),
        nonce: hex(randomBytes(16)),
        time: trial.now,
      });
      const entry = prepared(await trial.prepare((await asked({ kind: 'code', signed })).id));
      await trial.append([entry.leaf]);
      return code;
    };
    const show = async (code: string) => {
      const bytes = writeViewAsk({ type: 'view', code, time: trial.now });
      const sealed = await sealTo(fromBase64(trial.keys.keeperSealingKey), VIEW_INFO, bytes);
      const ask = { kind: 'view', enc: base64(sealed.enc), ciphertext: base64(sealed.ciphertext) };
      return (await trial.resolve(ask as Asked))[0];
    };
    const first = await handOut();
    assert.equal((await show(first))?.outcome, 'resolved');
    const second = await handOut();
    assert.deepEqual(await show(first), { outcome: 'rejected', code: 'unknown-code' });
    assert.equal((await show(second))?.outcome, 'resolved');
  });
});
