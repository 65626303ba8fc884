import { hash } from 'node:crypto';
import type { Declaration } from '@amanat/core/grants';
import type { RowValue } from './codes.ts';
import { GroupWriter } from './group.ts';

/** Sets these digests apart from every other SHA-256 in the system. */
const domain = Buffer.from('amanat/row/v1\0', 'utf8');

/** A declaration's groups with their fields' names and places in a row, found once for all rows. */
export type RowPlan = readonly {
  readonly group: string;
  readonly names: readonly Uint8Array[];
  readonly indexes: readonly number[];
}[];

/** A row made ready: one plaintext for each group of the plan, in its order, and the row's digest. */
export interface EncodedRow {
  readonly groups: readonly Buffer[];
  readonly digest: Buffer;
}

/** Plans how rows of a declaration are encoded; groups come in the order of `groupNames`. */
export function planRow(declaration: Declaration): RowPlan {
  const places = declaration.fields.map(({ name, group }, index) => ({ name, group, index }));
  const groups = Map.groupBy(places, (place) => place.group);
  return [...groups].map(([group, fields]) => ({
    group,
    names: fields.map(({ name }) => Buffer.from(name, 'utf8')),
    indexes: fields.map(({ index }) => index),
  }));
}

const writer = new GroupWriter();

/**
 * Encodes a row's groups (see `encodeGroup` for the bytes) and digests the row: SHA-256 over
 * `amanat/row/v1`, a zero byte, and each group with its length before it (uint32, big-endian). Names,
 * normalised and recorded forms all count, each with its length, so no two rows share an input.
 *
 * The digest decides whether a row is the same as before, and only once the keeper has keyed it: as
 * it is, it would confirm a guess of somebody's row. It must not be stored, logged or sent elsewhere.
 */
export function encodeRow(plan: RowPlan, values: readonly RowValue[]): EncodedRow {
  writer.reset();
  writer.writeBytes(domain);
  const spans = plan.map(({ names, indexes }) =>
    writer.writeSizedGroup(names, (at) => values[indexes[at] as number] ?? null),
  );
  // One copy for the row; the groups are views of it.
  const bytes = Buffer.from(writer.written());
  return {
    groups: spans.map(({ start, end }) => bytes.subarray(start, end)),
    digest: Buffer.from(hash('sha256', bytes, 'binary'), 'latin1'),
  };
}
