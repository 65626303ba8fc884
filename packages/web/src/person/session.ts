import type { ClaimedBreak, Verification } from '@amanat/core/verify';
import {
  askForView,
  brokenGlassOf,
  claimedKeys,
  VIEW_SUBJECTS_MAX,
  verifyHistory,
} from '@amanat/core/verify';
import type { Held, Instance } from '../api.ts';
import { fetchInstance, postHistory } from '../api.ts';
import { httpTiles } from '../tiles.ts';

/** What one controller says it holds about her. */
export interface HeldByController {
  readonly controller: string;
  readonly held: readonly Held[];
}

/** What is shown of one asking. It lives in the page's memory and nowhere else. */
export interface PersonSession {
  readonly verification: Verification;
  /** By which the smaller quorum was taken for enough; null where the glass was whole. */
  readonly brokenGlass: ClaimedBreak | null;
  /** The gateway's word, without proof. */
  readonly held: readonly HeldByController[];
  readonly withheld: { readonly possible: boolean };
}

const HOLDINGS_MAX = 100;

/**
 * Asks for the history that the code opens, and checks it here.
 * @throws ApiError where the service gives no answer, with 'unknown-code' for a code it does not know.
 */
export async function openHistory(
  code: string,
  { keeperSealingKey }: Pick<Instance, 'keeperSealingKey'>,
): Promise<PersonSession> {
  const session = await askForView(code, keeperSealingKey, Date.now());
  // Who has to cosign may have changed since the page was loaded.
  const [answer, instance] = await Promise.all([postHistory(session), fetchInstance()]);
  const now = Date.now();
  const keys = claimedKeys(instance, now);
  const verification = await verifyHistory({ answer, session, keys, tiles: httpTiles, now });
  const brokenGlass = brokenGlassOf(instance, now);
  return { verification, brokenGlass, held: readHeld(answer), withheld: readWithheld(answer) };
}

/** Takes what is well formed of the held lists, and nothing else. */
export function readHeld(answer: unknown): readonly HeldByController[] {
  return asList(asRecord(answer).subjects, VIEW_SUBJECTS_MAX).flatMap((source) => {
    const { controller, held } = asRecord(source);
    if (typeof controller !== 'string') return [];
    return [{ controller, held: asList(held, HOLDINGS_MAX).flatMap(readOne) }];
  });
}

function readOne(source: unknown): readonly Held[] {
  const { holding, records, firstImport, until } = asRecord(source);
  const wellFormed =
    typeof holding === 'string' &&
    isCount(records) &&
    isCount(firstImport) &&
    typeof until === 'string' &&
    /^\d{4}-(?:0[1-9]|1[0-2])$/.test(until);
  return wellFormed ? [{ holding, records, firstImport, until }] : [];
}

function readWithheld(answer: unknown): PersonSession['withheld'] {
  const { possible } = asRecord(asRecord(answer).withheld);
  return { possible: possible !== false };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value < 8.64e15;
}

function asRecord(value: unknown): { readonly [member: string]: unknown } {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function asList(value: unknown, max: number): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, max) : [];
}
