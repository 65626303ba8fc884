import { CoreError } from '@amanat/core/errors';
import type { ImportEnded, PublicDocument } from '@amanat/core/grants';
import { readPublicDocument } from '@amanat/core/grants';
import { parseLeaf } from '@amanat/core/log';

/** What reading the ends of imports needs of the log. */
export interface LeafSource {
  /** The entries about organisations from index `from` on, in order. */
  publicLeaves(from: number): Iterable<{ readonly index: number; readonly bytes: Uint8Array }>;
}

/** A public entry of the log, whether or not it took effect. */
export interface PublicEntry {
  readonly index: number;
  readonly document: PublicDocument;
  /** Ids of the keys that it says have signed it. */
  readonly signers: readonly string[];
}

/** The public entries from index `from` on, in order. */
export function* publicEntries(log: LeafSource, from: number): Generator<PublicEntry> {
  for (const { index, bytes } of log.publicLeaves(from)) {
    const read = readPublic(bytes);
    if (read !== null) yield { index, ...read };
  }
}

/** The import-ended entries from index `from` on, in order. Entries that are inert are passed over. */
export function* endedEntries(
  log: LeafSource,
  from: number,
): Generator<{ readonly index: number; readonly document: ImportEnded }> {
  for (const { index, document, signers } of publicEntries(log, from)) {
    if (document.type === 'import-ended' && signers.length === 0) yield { index, document };
  }
}

function readPublic(bytes: Uint8Array): Omit<PublicEntry, 'index'> | null {
  try {
    const leaf = parseLeaf(bytes);
    if (leaf.kind !== 'public') return null;
    const signers = leaf.signatures.map(({ key }) => key);
    return { document: readPublicDocument(leaf.document), signers };
  } catch (error) {
    // Whatever stands in the tree and is no document of ours says nothing about an import.
    if (error instanceof CoreError) return null;
    throw error;
  }
}
