import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RawRow } from './gather.ts';
import { ROW_BYTES_MAX, RowSplitter } from './splitter.ts';

const small = { rowBytesMax: 200, rowLinesMax: 4 };

function split(
  input: string | Uint8Array,
  options: { chunk?: number; columns?: number; bounds?: typeof small } = {},
): { readonly rows: readonly RawRow[]; readonly lines: number; readonly blank: number } {
  const bytes = Buffer.from(input as string);
  const splitter = new RowSplitter({
    delimiter: ',',
    columns: options.columns ?? 2,
    firstLine: 1,
    bounds: options.bounds ?? { rowBytesMax: ROW_BYTES_MAX, rowLinesMax: 256 },
  });
  const rows: RawRow[] = [];
  const size = options.chunk ?? 65536;
  for (let at = 0; at < bytes.length; at += size) {
    rows.push(...splitter.push(bytes.subarray(at, at + size)));
  }
  rows.push(...splitter.end());
  return { rows, lines: splitter.line - 1, blank: splitter.blankLines };
}

/** Rows in short: their fields joined by |, or line and code. */
function brief(rows: readonly RawRow[]): readonly string[] {
  return rows.map(({ line, cells, code }) => (cells ? cells.join('|') : `${line}:${code}`));
}

test('ragged rows, NULs and broken encodings are rejected one by one', () => {
  const input = Buffer.concat([
    Buffer.from('a,b\nc\nd,e,f\n\0,g\nh,'),
    Buffer.from([0xff, 0xfe, 0x0a]),
    Buffer.from('i,\ufffd\n\0\0\0\nj,k\n'),
  ]);
  assert.deepEqual(brief(split(input).rows), [
    'a|b',
    '2:ragged-row',
    '3:ragged-row',
    '4:nul-character',
    '5:bad-encoding',
    '6:bad-encoding',
    '7:nul-character',
    'j|k',
  ]);
});

test('a quote that never closes costs its line and nothing else', () => {
  const tail = Array.from({ length: 50_000 }, (_, at) => `row ${at},x`).join('\n');
  const { rows } = split(`a,b\nc,"d\n${tail}\n`);
  assert.equal(rows.length, 50_002);
  assert.deepEqual(brief(rows.slice(0, 3)), ['a|b', '2:unclosed-quote', 'row 0|x']);
  assert.ok(rows.slice(2).every(({ code }) => code === null));
});

test('a quote that never closes at the end of the file costs its line', () => {
  assert.deepEqual(brief(split('a,b\nc,"d\ne,f').rows), ['a|b', '2:unclosed-quote', 'e|f']);
  assert.deepEqual(brief(split('a,"').rows), ['1:unclosed-quote']);
});

test('a quote that closes in the wrong place costs its line', () => {
  assert.deepEqual(brief(split('"a"b,c\nd,"e\nf,"g"\nh,i\n').rows), [
    '1:bad-quote',
    '2:unclosed-quote',
    'f|g',
    'h|i',
  ]);
  // Closed by an inch mark two lines on, with too many fields in all.
  assert.deepEqual(brief(split('a,"b\nc,5",d\ne,f\n').rows), [
    '1:unclosed-quote',
    '2:ragged-row',
    'e|f',
  ]);
});

test('quoted rows beyond the bounds on lines and bytes are rejected', () => {
  const bounds = small;
  assert.deepEqual(brief(split('a,"1\n2\n3\n4"\n', { bounds }).rows), ['a|1\n2\n3\n4']);
  assert.deepEqual(
    brief(split('a,"1\n2\n3\n4\n5"\nb,c\n', { bounds }).rows).at(0),
    '1:unclosed-quote',
  );
  const wide = `a,"${'x'.repeat(150)}\n${'y'.repeat(100)}"\nb,c\n`;
  assert.deepEqual(brief(split(wide, { bounds }).rows), [
    '1:unclosed-quote',
    '2:ragged-row',
    'b|c',
  ]);
});

test('a field of 10 MB is rejected while no more than the bound is kept', () => {
  const splitter = new RowSplitter({
    delimiter: ',',
    columns: 2,
    firstLine: 1,
    bounds: { rowBytesMax: ROW_BYTES_MAX, rowLinesMax: 256 },
  });
  const rows = [...splitter.push(Buffer.from('a,b\nc,"'))];
  const filler = Buffer.alloc(64 * 1024, 'x');
  const before = process.memoryUsage().arrayBuffers;
  for (let at = 0; at < 160; at++) rows.push(...splitter.push(filler));
  const grown = process.memoryUsage().arrayBuffers - before;
  rows.push(...splitter.push(Buffer.from('"\r\nd,e\n')), ...splitter.end());
  assert.deepEqual(brief(rows), ['a|b', '2:row-too-long', 'd|e']);
  assert.ok(grown < 24 * 1024 * 1024, 'a row that is dropped is not gathered');
});

