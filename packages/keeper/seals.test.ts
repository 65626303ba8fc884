import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { base64, fromBase64, fromHex, hex } from '@amanat/core/bytes';
import type { Seal, SealRules, Signed } from '@amanat/core/grants';
import { documentHash, Register, readDocument } from '@amanat/core/grants';
import { generateSigningKey, open, openOnce, sealTo, secretKey } from '@amanat/core/keys';
import type { Leaf } from '@amanat/core/log';
import { encodePersonalLeaf, leafHash, parseLeaf } from '@amanat/core/log';
import type { RecordRead } from '@amanat/core/statement';
import { commitTo, decodeBody, SEAL_EXTENSIONS_MAX } from '@amanat/core/statement';
import type { SubjectView } from '@amanat/core/view';
import {
  bodyAad,
  readHead,
  readView,
  sealedBodyAad,
  VIEW_ANSWER,
  VIEW_INFO,
  writeViewAsk,
} from '@amanat/core/view';
import { CNIC, declaration, HOLDING, Trial } from './_trial.ts';
import { packLeaves } from './frame.ts';
import type { PreparedEntry } from './prepared.ts';
import type { Asked, Resolved } from './protocol.ts';
import { Refusal } from './refusal.ts';

const GROUND = 'https://w3id.org/dpv#LegalObligation';
const DAY = 86_400_000;
const OTHER = '0999912345671';
const CODE = 'ab'.repeat(16);

let trial: Trial;
beforeEach(async () => {
  trial = await Trial.ready();
  await trial.appendPublic(trial.byAdministrators(rules()));
});
afterEach(() => trial.end());

function rules(changes: Partial<SealRules> = {}) {
  return {
    type: 'seal-rules',
    version: 1,
    jurisdiction: 'Example land',
    grounds: [
      { ground: GROUND, title: { en: 'a', ur: 'a' }, daysMax: 90, source: 'Example act, 5' },
    ],
    agencies: [{ agency: 'demo-police', openMax: 3 }],
    time: trial.now,
    ...changes,
  };
}

/** `YYYY-MM-DD`, so many days after the trial's. */
function dateIn(days: number): string {
  return new Date(trial.now + days * DAY).toISOString().slice(0, 10);
}

type RequestAsk = Extract<Asked, { kind: 'request' }>;
type ExtensionAsk = Extract<Asked, { kind: 'seal-extension' }>;

function approved<T extends RequestAsk | ExtensionAsk>(ask: T, key = trial.approver): T {
  const approval = trial.signed(key, {
    type: 'approval',
    request: hex(documentHash(ask.signed.document)),
    nonce: hex(randomBytes(16)),
    time: trial.now,
  });
  return { ...ask, approval };
}

function sealedRequest(seal: Partial<Seal> = {}, value = CNIC): RequestAsk {
  const selectors = [trial.selector(value)];
  return trial.request({ seal: { ground: GROUND, until: dateIn(30), ...seal } }, selectors);
}

function extension(seal: number, changes: object = {}, key = trial.officer): ExtensionAsk {
  const document = {
    type: 'seal-extension',
    seal,
    ground: GROUND,
    until: dateIn(60),
    nonce: hex(randomBytes(16)),
    time: trial.now,
    ...changes,
  };
  return { kind: 'seal-extension', signed: trial.signed(key, document), approval: null };
}

async function resolveOne(ask: Asked): Promise<Resolved> {
  return (await trial.resolve(ask))[0] as Resolved;
}

async function refused(ask: Asked, code: string): Promise<void> {
  const answer = await resolveOne(ask);
  assert.ok(answer.outcome === 'resolved', JSON.stringify(answer));
  assert.ok(answer.decision.outcome === 'refused', JSON.stringify(answer.decision));
  assert.deepEqual([answer.decision.code, answer.lookUps], [code, []]);
}

interface InLog extends PreparedEntry {
  readonly index: number;
}

async function prepared(id: number, records: readonly RecordRead[] = [], abandoned = false) {
  const entry = await trial.prepare(id, records, abandoned);
  assert.ok('leaf' in entry, JSON.stringify(entry));
  return entry;
}

async function enter(ask: Asked, records: readonly RecordRead[] = []): Promise<InLog> {
  const answer = await resolveOne(ask);
  assert.ok(answer.outcome === 'resolved', JSON.stringify(answer));
  assert.equal(answer.decision.outcome, 'allowed', JSON.stringify(answer.decision));
  const [lookUp] = answer.lookUps;
  assert.ok(lookUp);
  const entry = await prepared(lookUp.id, records);
  const index = trial.range.size;
  const { answer: committed } = await trial.append([entry.leaf], [lookUp.id]);
  assert.equal(committed.size, index + 1);
  return { ...entry, index };
}

function sealIt(seal: Partial<Seal> = {}, value = CNIC): Promise<InLog> {
  return enter(approved(sealedRequest(seal, value)));
}

