import type { ReadEntry, Statement, Verification, VerifiedEntry } from '@amanat/core/verify';

/** What came of a look-up, as the person is told. */
export type Outcome = 'read' | 'nothing-held' | 'refused' | 'second-person' | 'not-delivered';

/** An entry that could be read, and whose records it was about. */
export interface Told {
  readonly key: string;
  readonly controller: string;
  /** Whether it stands on a number's own chain, from before the number was known to be hers. */
  readonly alias: boolean;
  readonly entry: ReadEntry;
  readonly statement: Statement;
  /** Of one that was withheld from her; null where it never was. */
  readonly withheld: Withheld | null;
}

/** Until when an entry was withheld, and on which grounds: the first, and those of what withheld it for longer. */
export interface Withheld {
  /** `YYYY-MM-DD` */
  readonly until: string;
  readonly grounds: readonly string[];
}

/** Someone asked about her. */
export interface LookUp extends Told {
  readonly outcome: Outcome;
}

/** Her history, sorted into what the page shows apart. */
export interface History {
  /** Newest first. */
  readonly lookUps: readonly LookUp[];
  /** Her own sign-ins, codes handed out, protection begun and ended, erasures; newest first. */
  readonly visits: readonly Told[];
  /** Entries that did not open. */
  readonly unreadable: number;
  /** The time up to which all chains are complete, by their heads. */
  readonly completeTo: number | null;
}

/** Sorts the entries of all her chains. */
export function tellHistory({ chains }: Verification): History {
  const told = chains.flatMap(({ controller, subject, alias, entries }) =>
    entries.flatMap((entry): Told[] => {
      const read = entry.statement?.kind === 'opened' ? openedOf(entry) : entry;
      if (read === null || read.statement === null) return [];
      const { statement } = read;
      const key = `${subject} ${entry.number}`;
      return [{ key, controller, alias, entry: read, statement, withheld: withheldOf(entry) }];
    }),
  );
  const newestFirst = told.toSorted(
    (a, b) => b.statement.time - a.statement.time || b.entry.index - a.entry.index,
  );
  const all = chains.reduce((sum, chain) => sum + chain.entries.length, 0);
  return {
    lookUps: newestFirst.flatMap((each): LookUp[] => {
      const outcome = outcomeOf(each);
      return outcome === null ? [] : [{ ...each, outcome }];
    }),
    visits: newestFirst.filter((each) => outcomeOf(each) === null),
    unreadable: all - told.length,
    completeTo: chains.length === 0 ? null : Math.min(...chains.map((chain) => chain.completeTo)),
  };
}

/** What an opening shows in its place: the look-up that was withheld, as sound as all of it is. */
function openedOf({ sound, withheld }: VerifiedEntry): ReadEntry | null {
  const [lookUp] = withheld;
  return lookUp === undefined
    ? null
    : { ...lookUp, sound: sound && withheld.every((each) => each.sound) };
}

function withheldOf({ withheld }: VerifiedEntry): Withheld | null {
  const seals = withheld.flatMap(({ statement }) => statement?.seal ?? []);
  const until = seals
    .map((seal) => seal.until)
    .toSorted()
    .at(-1);
  if (until === undefined) return null;
  return { until, grounds: [...new Set(seals.map(({ ground }) => ground))] };
}

function outcomeOf({ statement, entry }: Told): Outcome | null {
  switch (statement.kind) {
    case 'disclosure':
      return entry.delivered ? 'read' : 'not-delivered';
    case 'miss':
      return 'nothing-held';
    case 'refusal':
      return 'refused';
    case 'second-person':
      return 'second-person';
    case 'undelivered':
      return 'not-delivered';
    case 'sign-in':
    case 'code':
    case 'protected':
    case 'unprotected':
    case 'erased':
    // What stands for these is what they opened, or withheld.
    case 'opened':
    case 'seal-extended':
      return null;
  }
}

/** What a look-up asked for or was given of one holding. */
export interface Share {
  readonly holding: string;
  readonly groups: readonly string[];
  /** Records named to be released; 0 where none was. */
  readonly records: number;
}

/** What was read, by holding: of a disclosure the groups its records name, of all else what was asked for. */
export function sharesOf({ records, reads }: Statement): readonly Share[] {
  if (records.length === 0) return reads.map((read) => ({ ...read, records: 0 }));
  const byHolding = Map.groupBy(records, (record) => record.holding);
  return [...byHolding].map(([holding, found]) => ({
    holding,
    groups: [...new Set(found.flatMap((record) => record.groups.map(({ group }) => group)))],
    records: new Set(found.map((record) => record.record)).size,
  }));
}