test('a row of exactly the bound is taken and one byte more is not, in Urdu as in English', () => {
  for (const letter of ['x', 'ع']) {
    const room = 200 - 2;
    const fits = letter.repeat(room / Buffer.byteLength(letter));
    for (const end of ['\n', '\r\n', '\r', '']) {
      for (const chunk of [1, 7, 65536]) {
        const rows = split(`a,${fits}${end}`, { bounds: small, chunk }).rows;
        assert.deepEqual(brief(rows), [`a|${fits}`]);
        const over = split(`a,${fits}x${end}`, { bounds: small, chunk }).rows;
        assert.deepEqual(brief(over), ['1:row-too-long']);
      }
    }
  }
});

test('quotes are read as RFC 4180 writes them', () => {
  const input = '"a,1","b ""x"""\r\n"",\r\n"line\r\none",c\n5" pipe,6 " d\n';
  assert.deepEqual(brief(split(input).rows), ['a,1|b "x"', '|', 'line\r\none|c', '5" pipe|6 " d']);
});

test('lines are counted whatever ends them, and blank ones apart', () => {
  const { rows, lines, blank } = split('a,b\r\n\r\n  \nc,d\re,"f\r\ng"\r\rh,i');
  assert.deepEqual(brief(rows), ['a|b', 'c|d', 'e|f\r\ng', 'h|i']);
  assert.deepEqual(
    rows.map(({ line }) => line),
    [1, 4, 5, 8],
  );
  assert.deepEqual([lines, blank], [8, 3]);
});

const piece = fc.constantFrom(
  'a',
  'b,',
  ',',
  '"',
  '""',
  '\n',
  '\r\n',
  '\r',
  ' ',
  'ع',
  '\0',
  'x'.repeat(60),
  '\ufffd',
  'c,d\n',
  '"e\nf",g\n',
);
const text = fc.array(piece, { maxLength: 60, size: 'max' }).map((parts) => parts.join(''));

test('what comes out does not depend on the chunks, and no line is lost', () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 40 }), (input, chunk) => {
      const whole = split(input, { bounds: small });
      assert.deepEqual(split(input, { bounds: small, chunk }), whole);
      const covered = whole.rows.reduce((sum, row) => sum + row.lines, 0);
      assert.equal(covered + whole.blank, whole.lines);
      const ends = input.split(/\r\n|\n|\r/);
      assert.equal(whole.lines, ends.length - (ends.at(-1) === '' ? 1 : 0));
    }),
    { numRuns: 3000 },
  );
});

test('the same holds where nearly every row meets a bound', () => {
  const tiny = { rowBytesMax: 12, rowLinesMax: 3 };
  const short = fc.constantFrom('a', ',', '"', '"', '\n', '\r', '\r\n', 'ع', 'b,c\n', ',"', '\0');
  const dense = fc.array(short, { maxLength: 40, size: 'max' }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(dense, fc.integer({ min: 1, max: 30 }), (input, chunk) => {
      const whole = split(input, { bounds: tiny });
      assert.deepEqual(split(input, { bounds: tiny, chunk }), whole);
      const covered = whole.rows.reduce((sum, row) => sum + row.lines, 0);
      assert.equal(covered + whole.blank, whole.lines);
      const ends = input.split(/\r\n|\n|\r/);
      assert.equal(whole.lines, ends.length - (ends.at(-1) === '' ? 1 : 0));
      for (const { cells } of whole.rows) {
        assert.ok(cells === null || Buffer.byteLength(cells.join(',')) <= tiny.rowBytesMax);
      }
    }),
    { numRuns: 3000 },
  );
});

test('the same holds across blocks of many rows', () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 70_000 }), (input, chunk) => {
      const long = `${input}\n${'filler,row\n'.repeat(7000)}${input}\n"open,${'more\n'.repeat(3)}`;
      assert.deepEqual(split(long, { bounds: small, chunk }), split(long, { bounds: small }));
    }),
    { numRuns: 25 },
  );
});

test('what was quoted is read back', () => {
  const value = fc.string({
    unit: fc.constantFrom('a', '"', ',', '\n', '\r\n', 'ع', ' '),
    maxLength: 20,
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 10 }), (rows) => {
      const input = rows
        .map((row) => row.map((v) => `"${v.replaceAll('"', '""')}"`).join(','))
        .join('\n');
      assert.deepEqual(
        split(input).rows.map(({ cells }) => cells),
        rows,
      );
    }),
    { numRuns: 500 },
  );
});

test('any bytes are rows or codes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300, size: 'max' }), (bytes) => {
      for (const { cells, code } of split(bytes, { bounds: small }).rows) {
        assert.ok(cells === null ? code !== null : cells.length === 2);
      }
    }),
    { numRuns: 1000 },
  );
});
