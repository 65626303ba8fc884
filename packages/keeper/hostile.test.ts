import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { base64, fromBase64, hex, utf8 } from '@amanat/core/bytes';
import type { JsonObject } from '@amanat/core/canonical';
import { sealTo } from '@amanat/core/keys';
import { VIEW_INFO, writeViewAsk } from '@amanat/core/view';
import fc from 'fast-check';
import { CNIC, HOLDING, Trial } from './_trial.ts';
import { packLeaves } from './frame.ts';
import type { MessageName } from './protocol.ts';
import { Refusal } from './refusal.ts';

// An exception that is no refusal ends the keeper's process: one message that brings one would be an
// outage, and one that brings it after every start would be the end of all records.

/** What no reader may choke on, whatever it expects. */
const NASTY: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  1e308,
  2 ** 53 - 1,
  2 ** 53,
  '',
  '\0',
  '\ud800',
  'x'.repeat(70_000),
  '__proto__',
  'toString',
  '9999-99',
  '0000-01-01',
  [],
  [null],
  [[[]]],
  {},
  JSON.parse('{"__proto__":{"kind":"request"}}'),
  { toString: 1, length: 1 },
];

const NONE = Buffer.alloc(0);

let trial: Trial;
let bodies: Readonly<Record<MessageName, JsonObject>>;

before(async () => {
  trial = await Trial.ready({ subjectsPerDay: 1_000_000 });
  const drawn = await trial.draw();
  assert.ok(drawn !== null);
  const [resolved] = await trial.resolve(trial.request());
  assert.ok(resolved?.outcome === 'resolved');
  const ask = writeViewAsk({ type: 'view', code: '00'.repeat(16), time: trial.now });
  const sealed = await sealTo(fromBase64(trial.keys.keeperSealingKey), VIEW_INFO, ask);
  const identifier = { type: 'cnic', value: CNIC };
  const personal = { identifier, nonce: hex(randomBytes(16)), time: trial.now };
  bodies = JSON.parse(
    JSON.stringify({
      draw: { import: trial.importIndex, rows: 1 },
      resolve: {
        asks: [
          { ...trial.request(), approval: trial.signed(trial.approver, approval()) },
          {
            kind: 'code',
            signed: trial.signed(trial.registrar, {
              type: 'code',
              codeHash: 'ab'.repeat(32),
              ...personal,
            }),
          },
          {
            kind: 'protection',
            signed: trial.byAdministrators({
              type: 'protection',
              protected: true,
              reason: 'at risk',
              ...personal,
            }),
          },
          { kind: 'view', enc: base64(sealed.enc), ciphertext: base64(sealed.ciphertext) },
        ],
      },
      prepare: {
        lookUps: [
          {
            id: resolved.lookUps[0]?.id ?? 0,
            records: [
              {
                holding: HOLDING,
                record: drawn.record,
                import: trial.importIndex,
                row: 1,
                expiryMonth: drawn.expiryMonth,
                groups: [{ group: 'identity', nonce: '00'.repeat(16), sha256: '00'.repeat(32) }],
              },
            ],
            abandoned: false,
          },
        ],
      },
      commit: { checkpoint: trial.checkpoint(), leaves: 0, wanted: [1] },
      view: { ask: 1 },
      status: {},
    }),
  ) as typeof bodies;
});
after(() => trial.end());

function approval() {
  return {
    type: 'approval',
    request: '00'.repeat(32),
    nonce: hex(randomBytes(16)),
    time: trial.now,
  };
}

/** Asks, and lets nothing but an answer or a refusal pass. */
async function survives(name: string, body: unknown, attachment: Buffer = NONE): Promise<void> {
  try {
    await trial.keeper.answer(name, body as JsonObject, attachment);
  } catch (error) {
    assert.ok(
      error instanceof Refusal,
      `${name} ${JSON.stringify(body)?.slice(0, 300)}: ${String(error)}`,
    );
  }
}

