import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fromBase64 } from '@amanat/core/bytes';
import { writeDocument } from '@amanat/core/grants';
import { generateSigningKey, openOnce, recordAad, secretKey } from '@amanat/core/keys';
import { CompactRange, encodePublicLeaf, leafHash } from '@amanat/core/log';
import type { RecordRead } from '@amanat/core/statement';
import type { LookUp, PreparedLookUp } from '@amanat/keeper/client';
import { packLeaves, splitPrepared } from '@amanat/keeper/client';
import { signDocument } from '../packages/server/cli/keys.ts';
import { readLogKey, signCheckpoint } from '../packages/server/log/key.ts';
import type { NewLeaf } from '../packages/server/log/log.ts';
import { createSqliteLogStore } from '../packages/server/log/store-sqlite.ts';
import type { Terms } from './_instance.ts';
import { cnicOf, Instance, simsCsv } from './_instance.ts';

/**
 * A gateway changed to lie. It has everything that the real one has: the store, the log's signing key, the keeper's
 * socket, officers' signed requests. Whatever it does, what it gets opens nothing that the log does not name.
 */
let instance: Instance;

before(async () => {
  instance = await Instance.create();
  await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv([1, 2, 3]));
});

after(async () => {
  await instance?.[Symbol.asyncDispose]();
});

/** Has the keeper resolve an officer's true request; gives its one look-up. */
async function resolve(serial: number, terms: Terms = {}): Promise<LookUp> {
  const { document, signatures, selectors } = instance.request('officer', [cnicOf(serial)], terms);
  const asked = { kind: 'request', signed: { document, signatures }, selectors } as const;
  const { answer } = await instance.gateway.keeper.ask('resolve', {
    asks: [{ ...asked, approval: null }],
  });
  const [resolved] = answer.asks;
  assert.ok(resolved?.outcome === 'resolved');
  return resolved.lookUps[0] as LookUp;
}

async function prepare(id: number, records: readonly RecordRead[], abandoned = false) {
  const { answer, attachment } = await instance.gateway.keeper.ask('prepare', {
    lookUps: [{ id, records, abandoned }],
  });
  return splitPrepared(answer, attachment)[0] as PreparedLookUp;
}

/** The leaf of a prepared look-up. */
function leafOf(prepared: PreparedLookUp): NewLeaf & { readonly entry: object } {
  assert.ok('number' in prepared, 'the keeper prepared it');
  const { id, subject, number, leaf, body } = prepared;
  const entry = { lookUp: id, subject, number, body, evidence: null };
  return { bytes: leaf, entry, wanted: true };
}

async function append(...leaves: readonly NewLeaf[]) {
  return instance.gateway.log.append(leaves);
}

/** The names of what the store holds of a subject. */
function namesOf(subject: string, groups: readonly string[] = ['identity', 'number']) {
  const found = instance.gateway.custody.recordsOf(subject, 'sim-registrations', groups, 10);
  return found.map(({ read }) => read);
}

/** Tries the keys on the ciphertexts of a record, under its own names and under those of others. */
function opened(keys: Buffer | null, subject: string, read: RecordRead, claimed = subject): number {
  if (keys === null) return 0;
  const ciphertexts = instance.gateway.custody.ciphertextsFor(subject, read) ?? [];
  assert.equal(ciphertexts.length, read.groups.length);
  let count = 0;
  for (let at = 0; at + 32 <= keys.length; at += 32) {
    const key = secretKey(keys.subarray(at, at + 32));
    for (const [place, ciphertext] of ciphertexts.entries()) {
      const { group } = read.groups[place] as RecordRead['groups'][number];
      const { groups: _, ...name } = read;
      for (const whose of new Set([subject, claimed])) {
        try {
          openOnce(key, ciphertext, recordAad({ ...name, subject: whose, group }));
          count += 1;
        } catch {
          // As it should be.
        }
      }
    }
  }
  return count;
}

test('the truth opens what it names, so that what follows proves something', async () => {
  const lookUp = await resolve(1);
  const [read] = namesOf(lookUp.subject);
  assert.ok(read);
  const [appended] = await append(leafOf(await prepare(lookUp.id, [read])));
  assert.equal(opened(appended?.keys ?? null, lookUp.subject, read), 2);
});

test('another subject’s record, named for this one, does not open', async () => {
  const other = await resolve(2);
  const [theirs] = namesOf(other.subject);
  assert.ok(theirs);
  const lookUp = await resolve(1);
  const [appended] = await append(leafOf(await prepare(lookUp.id, [theirs])));
  assert.equal(opened(appended?.keys ?? null, other.subject, theirs, lookUp.subject), 0);
});

