import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { writeDocument } from '@amanat/core/grants';
import type { CosigningKey } from '@amanat/core/keys';
import { cosign, generateCosigningKey } from '@amanat/core/keys';
import type { NoteSignature } from '@amanat/core/log';
import { CompactRange, formatNote, formatVerifierKey, leafHash, parseNote } from '@amanat/core/log';
import type { RecordRead } from '@amanat/core/statement';
import { HOLDING, publicLeaf, Trial } from './_trial.ts';
import { packLeaves } from './frame.ts';
import { Refusal } from './refusal.ts';

const HOUR_MS = 3_600_000;

let trial: Trial;
let witnesses: readonly CosigningKey[];
let record: RecordRead;

beforeEach(async () => {
  trial = await Trial.ready();
  witnesses = (['ed25519', 'ed25519', 'ed25519', 'ml-dsa-44'] as const).map((kind, at) =>
    generateCosigningKey(kind, `witness.example/${at}`),
  );
  const drawn = await trial.draw();
  assert.ok(drawn !== null);
  record = {
    holding: HOLDING,
    record: drawn.record,
    import: trial.importIndex,
    row: 1,
    expiryMonth: drawn.expiryMonth,
    groups: [{ group: 'identity', nonce: drawn.nonce, sha256: '00'.repeat(32) }],
  };
  trial.now += 10_000;
  refused = null;
});

afterEach(() => trial.end());

function refusal(code: string) {
  return (error: unknown) => error instanceof Refusal && error.code === code;
}

/** The document by which administrators appoint these witnesses. */
function appointment(by: readonly CosigningKey[] = witnesses, changes: object = {}) {
  return trial.byAdministrators({
    type: 'witnesses',
    version: 1,
    witnesses: by.map((key) => ({
      key: formatVerifierKey(key.public),
      url: 'http://127.0.0.1:1/',
    })),
    quorum: 3,
    faulty: 1,
    breakGlass: { quorum: 1, releases: 2 },
    time: trial.now,
    ...changes,
  });
}

const breakGlass = (untilMs = HOUR_MS) =>
  trial.byAdministrators({
    type: 'broken-glass',
    reason: 'three witnesses are out of reach',
    until: trial.now + untilMs,
    nonce: '00'.repeat(16),
    time: trial.now,
  });

/** Cosignatures of these witnesses, some seconds from the keeper's time. */
function by(keys: readonly CosigningKey[], seconds = 0) {
  return (text: string) =>
    keys.map((key) => cosign(key, text, Math.floor(trial.now / 1000) + seconds));
}

const quorum = (text: string) => by(witnesses.slice(0, 3))(text);

/** Has the keeper follow to the tree that these leaves end; where it refuses, the trial's tree is as it was. */
async function append(
  leaves: readonly Uint8Array[],
  cosigned: (text: string) => readonly NoteSignature[],
  wanted: readonly number[] = [],
) {
  const before = CompactRange.from(trial.range.size, trial.range.hashes());
  for (const leaf of leaves) trial.range.append(leafHash(leaf));
  const { text, signatures } = parseNote(trial.checkpoint());
  const checkpoint = formatNote(text, [...signatures, ...cosigned(text)]);
  try {
    const ask = { checkpoint, leaves: leaves.length, wanted };
    return await trial.ask('commit', ask, packLeaves(leaves));
  } catch (error) {
    trial.range = before;
    throw error;
  }
}

/** A disclosure that is ready for the log. */
function counted(releases: number): Uint8Array {
  const document = writeDocument({ type: 'broken-glass-counted', releases, time: trial.now });
  return publicLeaf({ document, signatures: [] });
}

async function prepared(lookUp: number | null = null) {
  const id = lookUp ?? (await open());
  const entry = await trial.prepare(id, [record]);
  assert.ok('leaf' in entry);
  return entry;
}

async function open(): Promise<number> {
  const [resolved] = await trial.resolve(trial.request());
  assert.ok(resolved?.outcome === 'resolved', JSON.stringify(resolved));
  return resolved.lookUps[0]?.id ?? 0;
}

/** The look-up that was refused its checkpoint, and is tried again. */
let refused: number | null = null;

/** How many keys come for a disclosure under a checkpoint cosigned so. */
async function keysFor(cosigned: (text: string) => readonly NoteSignature[]): Promise<number> {
  const { id, leaf } = await prepared(refused);
  refused = id;
  const { attachment } = await append([leaf], cosigned, [id]);
  refused = null;
  return attachment.length / 32;
}

const status = async () => (await trial.ask('status', {})).answer;

