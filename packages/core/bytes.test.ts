import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  base64,
  concat,
  equal,
  fromBase64,
  fromHex,
  fromUtf8,
  hex,
  uint16,
  uint32,
  uint64,
  utf8,
} from './bytes.ts';

const badEncoding = { name: 'CoreError', code: 'bad-encoding' };
const outOfRange = { name: 'CoreError', code: 'out-of-range' };
const anyBytes = fc.uint8Array({ maxLength: 200 });

describe('base64', () => {
  for (const text of [
    'A',
    'AA',
    'AAA',
    'AA=',
    'A===',
    '====',
    '==',
    '=AAA',
    'AA=A',
    'AAA=AAAA',
    'AB==',
    'AAB=',
    'AA==\n',
    ' AA=',
    'AA-_',
    'AAA\u0141',
    'AAAA\u0000AAA',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => fromBase64(text), badEncoding);
    });
  }

  it('agrees with another implementation and comes back', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        assert.equal(base64(bytes), Buffer.from(bytes).toString('base64'));
        assert.deepEqual(fromBase64(base64(bytes)), bytes);
      }),
    );
  });

  it('accepts one text for each byte string', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ABwx+/=09'), maxLength: 12 }), (text) => {
        let bytes: Uint8Array;
        try {
          bytes = fromBase64(text);
        } catch {
          return;
        }
        assert.equal(base64(bytes), text);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('hexadecimal', () => {
  for (const text of ['0', 'AB', '0g', 'é0', '0x', ' 0']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => fromHex(text), badEncoding);
    });
  }

  it('agrees with another implementation and comes back', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        assert.equal(hex(bytes), Buffer.from(bytes).toString('hex'));
        assert.deepEqual(fromHex(hex(bytes)), bytes);
      }),
    );
  });
});

describe('utf-8', () => {
  it('refuses a lone surrogate and malformed bytes', () => {
    assert.throws(() => utf8('a\ud800'), badEncoding);
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
      assert.throws(() => fromUtf8(Uint8Array.from(bytes)), badEncoding);
    }
  });

  it('keeps a byte order mark', () => {
    assert.equal(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), '\ufeffa');
  });

  it('comes back from any bytes that it accepts', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => fromUtf8(utf8(text)) === text));
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        let text: string;
        try {
          text = fromUtf8(bytes);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'bad-encoding');
          return;
        }
        assert.deepEqual(utf8(text), bytes);
      }),
    );
  });
});

describe('numbers', () => {
  it('outside their width are refused', () => {
    const { MAX_SAFE_INTEGER } = Number;
    for (const value of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, MAX_SAFE_INTEGER + 1]) {
      for (const encode of [uint16, uint32, uint64]) assert.throws(() => encode(value), outOfRange);
    }
    assert.throws(() => uint16(0x10000), outOfRange);
    assert.throws(() => uint32(2 ** 32), outOfRange);
  });

  it('are big endian', () => {
    assert.equal(hex(uint16(0x0102)), '0102');
    assert.equal(hex(uint32(0xfffefdfc)), 'fffefdfc');
    assert.equal(hex(uint64(Number.MAX_SAFE_INTEGER)), '001fffffffffffff');
    assert.equal(hex(uint64(2 ** 32 + 5)), '0000000100000005');
  });
});

describe('joined parts', () => {
  it('are copied', () => {
    const part = Uint8Array.of(1, 2);
    const joined = concat(part, part);
    part[0] = 9;
    assert.equal(hex(joined), '01020102');
  });

  it('are equal only byte for byte', () => {
    assert.equal(equal(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), true);
    assert.equal(equal(Uint8Array.of(1, 2), Uint8Array.of(1, 3)), false);
    assert.equal(equal(Uint8Array.of(1, 2), Uint8Array.of(1)), false);
    assert.equal(equal(Uint8Array.of(2, 1), Uint8Array.of(1, 2)), false);
  });
});
