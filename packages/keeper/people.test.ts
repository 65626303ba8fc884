import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { base64, fromBase64, hex } from '@amanat/core/bytes';
import { generateSigningKey, open, openOnce, sealTo, secretKey } from '@amanat/core/keys';
import type { Statement } from '@amanat/core/statement';
import { decodeBody } from '@amanat/core/statement';
import {
  bodyAad,
  readHead,
  readView,
  VIEW_ANSWER,
  VIEW_INFO,
  writeViewAsk,
} from '@amanat/core/view';
import { CNIC, declaration, HOLDING, Trial } from './_trial.ts';
import { KEEPER_FILES } from './create.ts';
import type { Asked, Identifier, LookUp } from './protocol.ts';

// Two controllers keep records: one from the beginning, one that is declared when the protections and codes of the
// first are long given out.

const LATER = 'travel-history';
const OTHER = '0999912345671';
const NUMBER = '+923980000001';
const CNIC_OF_HERS: Identifier = { type: 'cnic', value: CNIC };
const NUMBER_OF_HERS: Identifier = { type: 'msisdn', value: NUMBER };

let trial: Trial;
/** Sealed bodies of what was entered, by subject and number. */
let bodies: Map<string, Uint8Array>;
beforeEach(async () => {
  trial = await Trial.ready();
  bodies = new Map();
});
afterEach(() => trial.end());

async function lookUpsOf(ask: Asked): Promise<readonly LookUp[]> {
  const [resolved] = await trial.resolve(ask);
  assert.ok(resolved?.outcome === 'resolved', JSON.stringify(resolved));
  return resolved.lookUps;
}

async function prepare(id: number): Promise<Uint8Array> {
  const entry = await trial.prepare(id);
  assert.ok(!('refused' in entry), JSON.stringify(entry));
  bodies.set(`${entry.subject} ${entry.number}`, entry.body);
  return entry.leaf;
}

async function enter(...lookUps: readonly LookUp[]): Promise<void> {
  for (const { id } of lookUps) await trial.append([await prepare(id)]);
}

/** A document about a person, a second after the last one. */
function personal(identifier: Identifier) {
  trial.now += 1000;
  return { identifier, nonce: hex(randomBytes(16)), time: trial.now };
}

function protection(value: boolean, identifier = CNIC_OF_HERS): Asked {
  const document = { type: 'protection', protected: value, reason: 'at risk' };
  const signed = trial.byAdministrators({ ...document, ...personal(identifier) });
  return { kind: 'protection', signed };
}

function handOut(code: string, identifier = CNIC_OF_HERS): Asked {
  const codeHash = createHash('sha256').update(code).digest('hex');
  const document = { type: 'code', codeHash, ...personal(identifier) };
  return { kind: 'code', signed: trial.signed(trial.registrar, document) };
}

/** Whether asking by this identifier takes a second person. */
async function isProtected(identifier = CNIC_OF_HERS, holding = LATER): Promise<boolean> {
  const holdings = [{ holding, groups: ['identity'] }];
  const selector = trial.selector(identifier.value, identifier.type);
  const [resolved] = await trial.resolve(trial.request({ holdings }, [selector]));
  assert.ok(resolved?.outcome === 'resolved', JSON.stringify(resolved));
  return resolved.decision.outcome === 'second-person';
}

/** Declares the second controller, and has its importer announce an import: what is drawn from then on is its. */
async function declareLater(): Promise<void> {
  const controller = { ...declaration().controller, id: 'demo-border' };
  await trial.declare({ holding: LATER, controller });
  const importer = generateSigningKey('ed25519');
  await trial.certify(importer, 'importer', 'i-2', 'registry', 'demo-border');
  const [row] = trial.grants().rows;
  const rows = [row, { ...row, id: 'police-travel', holding: LATER }];
  await trial.appendPublic(trial.byAdministrators({ ...trial.grants(), version: 2, rows }));
  trial.importIndex = trial.range.size;
  const begun = { ...trial.importBegun(1000), holding: LATER };
  await trial.appendPublic(trial.signed(importer, begun));
}

async function viewAsk(code: string) {
  const bytes = writeViewAsk({ type: 'view', code, time: trial.now });
  const sealed = await sealTo(fromBase64(trial.keys.keeperSealingKey), VIEW_INFO, bytes);
  const ask: Asked = {
    kind: 'view',
    enc: base64(sealed.enc),
    ciphertext: base64(sealed.ciphertext),
  };
  return { ask, sealed };
}

