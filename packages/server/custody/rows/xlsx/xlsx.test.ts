import assert from 'node:assert/strict';
import { test } from 'node:test';
import { declarationOf, gather, inChunks } from '../_sample.ts';
import { rejectAdvice } from '../codes.ts';
import { describeRefusal } from '../headings.ts';
import { parseMapping } from '../mapping.ts';
import type { TableOptions } from '../table.ts';
import { RowBound, readTable } from '../table.ts';
import type { Parts, ShortCell, WorkbookTerms } from './_workbook.ts';
import { sheetXml, workbook, workbookParts, zip } from './_workbook.ts';

const travel = declarationOf('travel-history');
const sims = declarationOf('sim-registrations');
const HEADING = ['cnic', 'name', 'crossed_at', 'direction', 'post', 'carrier', 'document'];
const GOOD: readonly ShortCell[] = [
  '00001-0000001-1',
  'Test Person',
  '2026-01-02 03:04',
  'entry',
  'Torkham',
  null,
  'AB1',
];

async function open(bytes: Uint8Array, options: Partial<TableOptions> = {}, chunk = 65536) {
  return readTable(inChunks(bytes, chunk), travel, { identifiers: 'synthetic', ...options });
}

async function refusal(bytes: Uint8Array, options: Partial<TableOptions> = {}) {
  const opened = await open(bytes, options);
  assert.ok(!opened.ok);
  assert.ok(describeRefusal(opened, null).length > 0);
  return [opened.code, ...opened.names];
}

async function rows(bytes: Uint8Array, options: Partial<TableOptions> = {}, chunk = 65536) {
  const opened = await open(bytes, options, chunk);
  assert.ok(opened.ok, opened.ok ? '' : `${opened.code} ${opened.names}`);
  return gather(opened.batches);
}

/** A good row with one cell in another's place. */
function row(name: string, cell: ShortCell): readonly ShortCell[] {
  return GOOD.with(HEADING.indexOf(name), cell);
}

/** What became of each row: what was recorded of one field, or column and code. */
async function outcomes(
  table: readonly (readonly ShortCell[])[],
  field: string,
  terms: WorkbookTerms = {},
  rule: TableOptions['identifiers'] = 'synthetic',
) {
  const read = await rows(workbook([HEADING, ...table], terms), { identifiers: rule });
  const at = travel.fields.findIndex(({ name }) => name === field);
  const all = [
    ...read.rows.map(({ line, values }) => {
      const value = values[at];
      return [line, value != null && 'recorded' in value ? value.normalised : null] as const;
    }),
    ...read.rejections.map(({ line, column, code }) => {
      assert.ok(code in rejectAdvice);
      return [line, `${column}: ${code}`] as const;
    }),
  ];
  return all.sort(([a], [b]) => a - b).map(([, outcome]) => outcome);
}

test('a file that is no whole workbook is refused, whatever it is cut down to', async () => {
  const good = workbook([HEADING, GOOD]);
  for (let length = 4; length < good.length; length += 7) {
    assert.deepEqual(await refusal(good.subarray(0, length)), ['bad-workbook']);
  }
});

test('an older workbook, one with a password and an OpenDocument table are refused by name', async () => {
  const compound = Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(4096)]);
  assert.deepEqual(await refusal(compound), ['old-workbook']);
  const open = zip({
    mimetype: 'application/vnd.oasis.opendocument.spreadsheet',
    'content.xml': '<x/>',
  });
  assert.deepEqual(await refusal(open), ['open-document']);
  assert.deepEqual(await refusal(zip({ 'word.txt': 'x' })), ['bad-workbook']);
  const good = workbookParts({ Sheet1: sheetXml([HEADING, GOOD]) });
  assert.deepEqual(await refusal(zip(good, { flags: 1 })), ['bad-workbook']);
});

