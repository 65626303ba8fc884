import { CoreError } from '@amanat/core/errors';
import type {
  Agency,
  Decision,
  EntryRefusal,
  Grants,
  KeyRefusal,
  Register,
  Signed,
  TwoPersonType,
  Witnesses,
} from '@amanat/core/grants';
import { decide, readDocument, TWO_PERSON_TYPES } from '@amanat/core/grants';

/** How handing in a document ended. */
export type EnterAnswer =
  | { readonly outcome: 'entered'; readonly index: number; readonly type: TwoPersonType }
  | { readonly outcome: 'refused'; readonly code: EntryRefusal; readonly detail: string | null };

/** What is public of a certified key: never whose it is. */
export interface KeyState {
  readonly key: string;
  /** The version in force; null where none is. */
  readonly version: number | null;
  readonly latestVersion: number;
  readonly state: 'in-force' | Exclude<KeyRefusal, 'unknown-key'>;
}

/** A question to the grants table, put without asking for anybody's record. */
export interface ExplainAsk {
  readonly agency: string;
  readonly purpose: string;
  readonly legalBasis: string;
  readonly holdings: readonly { readonly holding: string; readonly groups: readonly string[] }[];
  readonly subjects: number;
  readonly protected: boolean;
  readonly approved: boolean;
  /** Milliseconds since 1970; null for now. */
  readonly time: number | null;
}

/** What this part needs of the log. */
export interface PeopleLog {
  readonly register: Register;
  now(): number;
  appendPublic(
    signed: Signed,
  ): Promise<{ readonly index: number } | { readonly refused: EntryRefusal }>;
}

/** The part that knows who may sign, who may ask, and what they may: as the log's public entries say. */
export interface People {
  /** Enters a document that two administrators signed; anyone may hand it in. @throws LogUnavailable, KeeperUnavailable */
  enter(signed: Signed): Promise<EnterAnswer>;
  /** The agencies in force. */
  agencies(): readonly Agency[];
  /** An agency as it is in force, and its latest version; null where there is none at all. */
  agency(id: string): { readonly agency: Agency | null; readonly latestVersion: number } | null;
  /** A key's state; null for one that was never certified. */
  key(id: string): KeyState | null;
  grants(): { readonly grants: Grants | null; readonly latestVersion: number };
  /** Who has to cosign the log; null until witnesses are appointed. */
  witnesses(): { readonly witnesses: Witnesses | null; readonly latestVersion: number };
  /** What the table would say today to somebody whose budget is unspent. */
  explain(ask: ExplainAsk): Decision;
}

/** Makes the part. */
export function createPeople({ log }: { readonly log: PeopleLog }): People {
  return {
    enter: (signed) => enter(log, signed),
    agencies: () => log.register.agencies(log.now()),
    agency: (id) => {
      const latestVersion = log.register.latestVersion('agency', id);
      return latestVersion === 0
        ? null
        : { agency: log.register.agency(id, log.now()), latestVersion };
    },
    key: (id) => {
      const found = log.register.key(id, log.now());
      if (found === 'unknown-key') return null;
      const latestVersion = log.register.latestVersion('certificate', id);
      return typeof found === 'string'
        ? { key: id, version: null, latestVersion, state: found }
        : { key: id, version: found.certificate.version, latestVersion, state: 'in-force' };
    },
    grants: () => ({
      grants: log.register.grants(log.now()),
      latestVersion: log.register.latestVersion('grants', ''),
    }),
    witnesses: () => ({
      witnesses: log.register.witnessing(log.now())?.document ?? null,
      latestVersion: log.register.latestVersion('witnesses', ''),
    }),
    explain: (ask) => explain(log.register, ask, ask.time ?? log.now()),
  };
}

async function enter(log: PeopleLog, signed: Signed): Promise<EnterAnswer> {
  let type: TwoPersonType;
  try {
    ({ type } = readDocument(signed.document, ...TWO_PERSON_TYPES));
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    return { outcome: 'refused', code: 'malformed', detail: error.message };
  }
  const answer = await log.appendPublic(signed);
  return 'refused' in answer
    ? { outcome: 'refused', code: answer.refused, detail: null }
    : { outcome: 'entered', index: answer.index, type };
}

function explain(register: Register, ask: ExplainAsk, time: number): Decision {
  const perDay = register.agency(ask.agency, time)?.subjectsPerDay ?? 0;
  return decide(register.grants(time), register.declarations(time), {
    ...ask,
    time,
    seal: null,
    seals: { open: 0, overdue: false },
    usedToday: { officer: 0, agency: 0, row: () => 0 },
    // Whose certificate it would be is not said here: the agency's ceiling bounds every officer's.
    limits: { officer: perDay, agency: perDay },
  });
}