describe('with witnesses appointed', () => {
  beforeEach(() => trial.appendPublic(appointment()));

  it('no key is released for a checkpoint that fewer than the quorum have cosigned, and nothing is taken in', async () => {
    const [one, two] = witnesses as [CosigningKey, CosigningKey];
    const stranger = generateCosigningKey('ed25519', 'stranger.example');
    const impostor = generateCosigningKey('ed25519', one.public.name);
    const { size } = await status();
    const { id, leaf } = await prepared();
    for (const few of [
      by([]),
      by([one, two]),
      // Nobody counts twice, and nobody else counts.
      by([one, two, two]),
      by([one, two, stranger]),
      by([one, two, impostor]),
      // Put by for later, or made before: a minute is as far as clocks may differ.
      (text: string) => [...by([one, two])(text), ...by(witnesses.slice(2), -61)(text)],
      (text: string) => [...by([one, two])(text), ...by(witnesses.slice(2), 62)(text)],
    ]) {
      await assert.rejects(append([leaf], few, [id]), refusal('not-witnessed'));
      assert.equal((await status()).size, size);
    }
    assert.equal((await append([leaf], quorum, [id])).attachment.length, 32);
    assert.equal((await status()).witnessed, true);
  });

  it('one bad cosignature of a witness rejects the checkpoint, however many are good', async () => {
    const bad = (text: string) => by(witnesses.slice(3))(text.replace(/^\S+/, 'example.org/other'));
    const lying = (text: string) => [...quorum(text), ...bad(text)];
    await assert.rejects(keysFor(lying), refusal('bad-checkpoint'));
  });

  it('any quorum of them does, whatever the kind of their keys', async () => {
    for (const left of witnesses) {
      assert.equal(await keysFor(by(witnesses.filter((each) => each !== left))), 1);
    }
    assert.equal(await keysFor(by(witnesses)), 1);
  });

  it('whom a document appoints, the witnesses before have to let in', async () => {
    const others = witnesses.map(({ public: { name } }) => generateCosigningKey('ed25519', name));
    const next = appointment(others, { version: 2 });
    const leaf = publicLeaf(next);
    await assert.rejects(append([leaf], by(others)), refusal('not-witnessed'));
    await append([leaf], quorum);
    await assert.rejects(keysFor(quorum), refusal('not-witnessed'));
    assert.equal(await keysFor(by(others)), 1);
  });

  it('after a start only cosignatures count that are newer than it', async () => {
    const old = by(witnesses, -1);
    await trial.reopen();
    await assert.rejects(keysFor(old), refusal('not-witnessed'));
    // Made in the second of the start, which may have been before it.
    await assert.rejects(keysFor(by(witnesses)), refusal('not-witnessed'));
    const { time, cosignaturesFrom } = await status();
    assert.equal(cosignaturesFrom, (Math.floor(time / 1000) + 1) * 1000);
    const first = (text: string) =>
      witnesses.map((key) => cosign(key, text, cosignaturesFrom / 1000));
    assert.equal(await keysFor(first), 1);
  });

  it('after a start under a clock that was put back, what was cosigned before is older all the same', async () => {
    assert.equal(await keysFor(quorum), 1);
    trial.now -= 50_000;
    await trial.reopen();
    await assert.rejects(keysFor(by(witnesses, 50)), refusal('not-witnessed'));
    trial.now += 51_000;
    assert.equal(await keysFor(quorum), 1);
  });

  it('a clock that is set ahead releases nothing', async () => {
    const honest = Math.floor(trial.now / 1000);
    const cosigned = (text: string) => witnesses.map((key) => cosign(key, text, honest));
    trial.now += 2 * HOUR_MS;
    await assert.rejects(keysFor(cosigned), refusal('not-witnessed'));
  });
});

