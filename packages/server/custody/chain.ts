import { hash } from 'node:crypto';

const DOMAIN = 'amanat/import-chain/v1\0';

/**
 * The chain before the first row of an upload. It hangs on the announcement's salt, which is never stored: a thief
 * of the store cannot try guesses of rows against a chain.
 */
export function startChain(salt: string): string {
  return hash('sha256', DOMAIN + salt, 'hex');
}

/**
 * The chain after one more row: SHA-256 of the chain before it and of what stands for the row, its digest or the
 * code of its rejection. Kept beside how far an import is, so that an upload which goes on is known to have begun
 * with the very same rows.
 */
export function nextChain(chain: string, row: string): string {
  return hash('sha256', chain + row, 'hex');
}