/** Her view, its bodies opened: what her browser sees. */
async function view(code: string) {
  const { ask, sealed } = await viewAsk(code);
  const [resolved] = await trial.resolve(ask);
  assert.ok(resolved?.outcome === 'resolved', JSON.stringify(resolved));
  await enter(...resolved.lookUps);
  const { answer } = await trial.ask('view', { ask: resolved.ask });
  const key = secretKey(sealed.exporter(VIEW_ANSWER));
  const { subjects } = readView(openOnce(key, fromBase64(answer.sealed), new Uint8Array(0)));
  return subjects.map(({ head: text, alias, bodyKeys, protected: isHers }) => {
    const head = readHead(text);
    const keys = fromBase64(bodyKeys);
    const statements = Array.from({ length: head.number }, (_, i): Statement => {
      const body = bodies.get(`${head.subject} ${i + 1}`);
      assert.ok(body !== undefined, `${head.controller} ${i + 1}`);
      const bodyKey = secretKey(keys.subarray(i * 32, i * 32 + 32));
      return decodeBody(open(bodyKey, body, bodyAad(head.subject, i + 1)));
    });
    const { controller, subject } = head;
    return { controller, subject, alias, protected: isHers, kinds: statements.map((s) => s.kind) };
  });
}

async function isKnown(code: string): Promise<boolean> {
  const [resolved] = await trial.resolve((await viewAsk(code)).ask);
  return resolved?.outcome === 'resolved';
}

describe('a protection', () => {
  it('holds at a controller that is declared after it, from the first record on, after a restart too', async () => {
    await enter(...(await lookUpsOf(protection(true))));
    await trial.reopen();
    await declareLater();
    assert.equal(await isProtected(), true);
    // Nobody is protected but her.
    assert.equal(await isProtected({ type: 'cnic', value: OTHER }), false);
    // Her number leads to her from the first row that names it, and to her protection.
    assert.equal(await isProtected(NUMBER_OF_HERS), false);
    await trial.draw();
    assert.equal(await isProtected(NUMBER_OF_HERS), true);
  });

  it('of a number that is nobody’s holds at a later controller, and there for whom it is bound to', async () => {
    await enter(...(await lookUpsOf(protection(true, NUMBER_OF_HERS))));
    await declareLater();
    assert.equal(await isProtected(NUMBER_OF_HERS), true);
    assert.equal(await isProtected(), false);
    await trial.draw();
    assert.equal(await isProtected(), true);
  });

  it('takes effect at every controller with the first of its entries: the others cannot be held back', async () => {
    await trial.draw();
    await declareLater();
    await trial.draw();
    const [first] = await lookUpsOf(protection(true));
    assert.ok(first !== undefined);
    assert.equal(await isProtected(), false);
    await enter(first);
    for (const identifier of [CNIC_OF_HERS, NUMBER_OF_HERS]) {
      for (const holding of [HOLDING, LATER])
        assert.equal(await isProtected(identifier, holding), true, holding);
    }
  });

  it('has its entry at each controller, in whatever order they come', async () => {
    await declareLater();
    for (const { id } of (await lookUpsOf(protection(true))).toReversed()) {
      const entry = await trial.prepare(id);
      assert.ok('kind' in entry && entry.kind === 'protected', JSON.stringify(entry));
      await trial.append([entry.leaf]);
    }
  });

  it('by a number is of whoever the number is bound to when it has its entry', async () => {
    const older = await lookUpsOf(protection(false, NUMBER_OF_HERS));
    const pending = await lookUpsOf(protection(true, NUMBER_OF_HERS));
    await trial.draw();
    assert.equal(await isProtected(CNIC_OF_HERS, HOLDING), false);
    await enter(...pending);
    assert.equal(await isProtected(CNIC_OF_HERS, HOLDING), true);
    await enter(...older);
    assert.equal(await isProtected(CNIC_OF_HERS, HOLDING), true);
  });

  it('by a number is not undone by what was asked before the number was bound', async () => {
    const older = await lookUpsOf(protection(false, NUMBER_OF_HERS));
    await trial.draw();
    await enter(...(await lookUpsOf(protection(true, NUMBER_OF_HERS))));
    await enter(...older);
    assert.equal(await isProtected(CNIC_OF_HERS, HOLDING), true);
  });

  it('by number does not end with one by identity number, nor the other way round', async () => {
    await trial.draw(1, CNIC, NUMBER);
    for (const [first, second] of [
      [CNIC_OF_HERS, NUMBER_OF_HERS],
      [NUMBER_OF_HERS, CNIC_OF_HERS],
    ] as const) {
      await enter(...(await lookUpsOf(protection(true, first))));
      await enter(...(await lookUpsOf(protection(false, second))));
      assert.equal(await isProtected(CNIC_OF_HERS, HOLDING), true);
      assert.equal(await isProtected(NUMBER_OF_HERS, HOLDING), true);
      await enter(...(await lookUpsOf(protection(false, first))));
      assert.equal(await isProtected(CNIC_OF_HERS, HOLDING), false);
    }
  });

  it('that is ended is ended at every controller', async () => {
    await enter(...(await lookUpsOf(protection(true))));
    await declareLater();
    await trial.draw();
    await enter(...(await lookUpsOf(protection(false))));
    await trial.reopen();
    for (const identifier of [CNIC_OF_HERS, NUMBER_OF_HERS]) {
      assert.equal(await isProtected(identifier), false);
      assert.equal(await isProtected(identifier, HOLDING), false);
    }
    await trial.draw(2);
    assert.equal(await isProtected(), false);
  });

  it('is not undone by an older entry that was held back, at whatever controller', async () => {
    await declareLater();
    const older = await lookUpsOf(protection(false));
    const [first, second] = await lookUpsOf(protection(true));
    assert.ok(first !== undefined && second !== undefined);
    await enter(first);
    for (const { id } of older) {
      const prepared = await trial.prepare(id);
      assert.ok('kind' in prepared && prepared.kind === 'undelivered');
      await trial.append([prepared.leaf]);
    }
    await enter(second);
    assert.equal(await isProtected(), true);
    assert.equal(await isProtected(CNIC_OF_HERS, HOLDING), true);
  });

  it('is not undone by an older document that was held back, whether it comes before or after', async () => {
    const older = protection(false);
    const oldest = protection(false);
    const newer = await lookUpsOf(protection(true));
    // Resolved after the newer one, and yet signed before it.
    const late = await lookUpsOf(older);
    await enter(...newer);
    const [lookUp] = late;
    assert.ok(lookUp !== undefined);
    const prepared = await trial.prepare(lookUp.id);
    assert.ok('kind' in prepared && prepared.kind === 'undelivered');
    await trial.append([prepared.leaf]);
    assert.deepEqual(await trial.resolve(oldest), [{ outcome: 'rejected', code: 'stale' }]);
    assert.equal(await isProtected(CNIC_OF_HERS, HOLDING), true);
  });
});

