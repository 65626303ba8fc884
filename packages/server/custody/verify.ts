import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { hex } from '@amanat/core/bytes';
import type { ImportEnded } from '@amanat/core/grants';
import { CompactRange } from '@amanat/core/log';
import { decodeSealedGroups } from './blob.ts';
import type { LeafSource } from './ended.ts';
import { endedEntries } from './ended.ts';
import { CustodyError } from './errors.ts';
import { storedRowHash } from './leaf.ts';
import type { CustodyStore, RecordCursor, ScannedCiphertexts } from './store.ts';

/** Rows in memory at a time. */
const ROWS_AT_ONCE = 500;
/** Problems that are told at most. */
const PROBLEMS_MAX = 1_000;

/** What does not agree between an import's entry in the log and the store. */
export type ImportProblemCode =
  /** The log has its end, and the store has no such import, or has it as unfinished. */
  | 'missing-from-store'
  /** The store shows its records, and the log has no end of it. */
  | 'not-in-log'
  /** Rows were lost from the store, or came to it. */
  | 'rows-differ'
  /** A ciphertext was changed, or swapped with another. */
  | 'root-differs'
  /** The index has other records than there are ciphertexts, or leads to wrong ones. */
  | 'index-differs';

/** One problem of one import. */
export interface ImportProblem {
  readonly import: number;
  readonly problem: ImportProblemCode;
}

/**
 * Recomputes the root of every import that has ended, from what the store has, and compares it with the import's
 * entry in the log. Opens nothing and needs no key. What it cannot see: a record's subject, which is bound by the
 * record's id and key alone, and whether the importer's file was true.
 */
export async function verifyImports(
  store: CustodyStore,
  log: LeafSource,
): Promise<readonly ImportProblem[]> {
  const entries = new Map<number, ImportEnded>();
  for (const { document } of endedEntries(log, 0)) {
    // The first end counts; the register takes no second.
    if (!entries.has(document.import)) entries.set(document.import, document);
  }
  const problems: ImportProblem[] = [];
  const report = (index: number, problem: ImportProblemCode) => {
    if (problems.length < PROBLEMS_MAX) problems.push({ import: index, problem });
  };
  const shown = new Map(
    store.importsIn('ended', Number.MAX_SAFE_INTEGER).map((found) => [found.index, found.layout]),
  );
  for (const index of entries.keys()) if (!shown.has(index)) report(index, 'missing-from-store');
  for (const index of shown.keys()) if (!entries.has(index)) report(index, 'not-in-log');

  const ranges = await rebuildRanges(store, shown);
  const { counts, astray } = await scanIndex(store);
  for (const [index, entry] of entries) {
    if (!shown.has(index)) continue;
    const range = ranges.get(index) ?? CompactRange.empty();
    if (range.size !== entry.stored) report(index, 'rows-differ');
    else if (hex(range.root()) !== entry.root) report(index, 'root-differs');
    if ((counts.get(index) ?? 0) !== entry.stored || astray.has(index))
      report(index, 'index-differs');
  }
  return problems;
}

/** Each ended import's tree over what is stored, in one pass. At most 53 hashes an import are held. */
async function rebuildRanges(
  store: CustodyStore,
  layouts: ReadonlyMap<number, { readonly length: number }>,
): Promise<ReadonlyMap<number, CompactRange>> {
  const ranges = new Map<number, CompactRange>();
  for (let after = 0; ; ) {
    const page = store.scanCiphertexts(after, ROWS_AT_ONCE);
    for (const row of page) {
      const groups = layouts.get(row.import)?.length;
      if (groups === undefined) continue;
      const range = ranges.get(row.import) ?? CompactRange.empty();
      range.append(hashOf(row, groups));
      ranges.set(row.import, range);
    }
    const last = page.at(-1);
    if (last === undefined) return ranges;
    after = last.id;
    await yieldToOthers();
  }
}

/** A leaf that cannot be read counts as one that is nobody's. */
function hashOf(row: ScannedCiphertexts, groups: number): Uint8Array {
  try {
    const sealed = decodeSealedGroups(row.ciphertexts, groups);
    return storedRowHash(row.record, row.import, row.row, sealed);
  } catch (error) {
    if (error instanceof CustodyError) return new Uint8Array(32);
    throw error;
  }
}

async function scanIndex(store: CustodyStore) {
  const counts = new Map<number, number>();
  const astray = new Set<number>();
  let after: RecordCursor | null = null;
  do {
    const page = store.scanRecords(after, ROWS_AT_ONCE);
    for (const [index, count] of page.counts) counts.set(index, (counts.get(index) ?? 0) + count);
    for (const index of page.astray.keys()) astray.add(index);
    after = page.next;
    await yieldToOthers();
  } while (after !== null);
  return { counts, astray };
}