/** What the keeper opens by itself, entered as a gateway enters what is open. */
async function openDue(): Promise<readonly InLog[]> {
  await trial.ask('seals', {});
  const { answer } = await trial.ask('status', {});
  const entered: InLog[] = [];
  for (const { id } of answer.open) {
    const entry = await prepared(id, [], true);
    const index = trial.range.size;
    await trial.append([entry.leaf]);
    entered.push({ ...entry, index });
  }
  return entered;
}

async function giveCode(value = CNIC, type: 'cnic' | 'msisdn' = 'cnic', code = CODE) {
  const document = {
    type: 'code',
    identifier: { type, value },
    codeHash: createHash('sha256').update(code).digest('hex'),
    nonce: hex(randomBytes(16)),
    time: trial.now,
  };
  return enter({ kind: 'code', signed: trial.signed(trial.registrar, document) });
}

/** Her view, and the bytes in which the gateway carried it. */
async function look(
  code = CODE,
): Promise<{ subjects: readonly SubjectView[]; sealed: string; signIns: readonly InLog[] }> {
  const bytes = writeViewAsk({ type: 'view', code, time: trial.now });
  const sealed = await sealTo(fromBase64(trial.keys.keeperSealingKey), VIEW_INFO, bytes);
  const { enc, ciphertext } = sealed;
  const resolved = await resolveOne({
    kind: 'view',
    enc: base64(enc),
    ciphertext: base64(ciphertext),
  });
  assert.ok(resolved.outcome === 'resolved', JSON.stringify(resolved));
  const signIns: InLog[] = [];
  for (const { id } of resolved.lookUps) {
    const entry = await prepared(id);
    signIns.push({ ...entry, index: trial.range.size });
    await trial.append([entry.leaf]);
  }
  const { answer } = await trial.ask('view', { ask: resolved.ask });
  const key = secretKey(sealed.exporter(VIEW_ANSWER));
  const view = readView(openOnce(key, fromBase64(answer.sealed), new Uint8Array(0)));
  return { subjects: view.subjects, sealed: answer.sealed, signIns };
}

function counted(answer: { readonly counted: Signed | null }) {
  assert.ok(answer.counted !== null);
  return readDocument(answer.counted.document, 'seals-counted');
}

async function keepersCounts() {
  return counted((await trial.ask('seals', {})).answer);
}

function personal(leaf: Uint8Array): Exclude<Leaf, { kind: 'public' }> {
  const parsed = parseLeaf(leaf);
  assert.ok(parsed.kind !== 'public');
  return parsed;
}

function refusal(code: string) {
  return (error: unknown) => error instanceof Refusal && error.code === code;
}

describe('I8: one person alone cannot seal', () => {
  it('one officer alone seals nothing, and it has no entry on any chain', async () => {
    const before = await giveCode();
    const answer = await resolveOne(sealedRequest());
    assert.ok(answer.outcome === 'resolved' && answer.decision.outcome === 'second-person');
    assert.deepEqual(answer.decision.reasons, ['sealed']);
    assert.deepEqual(answer.lookUps, [], 'the gateway is not even told whom it means');
    const { signIns } = await look();
    assert.equal(signIns[0]?.number, before.number + 1);
  });

  it('an approver who is the officer, of her line, or uncertified seals nothing', async () => {
    for (const [key, code] of [
      [trial.officer, 'approver-unknown'],
      [generateSigningKey('ed25519'), 'approver-unknown'],
    ] as const) {
      const answer = await resolveOne(approved(sealedRequest(), key));
      assert.deepEqual(answer, { outcome: 'rejected', code });
    }
    const colleague = generateSigningKey('ed25519');
    await trial.certify(colleague, 'approver', 'a-2', 'line-a');
    const answer = await resolveOne(approved(sealedRequest(), colleague));
    assert.deepEqual(answer, { outcome: 'rejected', code: 'approver-same-line' });
  });

  it('an approval of the request without its seal, or with an earlier date, does not do', async () => {
    const { approval } = approved(trial.request());
    const answer = await resolveOne({ ...sealedRequest(), approval });
    assert.deepEqual(answer, { outcome: 'rejected', code: 'bad-approval' });
  });
});

