import assert from 'node:assert/strict';
import { test } from 'node:test';
import { declarationOf, gather, inChunks } from './_sample.ts';
import { rejectAdvice } from './codes.ts';
import { describeRefusal } from './headings.ts';
import { readJsonObject } from './json-object.ts';
import { parseMapping } from './mapping.ts';
import type { TableOptions } from './table.ts';
import { readTable } from './table.ts';

const travel = declarationOf('travel-history');
const good = {
  cnic: '00001-0000001-1',
  name: 'Test Person',
  crossed_at: '2026-01-02 03:04',
  direction: 'entry',
  post: 'Torkham',
};
const GOOD = JSON.stringify(good);

async function open(text: string | Uint8Array, options: Partial<TableOptions> = {}, chunk = 65536) {
  return readTable(inChunks(Buffer.from(text as string), chunk), travel, {
    identifiers: 'synthetic',
    ...options,
  });
}

async function refusal(text: string | Uint8Array, options: Partial<TableOptions> = {}) {
  const opened = await open(text, options);
  assert.ok(!opened.ok);
  assert.ok(describeRefusal(opened, null).length > 0);
  return [opened.code, ...opened.names];
}

async function rows(text: string | Uint8Array, options: Partial<TableOptions> = {}, chunk = 65536) {
  const opened = await open(text, options, chunk);
  assert.ok(opened.ok, opened.ok ? '' : opened.code);
  return gather(opened.batches);
}

/** What became of a line behind a good one: column and code; null where it was taken. */
async function outcome(line: string, options: Partial<TableOptions> = {}) {
  const { rejections, totals } = await rows(`${GOOD}\n${line}\n`, options);
  assert.equal(totals.rows, 2);
  const [rejection] = rejections;
  if (rejection === undefined) return null;
  assert.ok(rejection.code in rejectAdvice);
  assert.equal(rejection.line, 2);
  return `${rejection.column}: ${rejection.code}`;
}

/** The good object with members changed, or left out where they are undefined. */
function but(change: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...good, ...change });
}

test('a file whose first object has undeclared members is refused as a whole, by their names', async () => {
  assert.deepEqual(await refusal(but({ religion: 'x', 'of 09999-0000001-2': 1 })), [
    'undeclared-columns',
    'religion',
    'of ####-####-2',
  ]);
  assert.deepEqual(await refusal('{"a":1}\n'), ['no-heading']);
  assert.deepEqual(await refusal(but({ NAME: 'x' })), ['duplicate-headings', 'NAME']);
});

test('JSON that is no JSON Lines is refused, with how to make it that', async () => {
  assert.deepEqual(await refusal(`[\n${GOOD}\n]`), ['json-array']);
  assert.deepEqual(await refusal(` [${GOOD}]`), ['json-array']);
  assert.deepEqual(await refusal('[]'), ['json-array']);
  assert.deepEqual(await refusal(JSON.stringify(good, null, 2)), ['not-json-lines']);
  assert.deepEqual(await refusal(`${GOOD.slice(0, 30)}\n${GOOD}`), ['not-json-lines']);
  assert.deepEqual(await refusal(`{${' '.repeat(2_000_000)}}`), ['not-json-lines']);
});

test('a member that appears later and is not declared is a rejected row, and is not named', async () => {
  assert.equal(await outcome(but({ religion: 'x' })), 'null: undeclared-member');
  assert.equal(await outcome(but({ '09999-0000001-2': null })), 'null: undeclared-member');
});

test('a member left out on purpose may be anything, and one by another heading is its field', async () => {
  const parsed = parseMapping({ Remarks: null, 'Border Post': 'post' });
  assert.ok(parsed.ok);
  const { mapping } = parsed;
  assert.equal(await outcome(but({ remarks: { a: ['}"'] } }), { mapping }), null);
  assert.equal(await outcome(but({ post: undefined, 'border-post': 'x' }), { mapping }), null);
  assert.equal(await outcome(but({ 'border-post': 'x' }), { mapping }), 'null: duplicate-member');
});

test('members are found in any order, and one that is missing or null holds nothing', async () => {
  const { post, ...rest } = good;
  assert.equal(await outcome(JSON.stringify({ post, ...rest })), null);
  assert.equal(await outcome(but({ carrier: null })), null);
  assert.equal(await outcome(JSON.stringify(rest)), 'post: missing-value');
  assert.equal(await outcome(but({ post: null })), 'post: missing-value');
  assert.equal(await outcome('{}'), 'cnic: missing-value');
  // A first object that lacks what others have says nothing of the file.
  const { rejections } = await rows(`{"cnic":"00001-0000001-1"}\n${GOOD}\n`);
  assert.deepEqual(
    rejections.map(({ line, code }) => [line, code]),
    [[1, 'missing-value']],
  );
});

test('lines that are no object are rejected one by one', async () => {
  const lines = [
    GOOD.slice(0, -1),
    `${GOOD}${GOOD}`,
    `${GOOD},`,
    '[]',
    '1',
    'null',
    '"x"',
    "{'cnic':1}",
    '{"cnic":01}',
    '{"cnic":NaN}',
    '{"cnic":"a\tb"}',
    '{"cnic":"\\x"}',
    `{"cnic":${'['.repeat(100_000)}`,
  ];
  for (const line of lines) assert.equal(await outcome(line), 'null: bad-json', line.slice(0, 60));
});