describe('a code', () => {
  const [code, newer] = ['a1'.repeat(16), 'b2'.repeat(16)] as const;

  it('opens her history at a controller that is declared after it, and nobody else’s', async () => {
    await enter(...(await lookUpsOf(protection(true))));
    await enter(...(await lookUpsOf(handOut(code))));
    await enter(...(await lookUpsOf(handOut(newer, { type: 'cnic', value: OTHER }))));
    await trial.reopen();
    await declareLater();
    const holdings = [{ holding: LATER, groups: ['identity'] }];
    const [hers] = await lookUpsOf(trial.request({ holdings }));
    assert.ok(hers !== undefined);
    await enter(hers);
    const chains = await view(code);
    assert.deepEqual(
      chains.map(({ controller, kinds }) => [controller, kinds]),
      [
        ['demo-telecom', ['protected', 'code', 'sign-in']],
        ['demo-border', ['second-person', 'sign-in']],
      ],
    );
    assert.equal(chains[1]?.subject, hers.subject);
    assert.ok(chains.every((chain) => chain.protected && !chain.alias));
    const others = await view(newer);
    assert.deepEqual(others.at(-1)?.kinds, ['sign-in']);
    assert.ok(others.every(({ subject }) => !chains.some((chain) => chain.subject === subject)));
  });

  it('that a newer one has ended opens nothing at a later controller either', async () => {
    await enter(...(await lookUpsOf(handOut(code))));
    await declareLater();
    assert.equal((await view(code)).length, 2);
    const [first, second] = await lookUpsOf(handOut(newer));
    assert.ok(first !== undefined && second !== undefined);
    // With the first of its entries: the other is held back.
    await enter(first);
    assert.equal(await isKnown(code), false);
    assert.equal((await view(newer)).length, 2);
  });

  it('is ended at every controller with the first of the newer one’s entries', async () => {
    await declareLater();
    await enter(...(await lookUpsOf(handOut(code))));
    const [, second] = await lookUpsOf(handOut(newer));
    assert.ok(second !== undefined);
    await enter(second);
    assert.equal(await isKnown(code), false);
    assert.equal((await view(newer)).length, 2);
  });

  it('that one by her number has ended is ended at a later controller too', async () => {
    await trial.draw();
    await enter(...(await lookUpsOf(handOut(code))));
    await enter(...(await lookUpsOf(handOut(newer, NUMBER_OF_HERS))));
    await declareLater();
    assert.equal(await isKnown(code), false);
  });

  it('does not open at a later controller what another code was given for there', async () => {
    await enter(...(await lookUpsOf(handOut(code))));
    await declareLater();
    await trial.draw();
    await enter(...(await lookUpsOf(handOut(newer, NUMBER_OF_HERS))));
    const controllers = (await view(code)).map(({ controller }) => controller);
    assert.deepEqual(controllers, ['demo-telecom']);
  });

  it('is not brought back by an older document that was held back', async () => {
    const older = handOut(code);
    const pending = await lookUpsOf(handOut('c3'.repeat(16)));
    await enter(...(await lookUpsOf(handOut(newer))));
    assert.deepEqual(await trial.resolve(older), [{ outcome: 'rejected', code: 'stale' }]);
    await enter(...pending);
    await declareLater();
    assert.equal(await isKnown(code), false);
    assert.equal(await isKnown('c3'.repeat(16)), false);
    assert.equal((await view(newer)).length, 2);
  });

  it('that was handed out to two opens the second’s history alone', async () => {
    await enter(...(await lookUpsOf(handOut(code))));
    await enter(...(await lookUpsOf(handOut(code, { type: 'cnic', value: OTHER }))));
    await declareLater();
    const [hers] = await lookUpsOf(trial.request());
    const chains = await view(code);
    assert.equal(chains.length, 2);
    assert.ok(chains.every(({ subject }) => subject !== hers?.subject));
  });

  it('by a number does not open what a later controller’s importer binds the number to', async () => {
    await enter(...(await lookUpsOf(handOut(code, NUMBER_OF_HERS))));
    await declareLater();
    const drawn = await trial.draw();
    assert.ok(drawn !== null);
    const chains = await view(code);
    assert.deepEqual(
      chains.map(({ controller }) => controller),
      ['demo-telecom', 'demo-border'],
    );
    assert.ok(chains.every(({ subject }) => subject !== drawn.subject));
  });
});

