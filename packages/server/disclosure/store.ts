import type { RecordRead } from '@amanat/core/statement';

/** A record that custody holds: its name, as a statement names it, and how much there would be to open. */
export interface FoundRecord {
  readonly read: RecordRead;
  /** Bytes of the ciphertexts named. */
  readonly sizeBytes: number;
}

/** One opened field: as it came in the import, and as it was normalised. */
export interface OpenedField {
  readonly name: string;
  readonly recorded: string;
  readonly normalised: string;
}

/** One opened group of a record. */
export interface OpenedGroup {
  readonly group: string;
  readonly fields: readonly OpenedField[];
}

/** What a disclosure needs of custody. Names only, until keys come. */
export interface Records {
  /**
   * The latest version of each record that a holding has of a subject, with those of the groups asked for that
   * the record has. At most `max` records.
   * @param subject 16 bytes in hexadecimal.
   */
  recordsOf(
    subject: string,
    holding: string,
    groups: readonly string[],
    max: number,
  ): readonly FoundRecord[];
  /**
   * Opens exactly the groups named, with one key for each in the same order. Null where a ciphertext is not there,
   * is not the one whose hash the name gives, or does not open: never another record's data, nor some groups only.
   * The keys are the caller's to wipe.
   */
  open(
    subject: string,
    record: RecordRead,
    keys: readonly Uint8Array[],
  ): readonly OpenedGroup[] | null;
}

/** A line for the operator. Its facts are names, codes and counts: never about a person. */
export type Warn = (event: string, facts: Readonly<Record<string, string | number>>) => void;
