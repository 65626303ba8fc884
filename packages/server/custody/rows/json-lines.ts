import type { Declaration } from '@amanat/core/grants';
import type { LineCode } from './codes.ts';
import type { Cell, OpenedSource, RawRow } from './gather.ts';
import type { HeadingResolver } from './headings.ts';
import { makeResolver, planColumns, refuse } from './headings.ts';
import { fromNumber } from './identifiers.ts';
import type { Member, MemberValue } from './json-object.ts';
import { readJsonObject } from './json-object.ts';
import { LineCutter } from './lines.ts';
import type { Mapping } from './mapping.ts';
import { ROW_BYTES_MAX } from './splitter.ts';

/** How many names of members are remembered with what they stand for. */
const NAMES_MAX = 1_024;

/** How a file of JSON Lines is to be read. */
export interface JsonLinesOptions {
  readonly mapping?: Mapping;
  readonly rowBytesMax?: number;
}

/**
 * Opens a file of JSON Lines, given as UTF-8: one object a line, a member for each field. The first line that is not
 * blank is its heading too: a file whose first object has members that are not declared is refused as a whole.
 * Throws only what the source throws.
 */
export async function openJsonLines(
  pieces: AsyncGenerator<Uint8Array, void, undefined>,
  declaration: Declaration,
  options: JsonLinesOptions,
): Promise<OpenedSource> {
  const resolver = makeResolver(declaration, options.mapping);
  if (!resolver.ok) return resolver;
  const lines = new Lines(pieces, options.rowBytesMax ?? ROW_BYTES_MAX);
  const first = await lines.next();
  if (first === null) return refuse('empty-file');
  const members = first.text === null ? null : readJsonObject(first.text);
  if (members === null) return refuse('not-json-lines');
  const names = members.map(([name]) => name);
  // An object without members names nothing wrong.
  if (names.length > 0) {
    const plan = planColumns([...new Set(names)], declaration, resolver.resolve, true);
    if (!plan.ok) return plan;
  }
  const reader = new ObjectReader(declaration, resolver.resolve);
  return {
    ok: true,
    source: {
      fieldIndexes: declaration.fields.map((_, index) => index),
      rows: readObjects(lines, first, reader),
      progress: () => ({ lines: lines.line, blankLines: lines.blankLines }),
    },
  };
}

/** A line that is not blank; null for the text of one that is too long. */
interface Line {
  readonly line: number;
  readonly text: string | null;
}

async function* readObjects(
  lines: Lines,
  first: Line,
  reader: ObjectReader,
): AsyncGenerator<readonly RawRow[], void, undefined> {
  yield [reader.read(first)];
  for (;;) {
    const more = await lines.some();
    if (more === null) return;
    yield more.map((line) => reader.read(line));
  }
}

/** A file's lines that are not blank, by their numbers. */
class Lines {
  readonly #pieces: AsyncGenerator<Uint8Array, void, undefined>;
  readonly #cutter: LineCutter;
  #ahead: Line[] = [];
  #isDone = false;
  line = 0;
  blankLines = 0;

  constructor(pieces: AsyncGenerator<Uint8Array, void, undefined>, bytesMax: number) {
    this.#pieces = pieces;
    this.#cutter = new LineCutter(bytesMax);
  }

  async next(): Promise<Line | null> {
    while (this.#ahead.length === 0 && !this.#isDone) await this.#read();
    return this.#ahead.shift() ?? null;
  }

  /** What is read already, or the lines of the next piece; null at the end. */
  async some(): Promise<readonly Line[] | null> {
    if (this.#ahead.length === 0 && !this.#isDone) await this.#read();
    const lines = this.#ahead;
    this.#ahead = [];
    return lines.length === 0 && this.#isDone ? null : lines;
  }

  async #read(): Promise<void> {
    const { value, done } = await this.#pieces.next();
    this.#isDone = done === true;
    for (const bytes of done === true ? this.#cutter.end() : this.#cutter.push(value)) {
      this.line++;
      // Byte order marks count as white space: files are put together from others.
      const text = bytes === null ? null : bytes.toString('utf8').trim();
      if (text === '') this.blankLines++;
      else this.#ahead.push({ line: this.line, text });
    }
  }
}

/** Makes a row of a line: a cell for each declared field. */
class ObjectReader {
  readonly #declaration: Declaration;
  readonly #resolve: HeadingResolver;
  readonly #known = new Map<string, number | null>();

  constructor(declaration: Declaration, resolve: HeadingResolver) {
    this.#declaration = declaration;
    this.#resolve = resolve;
  }

  read({ line, text }: Line): RawRow {
    if (text === null) return rejected(line, 'row-too-long');
    if (text.includes('\0')) return rejected(line, 'nul-character');
    if (text.includes('\ufffd')) return rejected(line, 'bad-encoding');
    const members = readJsonObject(text);
    if (members === null) return rejected(line, 'bad-json');
    const cells = this.#cells(members);
    return typeof cells === 'string'
      ? rejected(line, cells)
      : { line, lines: 1, cells, code: null };
  }

  #cells(members: readonly Member[]): readonly Cell[] | LineCode {
    const cells: (Cell | null)[] = new Array(this.#declaration.fields.length).fill(null);
    const names = new Set<string>();
    for (const [name, value] of members) {
      if (!name.isWellFormed()) return 'bad-encoding';
      if (value.kind === 'text') {
        // What an escape can say and no text of a file does.
        if (value.text.includes('\0')) return 'nul-character';
        if (!value.text.isWellFormed() || value.text.includes('\ufffd')) return 'bad-encoding';
      }
      const index = this.#indexOf(name);
      if (index === undefined) return 'undeclared-member';
      if (names.has(name) || (index !== null && cells[index] !== null)) return 'duplicate-member';
      names.add(name);
      if (index !== null) cells[index] = this.#cell(index, value);
    }
    return cells.map((cell) => cell ?? '');
  }

  #cell(index: number, value: MemberValue): Cell {
    switch (value.kind) {
      case 'text':
        return value.text;
      case 'number':
        return fromNumber(this.#declaration.fields[index]!.type, value.text);
      case 'null':
        return '';
      case 'nested':
        return { code: 'nested-value' };
    }
  }

  #indexOf(name: string): number | null | undefined {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const index = this.#resolve(name);
    if (index !== undefined && this.#known.size < NAMES_MAX) this.#known.set(name, index);
    return index;
  }
}

function rejected(line: number, code: LineCode): RawRow {
  return { line, lines: 1, cells: null, code };
}
