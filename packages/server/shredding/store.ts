import type { Certified } from '@amanat/keeper/client';

/** A certificate of the keeper's, by the index of the entry that it is of. */
export interface StoredCertificate extends Certified {
  readonly index: number;
}

/** What shredding needs of a store. All calls are synchronous: a write is durable when it returns. */
export interface CertificateStore {
  /** Keeps a certificate; another one of the same entry takes its place. */
  put(certificate: StoredCertificate): void;
  find(index: number): StoredCertificate | null;
  /** Those from index `from` on, at most `max`, in order. */
  list(from: number, max: number): readonly StoredCertificate[];
  /** The index of the last one; -1 where there is none. */
  last(): number;
}
