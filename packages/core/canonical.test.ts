import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { utf8 } from './bytes.ts';
import type { Json, JsonObject } from './canonical.ts';
import { canonicalBytes, canonicalText, parseCanonical, parseCanonicalBytes } from './canonical.ts';
import { CoreError } from './errors.ts';

const badDocument = { name: 'CoreError', code: 'bad-document' };

const text = fc.string({ unit: 'binary', maxLength: 12 });
const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((value) => value + 0),
    text,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const object = fc.dictionary(text, json.value, { maxKeys: 5, noNullPrototype: true });

describe('a document in another form than its one encoding is refused', () => {
  const refused: readonly (readonly [string, string])[] = [
    ['no JSON', 'x'],
    ['nothing', ''],
    ['a list', '[]'],
    ['a string', '"a"'],
    ['null', 'null'],
    ['a number', '1'],
    ['white space before', ' {}'],
    ['white space after', '{}\n'],
    ['white space within', '{"a": 1}'],
    ['members out of order', '{"b":1,"a":2}'],
    ['members out of the order of UTF-16', '{"\uff5e":1,"\u{1f600}":2}'],
    ['a member twice', '{"a":1,"a":1}'],
    ['a fraction', '{"a":1.5}'],
    ['a whole number as a fraction', '{"a":1.0}'],
    ['an exponent', '{"a":1e2}'],
    ['minus zero', '{"a":-0}'],
    ['an unsafe number', '{"a":9007199254740992}'],
    ['a huge number', '{"a":1e999}'],
    ['an escape that is not needed', '{"a":"\\u0061"}'],
    ['an escaped slash', '{"a":"\\/"}'],
    ['upper case in an escape', '{"a":"\\u001F"}'],
    ['a long escape where a short one is', '{"a":"\\u000a"}'],
    ['a lone surrogate', '{"a":"\\ud800"}'],
    ['a lone surrogate unescaped', '{"a":"\ud800"}'],
    ['a lone surrogate in a name', '{"\\udfff":1}'],
    ['a byte order mark', '\ufeff{}'],
    ['nesting beyond its bound', `{"a":${'['.repeat(13)}${']'.repeat(13)}}`],
    ['nesting far beyond', `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`],
    ['two documents', '{}{}'],
    ['a single quote', "{'a':1}"],
  ];
  for (const [name, document] of refused) {
    it(name, () => {
      assert.throws(() => parseCanonical(document), badDocument);
    });
  }

  it('bytes that are no UTF-8', () => {
    const bytes = Uint8Array.of(...utf8('{"a":"'), 0xff, ...utf8('"}'));
    assert.throws(() => parseCanonicalBytes(bytes), { code: 'bad-encoding' });
  });
});

describe('canonical JSON', () => {
  it('orders members by UTF-16 units and escapes as RFC 8785 says', () => {
    assert.equal(
      canonicalText({ '\u{1f600}': 1, '\uff5e': 2, b: '\b\t\n\f\r\u001f"\\/\u007f\u2028', '': [] }),
      '{"":[],"b":"\\b\\t\\n\\f\\r\\u001f\\"\\\\/\u007f\u2028","\u{1f600}":1,"\uff5e":2}',
    );
  });

  it('members that look like numbers stand in the order of their text, as the engine would not put them', () => {
    assert.equal(
      canonicalText({ a: { 10: 1, 9: [{ 2: 0, 10: 0 }] } }),
      '{"a":{"10":1,"9":[{"10":0,"2":0}]}}',
    );
    assert.throws(() => parseCanonical('{"9":1,"10":1}'), badDocument);
    assert.deepEqual(parseCanonical('{"10":1,"9":1}'), { 10: 1, 9: 1 });
  });

  it('a value that cannot be written is refused', () => {
    let deep: Json = [];
    for (let i = 0; i < 13; i++) deep = [deep];
    for (const value of [0.5, -0, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY, 'a\udc00', deep]) {
      assert.throws(() => canonicalText({ a: value }), badDocument);
    }
    assert.throws(() => canonicalText({ 'a\ud800': 1 }), badDocument);
    assert.throws(() => canonicalText({ b: 1, a: { c: 'a\udc00' } }), badDocument);
  });

  it('what is written parses to the same value and is written the same', () => {
    fc.assert(
      fc.property(object, (value) => {
        const written = canonicalText(value);
        const parsed = parseCanonical(written);
        assert.deepEqual(parsed, value);
        assert.equal(canonicalText(parsed), written);
        assert.deepEqual(parseCanonicalBytes(canonicalBytes(value)), value);
      }),
      { numRuns: 500 },
    );
  });

  it('the order in which members were set does not matter', () => {
    fc.assert(
      fc.property(object, (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse()) as JsonObject;
        assert.equal(canonicalText(turned), canonicalText(value));
      }),
    );
  });

  it('any byte changed gives a refusal or another value', () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(object, change, (value, [at, mask]) => {
        const bytes = canonicalBytes(value);
        bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ mask;
        const parsed = parsedOrNull(bytes);
        if (parsed !== null) assert.notDeepEqual(parsed, value);
      }),
      { numRuns: 1000 },
    );
  });

  it('any bytes either parse, and are then the one encoding, or are refused with a code', () => {
    const nearly = fc
      .tuple(object, fc.uint8Array({ maxLength: 3 }), fc.nat())
      .map(([value, more, at]) => {
        const bytes = [...canonicalBytes(value)];
        bytes.splice(at % (bytes.length + 1), 1, ...more);
        return Uint8Array.from(bytes);
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), nearly), (bytes) => {
        const parsed = parsedOrNull(bytes);
        if (parsed !== null) assert.deepEqual(canonicalBytes(parsed), bytes);
      }),
      { numRuns: 1000 },
    );
  });

  it('a member named __proto__ is a member like any other', () => {
    const parsed = parseCanonical('{"__proto__":{"a":1}}');
    assert.deepEqual(Object.keys(parsed), ['__proto__']);
    assert.equal((parsed as { a?: unknown }).a, undefined);
    assert.equal(canonicalText(parsed), '{"__proto__":{"a":1}}');
  });
});

function parsedOrNull(bytes: Uint8Array): JsonObject | null {
  try {
    return parseCanonicalBytes(bytes);
  } catch (error) {
    assert.ok(error instanceof CoreError, String(error));
    return null;
  }
}