test('a file is read as what it holds, and its name is not asked', async () => {
  const text = `${HEADING.join(',')}\n`;
  const opened = await open(Buffer.from(text));
  assert.ok(opened.ok);
  assert.deepEqual(await refusal(Buffer.from(text), { sheet: 'Sheet1' }), ['no-such-sheet']);
});

test('two sheets that hold something are refused by name, until one is chosen', async () => {
  const parts = workbookParts({
    Crossings: sheetXml([HEADING, GOOD]),
    Empty: sheetXml([[null, ' ']]),
    'Of 09999-0000001-2': sheetXml([['x']]),
  });
  assert.deepEqual(await refusal(zip(parts)), ['several-sheets', 'Crossings', 'Of ####-####-2']);
  assert.equal((await rows(zip(parts), { sheet: 'Crossings' })).rows.length, 1);
  assert.deepEqual(await refusal(zip(parts), { sheet: 'Empty' }), ['empty-file']);
  const [code] = await refusal(zip(parts), { sheet: 'Other' });
  assert.equal(code, 'no-such-sheet');
});

test('the only sheet that holds something is read, hidden or not', async () => {
  const parts = workbookParts({ Empty: '<sheetData/>', Hidden: sheetXml([HEADING, GOOD]) });
  parts['xl/workbook.xml'] = (parts['xl/workbook.xml'] as string).replace(
    'name="Hidden"',
    'name="Hidden" state="veryHidden"',
  );
  assert.equal((await rows(zip(parts))).rows.length, 1);
});

test('columns are matched, mapped, left out and refused as those of a CSV file', async () => {
  assert.deepEqual(await refusal(workbook([[...HEADING, 'Religion', null, 'Tax'], GOOD])), [
    'undeclared-columns',
    'Religion',
    '',
    'Tax',
  ]);
  const mapped = parseMapping({ religion: null });
  assert.ok(mapped.ok);
  const formula = { xml: '<c><f>1+1</f><v>2</v></c>' };
  const { mapping } = mapped;
  const read = await rows(
    workbook([
      [...HEADING, 'Religion'],
      [...GOOD, formula],
    ]),
    { mapping },
  );
  assert.equal(read.rows.length, 1, 'a formula in a column that is left out is nobody’s');
});

test('a formula is a rejected row, whatever value stands beside it', async () => {
  const cells = [
    '<c t="str"><f>"Torkham"</f><v>Torkham</v></c>',
    '<c><f t="shared" si="0"/><v>1</v></c>',
    '<c><f>HYPERLINK("http://example.org")</f></c>',
    '<c t="e"><f>1/0</f><v>#DIV/0!</v></c>',
  ];
  const table = cells.map((xml) => row('post', { xml }));
  const expected = cells.map(() => 'post: formula-cell');
  assert.deepEqual(await outcomes([...table, GOOD], 'post'), [...expected, 'Torkham']);
});

test('a formula that fills a range, and merged cells, refuse the sheet', async () => {
  const filled = { xml: '<c><f t="array" ref="E2:E9">A1:A8</f><v>1</v></c>' };
  assert.deepEqual(await refusal(workbook([HEADING, row('post', filled), GOOD])), [
    'range-formulas',
    'E2:E9',
  ]);
  const merged = `${sheetXml([HEADING, GOOD])}<mergeCells><mergeCell ref="B2:B3"/></mergeCells>`;
  assert.deepEqual(await refusal(zip(workbookParts({ Sheet1: merged }))), [
    'merged-cells',
    'B2:B3',
  ]);
});

test('errors, kinds of cell that there are not and texts that are not there are rejected', async () => {
  const cells = [
    '<c t="e"><v>#N/A</v></c>',
    '<c t="s"><v>7</v></c>',
    '<c t="b"><v>2</v></c>',
    '<c t="zz"><v>2</v></c>',
    '<c><v>twelve</v></c>',
    '<c><v>1e999</v></c>',
  ];
  const table = cells.map((xml) => row('post', { xml }));
  assert.deepEqual(await outcomes(table, 'post', { shared: ['x'] }), [
    'post: error-cell',
    ...new Array(5).fill('post: bad-cell'),
  ]);
});