describe('what the rules do not allow', () => {
  it('is refused by the keeper itself: ground, maximum, date, agency', async () => {
    const other = 'https://w3id.org/dpv#Consent';
    await refused(approved(sealedRequest({ ground: other })), 'seal-undeclared-ground');
    await refused(approved(sealedRequest({ until: dateIn(91) })), 'seal-too-long');
    await refused(approved(sealedRequest({ until: dateIn(0) })), 'seal-not-ahead');
    await refused(approved(sealedRequest({ until: '2020-01-01' })), 'seal-not-ahead');
    await trial.appendPublic(trial.byAdministrators(rules({ version: 2, agencies: [] })));
    await refused(approved(sealedRequest()), 'seal-undeclared-agency');
  });

  it('without rules nothing is sealed', async () => {
    const bare = await Trial.ready();
    const mine = trial;
    trial = bare;
    try {
      await refused(approved(sealedRequest()), 'seal-undeclared-agency');
    } finally {
      bare.end();
      trial = mine;
    }
  });

  it('rules that one administrator signed, or an old version, are inert', async () => {
    const [first] = trial.administrators;
    await trial.appendPublic(trial.signed(first, rules({ version: 2, agencies: [] })));
    await trial.appendPublic(trial.byAdministrators(rules({ version: 1, agencies: [] })));
    await sealIt();
  });

  it('past the agency’s ceiling is refused, what is on its way counted in, and goes on as others open', async () => {
    await sealIt();
    await sealIt();
    const open = await resolveOne(approved(sealedRequest()));
    assert.ok(open.outcome === 'resolved' && open.decision.outcome === 'allowed');
    await refused(approved(sealedRequest()), 'seal-ceiling');
    await openDue();
    await refused(approved(sealedRequest()), 'seal-ceiling');
    trial.now += 40 * DAY;
    assert.equal((await openDue()).length, 3);
    await sealIt();
  });

  it('is counted in public, and never enters her chain', async () => {
    await giveCode();
    await refused(approved(sealedRequest({ until: dateIn(91) })), 'seal-too-long');
    await resolveOne(sealedRequest());
    const { subjects } = await look();
    assert.equal(readHead(subjects[0]?.head ?? '').number, 2);
    trial.now += 31 * DAY;
    const { counts } = await keepersCounts();
    assert.deepEqual(counts, [
      {
        agency: 'demo-police',
        month: '2026-11',
        sealed: 0,
        extended: 0,
        opened: 0,
        refused: 1,
        awaited: 1,
      },
    ]);
  });
});

describe('a sealed look-up', () => {
  async function record() {
    const drawn = await trial.draw();
    assert.ok(drawn !== null);
    const { nonce, record: id, expiryMonth, key } = drawn;
    const groups = [{ group: 'identity', nonce, sha256: hex(randomBytes(32)) }];
    const read: RecordRead = {
      holding: HOLDING,
      record: id,
      import: trial.importIndex,
      row: 1,
      expiryMonth,
      groups,
    };
    return { read, key };
  }

  it('releases keys as any other, for its entry alone, and shows outsiders its month', async () => {
    const { read, key } = await record();
    const answer = await resolveOne(approved(sealedRequest({ until: '2026-12-23' })));
    assert.ok(answer.outcome === 'resolved');
    const id = answer.lookUps[0]?.id ?? 0;
    const entry = await prepared(id, [read]);
    const { hour, commitment, ...shown } = personal(entry.leaf);
    assert.deepEqual(shown, { kind: 'sealed', month: '2026-12', extends: null });
    assert.deepEqual([hour, commitment.length], ['2026-11-23T09Z', 32]);
    const { attachment } = await trial.append([entry.leaf], [id]);
    assert.deepEqual(attachment, key);
  });

  it('leaves no trace in her view: heads, numbers and lengths are those of one who has none', async () => {
    await giveCode();
    await giveCode(OTHER, 'cnic', 'cd'.repeat(16));
    await sealIt();
    await sealIt({ until: dateIn(50) });
    const [hers, others] = [await look(), await look('cd'.repeat(16))];
    assert.equal(hers.sealed.length, others.sealed.length);
    const shape = ({ subjects }: typeof hers) =>
      subjects.map(({ head, signature: _signature, bodyKeys, ...rest }) => ({
        ...rest,
        number: readHead(head).number,
        bodyKeys: bodyKeys.length,
      }));
    assert.deepEqual(shape(hers), shape(others));
    assert.deepEqual(hers.subjects[0]?.opened, []);
    // Nor do the lengths of her entries, which are in the store.
    assert.equal(hers.signIns[0]?.body.length, others.signIns[0]?.body.length);
    assert.equal(hers.signIns[0]?.leaf.length, others.signIns[0]?.leaf.length);
  });

  it('opens by itself a day after its date, into her chain, with the key of that entry alone', async () => {
    await giveCode();
    const { read } = await record();
    const sealed = await enter(approved(sealedRequest({ until: '2026-12-23' })), [read]);
    const other = await sealIt({ until: '2027-01-20' });
    assert.deepEqual([sealed.number, other.number], [1, 2]);
    trial.now = Date.UTC(2026, 11, 24) - 1;
    assert.deepEqual(await openDue(), []);
    trial.now = Date.UTC(2026, 11, 24);
    const [opening, ...more] = await openDue();
    assert.ok(opening !== undefined);
    assert.deepEqual(more, []);
    const { hour: _hour, commitment, ...shown } = personal(opening.leaf);
    assert.deepEqual(shown, { kind: 'opened', seal: sealed.index });
    assert.deepEqual([opening.kind, opening.number], ['opened', 2]);

    const [view] = (await look()).subjects;
    assert.ok(view);
    const { subject, number } = readHead(view.head);
    assert.equal(number, 3);
    const keys = fromBase64(view.bodyKeys);
    const body = open(
      secretKey(keys.subarray(32, 64)),
      Buffer.from(opening.body),
      bodyAad(subject, 2),
    );
    assert.deepEqual(Buffer.from(commitTo(body)), Buffer.from(commitment));
    const statement = decodeBody(body);
    const place = { index: sealed.index, number: 1, leafHash: hex(leafHash(sealed.leaf)) };
    assert.deepEqual([statement.agency, statement.seals], ['demo-police', [place]]);

    assert.equal(view.opened.length, 1);
    const [opened] = view.opened;
    assert.deepEqual([opened?.number, opened?.delivered], [2, true]);
    const sealedKey = fromBase64(opened?.bodyKeys ?? '');
    assert.equal(sealedKey.length, 32);
    const withheld = open(
      secretKey(sealedKey),
      Buffer.from(sealed.body),
      sealedBodyAad(subject, 1),
    );
    const told = decodeBody(withheld);
    assert.deepEqual(told.seal, { ground: GROUND, until: '2026-12-23' });
    assert.deepEqual([told.kind, told.records], ['disclosure', [read]]);
    const still = Buffer.from(other.body);
    assert.throws(() => open(secretKey(sealedKey), still, sealedBodyAad(subject, 2)));
  });

  it('whose keys never left, or that was given up, says so when it opens', async () => {
    await giveCode();
    const { read } = await record();
    const answer = await resolveOne(approved(sealedRequest()));
    assert.ok(answer.outcome === 'resolved');
    const entry = await prepared(answer.lookUps[0]?.id ?? 0, [read]);
    await trial.append([entry.leaf]);
    const second = await resolveOne(approved(sealedRequest()));
    assert.ok(second.outcome === 'resolved');
    await trial.append([(await prepared(second.lookUps[0]?.id ?? 0, [], true)).leaf]);
    trial.now += 40 * DAY;
    assert.equal((await openDue()).length, 2);
    const [view] = (await look()).subjects;
    assert.deepEqual(
      view?.opened.map(({ delivered }) => delivered),
      [false, false],
    );
  });

  it('about a number that is nobody’s shows no chain of that number to whom it is bound, until it opens', async () => {
    const number = '+923980000077';
    await enter(
      approved(
        trial.request({ seal: { ground: GROUND, until: dateIn(30) } }, [
          trial.selector(number, 'msisdn'),
        ]),
      ),
    );
    await trial.draw(1, CNIC, number);
    await giveCode();
    assert.equal((await look()).subjects.length, 1);
    trial.now += 40 * DAY;
    await openDue();
    const { subjects } = await look();
    assert.deepEqual(
      subjects.map(({ alias, opened }) => [alias, opened.length]),
      [
        [false, 0],
        [true, 1],
      ],
    );
  });
});

