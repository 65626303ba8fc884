/** How long a signed document may be used after its time. */
export const VALID_MS = 5 * 60_000;
/** The same where a second person has to sign: there is time to ask. */
export const VALID_APPROVED_MS = 72 * 3_600_000;
/** How far ahead of the keeper's clock a document's time may be. */
export const AHEAD_MS_MAX = 60_000;

/** What is wrong with a document's time, if it may be used for so long. Both times in milliseconds since 1970. */
export function timeProblem(
  time: number,
  now: number,
  validMs: number,
): 'clock-ahead' | 'stale' | null {
  if (time > now + AHEAD_MS_MAX) return 'clock-ahead';
  return time < now - validMs ? 'stale' : null;
}
