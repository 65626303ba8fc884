import { CoreError } from '../errors.ts';
import type { InstanceKeys } from './history.ts';
import type { WitnessKeys } from './witnesses.ts';
import { readWitnessKeys } from './witnesses.ts';

/** What `GET /v1/instance` says of who has to cosign the log. */
export interface AppointedWitnesses extends WitnessKeys {
  /** How many do while the glass is broken; null where it cannot be. */
  readonly breakGlassQuorum: number | null;
}

/** The part of an answer to `GET /v1/instance` that is needed to judge by it. */
export interface InstanceAnswer extends InstanceKeys {
  readonly witnesses: AppointedWitnesses | null;
  /** Until when two administrators let fewer witnesses do; null while the glass is whole. */
  readonly brokenUntil: number | null;
}

/** A glass that two administrators broke: until when fewer witnesses do, and how many. */
export interface ClaimedBreak {
  /** Milliseconds since 1970. */
  readonly until: number;
  readonly quorum: number;
  /** How many witnesses there are. */
  readonly count: number;
}

/** What an instance says of a broken glass; null while it is whole. */
export function brokenGlassOf(
  { witnesses, brokenUntil }: Pick<InstanceAnswer, 'witnesses' | 'brokenUntil'>,
  now: number,
): ClaimedBreak | null {
  const quorum = witnesses?.breakGlassQuorum ?? null;
  if (witnesses === null || quorum === null || brokenUntil === null || brokenUntil <= now) {
    return null;
  }
  return { until: brokenUntil, quorum, count: witnesses.keys.length };
}

/**
 * The keys that an instance claims for itself: while the glass is broken, with the smaller quorum, so that whoever
 * judges by them has to say that it is broken.
 */
export function claimedKeys(instance: InstanceAnswer, now: number): InstanceKeys {
  const { logKey, keeperKey, witnesses } = instance;
  if (witnesses === null) return { logKey, keeperKey, witnesses };
  const { keys, quorum } = witnesses;
  const needed = brokenGlassOf(instance, now)?.quorum ?? quorum;
  return { logKey, keeperKey, witnesses: { keys, quorum: needed } };
}

/**
 * Reads keys that are known from elsewhere, as an instance, a bundle or `amanat init` gives them; members that it does
 * not know are left out. Whoever writes no witnesses down goes by none.
 * @throws CoreError 'bad-document' or 'bad-key'
 */
export function readInstanceKeys(source: unknown): InstanceKeys {
  const { logKey, keeperKey, witnesses } = (source ?? {}) as Partial<InstanceKeys>;
  if (typeof logKey !== 'string' || typeof keeperKey !== 'string') {
    throw new CoreError('bad-document', 'expected logKey and keeperKey');
  }
  const isAbsent = witnesses === undefined || witnesses === null;
  return { logKey, keeperKey, witnesses: isAbsent ? null : readWitnessKeys(witnesses) };
}