test('an identifier kept as a number is taken where it is whole, and never mended', async () => {
  const numbers = ['4210100000001', '1000000011', '4.210100000001E12', '4210100000001.5'];
  const table = numbers.map((value) => row('cnic', { xml: `<c><v>${value}</v></c>` }));
  assert.deepEqual(await outcomes(table, 'cnic', {}, 'real'), [
    '4210100000001',
    'cnic: number-for-identifier',
    'cnic: number-for-identifier',
    'cnic: number-for-identifier',
  ]);
});

test('a number is taken as its digits, and rejected where it has more than are kept', async () => {
  const numbers = ['7', '-0.5', '1.1000000000000001', '0.30000000000000004', '1234567890123456'];
  const table = numbers.map((value) => row('post', { xml: `<c><v>${value}</v></c>` }));
  assert.deepEqual(await outcomes(table, 'post'), [
    '7',
    '-0.5',
    '1.1',
    'post: inexact-number',
    'post: inexact-number',
  ]);
});

test('days and times are read by their format, from 1900 and from 1904', async () => {
  const cells = [
    ['1', '46024.127777777778'],
    ['2', '46024'],
    ['1', '46024'],
    ['3', '0.5'],
    ['1', '60'],
    ['0', '46024.1'],
    ['1', '46024.999999999'],
  ];
  const table = cells.map(([style, value]) =>
    row('crossed_at', { xml: `<c s="${style}"><v>${value}</v></c>` }),
  );
  const formats = ['yyyy\\-mm\\-dd hh:mm:ss', '[$-409]d-mmm-yy;@', '[h]:mm'];
  assert.deepEqual(await outcomes(table, 'crossed_at', { formats }), [
    '2026-01-01T22:04:00Z',
    // A day is no time of day, and none is made up for it.
    'crossed_at: bad-time',
    '2026-01-01T19:00:00Z',
    'crossed_at: bad-cell-date',
    'crossed_at: bad-cell-date',
    'crossed_at: bad-time',
    '2026-01-02T19:00:00Z',
  ]);
  const [first] = table;
  assert.deepEqual(await outcomes([first ?? []], 'crossed_at', { formats, from1904: true }), [
    '2030-01-02T22:04:00Z',
  ]);
});

test('a date takes a day, and midnight, and no time', async () => {
  const heading = ['cnic', 'name', 'msisdn', 'operator', 'activation_date', 'biometric_status'];
  const cell = (style: number, value: number) => ({ xml: `<c s="${style}"><v>${value}</v></c>` });
  const table = [cell(1, 46024), cell(2, 46024), cell(1, 46024.5)].map((date) => [
    '00001-0000001-1',
    'Test Person',
    '0398 0000001',
    'Bay Telecom',
    date,
    'verified',
  ]);
  const bytes = workbook([heading, ...table], { formats: ['dd/mm/yyyy', 'dd/mm/yyyy hh:mm'] });
  const opened = await readTable(inChunks(bytes), sims, { identifiers: 'synthetic' });
  assert.ok(opened.ok);
  const read = await gather(opened.batches);
  assert.deepEqual(
    read.rows.map(({ values }) => values[6]),
    new Array(2).fill({ recorded: '2026-01-02', normalised: '2026-01-02' }),
  );
  assert.deepEqual(
    read.rejections.map(({ line, code }) => [line, code]),
    [[4, 'bad-date']],
  );
});

test('texts are put together from runs, shared or inline, and how they are pronounced is left', async () => {
  const cells = [
    '<c t="s"><v>1</v></c>',
    '<c t="inlineStr"><is><r><rPr><b/></rPr><t>Tork</t></r><r><t xml:space="preserve">ham </t></r><rPh><t>x</t></rPh></is></c>',
    '<c t="str"><v>A&amp;B &#x6A9;_x005F_x0041_</v></c>',
    '<c t="inlineStr"><is><t><![CDATA[<b>&]]></t></is></c>',
    '<c t="b"><v>1</v></c>',
  ];
  const table = cells.map((xml) => row('post', { xml }));
  assert.deepEqual(await outcomes(table, 'post', { shared: ['x', 'چمن'] }), [
    'چمن',
    'Torkham',
    'A&B ک_x0041_',
    '<b>&',
    'true',
  ]);
});

