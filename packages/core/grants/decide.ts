import type { Declaration, GrantRow, Grants, Seal, SealRules } from './documents.ts';
import type { SealRefusal } from './seals.ts';
import { checkSeal } from './seals.ts';

/** Why a request is refused. Each code has a sentence, and a remedy, on the pages. */
export type GrantRefusal =
  | SealRefusal
  | 'seal-overdue'
  | 'undeclared-holding'
  | 'undeclared-group'
  | 'undeclared-purpose'
  | 'undeclared-legal-basis'
  | 'undeclared-recipient'
  | 'forbidden'
  | 'no-grant'
  | 'outside-hours'
  | 'too-many-subjects'
  | 'budget-spent'
  | 'agency-budget-spent';

/** Why a second person is asked for. */
export type SecondPersonReason = 'grant' | 'bulk' | 'protected' | 'holdings-together' | 'sealed';

/** What is asked, as gateway and keeper each know it. */
export interface Ask {
  readonly agency: string;
  readonly purpose: string;
  readonly legalBasis: string;
  readonly holdings: readonly { readonly holding: string; readonly groups: readonly string[] }[];
  readonly subjects: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Whether any subject asked about is protected. */
  readonly protected: boolean;
  /** Until when it is to be withheld from whom it is about, where it is, and by which rules. */
  readonly seal: (Seal & { readonly rules: SealRules | null }) | null;
  /** The agency's seals: how many are open, and whether one should have opened a day ago. */
  readonly seals: { readonly open: number; readonly overdue: boolean };
  /** Whether a valid approver of another line has signed this request. */
  readonly approved: boolean;
  /** Subjects read today, this request not counted. */
  readonly usedToday: {
    readonly officer: number;
    readonly agency: number;
    /** Under a grant row, by its id. */
    readonly row: (id: string) => number;
  };
  /** Limits of the certificate and of the agency, in subjects a day. */
  readonly limits: { readonly officer: number; readonly agency: number };
}

/** What the table says of an ask. `rules` names the rows or, of a refusal, the one row that decided. */
export type Decision =
  | { readonly outcome: 'allowed'; readonly rules: readonly string[] }
  | {
      readonly outcome: 'second-person';
      readonly rules: readonly string[];
      readonly reasons: readonly SecondPersonReason[];
    }
  | {
      readonly outcome: 'refused';
      readonly code: GrantRefusal;
      /** The row that decided, where one did. */
      readonly rule: string | null;
      /** The holding it was about, where it was about one. */
      readonly holding: string | null;
    };

/**
 * Decides an ask from the signed table alone. Deny by default; a forbid row wins; each holding needs a
 * permit row of its own. Pure, and run by the gateway to explain and by the keeper to enforce.
 */
export function decide(
  table: Grants | null,
  declarations: ReadonlyMap<string, Declaration>,
  ask: Ask,
): Decision {
  if (ask.seals.overdue) return refusal('seal-overdue', null, null);
  const rules: GrantRow[] = [];
  for (const read of ask.holdings) {
    const undeclared = checkDeclared(declarations.get(read.holding), ask, read.groups);
    if (undeclared !== null) return refusal(undeclared, null, read.holding);
    const found = findRow(table, ask, read);
    if ('code' in found) return refusal(found.code, found.rule, read.holding);
    rules.push(found.row);
  }
  if (ask.seal !== null) {
    // Each person has an entry at each controller.
    const controllers = new Set(
      ask.holdings.map(({ holding }) => declarations.get(holding)?.controller.id),
    ).size;
    const open = ask.seals.open + ask.subjects * controllers;
    const terms = { ...ask.seal, agency: ask.agency, from: ask.time, open };
    const refused = checkSeal(terms, ask.time);
    if (refused !== null) return refusal(refused, null, null);
  }
  for (const row of new Set(rules)) {
    if (ask.subjects > row.subjectsMax) return refusal('too-many-subjects', row.id, row.holding);
    if (ask.usedToday.row(row.id) + ask.subjects > row.subjectsPerDay) {
      return refusal('budget-spent', row.id, row.holding);
    }
  }
  if (ask.usedToday.officer + ask.subjects > ask.limits.officer) {
    return refusal('budget-spent', null, null);
  }
  if (ask.usedToday.agency + ask.subjects > ask.limits.agency) {
    return refusal('agency-budget-spent', null, null);
  }
  const reasons = secondPersonReasons(ask, rules);
  const ids = [...new Set(rules.map((row) => row.id))];
  return reasons.length > 0 && !ask.approved
    ? { outcome: 'second-person', rules: ids, reasons }
    : { outcome: 'allowed', rules: ids };
}

