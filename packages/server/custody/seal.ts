import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { lengthPrefixed, utf8 } from '@amanat/core/bytes';
import type { RecordName } from '@amanat/core/keys';
import { recordAad, sealOnce, secretKey } from '@amanat/core/keys';
import type { DrawnRow, RefusedRow } from '@amanat/keeper/client';
import type { SealedGroup } from './blob.ts';
import { encodeSealedGroups, NONCE_BYTES } from './blob.ts';
import { CustodyError } from './errors.ts';
import { storedRowHash } from './leaf.ts';
import type { ImportPlan } from './plan.ts';
import type { NewRecord } from './store.ts';

const KEY_BYTES = 32;
/** Bytes that the keeper gives for each group of a drawn row. */
export const DRAWN_BYTES = NONCE_BYTES + KEY_BYTES;
/** The keyed digest is cut to this: equal by chance with probability 2^-128. */
const DIGEST_BYTES = 16;
/** In additional data a name stands behind its length, a uint16. */
const GROUP_LENGTH_BYTES = 2;
/** Names of groups that are remembered, over all holdings. */
const GROUPS_MAX = 10_000;
/** Rows sealed before other requests of the gateway get a turn. */
const ROWS_AT_ONCE = 64;

/** A row of which the keeper gave the names and keys. */
export interface KeyedRow {
  readonly row: number;
  /** The plaintext of each group. */
  readonly groups: readonly Uint8Array[];
  readonly subject: Buffer;
  readonly record: Buffer;
  readonly digest: Buffer;
  readonly drawn: DrawnRow;
  /** For each group, nonce ‖ key: a view of what came from the keeper. */
  readonly keys: Buffer;
}

/** A row sealed, with the hash of its leaf. */
export interface SealedRow {
  readonly record: NewRecord;
  readonly leafHash: Uint8Array;
}

/**
 * Sorts the keeper's answer by row. Whatever does not have the form agreed is refused as a whole: a row's key must
 * never come to seal another row.
 * @throws CustodyError 'keeper-refused'
 */
export function readDrawn(
  asked: readonly { readonly row: number; readonly groups: readonly Uint8Array[] }[],
  answer: readonly (DrawnRow | RefusedRow)[],
  attachment: Buffer,
  groupCount: number,
): { readonly keyed: readonly KeyedRow[]; readonly refused: readonly RefusedRow[] } {
  const keyed: KeyedRow[] = [];
  const refused: RefusedRow[] = [];
  const bytes = DRAWN_BYTES * groupCount;
  if (!Array.isArray(answer) || answer.length !== asked.length) throw malformed();
  for (const [at, drawn] of answer.entries()) {
    const { row, groups } = asked[at] as (typeof asked)[number];
    if (typeof drawn !== 'object' || drawn?.row !== row) throw malformed();
    if ('refused' in drawn) {
      refused.push(drawn);
      continue;
    }
    const from = keyed.length * bytes;
    keyed.push({
      row,
      groups,
      subject: unhex(drawn.subject, 16),
      record: unhex(drawn.record, 16),
      digest: unhex(drawn.digest, KEY_BYTES).subarray(0, DIGEST_BYTES),
      drawn,
      keys: attachment.subarray(from, from + bytes),
    });
  }
  if (attachment.length !== keyed.length * bytes) throw malformed();
  return { keyed, refused };
}

/** Seals every group of every row under its own key. Lets others have a turn in between. */
export async function sealRows(
  plan: ImportPlan,
  index: number,
  rows: readonly KeyedRow[],
): Promise<readonly SealedRow[]> {
  const sealed: SealedRow[] = [];
  for (const [at, row] of rows.entries()) {
    if (at > 0 && at % ROWS_AT_ONCE === 0) await yieldToOthers();
    sealed.push(sealRow(plan, index, row));
  }
  return sealed;
}

function sealRow(plan: ImportPlan, index: number, keyed: KeyedRow): SealedRow {
  const { drawn, keys, row, record } = keyed;
  const groups: SealedGroup[] = [];
  const common = commonAad({
    holding: plan.declaration.holding,
    expiryMonth: drawn.expiryMonth,
    subject: drawn.subject,
    record: drawn.record,
    import: index,
    row,
  });
  for (const [at, group] of plan.layout.entries()) {
    const from = at * DRAWN_BYTES;
    const key = secretKey(keys.subarray(from + NONCE_BYTES, from + DRAWN_BYTES));
    const aad = Buffer.concat([common, groupAad(group)]);
    groups.push({
      nonce: keys.subarray(from, from + NONCE_BYTES),
      ciphertext: sealOnce(key, keyed.groups[at] as Uint8Array, aad),
    });
  }
  return {
    record: {
      subject: keyed.subject,
      record,
      row,
      expiryMonth: drawn.expiryMonth,
      digest: keyed.digest,
      ciphertexts: encodeSealedGroups(groups),
    },
    leafHash: storedRowHash(record, index, row, groups),
  };
}

/** What the additional data of a row's groups begin with; {@link groupAad} ends them. Together they are recordAad. */
function commonAad(name: Omit<RecordName, 'group'>): Uint8Array {
  // The group is the last name: what an empty one adds is its length of two bytes.
  return recordAad({ ...name, group: '' }).subarray(0, -GROUP_LENGTH_BYTES);
}

const groupAads = new Map<string, Uint8Array>();

/** Groups are few, and the same for every row of a holding. */
function groupAad(group: string): Uint8Array {
  const known = groupAads.get(group);
  if (known !== undefined) return known;
  const made = lengthPrefixed(utf8(group));
  if (groupAads.size < GROUPS_MAX) groupAads.set(group, made);
  return made;
}

function unhex(text: string, bytes: number): Buffer {
  if (typeof text !== 'string' || text.length !== 2 * bytes) throw malformed();
  const found = Buffer.from(text, 'hex');
  if (found.length !== bytes) throw malformed();
  return found;
}

function malformed(): CustodyError {
  return new CustodyError('keeper-refused', "the keeper's answer is not in its form");
}
