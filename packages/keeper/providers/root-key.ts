import type { KeyObject } from 'node:crypto';

/** Where the root key comes from. It wraps the keeper's generations, and nothing else. */
export interface RootKeyProvider {
  /** The root key, unlocked. @throws RootKeyError */
  unlock(): KeyObject;
}

/** The root key cannot be had: a wrong passphrase, or a damaged file. */
export class RootKeyError extends Error {
  override name = 'RootKeyError';
}