test('rows of nothing are blank, hidden ones are rows, and what stands beyond the heading is ragged', async () => {
  const xml = sheetXml([[], HEADING, [null, ' '], GOOD, [...GOOD, null, 'x'], GOOD]).replace(
    '<row r="4"',
    '<row r="4" hidden="1"',
  );
  const read = await rows(zip(workbookParts({ Sheet1: xml })));
  assert.deepEqual(
    read.rows.map(({ line }) => line),
    [4, 6],
  );
  assert.deepEqual(read.rejections, [
    { line: 5, lines: 1, row: 2, column: null, code: 'ragged-row' },
  ]);
  assert.deepEqual(read.totals, { lines: 6, blankLines: 2, rows: 3, accepted: 2, rejected: 1 });
});

test('what no text of a file holds is rejected, however it is escaped', async () => {
  const cells = ['_x0000_', '_xD800_', '\ufffd', 'x'.repeat(40_000)];
  const table = cells.map((text) =>
    row('post', { xml: `<c t="inlineStr"><is><t>${text}</t></is></c>` }),
  );
  assert.deepEqual(await outcomes(table, 'post'), [
    'null: nul-character',
    'null: bad-encoding',
    'null: bad-encoding',
    'post: too-long',
  ]);
});

test('a row whose texts are too long in all is rejected, and nothing of it is kept', async () => {
  const long = new Array(40).fill('x'.repeat(32_000));
  const read = await rows(workbook([HEADING, [...GOOD, ...long], GOOD]));
  assert.deepEqual(
    read.rejections.map(({ line, code }) => [line, code]),
    [[2, 'row-too-long']],
  );
  assert.equal(read.rows.length, 1);
});

/** A good workbook with one part changed. */
function changed(name: string, change: (xml: string) => string): Buffer {
  const parts: Record<string, string> = workbookParts({ Sheet1: sheetXml([HEADING, GOOD, GOOD]) });
  parts[name] = change(parts[name] as string);
  return zip(parts);
}

test('XML that is not well-formed, or says what it must not, is refused', async () => {
  const sheet = 'xl/worksheets/sheet1.xml';
  const wrong: readonly ((xml: string) => string)[] = [
    (xml) => xml.replace('</row>', ''),
    (xml) => xml.replace('</sheetData>', '</sheetdata>'),
    (xml) => `${xml}<more/>`,
    (xml) => `${xml} text`,
    (xml) => xml.replace('Torkham', '&external;'),
    (xml) => xml.replace('Torkham', '&#xD800;'),
    (xml) =>
      xml.replace('<worksheet', '<!DOCTYPE w [<!ENTITY e SYSTEM "file:///etc/passwd">]><worksheet'),
    (xml) =>
      xml.replace('<worksheet', '<!DOCTYPE worksheet SYSTEM "http://example.org/x"><worksheet'),
    (xml) => xml.replace('encoding="UTF-8"', 'encoding="windows-1252"'),
    (xml) => xml.replace('r="A2"', 'r="A2" r="B2"'),
    (xml) => xml.replace('r="A2"', 'r="A3"'),
    (xml) => xml.replace('r="B2"', 'r="A2"'),
    (xml) => xml.replace('r="A2"', 'r="ZZZ2"'),
    (xml) => xml.replace('<row r="3"', '<row r="2"'),
    (xml) => xml.replace('<row r="3"', '<row r="1048577"'),
    (xml) => xml.replace('Torkham', `<a>${'<b>'.repeat(100)}`),
    (xml) => xml.replace('<row r="3"', `<row x="${'y'.repeat(200_000)}" r="3"`),
    () => '',
  ];
  for (const change of wrong) {
    assert.deepEqual(await refusal(changed(sheet, change)), ['bad-workbook'], String(change));
  }
  assert.deepEqual(await refusal(changed('xl/workbook.xml', () => '<workbook/>')), ['empty-file']);
  assert.deepEqual(await refusal(changed('_rels/.rels', () => '<Relationships/>')), [
    'bad-workbook',
  ]);
});

