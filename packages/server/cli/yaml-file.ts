import type { PlainValue } from '../holdings/holdings.ts';
import { readYaml } from '../holdings/holdings.ts';
import { CliError } from './errors.ts';
import { readBytes } from './files.ts';

/** A YAML object whose members have been checked against the names that may stand there. */
export interface Members {
  readonly [name: string]: PlainValue | undefined;
}

/** Reads a YAML file strictly; see {@link readYaml}. @throws CliError 'failed' naming the line */
export async function readYamlFile(path: string): Promise<PlainValue> {
  const read = readYaml(await readBytes(path));
  if (read.ok) return read.value;
  const where = read.line > 0 ? `, line ${read.line}` : '';
  throw new CliError('failed', `${path}${where}: expected ${read.expected}`, { reason: read.code });
}

/**
 * An object with no members but these.
 * @throws CliError 'failed' naming the place
 */
export function membersOf(
  value: PlainValue | undefined,
  place: string,
  names: readonly string[],
): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw expected(place, `an object of ${names.join(', ')}`);
  }
  const members = value as Members;
  for (const name of Object.keys(members)) {
    if (!names.includes(name)) {
      // Without digits, of which somebody's identifier could be.
      const printable = name.slice(0, 60).replace(/[^a-zA-Z _-]/g, '?');
      throw expected(place, `no member ‘${printable}’; known are ${names.join(', ')}`);
    }
  }
  return members;
}

/** A list of texts. @throws CliError 'failed' */
export function textsOf(value: PlainValue | undefined, place: string): readonly string[] {
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
    throw expected(place, 'a list of texts');
  }
  return value as readonly string[];
}

/** A text. @throws CliError 'failed' */
export function textOf(value: PlainValue | undefined, place: string): string {
  if (typeof value !== 'string' || value === '') throw expected(place, 'a text');
  return value;
}

/** A whole number. @throws CliError 'failed' */
export function integerOf(value: PlainValue | undefined, place: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw expected(place, 'a whole number');
  }
  return value;
}

/** What a file holds is not what belongs there. */
export function expected(place: string, what: string): CliError {
  return new CliError('failed', `${place}: expected ${what}`, { reason: 'bad-value' });
}
