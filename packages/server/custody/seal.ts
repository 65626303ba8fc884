import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { RECORD_KEY_BYTES, recordAads, sealOnce, secretKey } from '@amanat/core/keys';
import type { DrawnRow, RefusedRow } from '@amanat/keeper/client';
import { FrameError, unpackDrawnRows } from '@amanat/keeper/client';
import { encodeSealed } from './blob.ts';
import { CustodyError } from './errors.ts';
import { storedRowHash } from './leaf.ts';
import type { ImportPlan } from './plan.ts';
import type { NewRecord } from './store.ts';

/** The keyed digest is cut to this: equal by chance with probability 2^-128. */
const DIGEST_BYTES = 16;
/** Rows sealed before other requests of the gateway get a turn. */
const ROWS_AT_ONCE = 64;

/** A row of which the keeper gave the names and keys. */
export interface KeyedRow {
  /** The plaintext of each group. */
  readonly groups: readonly Uint8Array[];
  readonly digest: Buffer;
  readonly drawn: DrawnRow;
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
  refused: readonly RefusedRow[],
  attachment: Buffer,
  groupCount: number,
): readonly KeyedRow[] {
  if (!Array.isArray(refused)) throw malformed();
  const isRefused = new Set(refused.map((each: Partial<RefusedRow> | null) => each?.row));
  const given = asked.filter(({ row }) => !isRefused.has(row));
  const drawn = unpackDrawn(attachment, groupCount);
  if (drawn.length !== given.length || asked.length - given.length !== refused.length) {
    throw malformed();
  }
  return given.map(({ row, groups }, at) => {
    const each = drawn[at] as DrawnRow;
    if (each.row !== row) throw malformed();
    return { groups, digest: each.digest.subarray(0, DIGEST_BYTES), drawn: each };
  });
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
  const { digest } = keyed;
  const { subject, record, row, expiryMonth, nonce, keys } = keyed.drawn;
  const aadOf = recordAads({
    holding: plan.declaration.holding,
    expiryMonth,
    subject: subject.toString('hex'),
    record: record.toString('hex'),
    import: index,
    row,
  });
  const ciphertexts = plan.layout.map((group, at) => {
    const key = secretKey(keys.subarray(at * RECORD_KEY_BYTES, (at + 1) * RECORD_KEY_BYTES));
    return sealOnce(key, keyed.groups[at] as Uint8Array, aadOf(group));
  });
  const sealed = {
    subject,
    record,
    row,
    expiryMonth,
    digest,
    ciphertexts: encodeSealed({ nonce, ciphertexts }),
  };
  return { record: sealed, leafHash: storedRowHash(index, sealed) };
}

function unpackDrawn(attachment: Buffer, groupCount: number): readonly DrawnRow[] {
  try {
    return unpackDrawnRows(attachment, groupCount);
  } catch (error) {
    throw error instanceof FrameError ? malformed() : error;
  }
}

function malformed(): CustodyError {
  return new CustodyError('keeper-refused', "the keeper's answer is not in its form");
}
