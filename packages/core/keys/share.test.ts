import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, hex } from '../bytes.ts';
import { combineShares, makeShares } from './shamir.ts';
import type { RootShare } from './share.ts';
import { formatShare, parseShare, shareCommitment, splitShares } from './share.ts';

const SHARE: RootShare = {
  isRehearsal: false,
  ceremony: '0123456789abcdef',
  index: 2,
  threshold: 2,
  count: 3,
  value: Uint8Array.from({ length: 32 }, (_, at) => at * 7),
};
const TEXT = formatShare(SHARE);
const refused = (text: string, message: RegExp) =>
  assert.throws(() => parseShare(text), { code: 'bad-share', message });

describe('a share on paper', () => {
  it('is refused by the number of the line that is mistyped, missing or out of place', () => {
    const lines = TEXT.trimEnd().split('\n');
    for (const [at, line] of lines.entries()) {
      const other = line.at(5) === 'Z' ? 'Y' : 'Z';
      const mistyped = lines.with(at, `${line.slice(0, 5)}${other}${line.slice(6)}`);
      refused(mistyped.join('\n'), new RegExp(`line ${at + 1} `));
      // The lines after it come one too early.
      refused(lines.toSpliced(at, 1).join('\n'), new RegExp(`line ${at + 1} `));
      refused(lines.with(at, line.slice(0, -1)).join('\n'), new RegExp(`line ${at + 1} `));
    }
    refused('', /line 1/);
    refused(`${TEXT}1 0000`, /more than five/);
    refused(' '.repeat(5_000), /too long/);
  });

  it('is refused where a line is another sheet’s, though each line is right', () => {
    const other = formatShare({ ...SHARE, value: new Uint8Array(32) });
    const mixed = [...TEXT.split('\n').slice(0, 4), ...other.split('\n').slice(4)];
    refused(mixed.join('\n'), /not of one sheet/);
  });

  it('is refused where it says what no share is', () => {
    for (const wrong of [
      { index: 0 },
      { index: 4 },
      { threshold: 1 },
      { threshold: 4 },
      { count: 17, threshold: 2 },
    ]) {
      refused(formatShare({ ...SHARE, ...wrong }), /no form known/);
    }
  });

  it('names nothing of what was typed', () => {
    try {
      parseShare('1 SECR ETSE CRET SECR ET');
      assert.fail();
    } catch (error) {
      assert.doesNotMatch(String(error), /SECR/i);
    }
  });

  it('is what the docs show', () => {
    assert.equal(
      TEXT,
      [
        '1 0400 28T5 CY4T QKFF 5Q',
        '2 0810 6007 1RAH R8SA R9',
        '3 64W3 YHJD AHDP 4TBG JD',
        '4 EXZ8 B34K KAGT HBXP D8',
        '5 QQ2C QMPS ABWP 8JM0 TK',
        '',
      ].join('\n'),
    );
  });

  it('is read as people type it: small letters, no or other spaces, hyphens, O for 0, L and I for 1', () => {
    const typed = TEXT.toLowerCase()
      .replaceAll(' ', '-')
      .replaceAll('0', 'o')
      .replace(/1(?=.*\n)/g, 'l');
    assert.deepEqual(parseShare(`# Share 2 of 3.\r\n\r\n${typed}`), SHARE);
    assert.deepEqual(parseShare(TEXT.replaceAll(/[ ]/g, '')), SHARE);
    assert.deepEqual(parseShare(TEXT.replaceAll('\n', '\r\n')), SHARE);
  });

  it('is told from others above and under it, whatever stands between them for people', () => {
    const other = { ...SHARE, index: 3 };
    const typed = `# Two sheets\n${TEXT}\n \n# the other\r\n${formatShare(other)}`;
    assert.deepEqual(splitShares(typed).map(parseShare), [SHARE, other]);
    const [whole, part, ...more] = splitShares(`${typed}1 0400`);
    assert.deepEqual(more.length, 1);
    assert.deepEqual([whole, part], splitShares(typed));
    refused(more[0] as string, /line 1 /);
    assert.deepEqual(splitShares('# nothing\n\n'), []);
  });

  it('comes back from its text, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        fc.integer({ min: 2, max: 16 }),
        fc.boolean(),
        (value, ceremony, count, isRehearsal) => {
          const share: RootShare = {
            isRehearsal,
            ceremony: Buffer.from(ceremony).toString('hex'),
            index: 1 + ((value[0] as number) % count),
            threshold: 2 + ((value[1] as number) % (count - 1)),
            count,
            value,
          };
          assert.deepEqual(parseShare(formatShare(share)), share);
        },
      ),
    );
  });
});

it('a commitment is of one ceremony, index and value', () => {
  const commitment = shareCommitment(SHARE);
  assert.match(commitment, /^[0-9a-f]{64}$/);
  for (const other of [
    { ...SHARE, ceremony: '0123456789abcdee' },
    { ...SHARE, index: 3 },
    { ...SHARE, value: SHARE.value.with(31, 0) },
  ]) {
    assert.notEqual(shareCommitment(other), commitment);
  }
});

describe('vectors/shares.json, made by another implementation', () => {
  const vectors = JSON.parse(
    readFileSync(new URL('../../../vectors/shares.json', import.meta.url), 'utf8'),
  ) as {
    valid: {
      ceremony: string;
      threshold: number;
      count: number;
      secret: string;
      coefficients: string[];
      shares: { index: number; value: string; text: string; commitment: string }[];
      rehearsal: string;
    }[];
    invalid: { name: string; text: string }[];
  };

  for (const { name, text } of vectors.invalid) {
    it(`no share: ${name}`, () => assert.throws(() => parseShare(text), { code: 'bad-share' }));
  }

  it('splits, writes, reads, commits and combines the same', () => {
    assert.equal(vectors.valid.length, 1);
    const { ceremony, threshold, count, secret, shares, rehearsal, ...vector } = vectors
      .valid[0] as (typeof vectors.valid)[0];
    const coefficients = vector.coefficients.map(fromHex);
    const split = makeShares(
      fromHex(secret),
      { threshold, count },
      () => coefficients.shift() as Uint8Array,
    );
    for (const [at, { index, value, text, commitment }] of shares.entries()) {
      const share = {
        ceremony,
        threshold,
        count,
        index,
        isRehearsal: false,
        value: fromHex(value),
      };
      assert.deepEqual(split[at], { index, value: share.value });
      assert.equal(formatShare(share), text);
      assert.deepEqual(parseShare(text), share);
      assert.equal(shareCommitment(share), commitment);
    }
    assert.equal(hex(combineShares(split.slice(2))), secret);
    assert.equal(parseShare(rehearsal).isRehearsal, true);
  });
});
