import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { declarationOf, gather, inChunks } from './_sample.ts';
import type { TextValue } from './codes.ts';
import { rejectAdvice } from './codes.ts';
import { describeRefusal, fileAdvice } from './headings.ts';
import { parseMapping } from './mapping.ts';
import type { TableOptions } from './table.ts';
import { readTable } from './table.ts';

const travel = declarationOf('travel-history');
const sims = declarationOf('sim-registrations');
const synthetic = { identifiers: 'synthetic' } as const;
const heading = 'cnic,name,crossed_at,direction,post,carrier,document';
const good = '00001-0000001-1,Test Person,2026-01-02 03:04,entry,Torkham,,AB1';

async function open(text: string | Uint8Array, options: Partial<TableOptions> = {}, chunk = 65536) {
  return readTable(inChunks(Buffer.from(text as string), chunk), travel, {
    ...synthetic,
    ...options,
  });
}

async function refusal(text: string | Uint8Array, options: Partial<TableOptions> = {}) {
  const opened = await open(text, options);
  assert.ok(!opened.ok);
  assert.ok(opened.code in fileAdvice);
  return [opened.code, ...opened.names];
}

async function rows(text: string | Uint8Array, options: Partial<TableOptions> = {}, chunk = 65536) {
  const opened = await open(text, options, chunk);
  assert.ok(opened.ok, opened.ok ? '' : opened.code);
  return gather(opened.batches);
}

function mapping(value: unknown) {
  const parsed = parseMapping(value);
  assert.ok(parsed.ok);
  return parsed.mapping;
}

test('a file with an undeclared column is refused as a whole, by the name of the column', async () => {
  assert.deepEqual(await refusal(`${heading},religion,Salary\n${good},x,1\n`), [
    'undeclared-columns',
    'religion',
    'Salary',
  ]);
});

test('a file without a required column is refused by the name of the field', async () => {
  assert.deepEqual(await refusal('name,direction\nx,entry\n'), [
    'missing-columns',
    'cnic',
    'crossed_at',
    'post',
  ]);
});

test('two headings for one field are refused', async () => {
  assert.deepEqual(
    await refusal(`${heading},Border-Post\n`, { mapping: mapping({ 'border post': 'post' }) }),
    ['duplicate-headings', 'Border-Post'],
  );
  assert.deepEqual(await refusal(`${heading},NAME\n`), ['duplicate-headings', 'NAME']);
});

test('a mapping to a field that is not declared is refused', async () => {
  assert.deepEqual(await refusal(heading, { mapping: mapping({ faith: 'religion' }) }), [
    'unknown-mapped-fields',
    'religion',
  ]);
});

test('a file without a heading line is refused, and none of its values is repeated', async () => {
  assert.deepEqual(await refusal(`${good}\n${good}\n`), ['no-heading']);
  // One heading by chance: what is named is masked.
  const named = await refusal('name,00001-0000001-1\n');
  assert.deepEqual(named, ['undeclared-columns', '####-####-1']);
});