test('keys released for one version do not open another', async () => {
  const first = await resolve(3);
  const [former] = namesOf(first.subject);
  assert.ok(former);
  const moved = simsCsv([3]).replace('Alif Mobile', 'Bay Telecom');
  await instance.importCsv('telecom-importer', 'sim-registrations', moved);
  const [latest] = namesOf(first.subject);
  assert.ok(latest && latest.import !== former.import);
  const [appended] = await append(leafOf(await prepare(first.id, [former])));
  assert.equal(opened(appended?.keys ?? null, first.subject, former), 2);
  const lookUp = await resolve(3);
  const mixed = { ...latest, groups: former.groups };
  const [second] = await append(leafOf(await prepare(lookUp.id, [mixed])));
  assert.equal(opened(second?.keys ?? null, first.subject, latest), 0);
  assert.equal(opened(second?.keys ?? null, first.subject, former), 0);
});

test('a group, a holding or a record twice that nobody asked for is not prepared', async () => {
  const lookUp = await resolve(1);
  const [read] = namesOf(lookUp.subject, ['identity', 'address']);
  const [asked] = namesOf(lookUp.subject);
  assert.ok(read && asked);
  const refusals = [
    [read],
    [{ ...asked, holding: 'travel-history' }],
    [asked, asked],
    [{ ...asked, groups: [...asked.groups, ...asked.groups] }],
  ];
  for (const records of refusals) assert.ok('refused' in (await prepare(lookUp.id, records)));
  assert.ok('refused' in (await prepare(lookUp.id, [asked], true)));
});

test('a refusal’s look-up takes no records', async () => {
  const lookUp = await resolve(1, { purpose: 'https://w3id.org/dpv#Marketing' });
  const [read] = namesOf(lookUp.subject);
  assert.ok(read);
  assert.ok('refused' in (await prepare(lookUp.id, [read])));
});

test('a skipped number releases nothing', async () => {
  const first = await resolve(1);
  const second = await resolve(1);
  assert.equal(first.subject, second.subject);
  const [read] = namesOf(first.subject);
  assert.ok(read);
  await prepare(first.id, [read]);
  const later = leafOf(await prepare(second.id, [read]));
  const [appended] = await append(later);
  assert.equal(appended?.keys ?? null, null);
});

test('swapped entries release nothing for the one that came too early', async () => {
  const first = await resolve(2);
  const second = await resolve(2);
  const [read] = namesOf(first.subject);
  assert.ok(read);
  const one = leafOf(await prepare(first.id, [read]));
  const two = leafOf(await prepare(second.id, [read]));
  const [early, late] = await append(two, one);
  assert.equal(early?.keys ?? null, null);
  assert.equal(late?.keys ?? null, null);
});

test('no key comes before its entry: not without a leaf, nor for an unsigned or foreign checkpoint', async () => {
  const { keeper, log } = instance.gateway;
  const lookUp = await resolve(1);
  const [read] = namesOf(lookUp.subject);
  assert.ok(read);
  const leaf = leafOf(await prepare(lookUp.id, [read]));
  const wanted = [lookUp.id];
  const without = await keeper.ask('commit', { checkpoint: log.checkpoint, leaves: 0, wanted });
  assert.deepEqual(without.answer.released, []);
  assert.equal(without.attachment.length, 0);
  const bundle = packLeaves([leaf.bytes]);
  const checkpoint = log.checkpoint;
  await assert.rejects(keeper.ask('commit', { checkpoint, leaves: 1, wanted }, bundle), {
    code: 'not-an-extension',
  });
  const unsigned = log.checkpoint.replace(/— .*\n$/, '');
  await assert.rejects(keeper.ask('commit', { checkpoint: unsigned, leaves: 1, wanted }, bundle), {
    code: 'bad-checkpoint',
  });
  const range = CompactRange.empty();
  range.append(leafHash(leaf.bytes));
  const key = readLogKey(instance.paths.log, 'journey.example/log');
  const foreign = signCheckpoint(key, { size: 1, root: range.root() });
  await assert.rejects(keeper.ask('commit', { checkpoint: foreign, leaves: 1, wanted }, bundle), {
    code: 'not-an-extension',
  });
  // The entry is still to be had honestly.
  const [appended] = await append(leaf);
  assert.equal(opened(appended?.keys ?? null, lookUp.subject, read), 2);
});