test('a part in UTF-16, with prefixes or with comments is read as it is meant', async () => {
  const parts: Record<string, string | Uint8Array> = workbookParts({
    Sheet1: sheetXml([HEADING, GOOD]),
  });
  const sheet = 'xl/worksheets/sheet1.xml';
  const xml = (parts[sheet] as string)
    .replace(/<(\/?)(worksheet|sheetData|row|c|is|t)(?=[\s>])/g, '<$1x:$2')
    .replace('UTF-8', 'UTF-16')
    .replace('<x:sheetData>', '<!-- <row> --><x:sheetData>');
  parts[sheet] = Buffer.from(`\ufeff${xml}`, 'utf16le');
  assert.equal((await rows(zip(parts))).rows.length, 1);
  assert.equal((await rows(zip(parts, { method: 'stored', comment: 'PK' }))).rows.length, 1);
});

test('a zip that two readers could read differently is refused', async () => {
  const parts = workbookParts({ Sheet1: sheetXml([HEADING, GOOD]) });
  const good = zip(parts);
  const at = good.indexOf('xl/worksheets/sheet1.xml');
  const wrong = {
    'another name in the local header': () => good.write('xl/worksheets/sheet2.xml', at),
    'another checksum': () => good.writeUInt32LE(1, good.lastIndexOf('xl/styles.xml') - 30),
    'another size': () => good.writeUInt32LE(1, good.lastIndexOf('xl/worksheets/sheet1.xml') - 22),
  };
  const whole = Buffer.from(good);
  for (const [what, change] of Object.entries(wrong)) {
    whole.copy(good);
    change();
    assert.deepEqual(await refusal(good), ['bad-workbook'], what);
  }
  const twice: Parts = { ...parts, 'XL/Worksheets/Sheet1.xml': '<worksheet/>' };
  assert.deepEqual(await refusal(zip(twice)), ['bad-workbook']);
  assert.deepEqual(await refusal(Buffer.concat([whole, Buffer.from('more')])), ['bad-workbook']);
});

test('what would be larger than the bounds is refused before it is inflated', async () => {
  const bomb = changed('xl/worksheets/sheet1.xml', (xml) =>
    xml.replace('</sheetData>', `</sheetData>${' '.repeat(64 * 1024 * 1024)}`),
  );
  assert.ok(bomb.length < 200_000);
  assert.deepEqual(await refusal(bomb), ['workbook-too-large']);
  const parts = workbookParts({ Sheet1: sheetXml([HEADING, GOOD]) });
  const lying = zip(parts, { sizes: { 'xl/worksheets/sheet1.xml': 2 ** 32 - 2 } });
  assert.deepEqual(await refusal(lying), ['workbook-too-large']);
  async function* endless() {
    yield workbook([HEADING]);
    for (;;) yield Buffer.alloc(1024 * 1024);
  }
  const opened = await readTable(endless(), travel, { identifiers: 'synthetic' });
  assert.equal(opened.ok ? '' : opened.code, 'workbook-too-large');
});

test('a bound of rows is counted before anything is sent, and holds', async () => {
  const bytes = workbook([HEADING, ...new Array(300).fill(GOOD)]);
  const bound = new RowBound(undefined);
  for await (const chunk of inChunks(bytes, 3)) bound.take(Buffer.from(chunk));
  assert.deepEqual(await bound.rows(), { ok: true, rows: 301 });
  const broken = new RowBound(undefined);
  broken.take(bytes.subarray(0, 100));
  assert.equal((await broken.rows()).ok, false);
});
