import type { Json } from '@amanat/core/canonical';
import { readRecordRead } from '@amanat/core/statement';
import type { LookUp } from '@amanat/keeper/client';
import type { Custody, FoundRecord } from '../custody/custody.ts';

/** What a disclosure needs of custody: to name records, and to open those whose keys have come. */
export type Records = Pick<Custody, 'recordsOf' | 'open'>;

/** Most records of one subject that one look-up names, and groups of them. */
const RECORDS_MAX = 4096;
const GROUPS_MAX = 16_384;

/** Why a look-up that was allowed is given up. Its entry says that it was not delivered. */
export type GivenUp =
  | 'too-many-records'
  | 'answer-too-large'
  | 'store-unavailable'
  | 'not-prepared'
  | 'not-released';

/** What custody holds for a look-up. */
export interface Found {
  readonly records: readonly FoundRecord[];
  readonly givenUp: GivenUp | null;
}

/**
 * The records to be named for a look-up: the latest of each holding asked, or none where they cannot all be answered.
 * A part is never named: it would read like the whole.
 * @throws CoreError 'bad-document' where custody's store is damaged, and whatever custody throws.
 * @param leftBytes what the answer it goes into has room for.
 */
export function findRecords(
  records: Records,
  lookUp: LookUp,
  leftBytes: number,
): Found & { readonly sizeBytes: number } {
  const found: FoundRecord[] = [];
  let groups = 0;
  let sizeBytes = 0;
  for (const { holding, groups: asked } of lookUp.reads) {
    // One more than fits shows that there are more.
    const max = RECORDS_MAX + 1 - found.length;
    for (const each of records.recordsOf(lookUp.subject, holding, asked, max)) {
      // Before a batch goes: one name that is out of form would have the keeper refuse them all.
      readRecordRead(each.read as unknown as Json, '');
      found.push(each);
      groups += each.read.groups.length;
      sizeBytes += each.sizeBytes;
    }
    if (found.length > RECORDS_MAX || groups > GROUPS_MAX) return giveUp('too-many-records');
  }
  return sizeBytes > leftBytes
    ? giveUp('answer-too-large')
    : { records: found, givenUp: null, sizeBytes };
}

function giveUp(reason: GivenUp): Found & { readonly sizeBytes: number } {
  return { records: [], givenUp: reason, sizeBytes: 0 };
}
