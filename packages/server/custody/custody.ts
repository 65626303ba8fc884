import { hash } from 'node:crypto';
import { fromHex, hex } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import { openOnce, recordAad, secretKey } from '@amanat/core/keys';
import type { RecordRead } from '@amanat/core/statement';
import { decodeSealed } from './blob.ts';
import type { LeafSource } from './ended.ts';
import { CustodyError } from './errors.ts';
import type { ImportDeps } from './import.ts';
import { Imports } from './import.ts';
import type { RowValue } from './rows/rows.ts';
import { decodeGroup } from './rows/rows.ts';
import type { CustodyStore, Held, HoldingCount, IsExpired } from './store.ts';
import type { ImportProblem } from './verify.ts';
import { verifyImports } from './verify.ts';

export type { ImportAsk } from './announcement.ts';
export type { Begun, ImportDeps, ImportStatus } from './import.ts';
export { planImport } from './plan.ts';
export type { RejectReason } from './reject-file.ts';
export { REJECT_HEADING, reasonAdvice } from './reject-file.ts';
export type { CustodyStore, Held, HoldingCount } from './store.ts';
export type { ImportProblem } from './verify.ts';
export { verifyImports } from './verify.ts';

/** A record that is held: its name, as a statement names it, and how much there would be to open. */
export interface FoundRecord {
  readonly read: RecordRead;
  /** Bytes of the ciphertexts named. */
  readonly sizeBytes: number;
  /** The ciphertexts that the name was made of, in its order; null where whoever holds it has let them go. */
  readonly ciphertexts: readonly Uint8Array[] | null;
}

/** An opened field: as it came in the import, and as it was normalised. A file's bytes are base64 in both. */
export interface OpenedField {
  readonly name: string;
  readonly recorded: string;
  readonly normalised: string;
}

/** An opened group of a record. Fields that the record has no value for are left out. */
export interface OpenedGroup {
  readonly group: string;
  readonly fields: readonly OpenedField[];
}

/** The part that keeps records: it takes them in, names them, and opens those whose keys were released. */
export class Custody {
  readonly imports: Imports;
  readonly #store: CustodyStore;
  readonly #isExpired: IsExpired;

  constructor(deps: ImportDeps) {
    this.#store = deps.store;
    this.#isExpired = (holding, month) => deps.log.register.expiredBy(holding, month) !== null;
    this.imports = new Imports(deps);
  }

