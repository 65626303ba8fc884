import type { KeyObject } from 'node:crypto';
import { createHmac } from 'node:crypto';
import { concat, lengthPrefixed, utf8 } from '../bytes.ts';

const COUNTER = Uint8Array.of(0, 0, 0, 1);
const SEPARATOR = Uint8Array.of(0);
const OUTPUT_BITS = Uint8Array.of(0, 0, 1, 0);

/**
 * The one derivation of Amanat: NIST SP 800-108r1, counter mode, HMAC-SHA-256, one block of 32 bytes.
 * The names are each length-prefixed, so that no two lists of names share a context.
 */
export function deriveKey(
  key: KeyObject | Uint8Array,
  label: string,
  ...names: readonly (string | Uint8Array)[]
): Buffer {
  const context = lengthPrefixed(
    ...names.map((name) => (typeof name === 'string' ? utf8(name) : name)),
  );
  return createHmac('sha256', key)
    .update(concat(COUNTER, utf8(label), SEPARATOR, context, OUTPUT_BITS))
    .digest();
}

/** What a record key is bound to: one field group of one version of one record, encrypted once. */
export interface RecordName {
  readonly holding: string;
  /** Month after which the period key is destroyed, `YYYY-MM`. */
  readonly expiryMonth: string;
  /** Subject id, 16 bytes in hexadecimal. */
  readonly subject: string;
  /** Record id, 16 bytes in hexadecimal. */
  readonly record: string;
  /** The version: index of the import's entry, and the row of it that wrote this version. */
  readonly import: number;
  readonly row: number;
  readonly group: string;
}

/** The names as they enter both the key and the additional data of the ciphertext. */
export function recordNames(name: RecordName): readonly string[] {
  return [
    name.holding,
    name.expiryMonth,
    name.subject,
    name.record,
    String(name.import),
    String(name.row),
    name.group,
  ];
}

/** Additional authenticated data of a record's ciphertext. */
export function recordAad(name: RecordName): Uint8Array {
  return lengthPrefixed(utf8('amanat/v1 record'), ...recordNames(name).map(utf8));
}

/**
 * Record key = KDF(S ‖ P; names, nonce). Destroying the subject key or the period key destroys it.
 * @param nonce 16 random bytes drawn for this one encryption.
 */
export function deriveRecordKey(
  subjectKey: Uint8Array,
  periodKey: Uint8Array,
  name: RecordName,
  nonce: Uint8Array,
): Buffer {
  return deriveKey(concat(subjectKey, periodKey), 'amanat/v1 record', ...recordNames(name), nonce);
}