describe('while a seal is overdue', () => {
  it('its agency is refused everything, sealed or not, until its opening has its entry', async () => {
    const sealed = await sealIt({ until: dateIn(1) });
    trial.now = Date.parse(dateIn(1)) + 2 * DAY - 1;
    await enter(trial.request());
    trial.now += 1;
    const answer = await resolveOne(trial.request());
    assert.ok(answer.outcome === 'resolved' && answer.decision.outcome === 'refused');
    assert.equal(answer.decision.code, 'seal-overdue');
    await refused(approved(sealedRequest()), 'seal-overdue');
    await refused(approved(extension(sealed.index)), 'seal-overdue');
    // A gateway that asks, and never enters the opening, gains nothing.
    await trial.ask('seals', {});
    await refused(approved(sealedRequest()), 'seal-overdue');
    assert.ok((await openDue()).some(({ kind }) => kind === 'opened'));
    await enter(trial.request());
    await sealIt();
  });

  it('other agencies are not', async () => {
    const border = generateSigningKey('ed25519');
    await trial.appendPublic(
      trial.byAdministrators({ ...trial.agency(), agency: 'demo-border', version: 1 }),
    );
    await trial.certify(border, 'officer', 'b-1', 'line-a', 'demo-border');
    await sealIt({ until: dateIn(1) });
    trial.now += 10 * DAY;
    const [answer] = await trial.resolve(trial.request({}, [trial.selector()], border));
    assert.ok(answer?.outcome === 'resolved' && answer.decision.outcome === 'refused');
    assert.equal(answer.decision.code, 'undeclared-recipient');
  });
});

