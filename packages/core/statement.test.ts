import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { base64, hex, utf8 } from './bytes.ts';
import { canonicalBytes } from './canonical.ts';
import { CoreError } from './errors.ts';
import type { RecordRead, Statement } from './statement.ts';
import { commitTo, decodeBody, encodeBody } from './statement.ts';
import { readHead, readView, readViewAsk, writeView, writeViewAsk } from './view.ts';

const slug = fc.stringMatching(/^[a-z]{1,8}$/);
const hexOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map(hex);
const record: fc.Arbitrary<RecordRead> = fc.record(
  {
    holding: slug,
    record: hexOf(16),
    import: fc.nat(),
    row: fc.integer({ min: 1, max: 2 ** 31 }),
    expiryMonth: fc.constantFrom('2027-01', '2039-12'),
    groups: fc.array(
      fc.record({ group: slug, nonce: hexOf(16), sha256: hexOf(32) }, { noNullPrototype: true }),
      { minLength: 1, maxLength: 3 },
    ),
  },
  { noNullPrototype: true },
);
const anyStatement: fc.Arbitrary<Statement> = fc.record(
  {
    type: fc.constant('statement' as const),
    kind: fc.constantFrom(
      'disclosure',
      'miss',
      'refusal',
      'undelivered',
      'sign-in',
      'code',
      'erased',
    ),
    token: fc.constant(null),
    controller: slug,
    subject: hexOf(16),
    number: fc.integer({ min: 1 }),
    time: fc.nat(),
    agency: fc.option(slug),
    officer: fc.option(hexOf(16)),
    approved: fc.constantFrom(null, 'approved' as const),
    purpose: fc.option(fc.constant('https://w3id.org/dpv#EnforceSecurity')),
    legalBasis: fc.option(fc.constant('https://w3id.org/dpv#LegalObligation')),
    refusal: fc.option(slug),
    reads: fc.array(
      fc.record(
        { holding: slug, groups: fc.uniqueArray(slug, { minLength: 1, maxLength: 3 }) },
        { noNullPrototype: true },
      ),
      { maxLength: 3 },
    ),
    records: fc.array(record, { maxLength: 3 }),
    seal: fc.option(
      fc.constant({ ground: 'https://w3id.org/dpv#LegalObligation', until: '2027-01-31' }),
    ),
    seals: fc.array(
      fc.record(
        { index: fc.nat(), number: fc.integer({ min: 1 }), leafHash: hexOf(32) },
        { noNullPrototype: true },
      ),
      { maxLength: 17 },
    ),
    evidence: fc.option(hexOf(32)),
  },
  { noNullPrototype: true },
);
const statement: fc.Arbitrary<Statement> = fc
  .tuple(anyStatement, fc.uint8Array({ minLength: 44, maxLength: 44 }))
  .map(([found, token]) => ({ ...found, token: found.kind === 'erased' ? base64(token) : null }));
const nonce = fc.uint8Array({ minLength: 32, maxLength: 32 });

function isRefusal(error: unknown): boolean {
  return error instanceof CoreError && ['bad-document', 'bad-encoding'].includes(error.code);
}

