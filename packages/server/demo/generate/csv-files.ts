import { open, rename, rm } from 'node:fs/promises';
import type { Person } from './people.ts';

/** The first line of the file of SIM registrations. */
export const SIM_HEADINGS = [
  'CNIC',
  'Name',
  'Address',
  'MSISDN',
  'IMSI',
  'Operator',
  'Activation Date',
  'Biometric Status',
] as const;

/** The first line of the file of border crossings. */
export const CROSSING_HEADINGS = [
  'CNIC',
  'Name',
  'Crossed At',
  'Direction',
  'Post',
  'Carrier',
  'Document',
] as const;

/** What can be wrong with a row that is wrong on purpose, in the order in which they come. */
export const DIRT_KINDS = ['impossible-date', 'ragged', 'bad-cnic'] as const;
export type DirtKind = (typeof DIRT_KINDS)[number];

/** Characters gathered before the file is written to: what bounds the writer's memory. */
const CHUNK_CHARACTERS = 64 * 1024;
const NEEDS_QUOTES = /[",\r\n]/;

export interface CsvOptions {
  /** Make every n-th row bad, one kind after another; absent for none. At least 1. */
  readonly dirtyEvery?: number;
  /** Told the rows so far, each time a chunk has reached the file. */
  readonly onProgress?: (rows: number) => void;
}

/** What was written; `rows` counts good and bad ones, not the headings. */
export interface CsvWritten {
  readonly rows: number;
  readonly sizeBytes: number;
  readonly bad: Readonly<Record<DirtKind, number>>;
}

/** Writes one row for each SIM, as UTF-8 without a byte order mark. The file appears whole or not at all. */
export function writeSimRegistrations(
  path: string,
  people: Iterable<Person>,
  options: CsvOptions = {},
): Promise<CsvWritten> {
  return writeCsv(path, { headings: SIM_HEADINGS, rows: simRows(people), dateColumn: 6 }, options);
}

/** Writes one row for each border crossing, as UTF-8 without a byte order mark. The file appears whole or not at all. */
export function writeBorderCrossings(
  path: string,
  people: Iterable<Person>,
  options: CsvOptions = {},
): Promise<CsvWritten> {
  return writeCsv(
    path,
    { headings: CROSSING_HEADINGS, rows: crossingRows(people), dateColumn: 2 },
    options,
  );
}

function* simRows(people: Iterable<Person>): Generator<string[]> {
  for (const { cnic, address, sims } of people) {
    for (const sim of sims) {
      yield [
        cnic,
        sim.nameWritten,
        address,
        sim.msisdnWritten,
        sim.imsi,
        sim.operator,
        sim.activatedOn,
        sim.biometricStatus,
      ];
    }
  }
}

function* crossingRows(people: Iterable<Person>): Generator<string[]> {
  for (const { cnic, name, document, crossings } of people) {
    for (const { crossedAt, direction, post, carrier } of crossings) {
      yield [cnic, name.english, crossedAt, direction, post, carrier, document];
    }
  }
}

interface Table {
  readonly headings: readonly string[];
  readonly rows: Iterable<string[]>;
  readonly dateColumn: number;
}

async function writeCsv(path: string, table: Table, options: CsvOptions): Promise<CsvWritten> {
  const every = options.dirtyEvery ?? Number.POSITIVE_INFINITY;
  if (!(every >= 1)) throw new RangeError('dirtyEvery must be at least 1');
  const bad: Record<DirtKind, number> = { 'impossible-date': 0, ragged: 0, 'bad-cnic': 0 };
  const unfinished = `${path}.part`;
  let rows = 0;
  let sizeBytes = 0;
  // The files look like people's records, so they are kept as such: for their owner only.
  const file = await open(unfinished, 'w', 0o600);
  try {
    let chunk = `${table.headings.join(',')}\n`;
    const flush = async (): Promise<void> => {
      const bytes = Buffer.from(chunk);
      await file.appendFile(bytes);
      sizeBytes += bytes.length;
      chunk = '';
      options.onProgress?.(rows);
    };
    for (const row of table.rows) {
      rows += 1;
      if (rows % every === 0) {
        const turn = rows / every - 1;
        const kind = DIRT_KINDS[turn % DIRT_KINDS.length] ?? 'ragged';
        spoil(row, kind, { dateColumn: table.dateColumn, turn });
        bad[kind] += 1;
      }
      chunk += `${row.map(quote).join(',')}\n`;
      if (chunk.length >= CHUNK_CHARACTERS) await flush();
    }
    await flush();
    await file.close();
    await rename(unfinished, path);
  } catch (error) {
    await file.close();
    await rm(unfinished, { force: true });
    throw error;
  }
  return { rows, sizeBytes, bad };
}

/** Spoils a row so that no reader of these headings can accept it, and no identifier leaves its range. */
function spoil(
  row: string[],
  kind: DirtKind,
  at: { readonly dateColumn: number; readonly turn: number },
): void {
  const cnic = row[0] ?? '';
  const date = row[at.dateColumn] ?? '';
  if (kind === 'impossible-date') row[at.dateColumn] = `${date.slice(0, 4)}-02-30${date.slice(10)}`;
  else if (kind === 'bad-cnic') row[0] = cnic.slice(0, 4) + cnic.slice(5);
  else if (at.turn % 2 === 0) row.pop();
  else row.push('one field too many');
}

function quote(field: string): string {
  return NEEDS_QUOTES.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