function refusal(code: GrantRefusal, rule: string | null, holding: string | null): Decision {
  return { outcome: 'refused', code, rule, holding };
}

/** I5: what the declaration does not name is refused before the table is looked at. */
function checkDeclared(
  declaration: Declaration | undefined,
  ask: Ask,
  groups: readonly string[],
): GrantRefusal | null {
  if (declaration === undefined) return 'undeclared-holding';
  if (!declaration.purposes.includes(ask.purpose)) return 'undeclared-purpose';
  if (!declaration.legalBases.includes(ask.legalBasis)) return 'undeclared-legal-basis';
  if (!declaration.recipients.includes(ask.agency)) return 'undeclared-recipient';
  const declared = new Set(declaration.fields.map((field) => field.group));
  return groups.every((group) => declared.has(group)) ? null : 'undeclared-group';
}

function findRow(
  table: Grants | null,
  ask: Ask,
  read: { readonly holding: string; readonly groups: readonly string[] },
): { readonly row: GrantRow } | { readonly code: GrantRefusal; readonly rule: string | null } {
  const rows = table?.rows ?? [];
  const forbid = rows.find((row) => row.effect === 'forbid' && forbids(row, ask, read));
  if (forbid !== undefined) return { code: 'forbidden', rule: forbid.id };
  const permits = rows.filter((row) => row.effect === 'permit' && permitsRead(row, ask, read));
  const [first] = permits;
  if (first === undefined) return { code: 'no-grant', rule: null };
  const hour = hourOfDay(ask.time, table?.utcOffsetMinutes ?? 0);
  const open = permits.find((row) => row.hours === null || within(row.hours, hour));
  return open === undefined ? { code: 'outside-hours', rule: first.id } : { row: open };
}

function forbids(row: GrantRow, ask: Ask, read: { holding: string; groups: readonly string[] }) {
  const any = (member: string | null, value: string) => member === null || member === value;
  return (
    any(row.agency, ask.agency) &&
    any(row.purpose, ask.purpose) &&
    any(row.legalBasis, ask.legalBasis) &&
    any(row.holding, read.holding) &&
    (row.groups === null || read.groups.some((group) => row.groups?.includes(group)))
  );
}

function permitsRead(
  row: GrantRow,
  ask: Ask,
  read: { holding: string; groups: readonly string[] },
) {
  return (
    row.agency === ask.agency &&
    row.purpose === ask.purpose &&
    row.legalBasis === ask.legalBasis &&
    row.holding === read.holding &&
    read.groups.every((group) => row.groups?.includes(group) ?? false)
  );
}

function secondPersonReasons(ask: Ask, rows: readonly GrantRow[]): SecondPersonReason[] {
  const reasons: SecondPersonReason[] = [];
  if (rows.some((row) => row.secondPersonOver === 0)) reasons.push('grant');
  else if (rows.some((row) => ask.subjects > row.secondPersonOver)) reasons.push('bulk');
  if (ask.protected) reasons.push('protected');
  // I13: whole-person reading across holdings is never one person's decision.
  if (ask.holdings.length > 1) reasons.push('holdings-together');
  // I8: nobody hides a look-up alone.
  if (ask.seal !== null) reasons.push('sealed');
  return reasons;
}

function hourOfDay(time: number, utcOffsetMinutes: number): number {
  return new Date(time + utcOffsetMinutes * 60_000).getUTCHours();
}

/** From inclusive, to exclusive; a range that ends before it begins runs over midnight. */
function within(hours: { from: number; to: number }, hour: number): boolean {
  return hours.from < hours.to
    ? hour >= hours.from && hour < hours.to
    : hour >= hours.from || hour < hours.to;
}

/** The day an ask is charged to, `YYYY-MM-DD` by the table's clock. */
export function chargedDay(time: number, table: Grants | null): string {
  const offset = table?.utcOffsetMinutes ?? 0;
  return new Date(time + offset * 60_000).toISOString().slice(0, 10);
}