test('a refusal says which file it is about, and masks a name that could hold a number', () => {
  const refused = { ok: false, code: 'bad-encoding', names: [] } as const;
  const told = (name: string) => describeRefusal(refused, { at: 2, name });
  assert.match(told('09999-0000001-2.csv'), /^file 2, ####-####-2\.csv: /);
  assert.doesNotMatch(told('0398 ۱۲۳۰۰۰۱\u202e.csv'), /0398|۱۲۳|\u202e/);
  assert.match(told('sims-20260102.csv'), /^file 2, sims-20260102\.csv: the heading.*--encoding/);
  assert.doesNotMatch(describeRefusal(refused, null), /^file/);
});

test('an empty file, a heading without end and one in another encoding are refused', async () => {
  assert.deepEqual(await refusal(''), ['empty-file']);
  assert.deepEqual(await refusal('\n \r\n\n'), ['empty-file']);
  assert.deepEqual(await refusal('\ufeff'), ['empty-file']);
  assert.deepEqual(await refusal('x'.repeat(200_000)), ['bad-heading']);
  assert.deepEqual(await refusal('\n'.repeat(200_000)), ['bad-heading']);
  assert.deepEqual(await refusal('a,'.repeat(300)), ['too-many-columns']);
  assert.deepEqual(await refusal('cnic,"name\n'), ['bad-heading']);
  assert.deepEqual(await refusal(`cnic,${'x'.repeat(201)}\n`), ['bad-heading']);
  assert.deepEqual(await refusal(Buffer.from(heading, 'utf16le')), ['bad-encoding']);
  assert.deepEqual(await refusal(Buffer.from('cnic,n\u00e4me', 'latin1')), ['bad-encoding']);
});

test('an image cannot come from a table', async () => {
  const cards = declarationOf('identity-card-images');
  const opened = await readTable(inChunks(Buffer.from('cnic,side,image\n')), cards, synthetic);
  assert.ok(!opened.ok);
  assert.deepEqual([opened.code, ...opened.names], ['file-columns', 'image']);
});

test('a heading is printed on one line and cut short', async () => {
  const [, name] = await refusal(`${heading},"a\u202eb\u0007${'z'.repeat(100)}"\n`);
  assert.match(name ?? '', /^a\?b\?z+…$/);
});

test('refused files end their source', async () => {
  let ended = false;
  async function* source() {
    try {
      yield Buffer.from('nothing,known\n');
      yield Buffer.from('x,y\n');
    } finally {
      ended = true;
    }
  }
  assert.equal((await readTable(source(), travel, synthetic)).ok, false);
  assert.equal(ended, true);
});

test('a rejection names line, row, column and code, and holds no value', async () => {
  const bad = '00001-0000001-1,Planted Name,2026-02-30 03:04,entry,Torkham,,AB1';
  const read = await rows(`${heading}\n${good}\n\n${bad}\n${good.replace('Torkham', '')}\nshort\n`);
  assert.deepEqual(read.rejections, [
    { line: 4, lines: 1, row: 2, column: 'crossed_at', code: 'no-such-date' },
    { line: 5, lines: 1, row: 3, column: 'post', code: 'missing-value' },
    { line: 6, lines: 1, row: 4, column: null, code: 'ragged-row' },
  ]);
  assert.deepEqual(read.totals, { lines: 6, blankLines: 1, rows: 4, accepted: 1, rejected: 3 });
  assert.ok(!JSON.stringify(read.rejections).includes('Planted'));
});

test('a store for real records and a demonstration refuse each other’s identifiers', async () => {
  const text = `${heading}\n${good}\n${good.replace('00001', '35202')}\n`;
  const codes = async (identifiers: TableOptions['identifiers']) =>
    (await rows(text, { identifiers })).rejections.map(({ row, code }) => [row, code]);
  assert.deepEqual(await codes('synthetic'), [[2, 'real-identifier']]);
  assert.deepEqual(await codes('real'), [[1, 'synthetic-identifier']]);
});

test('values come in declared order, recorded and normalised, whatever the order of columns', async () => {
  const columns = 'Direction;POST;crossed at;Cnic;name';
  const line = 'ENTRY;Wagah;02/01/2026 08:04;۰۰۰۰۱-۰۰۰۰۰۰۱-۱;علی خان';
  const read = await rows(`${columns}\n${line}\n`);
  assert.deepEqual(read.rows, [
    {
      line: 2,
      row: 1,
      values: [
        { recorded: '۰۰۰۰۱-۰۰۰۰۰۰۱-۱', normalised: '0000100000011' },
        { recorded: 'علی خان', normalised: 'علی خان' },
        { recorded: '02/01/2026 08:04', normalised: '2026-01-02T03:04:00Z' },
        { recorded: 'ENTRY', normalised: 'entry' },
        { recorded: 'Wagah', normalised: 'Wagah' },
        null,
        null,
      ],
    },
  ]);
});

test('any of four delimiters is found, and a mapping names the columns', async () => {
  for (const delimiter of [',', ';', '\t', '|']) {
    const columns = ['ID No.', 'Full Name', 'When', 'direction', 'post', 'Clerk'];
    const values = ['00001-0000001-1', '"a,b;c|d\te"', '2026-01-02 03:04', 'exit', 'Chaman', 'x'];
    const text = `${columns.join(delimiter)}\r\n${values.join(delimiter)}\r\n`;
    const read = await rows(text, {
      mapping: mapping({ 'id no.': 'cnic', 'full-name': 'name', when: 'crossed_at', clerk: null }),
    });
    assert.equal((read.rows[0]!.values[1] as TextValue).recorded, 'a,b;c|d\te');
  }
});

test('every encoding gives the same rows', async () => {
  const text = `${heading}\n${good.replace('Test Person', 'علی خان')}\n`;
  const expected = (await rows(text)).rows;
  const le = Buffer.from(`\ufeff${text}`, 'utf16le');
  const be = Buffer.from(le).swap16();
  for (const chunk of [1, 3, 65536]) {
    assert.deepEqual((await rows(`\ufeff${text}`, {}, chunk)).rows, expected);
    assert.deepEqual((await rows(le, {}, chunk)).rows, expected);
    assert.deepEqual((await rows(be, {}, chunk)).rows, expected);
  }
  const latin = await rows(
    Buffer.from(`${heading}\n${good.replace('Test', 'Jos\u00e9')}\n`, 'latin1'),
    {
      encoding: 'windows-1252',
    },
  );
  assert.equal((latin.rows[0]!.values[1] as TextValue).normalised, 'José Person');
  const arabic = Buffer.concat([
    Buffer.from(`${heading}\n00001-0000001-1,`),
    Buffer.from([0xda, 0xe1, 0xed]),
    Buffer.from(',2026-01-02 03:04,entry,Torkham,,\n'),
  ]);
  const name = (await rows(arabic, { encoding: 'windows-1256' })).rows[0]!.values[1] as TextValue;
  assert.equal(name.normalised, 'علي');
});

test('what is not valid in its encoding is rejected row by row', async () => {
  const utf8 = Buffer.concat([
    Buffer.from(`${heading}\n${good}\n`),
    Buffer.from(good.replace('Test', 'Jos\u00e9'), 'latin1'),
    Buffer.from(`\n${good}\n`),
  ]);
  const read = await rows(utf8);
  assert.deepEqual(
    read.rejections.map(({ line, code }) => [line, code]),
    [[3, 'bad-encoding']],
  );
  assert.equal(read.rows.length, 2);
  const lone = Buffer.from(
    `\ufeff${heading}\n${good}\n${good.replace('Test', '\ud800')}\n`,
    'utf16le',
  );
  const odd = Buffer.concat([lone, Buffer.from([0x41])]);
  assert.deepEqual(
    (await rows(odd)).rejections.map(({ line, code }) => [line, code]),
    [
      [3, 'bad-encoding'],
      [4, 'bad-encoding'],
    ],
  );
});

test('a field of 10 MB costs its row', async () => {
  const big = `${good.replace('Torkham', 'x'.repeat(10_000_000))}`;
  const read = await rows(`${heading}\n${good}\n${big}\n${good}\n`);
  assert.deepEqual(read.rejections, [
    { line: 3, lines: 1, row: 2, column: null, code: 'row-too-long' },
  ]);
  assert.equal(read.rows.length, 2);
});

test('batches hold no more than they were told', async () => {
  const opened = await open(`${heading}\n${`${good}\nshort\n`.repeat(500)}`, { batchRows: 64 });
  assert.ok(opened.ok);
  let count = 0;
  for await (const batch of opened.batches) {
    assert.ok(batch.rows.length + batch.rejections.length <= 64);
    count += batch.rows.length + batch.rejections.length;
    assert.equal(batch.totals.rows, count);
    assert.equal(batch.totals.accepted + batch.totals.rejected, count);
  }
  assert.equal(count, 1000);
});

test('a heading alone is a file of no rows', async () => {
  for (const text of [heading, `${heading}\r\n`, `\n\n${heading}\r`]) {
    const read = await rows(text);
    assert.equal(read.totals.rows, 0);
  }
  assert.equal((await rows(`\n\n${heading}\r`)).totals.lines, 3);
});

test('of 20,000 dirty lines each is taken or rejected, exactly as it was made', async () => {
  // A generator of our own, so that the file is the same in every run.
  let state = 20_261_123;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const ends = ['\n', '\r\n', '\r'];
  const end = (): string => ends[draw(3)] as string;
  // Each kind of line: its text, and the codes of the rows it makes; 'ok' is a row that is taken.
  const kinds: readonly ((n: string, d: string) => readonly [string, ...string[]])[] = [
    (n, d) => [
      `0000${d}-${n}-1,Test Person,House 5,0398-${n},,Alif Mobile,2020-01-01,verified`,
      'ok',
    ],
    (n) => [`٠۰۰۰۱-${n}-3,علی خان,گھر ۵,۰۳۹۹${n},,alif mobile,۰۱/۰۲/۲۰۲۰,VERIFIED`, 'ok'],
    (n) => [
      `00001${n}2,"Test, Person","House ""5"", Lahore",+92 398 ${n},,Bay Telecom,29-02-2020,failed`,
      'ok',
    ],
    (n) => [
      `00001${n}2,Test,"House 5${end()}Lahore",+92 398 ${n},,Bay Telecom,29-02-2020,failed`,
      'ok',
    ],
    (n) => [`00001${n}2,Test,House 5" wide,0092398${n},,Daal Networks,2020-12-31,exempt`, 'ok'],
    (n) => [`00001${n}2,Test,,92398${n},00101000${n},Jeem Cellular,1-2-2020,pending`, 'ok'],
    () => ['', 'blank'],
    () => [' \t ', 'blank'],
    (n) => [`00001-${n}-1,Test,House 5,0398-${n}`, 'ragged-row'],
    (n) => [
      `00001-${n}-1,Test,House 5, Lahore,0398-${n},,Alif Mobile,2020-01-01,verified`,
      'ragged-row',
    ],
    (n) => [`35202-${n}-1,Test,,0398-${n},,Alif Mobile,2020-01-01,verified`, 'real-identifier'],
    (n) => [`00001-${n},Test,,0398-${n},,Alif Mobile,2020-01-01,verified`, 'bad-cnic'],
    (n) => [`00001-${n}-1,,,0398-${n},,Alif Mobile,2020-01-01,verified`, 'missing-value'],
    (n) => [`00001-${n}-1,Test,,0300-${n},,Alif Mobile,2020-01-01,verified`, 'real-identifier'],
    (n) => [`00001-${n}-1,Test,,398${n},,Alif Mobile,2020-01-01,verified`, 'bad-msisdn'],
    (n) => [`00001-${n}-1,Test,,0398${n},12,Alif Mobile,2020-01-01,verified`, 'bad-imsi'],
    (n) => [`00001-${n}-1,Test,,0398${n},,Nobody,2020-01-01,verified`, 'not-in-enum'],
    (n) => [`00001-${n}-1,Test,,0398${n},,Alif Mobile,2021-02-29,verified`, 'no-such-date'],
    (n) => [`00001-${n}-1,Test,,0398${n},,Alif Mobile,Jan 2020,verified`, 'bad-date'],
    (n) => [
      `00001-${n}-1,Te\u0001st,,0398${n},,Alif Mobile,2020-01-01,verified`,
      'control-character',
    ],
    (n) => [`00001-${n}-1,Te\0st,,0398${n},,Alif Mobile,2020-01-01,verified`, 'nul-character'],
    (n) => [`00001-${n}-1,Te\ufffdst,,0398${n},,Alif Mobile,2020-01-01,verified`, 'bad-encoding'],
    (n) => [`00001-${n}-1,"Test"x,,0398${n},,Alif Mobile,2020-01-01,verified`, 'bad-quote'],
    (n) => [
      `00001-${n}-1,${'x'.repeat(501)},,0398${n},,Alif Mobile,2020-01-01,verified`,
      'too-long',
    ],
    // A stray quote, then a row whose first field is quoted, by which it is found out.
    (n) => [
      `00001-${n}-1,"Test,,0398${n},,Alif Mobile,2020-01-01,verified${end()}"00001-${n}-1",Test,,0398${n},,Alif Mobile,2020-01-01,verified`,
      'unclosed-quote',
      'ok',
    ],
  ];
  const parts: string[] = [
    'cnic,name,address,msisdn,imsi,operator,activation_date,biometric_status\n',
  ];
  const expected = new Map<string, number>();
  for (let made = 0; made < 20_000; made++) {
    const kind = kinds[draw(kinds.length)]!;
    const [line, ...codes] = kind(String(draw(10_000_000)).padStart(7, '0'), String(draw(10)));
    parts.push(line, end());
    for (const code of codes) expected.set(code, (expected.get(code) ?? 0) + 1);
  }
  const text = parts.join('');
  const opened = await readTable(inChunks(Buffer.from(text), 10_007), sims, synthetic);
  assert.ok(opened.ok);
  const read = await gather(opened.batches);

  const found = new Map<string, number>([['ok', read.rows.length]]);
  for (const { code } of read.rejections) found.set(code, (found.get(code) ?? 0) + 1);
  const blankLines = expected.get('blank') ?? 0;
  expected.delete('blank');
  assert.deepEqual(new Map([...found].sort()), new Map([...expected].sort()));
  const made = [...expected.values()].reduce((sum, count) => sum + count, 0);
  assert.equal(read.totals.rows, made);
  assert.equal(read.totals.accepted + read.totals.rejected, made);
  assert.equal(read.totals.accepted, read.rows.length);
  assert.equal(read.totals.rejected, read.rejections.length);
  // Fewer, because a CR and a blank line's LF are together one line end.
  assert.ok(read.totals.blankLines > 0 && read.totals.blankLines <= blankLines);
  assert.ok(found.size === 16, `kinds of outcome: ${found.size}`);
});

test('any bytes after a heading are rows or known codes, and any before it a refusal', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200, size: 'max' }),
      fc.boolean(),
      async (bytes, headed) => {
        const input = headed ? Buffer.concat([Buffer.from(`${heading}\n`), bytes]) : bytes;
        const opened = await open(input);
        if (!opened.ok) return assert.ok(opened.code in fileAdvice);
        const read = await gather(opened.batches);
        assert.equal(read.totals.rows, read.rows.length + read.rejections.length);
        for (const { code } of read.rejections) assert.ok(code in rejectAdvice);
      },
    ),
    { numRuns: 500 },
  );
});

test('any mapping is taken or refused', () => {
  const odd = { 'a b': 'x', A_B: 'y' };
  assert.equal(parseMapping(odd).ok, false);
  assert.equal(parseMapping({ ' ': 'x' }).ok, false);
  assert.equal(parseMapping({ x: 1 }).ok, false);
  assert.equal(parseMapping(['x']).ok, false);
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal(typeof parseMapping(value).ok, 'boolean');
    }),
    { numRuns: 200 },
  );
});