test('keys come once: neither the same leaf again nor a later wish brings them', async () => {
  const { keeper, log } = instance.gateway;
  const lookUp = await resolve(1);
  const [read] = namesOf(lookUp.subject);
  assert.ok(read);
  const leaf = leafOf(await prepare(lookUp.id, [read]));
  const [unwanted] = await append({ ...leaf, wanted: false });
  assert.equal(unwanted?.keys ?? null, null);
  const [again] = await append(leaf);
  assert.equal(again?.keys ?? null, null);
  const late = { checkpoint: log.checkpoint, leaves: 0, wanted: [lookUp.id] };
  assert.deepEqual((await keeper.ask('commit', late)).answer.released, []);
  assert.ok('refused' in (await prepare(lookUp.id, [read])));
});

test('an entry of its own making releases nothing', async () => {
  const lookUp = await resolve(1);
  const made = Buffer.from(leafOf(await prepare(lookUp.id, [])).bytes);
  made[40] = (made[40] ?? 0) ^ 1;
  const entry = {
    lookUp: lookUp.id,
    subject: lookUp.subject,
    number: 900,
    body: made,
    evidence: null,
  };
  const [appended] = await append({ bytes: made, entry, wanted: true });
  assert.equal(appended?.keys ?? null, null);
});

test('an officer of its own making is nobody to the keeper', async () => {
  const officer = generateSigningKey('ed25519');
  const document = writeDocument<'certificate'>({
    type: 'certificate',
    key: officer.public.text,
    version: 1,
    person: 'p-9',
    agency: 'demo-police',
    line: 'one',
    role: 'officer',
    subjectsPerDay: 1000,
    notAfter: Date.now() + 1_000_000,
    time: Date.now(),
  });
  // Signed by one administrator's stolen key and by itself: it stands in the log, and means nothing.
  const signed = [instance.key('administrator-1'), officer].map((key) =>
    signDocument(key, document),
  );
  const signatures = signed.map(({ key, signature }) => ({
    key,
    signature: fromBase64(signature),
  }));
  await append({ bytes: encodePublicLeaf({ document, signatures }) });
  const request = instance.request('officer', [cnicOf(1)]);
  const asked = {
    kind: 'request',
    signed: {
      document: request.document,
      signatures: [signDocument(officer, request.document)],
    },
    selectors: request.selectors,
    approval: null,
  } as const;
  const { answer } = await instance.gateway.keeper.ask('resolve', { asks: [asked] });
  assert.deepEqual(answer.asks, [{ outcome: 'rejected', code: 'unknown-key' }]);
});

test('a true officer’s request about somebody else is refused', async () => {
  const request = instance.request('officer', [cnicOf(1)]);
  const selectors = request.selectors.map((each) => ({ ...each, value: cnicOf(2) }));
  const { document, signatures } = request;
  const { answer } = await instance.gateway.keeper.ask('resolve', {
    asks: [{ kind: 'request', signed: { document, signatures }, selectors, approval: null }],
  });
  assert.deepEqual(answer.asks, [{ outcome: 'rejected', code: 'selectors-differ' }]);
});

test('a view is shown to nobody whose sign-in has no entry', async () => {
  const { keeper, citizen } = instance.gateway;
  const { code, signed } = instance.code(cnicOf(1));
  assert.equal((await citizen.handOutCode(signed)).outcome, 'entered');
  const { sealed } = await instance.viewAsk(code);
  const { answer } = await keeper.ask('resolve', { asks: [{ kind: 'view', ...sealed }] });
  const [resolved] = answer.asks;
  assert.ok(resolved?.outcome === 'resolved');
  await assert.rejects(keeper.ask('view', { ask: resolved.ask }), { code: 'not-entered' });
  await assert.rejects(keeper.ask('view', { ask: resolved.ask + 1 }), { code: 'not-entered' });
});

test('a tree that leaves out what the keeper has seen is refused for good', async () => {
  const { database, keeper, log } = instance.gateway;
  const key = readLogKey(instance.paths.log, 'journey.example/log');
  const leaves = createSqliteLogStore(database).leaves(0, log.size).slice(0, -1);
  const range = CompactRange.empty();
  for (const leaf of leaves) range.append(leafHash(leaf));
  const invented = new TextEncoder().encode('amanat/v1 invented');
  range.append(leafHash(invented));
  range.append(leafHash(invented));
  const checkpoint = signCheckpoint(key, { size: range.size, root: range.root() });
  const ask = { checkpoint, leaves: 1, wanted: [] };
  await assert.rejects(keeper.ask('commit', ask, packLeaves([invented])), {
    code: 'not-an-extension',
  });
});
