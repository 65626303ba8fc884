import { hash } from 'node:crypto';
import type { Declaration } from '@amanat/core/grants';
import type { DrawRefusal, DrawRow, Identifier } from '@amanat/keeper/client';
import type { EncodedRow, RowPlan, RowValue } from './rows/rows.ts';
import { planRow } from './rows/rows.ts';

const RECORD_KEY_DOMAIN = 'amanat/record-key/v1\0';
const DATE_LENGTH = 10;

interface Place {
  readonly name: string;
  readonly index: number;
}

/** Where in a holding's rows stands what the keeper is asked with, found once for an import. */
export interface ImportPlan {
  readonly declaration: Declaration;
  readonly groups: RowPlan;
  /** Names of the groups, in the order in which the ciphertexts are laid out. */
  readonly layout: readonly string[];
  readonly primary: Place;
  readonly secondary: readonly Place[];
  readonly recordKey: readonly Place[];
  readonly eventDate: Place | null;
  /** Whether the holding's rows are files of their own rather than lines of a table. */
  readonly ofImages: boolean;
}

/** Plans the rows of a holding as the register has it declared. */
export function planImport(declaration: Declaration): ImportPlan {
  const places = declaration.fields.map((field, index) => ({ ...field, index }));
  const placeOf = (name: string): Place => {
    const found = places.find((place) => place.name === name);
    // The register refuses a declaration whose references lead nowhere.
    if (found === undefined) throw new Error('declaration names a field that it does not have');
    return found;
  };
  const groups = planRow(declaration);
  return {
    declaration,
    groups,
    layout: groups.map(({ group }) => group),
    primary: placeOf(places.find(({ identifier }) => identifier === 'primary')?.name ?? ''),
    secondary: places.filter(({ identifier }) => identifier === 'secondary'),
    recordKey: declaration.recordKey.map(placeOf),
    eventDate: declaration.eventDate === null ? null : placeOf(declaration.eventDate),
    ofImages: places.some(({ type }) => type === 'jpeg'),
  };
}

/** What the keeper is asked with for a row: its identifiers and dates normalised, of all else only digests. */
export function toDrawRow(
  plan: ImportPlan,
  row: number,
  values: readonly RowValue[],
  encoded: EncodedRow,
): DrawRow {
  const secondary: Identifier[] = [];
  for (const { index } of plan.secondary) {
    const value = normalised(values[index]);
    // The register allows no other type for a secondary identifier.
    if (value !== null) secondary.push({ type: 'msisdn', value });
  }
  return {
    row,
    primary: {
      type: plan.declaration.primaryIdentifier,
      value: normalised(values[plan.primary.index]) ?? '',
    },
    secondary,
    recordKey: recordKeyOf(plan, values),
    digest: encoded.digest,
    eventDate:
      plan.eventDate && (normalised(values[plan.eventDate.index])?.slice(0, DATE_LENGTH) ?? null),
  };
}

/** The column at fault where the keeper refuses a row; null where it is none. */
export function columnOf(plan: ImportPlan, refused: DrawRefusal): string | null {
  switch (refused) {
    case 'bad-identifier':
    case 'erased':
      return plan.primary.name;
    case 'bound-to-another':
      return plan.secondary[0]?.name ?? null;
    case 'date-ahead':
    case 'retention-over':
    case 'expired':
      return plan.eventDate?.name ?? null;
  }
}

/**
 * SHA-256 over the fields that tell one of a subject's records from another: names and normalised values, so that
 * a number written in another way is the same record. It leaves the process for the keeper only.
 */
function recordKeyOf(plan: ImportPlan, values: readonly RowValue[]): Buffer {
  const key = plan.recordKey.map(({ name, index }) => [name, normalised(values[index])]);
  const text = RECORD_KEY_DOMAIN + JSON.stringify(key);
  return Buffer.from(hash('sha256', text, 'binary'), 'latin1');
}

function normalised(value: RowValue | undefined): string | null {
  return value != null && 'normalised' in value ? value.normalised : null;
}