describe('a broken glass', () => {
  const one = (text: string) => by(witnesses.slice(0, 1))(text);
  beforeEach(() => trial.appendPublic(appointment()));

  it('is broken by two administrators and by nobody less, and never for nobody’s cosignature', async () => {
    const { document, signatures } = breakGlass();
    const half = publicLeaf({ document, signatures: signatures.slice(0, 1) });
    await assert.rejects(append([half], one), refusal('not-witnessed'));
    await assert.rejects(
      append([publicLeaf(breakGlass(25 * HOUR_MS))], one),
      refusal('not-witnessed'),
    );
    await assert.rejects(append([publicLeaf(breakGlass())], by([])), refusal('not-witnessed'));
    await assert.rejects(keysFor(one), refusal('not-witnessed'));
  });

  it('lets in no other witnesses: whom they cosigned for would be released without end', async () => {
    await append([publicLeaf(breakGlass())], one);
    const strangers = witnesses.map((_, at) => generateCosigningKey('ed25519', `stranger/${at}`));
    for (const next of [
      appointment(strangers, { version: 2 }),
      appointment(witnesses, { version: 2, breakGlass: { quorum: 1, releases: 1000 } }),
    ]) {
      await assert.rejects(append([publicLeaf(next)], one), refusal('not-witnessed'));
    }
    assert.equal(await keysFor(one), 1);
    assert.equal(await keysFor(one), 1);
    assert.equal(await keysFor(one), 0);
  });

  it('is not broken anew by the same document', async () => {
    const document = publicLeaf(breakGlass());
    await append([document], one);
    const kept = () => trial.ask('status', {});
    await append([document, document], one);
    assert.equal((await kept()).answer.size, trial.range.size);
    trial.now += HOUR_MS;
    await assert.rejects(append([document], one), refusal('not-witnessed'));
  });

  it('cannot be broken where the witnesses’ document names no smaller quorum', async () => {
    await append([publicLeaf(appointment(witnesses, { version: 2, breakGlass: null }))], quorum);
    await assert.rejects(append([publicLeaf(breakGlass())], one), refusal('not-witnessed'));
  });

  it('releases so many and no more until the full quorum has covered them, over restarts too', async () => {
    await append([publicLeaf(breakGlass())], one);
    assert.equal(await keysFor(one), 1);
    trial.now += 1_000;
    await trial.reopen();
    trial.now += 1_000;
    assert.equal(await keysFor(one), 1);
    assert.equal((await status()).releasedUncovered, 2);
    // Entered, and shown as not delivered.
    assert.equal(await keysFor(one), 0);
    assert.equal(await keysFor(quorum), 1);
    assert.equal((await status()).releasedUncovered, 0);
    // Covered, and not yet counted: whoever keeps the count back has no more.
    assert.equal(await keysFor(one), 0);
    await append([counted(2)], quorum);
    assert.equal(await keysFor(one), 1);
  });

  it('what it released is uncounted from when it is covered until the log counts it, over restarts too', async () => {
    const uncounted = async () => (await status()).releasedUncounted;
    await append([publicLeaf(breakGlass())], one);
    assert.equal(await keysFor(one), 1);
    assert.equal(await keysFor(one), 1);
    // Nothing is taken off what is still to be released.
    await append([counted(5)], one);
    assert.equal(await uncounted(), 0);
    assert.equal(await keysFor(quorum), 1);
    assert.equal(await uncounted(), 2);
    trial.now += 1_000;
    await trial.reopen();
    trial.now += 1_000;
    await append([counted(1)], quorum);
    assert.equal(await uncounted(), 1);
    // Nobody signs a count: one of more than there were takes nothing off.
    await append([counted(9)], quorum);
    assert.equal(await uncounted(), 1);
    await append([counted(1)], quorum);
    assert.equal(await uncounted(), 0);
  });

  it('ends when it said', async () => {
    await append([publicLeaf(breakGlass())], one);
    trial.now += HOUR_MS;
    await assert.rejects(keysFor(one), refusal('not-witnessed'));
    assert.equal(await keysFor(quorum), 1);
  });
});

describe('a tree that comes in parts', () => {
  const stage = (leaves: readonly Uint8Array[]) =>
    trial.ask(
      'commit',
      { checkpoint: null, leaves: leaves.length, wanted: [] },
      packLeaves(leaves),
    );
  const grow = (leaf: Uint8Array) => trial.range.append(leafHash(leaf));

  it('is nothing before its checkpoint: no number is given, no key released, nothing declared', async () => {
    const { size } = await status();
    const { id, leaf } = await prepared();
    await stage([leaf, publicLeaf(appointment())]);
    assert.equal((await status()).size, size);
    assert.equal((await status()).witnessed, false);
    await assert.rejects(trial.append([], [id]), refusal('not-an-extension'));
    // What was staged is spent with the checkpoint that was refused.
    grow(leaf);
    grow(publicLeaf(appointment()));
    await assert.rejects(trial.append([], [id]), refusal('not-an-extension'));
  });

  it('is taken in as if it had come at once', async () => {
    const { id, leaf } = await prepared();
    const document = publicLeaf(appointment());
    await stage([leaf]);
    await stage([document]);
    grow(leaf);
    grow(document);
    const last = await prepared();
    const { answer, attachment } = await trial.append([last.leaf], [id, last.id]);
    assert.equal(answer.size, trial.range.size);
    assert.equal(attachment.length, 64);
    assert.equal((await status()).witnessed, true);
  });

  it('is bounded in what the keeper holds of it', async () => {
    const document = `{"a":"${'x'.repeat(65_000)}"}`;
    const leaf = publicLeaf({ document, signatures: [] });
    const part = Array.from({ length: 200 }, () => leaf);
    await assert.rejects(async () => {
      for (let at = 0; at < 10; at++) await stage(part);
    }, refusal('too-large'));
    // And begins anew.
    await trial.append([(await prepared()).leaf]);
  });
});
