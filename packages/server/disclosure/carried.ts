import type { LookUp, PreparedEntry } from '@amanat/keeper/client';
import type { Appended, NewLeaf } from '../log/log.ts';
import type { Found, GivenUp } from './find.ts';

/** Most look-ups, and groups named by them, that are prepared and appended together. */
const CHUNK_LOOK_UPS_MAX = 128;
const CHUNK_GROUPS_MAX = 16_384;
/** So long that no two look-ups of a chunk ever draw the same. */
const SORT_KEY_BYTES = 8;

/** A look-up on its way to its entry: each step fills in what it brought. */
export interface Carried {
  readonly lookUp: LookUp;
  found: Found;
  /** Bytes of ciphertext that are held for it in memory. */
  readonly heldBytes: number;
  prepared: PreparedEntry | null;
  appended: Appended | null;
}

/** A look-up that sets out. */
export function carry(lookUp: LookUp, found: Found, heldBytes = 0): Carried {
  return { lookUp, found, heldBytes, prepared: null, appended: null };
}

/**
 * A chunk in random order, so that places in the log tell nothing of who was named after whom, nor whose controller's
 * entry is which. One subject's own look-ups keep their order among themselves: her history tells it.
 */
export function shuffle(
  chunk: readonly Carried[],
  randomBytes: (count: number) => Buffer,
): readonly Carried[] {
  const bytes = randomBytes(SORT_KEY_BYTES * chunk.length);
  const keyed = chunk.map((each, at) => ({
    each,
    key: bytes.readBigUInt64BE(SORT_KEY_BYTES * at),
  }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
  const inOrder = Map.groupBy(chunk, ({ lookUp }) => lookUp.subject);
  const next = new Map([...inOrder].map(([subject, hers]) => [subject, hers.values()]));
  return keyed.map(({ each }) => next.get(each.lookUp.subject)?.next().value ?? each);
}

/** What was found, without the ciphertexts: they are read again when they are opened. */
export function letGo(found: Found): Found {
  return { ...found, records: found.records.map((each) => ({ ...each, ciphertexts: null })) };
}

/** What is found for a look-up that is given up: nothing. */
export function giveUp(reason: GivenUp): Found {
  return { records: [], givenUp: reason };
}

/** How many keys would open everything that was found for it. */
export function countGroups({ found }: Carried): number {
  return found.records.reduce((sum, { read }) => sum + read.groups.length, 0);
}

/** What the log is to take of a prepared look-up. */
export function leafOf({ lookUp, found, prepared }: Carried): NewLeaf {
  if (prepared === null) throw new Error('look-up is not prepared');
  const { leaf, subject, number, body, evidence } = prepared;
  return {
    bytes: leaf,
    entry: {
      lookUp: lookUp.id,
      subject,
      number,
      body,
      evidence,
    },
    wanted: found.records.length > 0,
  };
}

/** The look-ups in order, in parts that fit one message to the keeper and one batch of the log. */
export function chunksOf(carried: readonly Carried[]): readonly (readonly Carried[])[] {
  const chunks: Carried[][] = [];
  let groups = 0;
  for (const each of carried) {
    const more = countGroups(each);
    const last = chunks.at(-1);
    if (
      last === undefined ||
      last.length >= CHUNK_LOOK_UPS_MAX ||
      groups + more > CHUNK_GROUPS_MAX
    ) {
      chunks.push([each]);
      groups = more;
    } else {
      last.push(each);
      groups += more;
    }
  }
  return chunks;
}
