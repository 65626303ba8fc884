import { fromBase64 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { Signed } from '@amanat/core/grants';
import { signedLeaf } from '@amanat/core/grants';
import { encodePublicLeaf, parseLeafOrNull } from '@amanat/core/log';

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
  const leaf = parseLeafOrNull(bytes);
  return leaf?.kind === 'public' ? signedLeaf(leaf) : null;
}
