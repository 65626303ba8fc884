import { CoreError } from '@amanat/core/errors';
import type { ImportEnded } from '@amanat/core/grants';
import { readPublicDocument } from '@amanat/core/grants';
import { parseLeaf } from '@amanat/core/log';

/** What reading the ends of imports needs of the log. */
export interface LeafSource {
  readonly size: number;
  leaves(from: number, to: number): Iterable<Uint8Array>;
}

/** An import-ended entry of the log. */
export interface EndedEntry {
  readonly index: number;
  readonly document: ImportEnded;
}

/** The import-ended entries from index `from` on, in order. Entries that are inert are passed over. */
export function* endedEntries(log: LeafSource, from: number): Generator<EndedEntry> {
  let index = from;
  for (const bytes of log.leaves(from, log.size)) {
    const document = readEnded(bytes);
    if (document !== null) yield { index, document };
    index += 1;
  }
}

function readEnded(bytes: Uint8Array): ImportEnded | null {
  try {
    const leaf = parseLeaf(bytes);
    if (leaf.kind !== 'public' || leaf.signatures.length > 0) return null;
    const document = readPublicDocument(leaf.document);
    return document.type === 'import-ended' ? document : null;
  } catch (error) {
    // Whatever stands in the tree and is no document of ours says nothing about an import.
    if (error instanceof CoreError) return null;
    throw error;
  }
}
