import { encodeNames, MacKey } from './mac.ts';

/** Bytes of a record key, and of the nonce that is drawn for each version of a record. */
export const RECORD_KEY_BYTES = 32;
export const RECORD_NONCE_BYTES = 16;

const OUTPUT_BITS = Uint8Array.of(0, 0, 1, 0);

/**
 * The one derivation of Amanat: NIST SP 800-108r1, counter mode, HMAC-SHA-256, one block of 32 bytes.
 * The names are each length-prefixed, so that no two lists of names share a context.
 */
export function deriveKey(
  key: MacKey | Uint8Array,
  label: string,
  ...names: readonly (string | Uint8Array)[]
): Buffer {
  const mac = key instanceof MacKey ? key : new MacKey(key);
  return mac.digest(counterAndLabel(label), encodeNames(...names), OUTPUT_BITS);
}

function counterAndLabel(label: string): Buffer {
  return Buffer.from(`\0\0\0\u0001${label}\0`, 'latin1');
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

/** The names as they enter both the key and the additional data of the ciphertext, before the group. */
function versionNames(name: Omit<RecordName, 'group'>): readonly string[] {
  return [
    name.holding,
    name.expiryMonth,
    name.subject,
    name.record,
    String(name.import),
    String(name.row),
  ];
}

/** Additional authenticated data of a record's ciphertext. */
export function recordAad(name: RecordName): Uint8Array {
  return recordAads(name)(name.group);
}

/** {@link recordAad} for every group of one version: what they have in common is encoded once. */
export function recordAads(version: Omit<RecordName, 'group'>): (group: string) => Uint8Array {
  const names = encodeNames('amanat/v1 record', ...versionNames(version));
  return (group) => Buffer.concat([names, encodeNames(group)]);
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
  return recordKeys(subjectKey, periodKey, name)(name.group, nonce);
}

/** {@link deriveRecordKey} for every group of one version: what they have in common is encoded once. */
export function recordKeys(
  subjectKey: Uint8Array,
  periodKey: Uint8Array,
  version: Omit<RecordName, 'group'>,
): (group: string, nonce: Uint8Array) => Buffer {
  const mac = new MacKey(Buffer.concat([subjectKey, periodKey]));
  const label = counterAndLabel('amanat/v1 record');
  const names = encodeNames(...versionNames(version));
  return (group, nonce) => mac.digest(label, names, encodeNames(group, nonce), OUTPUT_BITS);
}