describe('an extension', () => {
  it('takes an officer of that agency and a second person', async () => {
    const { index } = await sealIt();
    const alone = await resolveOne(extension(index));
    assert.ok(alone.outcome === 'resolved' && alone.decision.outcome === 'second-person');
    assert.deepEqual(alone.lookUps, []);
    const border = generateSigningKey('ed25519');
    const approver = generateSigningKey('ed25519');
    await trial.appendPublic(
      trial.byAdministrators({ ...trial.agency(), agency: 'demo-border', version: 1 }),
    );
    await trial.certify(border, 'officer', 'b-1', 'line-a', 'demo-border');
    await trial.certify(approver, 'approver', 'b-2', 'line-b', 'demo-border');
    for (const seal of [index, index + 1, 0]) {
      const answer = await resolveOne(approved(extension(seal, {}, border), approver));
      assert.deepEqual(answer, { outcome: 'rejected', code: 'unknown-seal' });
    }
    const foreign = await resolveOne(approved(extension(index), approver));
    assert.deepEqual(foreign, { outcome: 'rejected', code: 'approver-unknown' });
  });

  it('is refused past the maximum counted from the look-up, and from the date on', async () => {
    const { index } = await sealIt();
    const made = trial.now;
    trial.now += 20 * DAY;
    const last = new Date(made + 90 * DAY).toISOString().slice(0, 10);
    const past = new Date(made + 91 * DAY).toISOString().slice(0, 10);
    await refused(approved(extension(index, { until: past })), 'seal-too-long');
    await refused(approved(extension(index, { until: dateIn(10) })), 'seal-not-ahead');
    const other = 'https://w3id.org/dpv#Consent';
    await refused(approved(extension(index, { ground: other })), 'seal-undeclared-ground');
    await enter(approved(extension(index, { until: last })));
    trial.now = Date.parse(last);
    await refused(approved(extension(index, { until: past })), 'seal-over');
  });

  it('moves the date, cites the look-up’s leaf, and is shown with it', async () => {
    await giveCode();
    const sealed = await sealIt({ until: '2026-12-23' });
    const extended = await enter(approved(extension(sealed.index, { until: '2027-01-22' })));
    const { hour: _hour, commitment: _commitment, ...shown } = personal(extended.leaf);
    assert.deepEqual(shown, { kind: 'sealed', month: '2027-01', extends: sealed.index });
    trial.now = Date.UTC(2027, 0, 23) - 1;
    assert.deepEqual(await openDue(), []);
    // Not overdue meanwhile either.
    await enter(trial.request());
    trial.now = Date.UTC(2027, 0, 23);
    const [opening] = await openDue();
    assert.ok(opening);
    const [view] = (await look()).subjects;
    const { subject } = readHead(view?.head ?? '');
    const keys = fromBase64(view?.opened[0]?.bodyKeys ?? '');
    assert.equal(keys.length, 64);
    const body = open(
      secretKey(keys.subarray(32)),
      Buffer.from(extended.body),
      sealedBodyAad(subject, 2),
    );
    const { kind, seal, seals } = decodeBody(body);
    assert.deepEqual(
      [kind, seal?.until, seals[0]?.index],
      ['seal-extended', '2027-01-22', sealed.index],
    );
  });

  it('is refused past sixteen, those on their way counted in, and her history stays readable', async () => {
    await giveCode();
    const { index } = await sealIt();
    const asks = Array.from({ length: 40 }, (_, at) =>
      approved(extension(index, { until: dateIn(31 + at) })),
    );
    const first = await trial.resolve(...asks.slice(0, 12));
    const answers = [...first, ...(await trial.resolve(...asks.slice(12)))];
    const allowed = answers.flatMap((answer) =>
      answer.outcome === 'resolved' && answer.decision.outcome === 'allowed' ? answer.lookUps : [],
    );
    assert.equal(allowed.length, SEAL_EXTENSIONS_MAX);
    for (const { id } of allowed) await trial.append([(await prepared(id)).leaf]);
    await refused(approved(extension(index, { until: dateIn(80) })), 'seal-too-long');
    trial.now += 60 * DAY;
    const [opening] = await openDue();
    assert.ok(opening);
    const [view] = (await look()).subjects;
    assert.ok(view);
    const shown = fromBase64(view.opened[0]?.bodyKeys ?? '');
    assert.equal(shown.length, 32 * (1 + SEAL_EXTENSIONS_MAX));
    const { subject } = readHead(view.head);
    const keys = fromBase64(view.bodyKeys);
    const key = secretKey(keys.subarray(32 * (opening.number - 1), 32 * opening.number));
    const body = open(key, Buffer.from(opening.body), bodyAad(subject, opening.number));
    assert.equal(decodeBody(body).seals.length, 1 + SEAL_EXTENSIONS_MAX);
  });

  it('is taken once, and one that the gateway held back until the date, or for minutes, moves nothing', async () => {
    const sealed = await sealIt({ until: dateIn(2) });
    const ask = approved(extension(sealed.index, { until: dateIn(5) }));
    await enter(ask);
    assert.deepEqual(await resolveOne(ask), { outcome: 'rejected', code: 'replayed' });
    const answer = await resolveOne(approved(extension(sealed.index, { until: dateIn(20) })));
    assert.ok(answer.outcome === 'resolved');
    const until = dateIn(5);
    trial.now += 11 * 60_000;
    await trial.append([(await prepared(answer.lookUps[0]?.id ?? 0)).leaf]);
    trial.now = Date.parse(until) + DAY;
    assert.equal((await openDue()).length, 1);
  });
});