test('duplicate members, nested values and texts of no text are rejected', async () => {
  assert.equal(await outcome(GOOD.replace('{', '{"post":"x",')), 'null: duplicate-member');
  assert.equal(await outcome(GOOD.replace('{', '{"po\\u0073t":"x",')), 'null: duplicate-member');
  assert.equal(await outcome(but({ post: { name: 'x' } })), 'post: nested-value');
  assert.equal(await outcome(but({ post: ['x'] })), 'post: nested-value');
  assert.equal(await outcome(but({ post: '\0' })), 'null: nul-character');
  assert.equal(await outcome(GOOD.replace('Torkham', '\\ud800')), 'null: bad-encoding');
  assert.equal(await outcome(GOOD.replace('Torkham', '\ufffd')), 'null: bad-encoding');
  assert.equal(await outcome(GOOD.replace('Torkham', 'Tork\0ham')), 'null: nul-character');
});

test('a number is the text that was written, and an identifier only where it is whole', async () => {
  const recorded = async (post: string) => {
    const read = await rows(`${GOOD.replace('"Torkham"', post)}\n`);
    const [row] = read.rows;
    const value = row?.values[travel.fields.findIndex(({ name }) => name === 'post')];
    return value != null && 'recorded' in value ? value.recorded : null;
  };
  assert.equal(await recorded('1e400'), '1e400');
  assert.equal(await recorded('12345678901234567890.10'), '12345678901234567890.10');
  assert.equal(await recorded('-0'), '-0');
  assert.equal(await recorded('true'), 'true');
  assert.equal(await outcome(but({ cnic: 1_000_000_011 })), 'cnic: number-for-identifier');
  assert.equal(await outcome(but({ cnic: 4_210_100_000_001 })), 'cnic: real-identifier');
});

test('blank lines, byte order marks and line ends of every kind are passed over, and counted', async () => {
  const text = `\ufeff\r\n${GOOD}\r\n\n  \r\ufeff${GOOD}\r${GOOD}\n\ufeff\n${GOOD}`;
  for (const chunk of [1, 2, 3, 7, 65536]) {
    const read = await rows(text, {}, chunk);
    assert.deepEqual(
      read.rows.map(({ line }) => line),
      [2, 5, 6, 8],
    );
    assert.deepEqual(read.totals, { lines: 8, blankLines: 4, rows: 4, accepted: 4, rejected: 0 });
  }
});

test('encodings are those of CSV files', async () => {
  const urdu = but({ name: 'علی' });
  const utf16 = Buffer.from(`\ufeff${urdu}\n`, 'utf16le');
  assert.equal((await rows(utf16)).rows.length, 1);
  assert.equal((await rows(Buffer.from(utf16).swap16())).rows.length, 1);
  const cp1256 = Buffer.concat([
    Buffer.from(`${GOOD.slice(0, -1)},"carrier":"`),
    Buffer.from([0xda, 0xe1, 0xed]),
    Buffer.from('"}\n'),
  ]);
  assert.equal((await rows(cp1256, { encoding: 'windows-1256' })).rows.length, 1);
  // As UTF-8 the first line is broken, which is the row's fault alone.
  assert.deepEqual((await rows(cp1256)).rejections[0]?.code, 'bad-encoding');
});

test('a line of any length is rejected in flat memory, and the next is read', async () => {
  const megabyte = Buffer.alloc(1024 * 1024, 'x');
  async function* source() {
    yield Buffer.from(`${GOOD}\n{"cnic":"`);
    for (let count = 0; count < 1024; count++) yield megabyte;
    yield Buffer.from(`"}\r\n${GOOD}`);
  }
  const opened = await readTable(source(), travel, { identifiers: 'synthetic' });
  assert.ok(opened.ok);
  const { rejections, rows: taken } = await gather(opened.batches);
  assert.deepEqual(rejections, [{ line: 2, lines: 1, row: 2, column: null, code: 'row-too-long' }]);
  assert.deepEqual(
    taken.map(({ line }) => line),
    [1, 3],
  );
});

test('200,000 dirty lines come to the counts that were put in', async () => {
  const kinds: readonly (readonly [string, string | null])[] = [
    [GOOD, null],
    [GOOD.slice(5), 'bad-json'],
    [but({ religion: 'x' }), 'undeclared-member'],
    [but({ post: [] }), 'nested-value'],
    [GOOD.replace('{', '{"post":1,'), 'duplicate-member'],
    [but({ crossed_at: '2026-02-30 03:04' }), 'no-such-date'],
    [GOOD.replace('Torkham', '\0'), 'nul-character'],
    ['', null],
  ];
  const ends = ['\n', '\r\n', '\r'];
  const expected = new Map<string | null, number>();
  let text = `${GOOD}\n`;
  for (let line = 0; line < 200_000; line++) {
    // Seven and three have no common factor with eight: every kind meets every end.
    const [made, code] = kinds[(line * 7) % kinds.length]!;
    text += made + ends[line % ends.length];
    if (made !== '') expected.set(code, (expected.get(code) ?? 0) + 1);
  }
  const { rejections, totals } = await rows(text, {}, 4096);
  const found = new Map<string | null, number>([[null, totals.accepted - 1]]);
  for (const { code } of rejections) found.set(code, (found.get(code) ?? 0) + 1);
  assert.deepEqual(found, expected);
  assert.equal(totals.rows, 175_001);
  // A CR at a line's end and an LF alone on the next are one line end, and no blank line.
  assert.equal(totals.lines, totals.rows + totals.blankLines);
});

test('an object is walked as JSON.parse reads it', () => {
  const text = '{ "a" : "x\\\\" , "b":{"c":"}\\""} ,"a":-1.50e+2,"d":[[],"]"],"e":null}';
  assert.deepEqual(readJsonObject(text), [
    ['a', { kind: 'text', text: 'x\\' }],
    ['b', { kind: 'nested' }],
    ['a', { kind: 'number', text: '-1.50e+2' }],
    ['d', { kind: 'nested' }],
    ['e', { kind: 'null' }],
  ]);
  assert.deepEqual(readJsonObject('{}'), []);
  assert.equal(readJsonObject(''), null);
});
