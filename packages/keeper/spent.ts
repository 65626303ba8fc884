import type { CertifiedKey, Request } from '@amanat/core/grants';
import type { KeeperStore } from './store.ts';

/**
 * What was asked once and may not be asked again: officers' sequence numbers, and the hashes of everybody else's
 * documents, for as long as they could be used. Callers stand in a transaction.
 */
export class Spent {
  readonly #store: KeeperStore;

  constructor(store: KeeperStore) {
    this.#store = store;
  }

  /**
   * I3: each request of a key has a number of its own. Two requests under one number mean that the key
   * is in two places: it is suspended until the administrators certify it anew.
   * @param hash the request's, in hexadecimal.
   * @param terms until when it could be used, milliseconds since 1970; whether it has the approval that it was awaiting.
   */
  spendSequence(
    officer: CertifiedKey,
    { sequence }: Request,
    hash: string,
    terms: { readonly expires: number; readonly isApproved: boolean },
  ): 'sequence-reused' | 'replayed' | null {
    const { id } = officer.key;
    const row = this.#store.get(
      'SELECT hash, awaiting FROM spent WHERE key = ? AND sequence = ?',
      id,
      sequence,
    );
    if (row !== undefined && row.hash !== hash) {
      const { version } = officer.certificate;
      this.#store.run('INSERT OR REPLACE INTO suspended VALUES (?, ?)', id, version);
      return 'sequence-reused';
    }
    if (row !== undefined && !(row.awaiting === 1 && terms.isApproved)) return 'replayed';
    this.#store.run(
      'INSERT OR REPLACE INTO spent VALUES (?, ?, ?, 0, ?)',
      id,
      sequence,
      hash,
      terms.expires,
    );
    return null;
  }

  /** The request may come once more, with an approval. */
  expectApproval(officer: CertifiedKey, { sequence }: Request): void {
    this.#store.run(
      'UPDATE spent SET awaiting = 1 WHERE key = ? AND sequence = ?',
      officer.key.id,
      sequence,
    );
  }

  /** Whether the key was found in two places, and not certified anew since. */
  isSuspended({ key, certificate }: CertifiedKey): boolean {
    const row = this.#store.get('SELECT version FROM suspended WHERE key = ?', key.id);
    return Number(row?.version ?? 0) >= certificate.version;
  }

  /** False where it was spent before. @param expires until when it could be used, milliseconds since 1970 */
  spendHash(hash: string, expires: number): boolean {
    return this.#store.run('INSERT OR IGNORE INTO spent_hashes VALUES (?, ?)', hash, expires) === 1;
  }

  /** Forgets what is refused by its age from now on. */
  forgetBefore(now: number): void {
    this.#store.run('DELETE FROM spent WHERE expires < ?', now);
    this.#store.run('DELETE FROM spent_hashes WHERE expires < ?', now);
  }
}
