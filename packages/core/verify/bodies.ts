import { fromBase64, fromHex } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import type { Statement } from '../statement.ts';
import { commitTo, decodeBody } from '../statement.ts';
import type { Head, SubjectView } from '../view.ts';
import { bodyAad, sealedBodyAad } from '../view.ts';
import type { AnswerEntry } from './answer.ts';
import type { CheckList } from './checks.ts';
import { openByWebCrypto } from './open.ts';

const BODY_KEY_BYTES = 32;

/** A body that opened. */
export interface OpenedBody {
  readonly statement: Statement;
  readonly commitment: Uint8Array;
}

/** The bodies of a chain's entries, in their order; null for one that does not open, or is about something else. */
export async function openBodies(
  checks: CheckList,
  { controller, subject }: Head,
  view: SubjectView,
  entries: readonly AnswerEntry[],
): Promise<readonly (OpenedBody | null)[]> {
  const keys = readKeys(view.bodyKeys);
  const bodies: (OpenedBody | null)[] = [];
  for (const { number, body } of entries) {
    const key = keyAt(keys, number - view.first);
    const reason = key.length === BODY_KEY_BYTES ? 'wrong' : 'missing';
    const opened = reason === 'wrong' ? await openBody(key, body, bodyAad(subject, number)) : null;
    const fits =
      opened !== null &&
      opened.statement.subject === subject &&
      opened.statement.controller === controller &&
      opened.statement.number === number &&
      // What is sealed stands on no chain.
      opened.statement.seal === null;
    checks.note('bodies-open', fits, { reason, controller, subject, number });
    bodies.push(fits ? opened : null);
  }
  return bodies;
}

/** A sealed entry that an opening cites, with what came of it. */
export interface CitedEntry extends AnswerEntry {
  readonly opened: OpenedBody | null;
  /** As the opening cites it. */
  readonly leafHash: Uint8Array;
}

/** By the number of each opening, what it opened: each opens with the keeper's key, and is what the opening says. */
export async function openSealed(
  checks: CheckList,
  { controller, subject }: Head,
  view: SubjectView,
  sealed: readonly AnswerEntry[],
  bodies: readonly (OpenedBody | null)[],
): Promise<ReadonlyMap<number, readonly CitedEntry[]>> {
  const byIndex = new Map(sealed.map((entry) => [entry.index, entry]));
  const keysOf = new Map(view.opened.map(({ number, bodyKeys }) => [number, readKeys(bodyKeys)]));
  const found = new Map<number, CitedEntry[]>();
  for (const body of bodies) {
    if (body?.statement.kind !== 'opened') continue;
    const { number, seals } = body.statement;
    const cited: CitedEntry[] = [];
    for (const [at, place] of seals.entries()) {
      const entry = byIndex.get(place.index);
      const key = keyAt(keysOf.get(number) ?? new Uint8Array(0), at);
      const reason = entry !== undefined && key.length === BODY_KEY_BYTES ? 'wrong' : 'missing';
      const aad = sealedBodyAad(subject, place.number);
      const opened =
        entry === undefined || reason === 'missing' ? null : await openBody(key, entry.body, aad);
      const { statement } = opened ?? { statement: null };
      const fits =
        statement !== null &&
        statement.subject === subject &&
        statement.controller === controller &&
        statement.number === place.number &&
        statement.seal !== null &&
        // The look-up first, which is about no seal; what withheld it for longer is about that one.
        statement.seals[0]?.index === (at === 0 ? undefined : seals[0]?.index);
      checks.note('bodies-open', fits, { reason, controller, subject, number });
      const common = { number: place.number, index: place.index, body: entry?.body ?? '' };
      cited.push({ ...common, opened: fits ? opened : null, leafHash: fromHex(place.leafHash) });
    }
    found.set(number, cited);
  }
  return found;
}

function readKeys(written: string): Uint8Array {
  return orNull(() => fromBase64(written)) ?? new Uint8Array(0);
}

/** The n-th of keys side by side; shorter where there is none. */
function keyAt(keys: Uint8Array, at: number): Uint8Array {
  return at < 0 ? new Uint8Array(0) : keys.subarray(at * BODY_KEY_BYTES, (at + 1) * BODY_KEY_BYTES);
}

async function openBody(
  key: Uint8Array,
  sealed: string,
  aad: Uint8Array,
): Promise<OpenedBody | null> {
  try {
    const body = await openByWebCrypto(key, fromBase64(sealed), aad);
    return { statement: decodeBody(body), commitment: commitTo(body) };
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}

/** What `read` gives; null where it is not in its form. */
export function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}
