import type { CompactRange } from '@amanat/core/log';

/**
 * Where an import stands. Its records are seen by nobody until it has ended; once it is refused they are deleted, and
 * when none is left it is discarded.
 */
export type ImportState = 'open' | 'ended' | 'refused' | 'discarded';

/** How an import's files are read: what its importer says beside its announcement. */
export interface Reading {
  /** JSON of the column mapping, or null. */
  readonly mapping: string | null;
  readonly encoding: string;
  /** Name of the sheet of workbooks; null for the only one that holds something. */
  readonly sheet: string | null;
}

/** What stays the same from an import's announcement on. */
export interface ImportTerms extends Reading {
  /** Index of the import-begun entry, which is also the import's number. */
  readonly index: number;
  readonly holding: string;
  /** Id of the importer's key. */
  readonly importer: string;
  /** SHA-256(salt ‖ upload), in hexadecimal. */
  readonly commitment: string;
  readonly rowLimit: number;
  readonly declarationVersion: number;
  /** Names of the field groups, in the order in which the ciphertexts of this import are laid out. */
  readonly layout: readonly string[];
  /** When it was announced, milliseconds since 1970. */
  readonly time: number;
}

/** How far an import is: written in the same transaction as the rows it counts. */
export interface ImportProgress {
  /** Rows dealt with: always stored + unchanged + rejected. */
  readonly rowsDone: number;
  readonly stored: number;
  readonly unchanged: number;
  readonly rejected: number;
  /** Of those stored, how many were a record's first version. */
  readonly created: number;
  /** Length of the reject file that these rows account for. */
  readonly rejectBytes: number;
  /** Hash chain over the rows dealt with (see upload.ts); empty before the first. */
  readonly chain: string;
  /** The tree over the stored rows; see leaf.ts. */
  readonly range: CompactRange;
}

/** An import as the store knows it. */
export interface StoredImport extends ImportTerms {
  readonly tokenHash: Uint8Array;
  readonly state: ImportState;
  /** Index of the import-ended entry. */
  readonly endedIndex: number | null;
  readonly progress: ImportProgress;
}

/** One version of one record, to be written. */
export interface NewRecord {
  /** 16 bytes. */
  readonly subject: Buffer;
  /** 16 bytes. */
  readonly record: Buffer;
  readonly row: number;
  /** `YYYY-MM`. */
  readonly expiryMonth: string;
  /** The keeper's keyed digest of the row, cut to 16 bytes. */
  readonly digest: Buffer;
  /** See blob.ts. */
  readonly ciphertexts: Buffer;
}

/** The name of one version of one record. */
export interface Version {
  /** Hexadecimal. */
  readonly record: string;
  readonly import: number;
  readonly row: number;
  readonly expiryMonth: string;
}

/** A version with what it holds. */
export interface StoredVersion extends Version {
  readonly ciphertexts: Uint8Array;
}

/** What is held about a subject in one holding. */
export interface Held {
  readonly holding: string;
  /** Records, versions of one not counted apart. */
  readonly records: number;
  /** When the first import that is still held of was announced, milliseconds since 1970. */
  readonly firstImport: number;
  /** The last month, `YYYY-MM`, after which nothing of it can be read. */
  readonly until: string;
}

/** What a holding holds in all. */
export interface HoldingCount {
  readonly holding: string;
  readonly records: number;
  readonly versions: number;
  readonly imports: number;
  /** When the last import that ended was announced; null where none has. */
  readonly lastImport: number | null;
}

/** A version as it was written, in the order in which all were. */
export interface ScannedCiphertexts extends NewRecord {
  readonly id: number;
  readonly import: number;
}

/** A place in the table of records, where a scan goes on. */
export type RecordCursor = readonly [
  subject: Uint8Array,
  holding: number,
  record: Uint8Array,
  index: number,
  row: number,
];

/** Some records counted by import, and of them those that lead to no ciphertexts, to another's, or from another holding. */
export interface ScannedRecords {
  readonly counts: ReadonlyMap<number, number>;
  /** Their imports. */
  readonly astray: ReadonlySet<number>;
  readonly next: RecordCursor | null;
}

/** Whether the key of a holding's month is destroyed: what expires then opens with nothing. */
export type IsExpired = (holding: string, month: string) => boolean;

/** What custody needs of a store. All calls are synchronous: a write is durable when it returns. */
export interface CustodyStore {
  /** Adds an import that was announced, with its document's hash, which is then known for good. */
  addImport(terms: ImportTerms, tokenHash: Uint8Array, documentHash: Uint8Array): void;
  /** Gives an open import another token, and while it has taken no row another reading. */
  resumeImport(
    index: number,
    change: Reading & { readonly tokenHash: Uint8Array },
    documentHash: Uint8Array,
  ): void;
  /** Whether an announcement was taken before. */
  knowsDocument(documentHash: Uint8Array): boolean;
  findImport(index: number): StoredImport | null;
  /** The latest open import of the same file by the same importer. */
  findOpen(importer: string, holding: string, commitment: string): StoredImport | null;
  /** Every import in one of the states, at most `max`, oldest first. */
  importsIn(state: ImportState, max: number): readonly StoredImport[];
  /** Index of the latest import of the holding that has ended; null where none has. */
  lastEnded(holding: string): number | null;

  /**
   * The digest of the latest version that is seen, or that the same import wrote, of each record named;
   * null where there is none, or it has expired.
   */
  latestDigests(
    holding: string,
    index: number,
    names: readonly { readonly subject: Buffer; readonly record: Buffer }[],
    isExpired: IsExpired,
  ): readonly (Uint8Array | null)[];
  /** Writes versions and how far the import is with them, all or nothing. */
  writeBatch(index: number, records: readonly NewRecord[], progress: ImportProgress): void;
  /** Marks an open import as ended: from here on its records are seen. */
  endImport(index: number, endedIndex: number): void;
  /** Marks an open import as refused: its records will never be seen. */
  refuseImport(index: number): void;
  /**
   * Deletes records of a refused import, looking at no more than `max` rows. Gives where to go on; null at the end,
   * when the import is discarded.
   */
  discardSome(index: number, after: RecordCursor | null, max: number): RecordCursor | null;

  /** The latest seen version of each record of a subject in a holding that has not expired, at most `max` records. */
  latestVersions(
    subject: Uint8Array,
    holding: string,
    max: number,
    isExpired: IsExpired,
  ): readonly StoredVersion[];
  /** What one version holds, if it is seen. */
  ciphertextsOf(subject: Uint8Array, holding: string, version: Version): Uint8Array | null;
  /** The layout of an import's ciphertexts. */
  layoutOf(index: number): readonly string[] | null;
  /** What has not expired of a subject, by holding. */
  heldAbout(subject: Uint8Array, isExpired: IsExpired): readonly Held[];
  counts(): readonly HoldingCount[];

  /** Ciphertexts with ids above `after`, in order of id, at most `max`. */
  scanCiphertexts(after: number, max: number): readonly ScannedCiphertexts[];
  /** Looks at no more than `max` records after a place. */
  scanRecords(after: RecordCursor | null, max: number): ScannedRecords;
}
