import type { Identifier } from '@amanat/core/grants';
import { SUBJECTS_MAX } from '@amanat/core/grants';
import type { IdentifierRule } from '../custody/rows/rows.ts';
import { parseCnic, parseMsisdn, toAsciiDigits } from '../custody/rows/rows.ts';
import type { Api } from './client.ts';
import { CliError, wrongUsage } from './errors.ts';

// A number in its written form is found anywhere in an argument; bare digits only where they are all of it, since
// file names hold times. Letters on either side, as in a digest, make it something else.
const WRITTEN_CNIC = /(?<![0-9A-Za-z])[0-9]{5}-[0-9]{7}-[0-9](?![0-9A-Za-z])/;
const BARE_CNIC = /(?:^|[=:])[0-9]{13}$/;
const PHONE = /(?:^|[=:])(?:\+92|0092|92|0)[ -]?3[0-9]{2}[ -]?[0-9]{7}$/;
const ACCESS_CODE = /(?:^|[=:])(?:[0-9a-f]{4}[ -]){7}[0-9a-f]{4}$/i;

/**
 * Refuses a command line that holds somebody's identifier or code: arguments are seen by every user of the machine
 * and kept in the shell's history. @throws CliError 'wrong-usage'
 */
export function refuseIdentifiers(argv: readonly string[]): void {
  for (const argument of argv) {
    const plain = toAsciiDigits(argument);
    if (
      WRITTEN_CNIC.test(plain) ||
      BARE_CNIC.test(plain) ||
      PHONE.test(plain) ||
      ACCESS_CODE.test(plain)
    ) {
      throw wrongUsage(
        'a person’s identifier or code is never given as an argument, where other users and the ' +
          'shell’s history see it: give it on standard input or in a file (for files named by an ' +
          'identifier, give their folder)',
      );
    }
  }
}

/**
 * Reads identifiers, one a line: `cnic:…` or `msisdn:…`, in any written form. Empty lines are passed over.
 * @throws CliError 'failed' naming the line and never what it holds
 */
export function readIdentifiers(text: string, rule: IdentifierRule): Identifier[] {
  const found: (Identifier & { readonly line: number })[] = [];
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '') continue;
    if (found.length >= SUBJECTS_MAX) {
      throw new CliError('failed', `more than ${SUBJECTS_MAX} identifiers`);
    }
    found.push({ ...readIdentifier(line, at + 1, rule), line: at + 1 });
  }
  if (found.length === 0) {
    throw new CliError('failed', 'no identifier came on standard input', {
      remedy: 'give one a line, as cnic:NUMBER or msisdn:NUMBER',
    });
  }
  refuseTwice(found);
  return found.map(({ type, value }) => ({ type, value }));
}

/** One person twice would be two look-ups of her; two spellings of a number are one. */
function refuseTwice(found: readonly (Identifier & { readonly line: number })[]): void {
  const lines = new Map<string, number>();
  for (const { type, value, line } of found) {
    const before = lines.get(`${type}:${value}`);
    if (before !== undefined) {
      throw new CliError('failed', `lines ${before} and ${line} are one and the same number`, {
        reason: 'given-twice',
        remedy: 'give each number once, however it is written',
      });
    }
    lines.set(`${type}:${value}`, line);
  }
}

function readIdentifier(line: string, at: number, rule: IdentifierRule): Identifier {
  const [type, ...rest] = line.split(':');
  const value = rest.join(':').trim();
  if (type !== 'cnic' && type !== 'msisdn') {
    throw new CliError('failed', `line ${at} is neither cnic:NUMBER nor msisdn:NUMBER`);
  }
  const parsed = type === 'cnic' ? parseCnic(value, rule) : parseMsisdn(value, rule);
  if (typeof parsed === 'string') {
    throw new CliError('failed', `line ${at} is refused: ${parsed}`, { reason: parsed });
  }
  return { type, value: parsed.normalised };
}

/** Which identifiers an instance takes: a demonstration synthetic ones only, any other all but them. */
export async function identifierRule(api: Api): Promise<IdentifierRule> {
  const { mode } = await api.get<{ readonly mode: string }>('/v1/instance');
  return mode === 'demo' ? 'synthetic' : 'real';
}