describe('an extension that the gateway holds back until its opening is under way', () => {
  /** The look-ups of an extension and of the opening that has begun meanwhile. */
  async function heldBack() {
    const sealed = await sealIt({ until: dateIn(10) });
    const answer = await resolveOne(approved(extension(sealed.index, { until: dateIn(40) })));
    assert.ok(answer.outcome === 'resolved');
    const held = answer.lookUps[0]?.id ?? 0;
    trial.now += 12 * DAY;
    await trial.ask('seals', {});
    const { open: pending } = (await trial.ask('status', {})).answer;
    const opening = pending.find(({ id }) => id !== held)?.id ?? 0;
    return { sealed, held, opening };
  }

  async function shownWithIt(): Promise<number> {
    const [view] = (await look()).subjects;
    return fromBase64(view?.opened[0]?.bodyKeys ?? '').length / 32;
  }

  it('is shown with it, also where the opening was prepared before its entry', async () => {
    await giveCode();
    const { held, opening } = await heldBack();
    const late = await prepared(held);
    const stale = await prepared(opening);
    const at = trial.range.size;
    await trial.append([late.leaf, stale.leaf]);
    assert.deepEqual((await keepersCounts()).inert, [at + 1], 'it would not cite the extension');
    const [entered] = await openDue();
    assert.equal(entered?.number, stale.number);
    assert.equal(await shownWithIt(), 2);
  });

  it('is told as inert where it comes after its entry', async () => {
    await giveCode();
    const { held, opening } = await heldBack();
    await trial.append([(await prepared(opening)).leaf]);
    const late = await prepared(held);
    const at = trial.range.size;
    await trial.append([late.leaf]);
    assert.deepEqual((await keepersCounts()).inert, [at]);
    assert.equal(await shownWithIt(), 1);
    assert.deepEqual((await trial.ask('status', {})).answer.open, []);
  });
});

describe('a gateway that would hide or open a seal', () => {
  it('has leaves of its own told as inert, by the keeper’s signature', async () => {
    const sealed = await sealIt();
    const common = { hour: '2026-11-23T09Z', commitment: randomBytes(32) };
    const forged = [
      encodePersonalLeaf({ kind: 'opened', ...common, seal: sealed.index }),
      encodePersonalLeaf({ kind: 'sealed', ...common, month: '2030-01', extends: sealed.index }),
      encodePersonalLeaf({ kind: 'person', ...common }),
    ];
    const first = trial.range.size;
    await trial.append(forged);
    const told = await keepersCounts();
    assert.deepEqual([told.inert, told.counts], [[first, first + 1], []]);
    assert.equal(told.size, trial.range.size);
    trial.now += 40 * DAY;
    assert.equal((await openDue()).length, 1);
  });

  it('a sealed leaf entered twice, or after it was prepared anew, is inert', async () => {
    // No longer in the hour in which the keeper first followed the log.
    trial.now += 3_600_000;
    const answer = await resolveOne(approved(sealedRequest()));
    assert.ok(answer.outcome === 'resolved');
    const id = answer.lookUps[0]?.id ?? 0;
    const old = await prepared(id);
    const anew = await prepared(id);
    const at = trial.range.size;
    await trial.append([old.leaf, anew.leaf, anew.leaf]);
    const { inert } = await keepersCounts();
    assert.deepEqual(inert, [at, at + 2]);
  });

  it('cannot have another’s counts entered for the keeper’s, nor the keeper’s twice', async () => {
    await sealIt();
    trial.now += 31 * DAY;
    const { answer } = await trial.ask('seals', {});
    assert.ok(answer.counted !== null);
    const register = new Register();
    register.apply(0, { document: trial.genesis, signatures: [] }, 0);
    const document = JSON.parse(answer.counted.document) as object;
    const forged = trial.signed(trial.registrar, { ...document, counts: [] });
    assert.equal(register.check(forged, trial.now), 'not-the-keeper');
    assert.equal(register.check({ ...forged, signatures: [] }, trial.now), 'not-the-keeper');
    assert.equal(register.check(answer.counted, trial.now), null);
    await trial.appendPublic(forged);
    assert.equal((await keepersCounts()).counts.length, 1, 'it asks again');
    await trial.appendPublic(answer.counted);
    assert.equal((await trial.ask('seals', {})).answer.counted, null);
    await trial.appendPublic(answer.counted);
    assert.equal((await trial.ask('seals', {})).answer.counted, null);
  });

  it('counts sealed, extended and opened by agency and month, once the month is over', async () => {
    const { index } = await sealIt();
    await sealIt({ until: dateIn(31) });
    await enter(approved(extension(index, { until: dateIn(33) })));
    assert.equal((await trial.ask('seals', {})).answer.counted, null);
    trial.now += 36 * DAY;
    assert.equal((await openDue()).length, 2);
    trial.now += 31 * DAY;
    const { counts } = await keepersCounts();
    const count = { agency: 'demo-police', refused: 0, awaited: 0 };
    assert.deepEqual(counts, [
      { ...count, month: '2026-11', sealed: 2, extended: 1, opened: 0 },
      { ...count, month: '2026-12', sealed: 0, extended: 0, opened: 2 },
    ]);
  });
});

