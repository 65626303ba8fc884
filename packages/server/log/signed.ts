import { base64, fromBase64 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { Signed } from '@amanat/core/grants';
import { encodePublicLeaf, parseLeaf } from '@amanat/core/log';

/** The leaf of a signed document, or null where it cannot be one. */
export function encodeSigned({ document, signatures }: Signed): Uint8Array | null {
  try {
    return encodePublicLeaf({
      document,
      signatures: signatures.map(({ key, signature }) => ({
        key,
        signature: fromBase64(signature),
      })),
    });
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}

/** The signed document of a leaf, or null for a leaf about a person and for one that does not parse. */
export function decodeSigned(bytes: Uint8Array): Signed | null {
  try {
    const leaf = parseLeaf(bytes);
    if (leaf.kind !== 'public') return null;
    const signatures = leaf.signatures.map((each) => ({
      key: each.key,
      signature: base64(each.signature),
    }));
    return { document: leaf.document, signatures };
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}