describe('statements', () => {
  it('a nonce of another length, and a body without a statement, are refused', () => {
    const [value] = fc.sample(statement, 1) as [Statement];
    for (const length of [0, 31, 33]) {
      assert.throws(() => encodeBody(new Uint8Array(length), value), { code: 'bad-document' });
      assert.throws(() => decodeBody(new Uint8Array(length)), isRefusal);
    }
  });

  it('a member more, a member less, or one out of its form is refused', () => {
    const [value] = fc.sample(statement, 1) as [Statement];
    const bodyOf = (changed: object) =>
      Uint8Array.of(...new Uint8Array(32), ...canonicalBytes(changed as never));
    const { evidence: _evidence, ...less } = value;
    for (const changed of [
      less,
      { ...value, officerName: 'x' },
      { ...value, number: 0 },
      { ...value, kind: 'read' },
      { ...value, subject: value.subject.slice(2) },
      { ...value, subject: 'AB'.repeat(16) },
      { ...value, type: 'request' },
      { ...value, approved: 'yes' },
      { ...value, records: Array.from({ length: 4097 }, () => null) },
    ]) {
      assert.throws(() => decodeBody(bodyOf(changed)), isRefusal);
    }
  });

  it('a longer list than a reader takes is not written', () => {
    const [value] = fc.sample(statement, 1) as [Statement];
    const { seals, reads, records } = value;
    for (const [name, list, max] of [
      ['seals', seals, 17],
      ['reads', reads, 8],
      ['records', records, 4096],
    ] as const) {
      const changed = { ...value, [name]: Array.from({ length: max + 1 }, () => list[0] ?? {}) };
      assert.throws(() => encodeBody(new Uint8Array(32), changed as Statement), isRefusal, name);
    }
  });

  it('what is encoded decodes to the same statement', () => {
    fc.assert(
      fc.property(nonce, statement, (random, value) => {
        assert.deepEqual(decodeBody(encodeBody(random, value)), value);
      }),
    );
  });

  it('any byte of a body changed, nonce included, breaks its commitment', () => {
    fc.assert(
      fc.property(nonce, statement, fc.nat(), fc.integer({ min: 1, max: 255 }), (...given) => {
        const [random, value, at, mask] = given;
        const body = encodeBody(random, value);
        const commitment = hex(commitTo(body));
        const changed = new Uint8Array(body);
        changed[at % body.length] = (body[at % body.length] as number) ^ mask;
        assert.notEqual(hex(commitTo(changed)), commitment);
        if (at % body.length < 32) return;
        try {
          assert.notDeepEqual(decodeBody(changed), value);
        } catch (error) {
          assert.ok(isRefusal(error), String(error));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('views', () => {
  const ask = { type: 'view' as const, code: 'ab'.repeat(16), time: 1_000 };
  const head = {
    type: 'head',
    session: '11'.repeat(32),
    subject: '22'.repeat(16),
    controller: 'demo-telecom',
    number: 3,
    chain: '33'.repeat(32),
    size: 10,
    root: '44'.repeat(32),
    time: 1_000,
  };

  it('an ask with a short code, a member more, or in another spelling is refused', () => {
    for (const text of [
      '{}',
      `{"code":"${'ab'.repeat(15)}","time":1000,"type":"view"}`,
      `{"code":"${'AB'.repeat(16)}","time":1000,"type":"view"}`,
      `{"code":"${ask.code}","more":1,"time":1000,"type":"view"}`,
      `{"code":"${ask.code}","time":-1,"type":"view"}`,
      `{"type":"view","code":"${ask.code}","time":1000}`,
    ]) {
      assert.throws(() => readViewAsk(utf8(text)), isRefusal, text);
    }
    assert.deepEqual(readViewAsk(writeViewAsk(ask)), ask);
  });

  it('a head with a member missing or out of its form is refused', () => {
    const write = (value: object) => Buffer.from(canonicalBytes(value as never)).toString();
    for (const [name] of Object.entries(head)) {
      const less = Object.fromEntries(Object.entries(head).filter(([member]) => member !== name));
      assert.throws(() => readHead(write(less)), isRefusal, name);
      assert.throws(() => readHead(write({ ...head, [name]: null })), isRefusal, name);
    }
    assert.throws(() => readHead(write({ ...head, number: -1 })), isRefusal);
    assert.deepEqual(readHead(write(head)), head);
  });

  it('a view comes back as it was written, and any bytes are read or refused with a code', () => {
    const view = {
      type: 'view' as const,
      subjects: [
        {
          head: 'a head',
          signature: 'a signature',
          protected: false,
          alias: false,
          undelivered: [2, 3],
          first: 1,
          bodyKeys: 'AAAA',
          opened: [{ number: 3, delivered: true, bodyKeys: 'AAAA' }],
        },
      ],
    };
    const bytes = writeView(view);
    assert.deepEqual(readView(bytes), view);
    const long = { number: 3, delivered: true, bodyKeys: 'A'.repeat(18 * 44) };
    const [subject] = view.subjects;
    const more = { ...view, subjects: [{ ...subject, opened: [long] }] } as typeof view;
    assert.throws(() => writeView(more), isRefusal, 'what nobody could read is not written');
    for (const read of [readView, readViewAsk, (each: Uint8Array) => decodeBody(each)]) {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(), (random, at) => {
          const cut = bytes.slice(0, at % bytes.length);
          for (const each of [random, Uint8Array.of(...cut, ...random)]) {
            try {
              read(each);
            } catch (error) {
              assert.ok(isRefusal(error), String(error));
            }
          }
        }),
        { numRuns: 200 },
      );
    }
  });
});