describe('a keeper that starts again', () => {
  it('between a seal and its opening knows it, and opens it once', async () => {
    const sealed = await sealIt();
    await trial.reopen();
    trial.now += 40 * DAY;
    await trial.ask('seals', {});
    await trial.reopen();
    // Its number is nobody else's.
    await giveCode();
    // The opening was begun before, and is among what is open.
    const [opening, ...more] = await openDue();
    assert.deepEqual(more, []);
    const leaf = personal(opening?.leaf ?? new Uint8Array());
    assert.deepEqual(leaf.kind === 'opened' && leaf.seal, sealed.index);
    await trial.reopen();
    assert.deepEqual(await openDue(), []);
    assert.deepEqual((await trial.ask('seals', {})).answer.due, 0);
  });

  it('with its leaf in the log and not followed takes it for inert, and seals anew under the same number', async () => {
    const answer = await resolveOne(approved(sealedRequest()));
    assert.ok(answer.outcome === 'resolved');
    const id = answer.lookUps[0]?.id ?? 0;
    const lost = await prepared(id);
    await trial.reopen();
    const at = trial.range.size;
    await trial.append([lost.leaf]);
    const given = await prepared(id, [], true);
    assert.deepEqual([given.kind, given.number], ['undelivered', 1]);
    assert.equal(personal(given.leaf).kind, 'sealed');
    await trial.append([given.leaf]);
    assert.deepEqual((await keepersCounts()).inert, [at]);
    trial.now += 40 * DAY;
    const [opening] = await openDue();
    const leaf = personal(opening?.leaf ?? new Uint8Array());
    assert.deepEqual(leaf.kind === 'opened' && leaf.seal, at + 1);
  });

  it('keeps a leaf that it lost over another start, and calls it inert no sooner than it has the look-up’s other', async () => {
    const answer = await resolveOne(approved(sealedRequest()));
    assert.ok(answer.outcome === 'resolved');
    const id = answer.lookUps[0]?.id ?? 0;
    const lost = await prepared(id);
    await trial.reopen();
    const at = trial.range.size;
    await trial.append([lost.leaf]);
    await trial.reopen();
    assert.equal((await trial.ask('seals', {})).answer.counted, null);
    await trial.append([(await prepared(id, [], true)).leaf]);
    assert.deepEqual((await keepersCounts()).inert, [at]);
  });

  it('from a backup never calls inert what seals and was entered since, and tells of what would hide it', async () => {
    trial.keeper.close();
    const backup = mkdtempSync(join(tmpdir(), 'amanat-backup-'));
    cpSync(trial.dir, backup, { recursive: true });
    await trial.reopenClosed();
    const sealed = await sealIt({ until: dateIn(5) });
    trial.now += 70 * DAY;
    trial.keeper.close();
    cpSync(backup, trial.dir, { recursive: true });
    rmSync(backup, { recursive: true });
    for (const name of ['keeper.db-wal', 'keeper.db-shm'])
      rmSync(join(trial.dir, name), { force: true });
    await trial.reopenClosed();
    const hiding = encodePersonalLeaf({
      kind: 'opened',
      hour: '2026-11-23T09Z',
      commitment: randomBytes(32),
      seal: sealed.index,
    });
    trial.range.append(leafHash(hiding));
    const leaves = [sealed.leaf, hiding];
    const body = { checkpoint: trial.checkpoint(), leaves: leaves.length, wanted: [] };
    await trial.ask('commit', body, packLeaves(leaves));
    assert.deepEqual((await keepersCounts()).inert, [sealed.index + 1]);
  });

  it('with an opening in the log and not followed opens it again under the same number', async () => {
    await giveCode();
    await sealIt();
    trial.now += 40 * DAY;
    await trial.ask('seals', {});
    const { answer } = await trial.ask('status', {});
    const id = answer.open[0]?.id ?? 0;
    const lost = await prepared(id, [], true);
    await trial.reopen();
    await trial.append([lost.leaf]);
    const [opening] = await openDue();
    assert.deepEqual([opening?.number, opening?.kind], [lost.number, 'opened']);
    const [view] = (await look()).subjects;
    assert.equal(view?.opened.length, 1);
  });

  it('keeps whose seals are open, and until when, from whoever has its files', async () => {
    await sealIt({ until: '2026-12-23' });
    const files = Buffer.concat(
      ['keeper.db', 'keeper.db-wal'].flatMap((name) => {
        try {
          return [readFileSync(join(trial.dir, name))];
        } catch {
          return [];
        }
      }),
    );
    assert.ok(!files.includes('2026-12-23'));
  });
});

