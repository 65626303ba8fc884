import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { YamlCode } from './yaml.ts';
import { readYaml, YAML_BYTES_MAX, YAML_DEPTH_MAX } from './yaml.ts';

function refused(text: string): readonly [YamlCode, number] | null {
  const read = readYaml(Buffer.from(text));
  return read.ok ? null : [read.code, read.line];
}

test('a bomb of aliases is refused at its first anchor', () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 10; level++) {
    const from = String.fromCharCode(96 + level);
    const to = String.fromCharCode(97 + level);
    bomb.push(`${to}: &${to} [${`*${from}, `.repeat(8)}*${from}]`);
  }
  assert.equal(refused(bomb.join('\n'))?.[0], 'alias');
});

test('an anchor, an alias and a merge of one are refused', () => {
  assert.deepEqual(refused('a: &x 1'), ['alias', 1]);
  assert.deepEqual(refused('a: 1\nb: *x'), ['alias', 2]);
  assert.deepEqual(refused('&x {a: 1}'), ['alias', 1]);
  assert.deepEqual(refused('a: 1\n<<: *x'), ['alias', 2]);
});

test('tags and directives are refused, the standard ones too', () => {
  assert.deepEqual(refused('a: !!js/function "x"'), ['tag', 1]);
  assert.deepEqual(refused('a: 1\nb: !!str 1'), ['tag', 2]);
  assert.deepEqual(refused('!mine {a: 1}'), ['tag', 1]);
  assert.deepEqual(refused('%YAML 1.1\n---\na: yes'), ['tag', 1]);
});

test('a key that occurs twice is refused, and so is one that is not text', () => {
  assert.equal(refused('a: 1\nb: 2\na: 3')?.[0], 'duplicate-key');
  assert.equal(refused('a: {b: 1, b: 2}')?.[0], 'duplicate-key');
  assert.equal(refused('1: a')?.[0], 'key-not-text');
  assert.equal(refused('? [a]\n: b')?.[0], 'key-not-text');
});

test('nesting beyond the bound is refused however it is written, and quickly', () => {
  for (const text of [
    '['.repeat(100_000),
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    '{a: '.repeat(50_000),
    `${'- '.repeat(100_000)}x`,
    Array.from({ length: 60 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
  ]) {
    assert.equal(readYaml(Buffer.from(text)).ok, false);
  }
  for (const text of ['['.repeat(30_000), '{a: '.repeat(20_000), '- '.repeat(30_000)]) {
    assert.equal(refused(text)?.[0], 'too-deep');
  }
  const fits = `${'['.repeat(YAML_DEPTH_MAX)}${']'.repeat(YAML_DEPTH_MAX)}`;
  assert.equal(refused(fits), null);
  assert.equal(refused(`[${fits}]`)?.[0], 'too-deep');
});

test('too many bytes, other encodings, several documents and none are refused', () => {
  assert.equal(refused('#'.repeat(YAML_BYTES_MAX + 1))?.[0], 'too-large');
  assert.equal(refused('a: 1\n---\nb: 2')?.[0], 'many-documents');
  assert.equal(refused('')?.[0], 'empty');
  assert.equal(refused('# nothing')?.[0], 'empty');
  const read = readYaml(Buffer.from([0x61, 0x3a, 0x20, 0xff]));
  assert.equal(read.ok ? null : read.code, 'not-utf8');
});

test('as many members as a file holds are read, and one of them twice is refused', () => {
  const members = Array.from({ length: 25_000 }, (_, at) => `m${at}: 1`).join('\n');
  const read = readYaml(Buffer.from(members));
  assert.ok(read.ok);
  assert.equal(Object.keys(read.value as object).length, 25_000);
  assert.deepEqual(refused(`${members}\nm24999: 2`), ['duplicate-key', 25_001]);
  assert.deepEqual(refused('{a: 1, "a": 2}'), ['duplicate-key', 1]);
});

test('a member named __proto__ changes no prototype', () => {
  const read = readYaml(Buffer.from('__proto__: {polluted: true}'));
  assert.ok(read.ok);
  assert.deepEqual(Object.keys(read.value as object), ['__proto__']);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

test('dates and yes stay text, numbers and null are themselves', () => {
  const read = readYaml(Buffer.from('a: 2027-01-01\nb: yes\nc: 12\nd: null\ne: true\nf: [1, x]'));
  assert.ok(read.ok);
  assert.deepEqual(
    { ...(read.value as object) },
    { a: '2027-01-01', b: 'yes', c: 12, d: null, e: true, f: [1, 'x'] },
  );
});

test('any bytes give a value or a refusal', () => {
  const piece = fc.constantFrom('a', ': ', '- ', '\n', '  ', '[', ']', '{', '}', '"', "'", '&a ');
  const more = fc.constantFrom(
    '*a',
    '!t ',
    '? ',
    '| ',
    '> ',
    '#',
    '---\n',
    ',',
    '%',
    '\t',
    '0',
    '\u0000',
  );
  const text = fc
    .array(fc.oneof(piece, more), { maxLength: 40, size: 'max' })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(
      fc.oneof(
        text.map((t) => Buffer.from(t)),
        fc.uint8Array({ maxLength: 200 }),
      ),
      (bytes) => {
        const read = readYaml(bytes);
        assert.equal(typeof read.ok, 'boolean');
      },
    ),
    { numRuns: 1500 },
  );
});
