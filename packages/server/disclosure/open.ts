import { RECORD_KEY_BYTES } from '@amanat/core/keys';
import type { RecordRead } from '@amanat/core/statement';
import type { LookUp } from '@amanat/keeper/client';
import type { FoundRecord, OpenedGroup } from '../custody/custody.ts';
import type { Warn } from '../warn.ts';
import type { Carried } from './carried.ts';
import { countGroups } from './carried.ts';
import type { GivenUp, Records } from './find.ts';

/** A record that was named, and what its ciphertexts opened to; null where they are not what was stored. */
export interface OpenedRecord {
  readonly read: RecordRead;
  readonly groups: readonly OpenedGroup[] | null;
}

/** One look-up's entry in the log, and what came of it. */
export interface Entered {
  readonly lookUp: LookUp;
  /** The entry's place in the log, and in the subject's chain. */
  readonly index: number;
  readonly number: number;
  readonly records: readonly OpenedRecord[];
  /** Why nothing was delivered, where something should have been. */
  readonly givenUp: GivenUp | null;
}

/**
 * Opens exactly what a look-up's entry names, with the keys that came for it, which are wiped before this returns or
 * throws.
 */
export function openEntered(
  carried: Carried,
  { records, warn }: { readonly records: Records; readonly warn: Warn },
): Entered {
  const { lookUp, found, prepared, appended } = carried;
  if (prepared === null || appended === null) throw new Error('look-up has no entry');
  const { index, keys } = appended;
  const { number } = prepared;
  try {
    const groups = countGroups(carried);
    const entered = { lookUp, index, number, records: [], givenUp: found.givenUp };
    if (groups === 0) return entered;
    if (keys?.length !== groups * RECORD_KEY_BYTES) return { ...entered, givenUp: 'not-released' };
    let at = 0;
    const nextKey = () => {
      at += RECORD_KEY_BYTES;
      return keys.subarray(at - RECORD_KEY_BYTES, at);
    };
    const opened = found.records.map((record) => {
      const { read } = record;
      const own = read.groups.map(nextKey);
      return { read, groups: openRecord(records, lookUp.subject, record, own, warn) };
    });
    return { ...entered, records: opened };
  } finally {
    keys?.fill(0);
  }
}

function openRecord(
  records: Records,
  subject: string,
  { read, ciphertexts }: FoundRecord,
  keys: readonly Uint8Array[],
  warn: Warn,
): readonly OpenedGroup[] | null {
  try {
    const groups = records.open(subject, read, keys, ciphertexts);
    if (groups === null) warn('record does not open', { holding: read.holding });
    return groups;
  } catch (error) {
    const name = error instanceof Error ? error.name : 'unknown';
    warn('record not read', { holding: read.holding, error: name });
    return null;
  }
}