  /**
   * The latest version of each record that a holding has of a subject and that has not expired, with those of the groups asked for that the
   * record has. Versions of imports that have not ended are not seen.
   * @param subject 16 bytes in hexadecimal.
   * @param max records given at most; ask for one more than is allowed to learn whether there are more.
   * @throws CustodyError 'store-damaged'
   */
  recordsOf(
    subject: string,
    holding: string,
    groups: readonly string[],
    max: number,
  ): readonly FoundRecord[] {
    const found: FoundRecord[] = [];
    for (const version of this.#store.latestVersions(
      fromHex(subject),
      holding,
      max,
      this.#isExpired,
    )) {
      const { nonce, sealed } = this.#sealedGroups(version.import, version.ciphertexts);
      const asked = groups.flatMap((group) => {
        const ciphertext = sealed.get(group);
        return ciphertext === undefined ? [] : [{ group, ciphertext }];
      });
      if (asked.length === 0) continue;
      const { record, row, expiryMonth } = version;
      found.push({
        read: {
          holding,
          record,
          import: version.import,
          row,
          expiryMonth,
          groups: asked.map(({ group, ciphertext }) => ({
            group,
            nonce,
            sha256: sha256(ciphertext),
          })),
        },
        sizeBytes: asked.reduce((sum, { ciphertext }) => sum + ciphertext.length, 0),
        ciphertexts: asked.map(({ ciphertext }) => ciphertext),
      });
    }
    return found;
  }

  /**
   * The ciphertexts of exactly the groups named, in that order; null where one is not there or is not the one whose
   * nonce and hash the name gives.
   */
  ciphertextsFor(subject: string, read: RecordRead): readonly Uint8Array[] | null {
    const bytes = this.#store.ciphertextsOf(fromHex(subject), read.holding, read);
    if (bytes === null) return null;
    try {
      const { nonce, sealed } = this.#sealedGroups(read.import, bytes);
      const found: Uint8Array[] = [];
      for (const { group, nonce: named, sha256: expected } of read.groups) {
        const ciphertext = sealed.get(group);
        if (ciphertext === undefined || nonce !== named) return null;
        if (sha256(ciphertext) !== expected) return null;
        found.push(ciphertext);
      }
      return found;
    } catch (error) {
      if (error instanceof CustodyError) return null;
      throw error;
    }
  }

  /**
   * Opens exactly the groups named, with one key for each in the same order. Null where a ciphertext is not there, is
   * not the one whose hash the name gives, or does not open: never another record's data, nor some groups only. The
   * keys are the caller's to wipe.
   * @param held the ciphertexts as {@link recordsOf} found them; null has them read again.
   */
  open(
    subject: string,
    read: RecordRead,
    keys: readonly Uint8Array[],
    held: readonly Uint8Array[] | null = null,
  ): readonly OpenedGroup[] | null {
    const ciphertexts = held ?? this.ciphertextsFor(subject, read);
    if (ciphertexts === null || keys.length !== ciphertexts.length) return null;
    const opened: OpenedGroup[] = [];
    for (const [at, ciphertext] of ciphertexts.entries()) {
      const { group } = read.groups[at] as RecordRead['groups'][number];
      const fields = openGroup(subject, read, group, keys[at] as Uint8Array, ciphertext);
      if (fields === null) return null;
      opened.push({ group, fields });
    }
    return opened;
  }

  /** What is held about a subject, by holding. */
  heldAbout(subject: string): readonly Held[] {
    return this.#store.heldAbout(fromHex(subject), this.#isExpired);
  }

  /** What each holding holds in all. */
  counts(): readonly HoldingCount[] {
    return this.#store.counts();
  }

  /** Compares the store with the log's entries about imports; see {@link verifyImports}. */
  verifyImports(log: LeafSource): Promise<readonly ImportProblem[]> {
    return verifyImports(this.#store, log);
  }

  /** A version's nonce, in hexadecimal, and its ciphertexts by group. */
  #sealedGroups(index: number, bytes: Uint8Array) {
    const layout = this.#store.layoutOf(index);
    if (layout === null) throw new CustodyError('store-damaged');
    const { nonce, ciphertexts } = decodeSealed(bytes, layout.length);
    const sealed = new Map(layout.map((group, at) => [group, ciphertexts[at] as Uint8Array]));
    return { nonce: hex(nonce), sealed };
  }
}

/** Makes the part. {@link Imports.recover} is to be called once the log is open. */
export function createCustody(deps: ImportDeps): Custody {
  return new Custody(deps);
}

function openGroup(
  subject: string,
  read: RecordRead,
  group: string,
  key: Uint8Array,
  ciphertext: Uint8Array,
): readonly OpenedField[] | null {
  const { holding, expiryMonth, record, row } = read;
  const name = { holding, expiryMonth, subject, record, import: read.import, row, group };
  let plaintext: Uint8Array;
  try {
    plaintext = openOnce(secretKey(key), ciphertext, recordAad(name));
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
  const fields = decodeGroup(plaintext);
  if (fields === null) return null;
  return fields.flatMap(({ name, value }) => (value === null ? [] : [toOpened(name, value)]));
}

function toOpened(name: string, value: Exclude<RowValue, null>): OpenedField {
  if (!('bytes' in value)) {
    return { name, recorded: value.recorded, normalised: value.normalised };
  }
  const text = Buffer.from(value.bytes).toString('base64');
  return { name, recorded: text, normalised: text };
}

function sha256(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}
