import type { GrantRow } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { PlainValue } from '../holdings/holdings.ts';
import { CliError } from './errors.ts';
import { expected, integerOf, membersOf, textOf, textsOf } from './yaml-file.ts';

const ANY = 'any';
const ROW = [
  'id',
  'effect',
  'agency',
  'purpose',
  'legal basis',
  'holding',
  'groups',
  'subjects at a time',
  'second person over',
  'hours',
  'subjects a day',
] as const;

const ID = /^[a-z0-9_-]{1,64}$/;

/** What a forbid row need not say: it forbids at any number. */
const FORBID_LIMITS = { subjectsMax: 1, secondPersonOver: 0, subjectsPerDay: 0 } as const;

/** A grants table as its file has it, before it has a version. */
export interface GrantsFile {
  readonly utcOffsetMinutes: number;
  readonly rows: readonly GrantRow[];
}

/**
 * Reads a grants table from plain YAML data: `clock` (its hours' offset, as "+05:00") and `rows`, each written so that
 * a lawyer can read it. What is not known is refused by place.
 * @throws CliError 'failed'
 */
export function parseGrants(value: PlainValue): GrantsFile {
  const table = membersOf(value, 'table', ['clock', 'rows']);
  if (!Array.isArray(table.rows)) throw expected('rows', 'a list of rows');
  const rows = (table.rows as readonly PlainValue[]).map(parseRow);
  const ids = new Set<string>();
  for (const { id } of rows) {
    if (ids.has(id)) throw expected(`row ${id}`, 'an id of its own: two rows have this one');
    ids.add(id);
  }
  const file = { utcOffsetMinutes: parseClock(table.clock), rows };
  try {
    // Everything else that a table must be is the document's own to say.
    writeDocument({ type: 'grants', version: 1, ...file, time: 0 });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : 'not a table';
    throw new CliError('failed', message, { cause, reason: 'bad-value' });
  }
  return file;
}

function parseRow(value: PlainValue, at: number): GrantRow {
  const row = membersOf(value, `row ${at + 1}`, ROW);
  const id = textOf(row.id, `row ${at + 1}, id`);
  // It is repeated where the row is wrong, so it has to be a name first.
  if (!ID.test(id)) throw expected(`row ${at + 1}, id`, 'a lower-case name');
  const place = (name: string) => `row ${id}, ${name}`;
  const effect = textOf(row.effect, place('effect'));
  if (effect !== 'permit' && effect !== 'forbid')
    throw expected(place('effect'), 'permit or forbid');
  const text = (name: (typeof ROW)[number]) => {
    const found = textOf(row[name], place(name));
    if (found !== ANY) return found;
    if (effect === 'permit')
      throw expected(place(name), 'a name: what permits everything is not a rule');
    return null;
  };
  const limit = (name: (typeof ROW)[number], forbid: number) =>
    effect === 'forbid' && row[name] === undefined ? forbid : integerOf(row[name], place(name));
  const groups = row.groups === ANY ? null : textsOf(row.groups, place('groups'));
  if (groups === null && effect === 'permit') {
    throw expected(place('groups'), 'names: what permits everything is not a rule');
  }
  return {
    id,
    effect,
    agency: text('agency'),
    purpose: text('purpose'),
    legalBasis: text('legal basis'),
    holding: text('holding'),
    groups,
    subjectsMax: limit('subjects at a time', FORBID_LIMITS.subjectsMax),
    secondPersonOver: limit('second person over', FORBID_LIMITS.secondPersonOver),
    hours: parseHours(row.hours, place('hours')),
    subjectsPerDay: limit('subjects a day', FORBID_LIMITS.subjectsPerDay),
  };
}

/** `any`, or `8 to 20`: from 08:00 until 20:00. */
function parseHours(value: PlainValue | undefined, place: string): GrantRow['hours'] {
  if (value === undefined || value === ANY) return null;
  const [, from, to] = (typeof value === 'string' && /^(\d{1,2}) to (\d{1,2})$/.exec(value)) || [];
  if (from === undefined || to === undefined) throw expected(place, 'any, or such as 8 to 20');
  return { from: Number(from), to: Number(to) };
}

function parseClock(value: PlainValue | undefined): number {
  const [, sign, hours, minutes] =
    (typeof value === 'string' && /^([+-])(\d{2}):(\d{2})$/.exec(value)) || [];
  if (sign === undefined) throw expected('clock', 'an offset from UTC such as "+05:00"');
  const offset = Number(hours) * 60 + Number(minutes);
  return sign === '-' && offset > 0 ? -offset : offset;
}

/** A table in words, one paragraph a row. */
export function describeGrants(table: GrantsFile): string[] {
  return table.rows.flatMap((row) => [
    `${row.id}: ${row.effect === 'permit' ? 'may' : 'MUST NOT'}`,
    `  agency             ${row.agency ?? ANY}`,
    `  purpose            ${row.purpose ?? ANY}`,
    `  legal basis        ${row.legalBasis ?? ANY}`,
    `  holding            ${row.holding ?? ANY}`,
    `  groups             ${row.groups?.join(', ') ?? ANY}`,
    ...(row.effect === 'forbid'
      ? []
      : [
          `  subjects at a time ${row.subjectsMax}`,
          `  second person over ${row.secondPersonOver}`,
          `  hours              ${row.hours === null ? ANY : `${row.hours.from} to ${row.hours.to}`}`,
          `  subjects a day     ${row.subjectsPerDay}`,
        ]),
  ]);
}
