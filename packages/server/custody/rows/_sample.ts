import assert from 'node:assert/strict';
import type { Declaration } from '@amanat/core/grants';
import { parseDeclarationFile } from '../../holdings/parse.ts';
import type { ShippedHolding } from '../../holdings/shipped.ts';
import { readShipped } from '../../holdings/shipped.ts';
import type { Rejection, Row, RowBatch, Totals } from './codes.ts';

/** A shipped declaration, parsed. */
export function declarationOf(holding: ShippedHolding): Declaration {
  const parsed = parseDeclarationFile(readShipped(holding));
  assert.ok(parsed.ok);
  return parsed.declaration;
}

/** Bytes in chunks of a given size, as a source. */
export async function* inChunks(bytes: Uint8Array, size = 65536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Everything that batches held, in order. */
export async function gather(batches: AsyncIterable<RowBatch>): Promise<{
  readonly rows: readonly Row[];
  readonly rejections: readonly Rejection[];
  readonly totals: Totals;
}> {
  const rows: Row[] = [];
  const rejections: Rejection[] = [];
  let totals: Totals | null = null;
  for await (const batch of batches) {
    rows.push(...batch.rows);
    rejections.push(...batch.rejections);
    totals = batch.totals;
  }
  assert.ok(totals !== null);
  return { rows, rejections, totals };
}