describe('a number that was nobody’s', () => {
  const code = 'a1'.repeat(16);
  const byNumber = (value = NUMBER) => trial.request({}, [trial.selector(value, 'msisdn')]);

  it('stands in the view of her whom it is bound to, and in no other person’s', async () => {
    const [before] = await lookUpsOf(byNumber());
    assert.ok(before !== undefined);
    await enter(before);
    const [waiting] = await lookUpsOf(byNumber());
    assert.ok(waiting !== undefined);
    await trial.draw();
    await trial.draw(2, OTHER, '+923980000002');
    await trial.reopen();
    // Resolved before the number was bound, entered after it: of the number's own chain.
    await enter(waiting);
    const [after] = await lookUpsOf(byNumber());
    assert.ok(after !== undefined && after.subject !== before.subject);
    await enter(after);
    await enter(...(await lookUpsOf(handOut(code))));
    const chains = await view(code);
    assert.deepEqual(
      chains.map(({ controller, subject, alias, kinds }) => [controller, subject, alias, kinds]),
      [
        ['demo-telecom', after.subject, false, ['miss', 'code', 'sign-in']],
        ['demo-telecom', before.subject, true, ['miss', 'miss', 'sign-in']],
      ],
    );
    await enter(...(await lookUpsOf(handOut('b2'.repeat(16), { type: 'cnic', value: OTHER }))));
    const others = await view('b2'.repeat(16));
    assert.deepEqual(
      others.map(({ kinds }) => kinds),
      [['code', 'sign-in']],
    );
  });

  it('and by which a code was handed out stays its holder’s', async () => {
    await enter(...(await lookUpsOf(handOut(code, NUMBER_OF_HERS))));
    await enter(...(await lookUpsOf(byNumber())));
    await trial.draw();
    await enter(...(await lookUpsOf(handOut('b2'.repeat(16)))));
    const hers = await view('b2'.repeat(16));
    assert.deepEqual(
      hers.map(({ kinds }) => kinds),
      [['code', 'sign-in']],
    );
    const holders = await view(code);
    assert.deepEqual(
      holders.map(({ kinds }) => kinds),
      [['code', 'miss', 'sign-in']],
    );
  });

  it('and for which a code was under way when it was bound is that code’s holder’s too', async () => {
    await enter(...(await lookUpsOf(byNumber())));
    const pending = await lookUpsOf(handOut(code, NUMBER_OF_HERS));
    await trial.draw();
    await enter(...(await lookUpsOf(handOut('b2'.repeat(16)))));
    const hers = async () => (await view('b2'.repeat(16))).map(({ alias }) => alias);
    assert.deepEqual(await hers(), [false, true]);
    await enter(...pending);
    assert.deepEqual(await hers(), [false]);
    assert.deepEqual(
      (await view(code)).map(({ kinds }) => kinds),
      [['miss', 'sign-in', 'code', 'sign-in']],
    );
  });

  it('or that another person’s row did not get shows nothing of the first one’s', async () => {
    await enter(...(await lookUpsOf(byNumber())));
    await trial.draw(1, OTHER, NUMBER);
    assert.equal(await trial.draw(2), null);
    await enter(...(await lookUpsOf(handOut(code))));
    assert.deepEqual(
      (await view(code)).map(({ kinds }) => kinds),
      [['code', 'sign-in']],
    );
  });

  it('is followed for 32 numbers of one person, whose sign-ins stand in each', async () => {
    const numbers = Array.from(
      { length: 34 },
      (_, i) => `+9239800001${String(i).padStart(2, '0')}`,
    );
    for (const value of numbers) {
      await enter(...(await lookUpsOf(trial.request({}, [trial.selector(value, 'msisdn')]))));
    }
    for (const [i, value] of numbers.entries()) await trial.draw(i + 1, CNIC, value);
    await enter(...(await lookUpsOf(handOut(code))));
    const chains = await view(code);
    assert.equal(chains.length, 33);
    assert.ok(chains.every(({ kinds }) => kinds.at(-1) === 'sign-in'));
  });
});

