import assert from 'node:assert/strict';
import type { RecordRead } from '@amanat/core/statement';
import type { Trial } from './_trial.ts';
import { HOLDING } from './_trial.ts';

/** A row that was drawn, with the key that was given out to write it. */
export interface Drawn {
  readonly value: string;
  readonly record: RecordRead;
  readonly key: Buffer;
}

const cnicOf = (row: number) => `01234${String(row).padStart(8, '0')}`;
const msisdnOf = (row: number) => `+92398${String(row).padStart(7, '0')}`;

/** Draws a row, of a subject of its own. */
export async function draw(trial: Trial, row: number): Promise<Drawn> {
  const drawn = await trial.draw(row, cnicOf(row), msisdnOf(row));
  assert.ok(drawn !== null);
  const record = {
    holding: HOLDING,
    record: drawn.record,
    import: trial.importIndex,
    row,
    expiryMonth: drawn.expiryMonth,
    groups: [{ group: 'identity', nonce: drawn.nonce, sha256: '00'.repeat(32) }],
  };
  return { value: cnicOf(row), record, key: drawn.key };
}

/** Reads a row as an officer does: the key that is released is the one that it was written with. */
export async function requireRead(trial: Trial, { value, record, key }: Drawn): Promise<void> {
  const [resolved] = await trial.resolve(trial.request({}, [trial.selector(value)]));
  assert.ok(resolved?.outcome === 'resolved', JSON.stringify(resolved));
  const { id } = resolved.lookUps[0] as { id: number };
  const prepared = await trial.prepare(id, [record]);
  assert.ok('leaf' in prepared, JSON.stringify(prepared));
  const { attachment } = await trial.append([prepared.leaf], [id]);
  assert.ok(key.equals(attachment));
}
