import type { ShippedHolding } from '../../holdings/holdings.ts';
import { shippedHoldings } from '../../holdings/holdings.ts';
import type { People } from './people.ts';
import { NOBODIES_MAX, PROTAGONIST_INDEX } from './people.ts';
import type { Random } from './random.ts';
import { RandomSource } from './random.ts';

const AGENCY_COUNT = 3;
export const OFFICERS_PER_AGENCY = 2;
/** The person whom no look-up of the plan concerns: her page says that nobody looked. */
export const QUIET_INDEX = 1;
/** How many of a plan's look-ups concern the protagonist, where the plan is long enough. */
const PROTAGONIST_LOOK_UPS = 14;
export const LOOK_UPS_MAX = 1_000_000;

/**
 * What a look-up is meant to meet: `ordinary` an answer; `miss` an allowed request about nobody;
 * the others a refusal: a purpose the holding never declared, an agency that is not among its
 * recipients, a field group that the agency was not granted.
 */
export const LOOK_UP_KINDS = [
  'ordinary',
  'miss',
  'wrong-purpose',
  'undeclared-recipient',
  'group-not-granted',
] as const;
export type LookUpKind = (typeof LOOK_UP_KINDS)[number];

/** One agency's right to groups of one holding, as the demo's grants table gives it. */
export interface Access {
  readonly agencyIndex: number;
  readonly holding: ShippedHolding;
  readonly groups: readonly string[];
}

export interface DisclosurePlanOptions {
  /** What is granted; ordinary look-ups stay inside it. Every agency and holding should occur. */
  readonly access: readonly Access[];
  /** Every declared group of each holding. */
  readonly groups: Readonly<Record<ShippedHolding, readonly string[]>>;
  /** The first this many people have an identity card. */
  readonly cardCount: number;
}

export interface PlannedLookUp {
  readonly agencyIndex: number;
  readonly officerIndex: number;
  /** Null where the look-up is about nobody. */
  readonly personIndex: number | null;
  readonly cnic: string;
  readonly holding: ShippedHolding;
  readonly groups: readonly string[];
  readonly kind: LookUpKind;
}

/** Draws of a person before the protagonist, who is in every holding, stands in. */
const DRAWS_MAX = 64;
/** The protagonist's turns that are refused, each in its own way. */
const PROTAGONIST_REFUSALS: ReadonlyMap<number, LookUpKind> = new Map([
  [4, 'wrong-purpose'],
  [8, 'undeclared-recipient'],
  [12, 'group-not-granted'],
]);
/** Of a hundred look-ups about others; the rest are ordinary. */
const KIND_SHARES: readonly (readonly [LookUpKind, number])[] = [
  ['miss', 6],
  ['wrong-purpose', 5],
  ['undeclared-recipient', 4],
  ['group-not-granted', 3],
];

/**
 * The same look-ups for the same arguments, in the order to make them. The protagonist's are spread
 * evenly over the plan and go round the granted pairs of agency and holding; three of hers are
 * refused. A kind of refusal for which the options leave no room becomes `wrong-purpose`.
 */
export function generateDisclosurePlan(
  seed: string,
  people: People,
  count: number,
  options: DisclosurePlanOptions,
): PlannedLookUp[] {
  if (!Number.isInteger(count) || count < 0 || count > LOOK_UPS_MAX)
    throw new RangeError('count of look-ups out of range');
  const random = new RandomSource(seed, 'disclosure plan').at(0);
  const targets = listTargets(options);
  const turns = protagonistTurns(count);
  const plan: PlannedLookUp[] = [];
  let served = 0;
  let nobodies = 0;
  for (let position = 0; position < count; position += 1) {
    const turn = turns.get(position);
    const drawn =
      turn === undefined ? drawKind(random) : (PROTAGONIST_REFUSALS.get(turn) ?? 'ordinary');
    const kind = targets[drawn].length > 0 ? drawn : 'wrong-purpose';
    const goesRound = turn !== undefined && kind === 'ordinary';
    const target = goesRound
      ? targets.ordinary[served % targets.ordinary.length]
      : random.pick(targets[kind]);
    if (target === undefined) throw new RangeError('a plan needs granted access');
    if (goesRound) served += 1;
    let personIndex: number | null = PROTAGONIST_INDEX;
    if (turn === undefined)
      personIndex = kind === 'miss' ? null : drawPerson(people, target.holding, options, random);
    plan.push({
      agencyIndex: target.agencyIndex,
      officerIndex: random.below(OFFICERS_PER_AGENCY),
      personIndex,
      cnic:
        personIndex === null
          ? people.cnicOfNobody(nobodies++ % NOBODIES_MAX)
          : people.at(personIndex).cnic,
      holding: target.holding,
      groups: drawGroups(target.groups, random),
      kind,
    });
  }
  return plan;
}

/** Position in the plan to the protagonist's turn, counted from 0. */
function protagonistTurns(count: number): ReadonlyMap<number, number> {
  const turns = Math.min(PROTAGONIST_LOOK_UPS, count);
  return new Map(
    Array.from({ length: turns }, (_, turn) => [Math.floor(((turn + 0.5) * count) / turns), turn]),
  );
}

/** For each kind, the agencies, holdings and groups that a look-up of that kind may be about. */
function listTargets({
  access,
  groups,
}: DisclosurePlanOptions): Readonly<Record<LookUpKind, readonly Access[]>> {
  if (access.length === 0) throw new RangeError('a plan needs granted access');
  const strangers: Access[] = [];
  const notGranted: Access[] = [];
  for (const holding of shippedHoldings) {
    for (let agencyIndex = 0; agencyIndex < AGENCY_COUNT; agencyIndex += 1) {
      const rows = access.filter(
        (row) => row.agencyIndex === agencyIndex && row.holding === holding,
      );
      const granted = new Set(rows.flatMap((row) => row.groups));
      const missing = groups[holding].filter((group) => !granted.has(group));
      if (rows.length === 0) strangers.push({ agencyIndex, holding, groups: missing.slice(0, 1) });
      else if (missing.length > 0)
        notGranted.push({ agencyIndex, holding, groups: missing.slice(0, 1) });
    }
  }
  return {
    ordinary: access,
    miss: access,
    'wrong-purpose': access,
    'undeclared-recipient': strangers,
    'group-not-granted': notGranted,
  };
}

function drawKind(random: Random): LookUpKind {
  let luck = random.below(100);
  for (const [kind, share] of KIND_SHARES) {
    if (luck < share) return kind;
    luck -= share;
  }
  return 'ordinary';
}

/** Somebody who is in the holding, and whose page the demo does not promise to be empty. */
function drawPerson(
  people: People,
  holding: ShippedHolding,
  options: DisclosurePlanOptions,
  random: Random,
): number {
  const pool =
    holding === 'identity-card-images' ? Math.min(options.cardCount, people.count) : people.count;
  for (let draw = 0; draw < DRAWS_MAX; draw += 1) {
    const index = random.below(pool);
    if (index === QUIET_INDEX || index === PROTAGONIST_INDEX || index >= pool) continue;
    if (holding !== 'travel-history' || people.at(index).crossings.length > 0) return index;
  }
  return PROTAGONIST_INDEX;
}

/** A subset that is not empty, in the order given. */
function drawGroups(groups: readonly string[], random: Random): string[] {
  const sure = random.pick(groups);
  return groups.filter((group) => group === sure || random.chance(1, 2));
}
