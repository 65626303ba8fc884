import type { Released } from '@amanat/keeper/client';

const RECORD_KEY_BYTES = 32;

/** The keys that the keeper released, by look-up. Throws where the attachment does not hold exactly those. */
export function readReleased(
  released: readonly Released[],
  attachment: Uint8Array,
): ReadonlyMap<number, Buffer> {
  const keys = new Map<number, Buffer>();
  let at = 0;
  for (const { id, keys: count } of released) {
    const end = at + count * RECORD_KEY_BYTES;
    if (end > attachment.length || keys.has(id)) throw new Error('released keys are malformed');
    keys.set(id, Buffer.from(attachment.buffer, attachment.byteOffset + at, end - at));
    at = end;
  }
  if (at !== attachment.length) throw new Error('released keys are malformed');
  return keys;
}

/** As many of the leaves, from the first on, as `bytesMax` holds; always one. */
export function takeBytes(leaves: readonly Uint8Array[], bytesMax: number): Uint8Array[] {
  let bytes = 0;
  const end = leaves.findIndex((leaf, at) => {
    bytes += leaf.length;
    return at > 0 && bytes > bytesMax;
  });
  return leaves.slice(0, end === -1 ? leaves.length : end);
}
