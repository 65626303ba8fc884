import { hex } from '@amanat/core/bytes';
import type { Register, SealCount, SealRules, Signed } from '@amanat/core/grants';
import { documentHash } from '@amanat/core/grants';
import type { AskDecision, AskRejection, KeeperPort } from '@amanat/keeper/client';
import type { Disclosure } from '../disclosure/disclosure.ts';
import type { Log } from '../log/log.ts';
import type { Warn } from '../warn.ts';
import { namesOf } from '../warn.ts';
import type { ExtensionBody } from './body.ts';

/** How often the keeper is asked what is due: seals open by the day. */
const LOOK_MS = 60_000;
/** Turns of one look: as many as open all that one agency may have sealed at a time. */
const TURNS_MAX = 100;

/** How an extension ended. */
export type ExtensionAnswer =
  | {
      readonly outcome: 'extended';
      /** Where its entry stands in the log, and among what is sealed about her. */
      readonly index: number;
      readonly number: number;
    }
  | {
      readonly outcome: 'second-person';
      /** The hash that a second person signs, in hexadecimal. */
      readonly request: string;
      readonly reasons: readonly string[];
      readonly rules: readonly string[];
    }
  | Extract<AskDecision, { outcome: 'refused' }>
  | { readonly outcome: 'rejected'; readonly code: AskRejection };

/** What the public is told of seals. */
export interface SealsTold {
  /** Null: nothing can be sealed. */
  readonly rules: SealRules | null;
  readonly latestVersion: number;
  /** The keeper's counts, by agency and month, as far as the log has them. */
  readonly counts: readonly SealCount[];
}

export interface SealsDeps {
  readonly disclosure: Pick<Disclosure, 'ask' | 'enterOpen'>;
  readonly keeper: KeeperPort;
  readonly log: Pick<Log, 'appendPublic' | 'now'> & {
    readonly register: Pick<Register, 'sealRules' | 'sealCounts' | 'latestVersion'>;
  };
  readonly warn: Warn;
}

/** The part for what the law lets be withheld from a person until a date. */
export interface Seals extends Disposable {
  told(): SealsTold;
  /** Carries an officer's extension. @throws AsksUnavailable */
  extend(body: ExtensionBody): Promise<ExtensionAnswer>;
  /**
   * Has the keeper open what is due, and enters that and its counts. It never throws: what does not succeed is told of
   * and tried again at the next look, and the keeper refuses the agency everything a day after.
   */
  look(): Promise<void>;
}

/** Makes the part, which looks by itself from now on. */
export function createSeals(deps: SealsDeps): Seals {
  let looking: Promise<void> | null = null;
  const look = () => {
    looking ??= enterDue(deps)
      .catch((error: unknown) => deps.warn('seals', namesOf(error)))
      .finally(() => {
        looking = null;
      });
    return looking;
  };
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  return {
    told: () => ({
      rules: deps.log.register.sealRules(deps.log.now()),
      latestVersion: deps.log.register.latestVersion('seal-rules', ''),
      counts: deps.log.register.sealCounts,
    }),
    extend: (body) => extend(deps, body),
    look,
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

async function enterDue({ disclosure, keeper, log, warn }: SealsDeps): Promise<void> {
  // Where there never were rules nothing was ever sealed.
  if (log.register.latestVersion('seal-rules', '') === 0) return;
  // Many are due on one date. They open a few at a time, so that officers are answered in between.
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const { answer } = await keeper.ask('seals', {});
    const isEntered = answer.due === 0 || (await disclosure.enterOpen());
    if (answer.counted !== null) {
      const appended = await log.appendPublic(answer.counted);
      if ('refused' in appended) warn('seals not counted', { reason: appended.refused });
    }
    if (answer.due === 0 || !isEntered) return;
  }
}

async function extend(
  { disclosure }: SealsDeps,
  { signed, approval }: ExtensionBody,
): Promise<ExtensionAnswer> {
  const answered = await disclosure.ask({ kind: 'seal-extension', signed, approval });
  if (answered.outcome === 'rejected') return answered;
  const { decision, entries } = answered;
  switch (decision.outcome) {
    case 'refused':
      return decision;
    case 'second-person':
      return { ...decision, request: hashOf(signed) };
    case 'allowed': {
      const [entry] = entries;
      if (entry === undefined) throw new Error('the keeper left out an extension’s entry');
      return { outcome: 'extended', index: entry.index, number: entry.number };
    }
  }
}

function hashOf({ document }: Signed): string {
  return hex(documentHash(document));
}