describe('clocks around a seal’s date', () => {
  it('one set forward for less than a day opens nothing early, and none is open when it comes back', async () => {
    await sealIt({ until: '2026-12-23' });
    trial.now = Date.UTC(2026, 11, 22, 12);
    await openDue();
    // Half a day ahead for a moment, past the date.
    trial.now += DAY / 2 + 1;
    assert.deepEqual(await openDue(), []);
  });

  it('one set back after an opening began stops the keeper; nothing opens before its time', async () => {
    await sealIt({ until: '2026-12-23' });
    trial.now = Date.UTC(2026, 11, 24);
    await trial.ask('seals', {});
    trial.now -= 2 * DAY;
    await assert.rejects(trial.ask('status', {}), refusal('clock-behind'));
    await assert.rejects(trial.ask('seals', {}), refusal('clock-behind'));
    await trial.reopen();
    await assert.rejects(trial.ask('seals', {}), refusal('clock-behind'));
    trial.now = Date.UTC(2026, 11, 24);
    assert.equal((await openDue()).length, 1);
  });

  it('one set back within a minute keeps the keeper’s time: what was over is not extended', async () => {
    const { index } = await sealIt({ until: '2026-12-23' });
    trial.now = Date.UTC(2026, 11, 23);
    await refused(approved(extension(index, { until: '2027-01-10' })), 'seal-over');
    trial.now -= 30_000;
    await refused(approved(extension(index, { until: '2027-01-10' })), 'seal-over');
  });
});

describe('a generation that is rotated while look-ups are sealed', () => {
  it('leaves them openable, started again at each step, and those sealed and extended meanwhile', async () => {
    await trial.appendPublic(
      trial.byAdministrators(
        rules({ version: 2, agencies: [{ agency: 'demo-police', openMax: 100 }] }),
      ),
    );
    await giveCode();
    const first = await sealIt();
    const document = {
      type: 'generation-rotation',
      version: 1,
      reason: 'a trial',
      time: trial.now,
    };
    await trial.appendPublic(trial.byAdministrators(document));
    const since: InLog[] = [];
    for (let steps = 0; await trial.keeper.step(); steps++) {
      // One of hers, and one of somebody who had no W before.
      since.push(await sealIt());
      await sealIt({}, `01234${String(steps).padStart(8, '0')}`);
      await trial.reopen();
      for (let again = 0; again < steps; again++) await trial.keeper.step();
      assert.ok(steps < 20);
    }
    assert.ok(since.length > 4, String(since.length));
    assert.deepEqual(trial.keeper.generations, { present: 3, isRotating: false });
    await enter(approved(extension(first.index, { until: dateIn(40) })));
    trial.now += 42 * DAY;
    const opened = await openDue();
    assert.equal(opened.length, 1 + 2 * since.length);
    const [view] = (await look()).subjects;
    assert.ok(view);
    const { subject } = readHead(view.head);
    const keys = new Map<number, Buffer>();
    for (const { number, bodyKeys } of view.opened) {
      const { seals } = decodeBody(
        open(
          secretKey(fromBase64(view.bodyKeys).subarray(32 * (number - 1), 32 * number)),
          Buffer.from(
            opened.find((each) => each.subject === subject && each.number === number)?.body ?? '',
          ),
          bodyAad(subject, number),
        ),
      );
      for (const [at, place] of seals.entries()) {
        keys.set(place.number, Buffer.from(fromBase64(bodyKeys).subarray(32 * at, 32 * at + 32)));
      }
    }
    for (const { number, body } of [first, ...since]) {
      const key = secretKey(keys.get(number) as Buffer);
      const told = decodeBody(open(key, Buffer.from(body), sealedBodyAad(subject, number)));
      assert.equal(told.kind, 'miss');
    }
    assert.equal(keys.size, since.length + 2, 'the extension is shown too');
  });
});

describe('I13: a request about a person at two controllers', () => {
  it('is sealed at each, and counted as two', async () => {
    const other = declaration();
    await trial.appendPublic(
      trial.byAdministrators({
        ...other,
        holding: 'travel-history',
        controller: { ...other.controller, id: 'demo-border' },
      }),
    );
    const { rows, ...table } = trial.grants();
    const more = { ...rows[0], id: 'police-travel', holding: 'travel-history' };
    await trial.appendPublic(
      trial.byAdministrators({ ...table, version: 2, rows: [...rows, more] }),
    );
    const both = () =>
      approved(
        trial.request({
          seal: { ground: GROUND, until: dateIn(30) },
          holdings: [HOLDING, 'travel-history'].map((holding) => ({
            holding,
            groups: ['identity'],
          })),
        }),
      );
    const answer = await resolveOne(both());
    assert.ok(answer.outcome === 'resolved' && answer.decision.outcome === 'allowed');
    assert.equal(new Set(answer.lookUps.map(({ subject }) => subject)).size, 2);
    await refused(both(), 'seal-ceiling');
    for (const { id, subject } of answer.lookUps) {
      const entry = await prepared(id);
      assert.deepEqual([entry.subject, entry.number], [subject, 1]);
      assert.equal(fromHex(entry.subject).length, 16);
      await trial.append([entry.leaf]);
    }
  });
});
