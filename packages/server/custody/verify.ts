import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { hex } from '@amanat/core/bytes';
import type { ImportBegun, ImportEnded } from '@amanat/core/grants';
import { CompactRange } from '@amanat/core/log';
import type { LeafSource } from './ended.ts';
import { publicEntries } from './ended.ts';
import { CustodyError } from './errors.ts';
import { storedRowHash } from './leaf.ts';
import { planRow } from './rows/rows.ts';
import type { CustodyStore, RecordCursor, ScannedCiphertexts, StoredImport } from './store.ts';

/** Rows in memory at a time. */
const ROWS_AT_ONCE = 500;
/** Problems that are told at most. */
const PROBLEMS_MAX = 1_000;

/** What does not agree between an import's entry in the log and the store. */
export type ImportProblemCode =
  /** The log has its end, and the store has no such import, or has it as unfinished. */
  | 'missing-from-store'
  /** What the store says of its file, its importer or its rows is not what its entries say. */
  | 'entry-differs'
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
 * entry in the log; and that the index leads to each, from its own subject and holding. Opens nothing and needs no key.
 * What it cannot see: whether the importer's file was true.
 */
export async function verifyImports(
  store: CustodyStore,
  log: LeafSource,
): Promise<readonly ImportProblem[]> {
  const { ends: entries, begun, layouts: declared } = readEntries(log);
  const problems: ImportProblem[] = [];
  const report = (index: number, problem: ImportProblemCode) => {
    if (problems.length < PROBLEMS_MAX) problems.push({ import: index, problem });
  };
  const shown = new Map(
    store.importsIn('ended', Number.MAX_SAFE_INTEGER).map((found) => [found.index, found]),
  );
  for (const index of entries.keys()) if (!shown.has(index)) report(index, 'missing-from-store');
  for (const index of shown.keys()) if (!entries.has(index)) report(index, 'not-in-log');

  const ranges = await rebuildRanges(store, new Set(shown.keys()));
  const { counts, astray } = await scanIndex(store);
  for (const [index, ended] of entries) {
    const stored = shown.get(index);
    if (stored === undefined) continue;
    const entry = ended.document;
    const isDeclared = declared
      .get(`${stored.holding} ${stored.declarationVersion}`)
      ?.has(JSON.stringify(stored.layout));
    if (isDeclared !== true || !isAsEntered(stored, begun.get(index), ended)) {
      report(index, 'entry-differs');
    }
    const range = ranges.get(index) ?? CompactRange.empty();
    if (range.size !== entry.stored) report(index, 'rows-differ');
    else if (hex(range.root()) !== entry.root) report(index, 'root-differs');
    if ((counts.get(index) ?? 0) !== entry.stored || astray.has(index))
      report(index, 'index-differs');
  }
  return problems;
}

/** An import's announcement, and the id of the key that signed it. */
interface Begun {
  readonly importer: string | undefined;
  readonly document: ImportBegun;
}

/** An import's end, and its place in the log. */
interface Ended {
  readonly index: number;
  readonly document: ImportEnded;
}

/** What the log's public entries say of imports, and how each version of a declaration lays out its groups. */
function readEntries(log: LeafSource) {
  const ends = new Map<number, Ended>();
  const begun = new Map<number, Begun>();
  const layouts = new Map<string, Set<string>>();
  for (const { index, document, signers } of publicEntries(log, 0)) {
    if (document.type === 'import-ended' && signers.length === 0) {
      // The first end counts; the register takes no second.
      if (!ends.has(document.import)) ends.set(document.import, { index, document });
    } else if (document.type === 'import-begun') {
      begun.set(index, { importer: signers[0], document });
    } else if (document.type === 'declaration') {
      const name = `${document.holding} ${document.version}`;
      const known = layouts.get(name) ?? new Set();
      layouts.set(name, known.add(JSON.stringify(planRow(document).map(({ group }) => group))));
    }
  }
  return { ends, begun, layouts };
}

/** Whether the store says of an import what its entries say. */
function isAsEntered(stored: StoredImport, begun: Begun | undefined, end: Ended): boolean {
  if (begun === undefined) return false;
  const { importer, document } = begun;
  const ended = end.document;
  const { progress } = stored;
  return (
    stored.importer === importer &&
    stored.holding === document.holding &&
    stored.commitment === document.commitment &&
    stored.rowLimit === document.rowLimit &&
    stored.time === document.time &&
    stored.endedIndex === end.index &&
    hex(progress.range.root()) === ended.root &&
    progress.rowsDone === ended.rows &&
    progress.stored === ended.stored &&
    progress.unchanged === ended.unchanged &&
    progress.rejected === ended.rejected
  );
}

/** The tree of each of these imports over what is stored, in one pass. At most 53 hashes an import are held. */
async function rebuildRanges(
  store: CustodyStore,
  imports: ReadonlySet<number>,
): Promise<ReadonlyMap<number, CompactRange>> {
  const ranges = new Map<number, CompactRange>();
  for (let after = 0; ; ) {
    const page = store.scanCiphertexts(after, ROWS_AT_ONCE);
    for (const stored of page) {
      if (!imports.has(stored.import)) continue;
      const range = ranges.get(stored.import) ?? CompactRange.empty();
      range.append(hashOf(stored));
      ranges.set(stored.import, range);
    }
    const last = page.at(-1);
    if (last === undefined) return ranges;
    after = last.id;
    await yieldToOthers();
  }
}

/** What has not the form of a row counts as one that is nobody's. */
function hashOf(stored: ScannedCiphertexts): Uint8Array {
  try {
    return storedRowHash(stored.import, stored);
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
    for (const index of page.astray) astray.add(index);
    after = page.next;
    await yieldToOthers();
  } while (after !== null);
  return { counts, astray };
}