describe('keeper.db', () => {
  it('holds no draft that could be read, in its journal neither, once the look-up has its entry', async () => {
    await enter(...(await lookUpsOf(trial.request())));
    const files = readdirSync(trial.dir).map((file) => readFileSync(join(trial.dir, file)));
    const bytes = Buffer.concat(files);
    assert.ok(bytes.includes('look_ups'));
    // Members that drafts have, and no document.
    for (const word of ['"opened":', '"refusal":', '"kind":"disclosure"']) {
      assert.ok(!bytes.includes(word), word);
    }
  });

  it('holds no identifier and no code, and nothing that is of two of her subjects', async () => {
    const code = 'a1'.repeat(16);
    await lookUpsOf(trial.request({}, [trial.selector(NUMBER, 'msisdn')]));
    await enter(...(await lookUpsOf(protection(true))));
    await enter(...(await lookUpsOf(handOut(code))));
    const drawn = await trial.draw();
    await declareLater();
    const later = await trial.draw();
    assert.ok(drawn !== null && later !== null);
    await view(code);
    await enter(...(await lookUpsOf(handOut('b2'.repeat(16)))));

    const codeHash = createHash('sha256').update('b2'.repeat(16)).digest();
    const bytes = readdirSync(trial.dir).map((file) => readFileSync(join(trial.dir, file)));
    for (const secret of [CNIC, NUMBER, code, codeHash, hex(codeHash), CNIC.slice(0, 10)]) {
      assert.ok(!bytes.some((each) => each.includes(secret)), String(secret));
    }
    const rows = rowsOfPeople();
    const about = (subject: string) =>
      new Set(rows.filter((row) => row.has(subject)).flatMap((row) => [...row]));
    const [one, other] = [about(drawn.subject), about(later.subject)];
    assert.ok(one.size > 4 && other.size > 4);
    assert.deepEqual([...one.intersection(other)], []);
    // Nor does the row of the person stand beside either.
    const persons = rows.filter((row) => row.has('people'));
    assert.equal(persons.length, 1);
    for (const value of [...one, ...other]) assert.ok(!persons[0]?.has(value), value);
  });

  /** The blobs of every row that is about somebody, the table's name among those of people. */
  function rowsOfPeople(): readonly ReadonlySet<string>[] {
    const db = new DatabaseSync(join(trial.dir, KEEPER_FILES.database), { readOnly: true });
    const tables = [
      `(SELECT subjects.*, s.wrapped AS subject_key, v.wrapped AS view_key FROM subjects
        JOIN slots s ON s.slot = subject_slot LEFT JOIN slots v ON v.slot = view_slot)`,
      'bindings',
      'codes',
      'undelivered',
      'aliases',
      'people',
      'look_ups',
    ];
    const rows = tables.flatMap((table) =>
      db
        .prepare(`SELECT * FROM ${table}`)
        .all()
        .map((row) => {
          const blobs = Object.values(row).filter((value) => value instanceof Uint8Array);
          return new Set([...blobs.map(hex), ...(table === 'people' ? [table] : [])]);
        }),
    );
    db.close();
    return rows;
  }
});
