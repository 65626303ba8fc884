import { hex } from '@amanat/core/bytes';
import type { Register, Selector, Signed } from '@amanat/core/grants';
import { documentHash } from '@amanat/core/grants';
import type { AskDecision, AskRejection } from '@amanat/keeper/client';
import type { OpenedGroup } from '../custody/custody.ts';
import type { Log } from '../log/log.ts';
import type { Answered, AsksDeps } from './asks.ts';
import { Asks } from './asks.ts';
import type { RequestBody } from './body.ts';
import { BrokenGlassCount } from './broken-glass.ts';
import { decideHere, decisionsDiffer } from './cross-check.ts';
import type { GivenUp } from './find.ts';
import type { Entered, OpenedRecord } from './open.ts';
import { RefusalCounts } from './refusals.ts';

export type { Answered } from './asks.ts';
export { AsksUnavailable } from './errors.ts';
export type { Entered } from './open.ts';
export {
  answerAsks,
  refusalSchema,
  secondPersonSchema,
  sendRefused,
  sendRejected,
} from './replies.ts';

/** One record of an answer: its name, and exactly the groups asked for; or that it is not what was stored. */
export type AnsweredRecord = {
  readonly holding: string;
  readonly record: string;
  readonly import: number;
  readonly row: number;
} & ({ readonly groups: readonly OpenedGroup[] } | { readonly error: 'integrity' });

/** What was found for one selector in the holdings of one controller. No records: none are held. */
export interface Result {
  /** Place of the selector in the request, from 0. */
  readonly selector: number;
  readonly controller: string;
  /** Where the entry stands in the log, and in the subject's chain. */
  readonly index: number;
  readonly number: number;
  readonly records: readonly AnsweredRecord[];
  /** Why nothing was delivered; absent where all was. */
  readonly error?: GivenUp;
}

/** How a request ended. Every one but `rejected` has its entry in the log. */
export type RequestAnswer =
  | { readonly outcome: 'disclosed'; readonly results: readonly Result[] }
  | {
      readonly outcome: 'second-person';
      /** The hash that a second person signs, in hexadecimal. */
      readonly request: string;
      readonly reasons: Extract<AskDecision, { outcome: 'second-person' }>['reasons'];
      readonly rules: readonly string[];
    }
  | Extract<AskDecision, { outcome: 'refused' }>
  | { readonly outcome: 'rejected'; readonly code: AskRejection };

/** What disclosing needs. */
export interface DisclosureDeps extends AsksDeps {
  readonly log: AsksDeps['log'] &
    Pick<Log, 'appendPublic' | 'now'> & { readonly register: Register };
}

/** The part that answers officers, and carries every ask about a person. */
export interface Disclosure {
  /** Why asks are refused just now; null while they are taken. */
  readonly failure: Asks['failure'];
  /** @see Asks.start */
  start(): Promise<void>;
  /** @see Asks.close */
  close(): Promise<void>;
  /** @see Asks.enterOpen */
  enterOpen(): Promise<boolean>;
  /** Carries any ask about a person through the one pipeline. @throws AsksUnavailable */
  ask(...args: Parameters<Asks['ask']>): Promise<Answered>;
  /** Answers an officer's request. @throws AsksUnavailable */
  request(body: RequestBody): Promise<RequestAnswer>;
}

/** Makes the part. Call `start` once the log has started. */
export function createDisclosure(deps: DisclosureDeps): Disclosure {
  const asks = new Asks(deps);
  const refusals = new RefusalCounts(deps.log);
  const glass = new BrokenGlassCount(deps);
  return {
    get failure() {
      return asks.failure;
    },
    start: () => asks.start(),
    close: async () => {
      await asks.close();
      await refusals.enter({ all: true });
      refusals[Symbol.dispose]();
      glass[Symbol.dispose]();
    },
    enterOpen: () => asks.enterOpen(),
    ask: (asked) => asks.ask(asked),
    request: (body) => answerRequest(deps, asks, refusals, body),
  };
}

async function answerRequest(
  { log, warn }: DisclosureDeps,
  asks: Asks,
  refusals: RefusalCounts,
  body: RequestBody,
): Promise<RequestAnswer> {
  const { signed, selectors, approval } = body;
  const here = decideHere(log.register, log.now(), body);
  const answered = await asks.ask({ kind: 'request', signed, selectors, approval });
  if (answered.outcome === 'rejected') return answered;
  const { decision, entries } = answered;
  // Whatever the gateway thinks of it, the keeper's word is what counts.
  if (decisionsDiffer(here, decision)) {
    warn('decisions differ', { gateway: wordOf(here), keeper: wordOf(decision) });
  }
  switch (decision.outcome) {
    case 'refused':
      // Of sealed asks the keeper itself counts what is refused.
      if (entries.length === 0 && body.request.seal === null) {
        refusals.count(agencyOf(log, signed));
      }
      return decision;
    case 'second-person': {
      const { reasons, rules } = decision;
      const request = hex(documentHash(signed.document));
      return { outcome: 'second-person', request, reasons, rules };
    }
    case 'allowed':
      return { outcome: 'disclosed', results: resultsOf(selectors, entries) };
  }
}

/** The agency of a key that the keeper has just found to be certified. */
function agencyOf(log: DisclosureDeps['log'], signed: Signed): string {
  const certified = log.register.key(signed.signatures[0]?.key ?? '', log.now());
  return typeof certified === 'string' ? 'unknown' : certified.certificate.agency;
}

/** Every selector has one entry at each controller asked, in order of the selectors. */
function resultsOf(selectors: readonly Selector[], entries: readonly Entered[]): readonly Result[] {
  const controllers = entries.length / selectors.length;
  if (!Number.isInteger(controllers)) throw new Error('the keeper left out a subject of a request');
  return entries.map(({ lookUp, index, number, records, givenUp }, at): Result => {
    const result = {
      selector: Math.floor(at / controllers),
      controller: lookUp.controller,
      index,
      number,
      records: records.map(recordOf),
    };
    return givenUp === null ? result : { ...result, error: givenUp };
  });
}

function recordOf({ read, groups }: OpenedRecord): AnsweredRecord {
  const { holding, record, import: imported, row } = read;
  const name = { holding, record, import: imported, row };
  return groups === null ? { ...name, error: 'integrity' } : { ...name, groups };
}

function wordOf(decision: AskDecision | null): string {
  if (decision === null) return 'no-key';
  return decision.outcome === 'refused' ? decision.code : decision.outcome;
}