/** Every copy of a value in which one place holds another value, or is missing. */
function* altered(value: unknown, replacements: readonly unknown[]): Generator<unknown> {
  yield* replacements;
  if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) {
      for (const each of altered(item, replacements)) yield value.with(at, each);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      for (const each of altered(member, replacements)) yield { ...value, [name]: each };
      yield Object.fromEntries(Object.entries(value).filter(([other]) => other !== name));
    }
    yield { ...value, more: 1 };
  }
}

describe('a message from a hostile gateway is answered or refused', () => {
  for (const name of ['draw', 'resolve', 'prepare', 'commit', 'view', 'status'] as const) {
    it(`${name}, with anything in the place of any member`, async () => {
      for (const body of altered(bodies[name], NASTY)) await survives(name, body);
      await survives(name, undefined);
    });

    it(`${name}, with any JSON for a body and any bytes beside it`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.jsonValue(),
          fc.uint8Array({ maxLength: 20 }),
          fc.nat(),
          async (value, bytes, at) => {
            const members = Object.keys(bodies[name]);
            const member = members[at % Math.max(1, members.length)] ?? 'more';
            await survives(name, value, Buffer.from(bytes));
            await survives(name, { ...bodies[name], [member]: value }, Buffer.from(bytes));
            await survives(name, { ...bodies[name], [member]: [value] }, Buffer.from(bytes));
          },
        ),
        { numRuns: 100 },
      );
    });
  }

  it('with any bytes for leaves, under a checkpoint that the log did sign', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 90 }),
            fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
            fc.string().map((text) => Buffer.from(`amanat/v1 public\n{${text}}\n`)),
            fc.string().map((text) => Buffer.from(`amanat/v1 person ${text}\n`)),
          ),
          { maxLength: 5 },
        ),
        async (leaves) => {
          const { answer } = await trial.append(leaves, [1]);
          assert.deepEqual(answer, { size: trial.range.size, released: [] });
        },
      ),
      { numRuns: 100 },
    );
  });

  it('with any note for a checkpoint', async () => {
    const note = trial.checkpoint();
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.string({ unit: 'binary' }), async (at, text) => {
        const cut = at % note.length;
        for (const each of [text, note.slice(0, cut) + text + note.slice(cut + 1)]) {
          await survives('commit', { checkpoint: each, leaves: 0, wanted: [] });
        }
      }),
      { numRuns: 200 },
    );
    await survives('commit', { checkpoint: note, leaves: 3, wanted: [] }, packLeaves([]));
  });

  it('sealed to it and then no view ask, whoever sealed it', async () => {
    const seals = async (plaintext: Uint8Array) => {
      const sealed = await sealTo(fromBase64(trial.keys.keeperSealingKey), VIEW_INFO, plaintext);
      const ask = { enc: base64(sealed.enc), ciphertext: base64(sealed.ciphertext) };
      await survives('resolve', { asks: [{ kind: 'view', ...ask }] });
    };
    for (const text of ['', 'x', 'null', '{}', '{"code":1}']) await seals(utf8(text));
    await seals(randomBytes(100));
  });

  it('and one bad ask in a batch harms no other', async () => {
    const asks = [null, 1, 'x', [], trial.request(), {}, { kind: '__proto__' }];
    const { answer } = await trial.ask('resolve', { asks: asks as never });
    assert.deepEqual(
      answer.asks.map((each) => (each.outcome === 'rejected' ? each.code : each.outcome)),
      ['malformed', 'malformed', 'malformed', 'malformed', 'resolved', 'malformed', 'malformed'],
    );
  });

  it('and after all of it the keeper opens again and works', async () => {
    await trial.reopen();
    const { answer } = await trial.ask('status', {});
    assert.equal(answer.size, trial.range.size);
    const [resolved] = await trial.resolve(trial.request());
    assert.equal(resolved?.outcome, 'resolved');
  });
});
