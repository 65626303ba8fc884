/** A text in the two languages of the pages. */
export type Title = { readonly en: string; readonly ur: string };

/** The types a field can have. */
export const fieldTypes = [
  'cnic',
  'msisdn',
  'imsi',
  'imei',
  'text',
  'date',
  'datetime',
  'enum',
  'integer',
  'jpeg',
] as const;
/** One of {@link fieldTypes}. */
export type FieldType = (typeof fieldTypes)[number];

/** One declared field. Its group is the unit of encryption and of asking (design, I2). */
export type Field = {
  readonly name: string;
  readonly title: Title;
  readonly type: FieldType;
  /** A DPV personal data term, by IRI. */
  readonly category: string;
  readonly group: string;
  readonly identifier: 'primary' | 'secondary' | null;
  readonly required: boolean;
  /** Present exactly where `type` is `enum`. */
  readonly values?: readonly string[];
};

/** Who answers for a holding. */
export type Controller = {
  readonly id: string;
  readonly name: Title;
  readonly contact: { readonly email: string; readonly phone?: string; readonly address?: string };
};

/** The canonical declaration of a holding: what becomes a public entry (design, section 2, I5). */
export type Declaration = {
  readonly type: 'declaration';
  readonly holding: string;
  readonly version: number;
  readonly title: Title;
  readonly controller: Controller;
  readonly purposes: readonly string[];
  readonly legalBases: readonly string[];
  readonly recipients: readonly string[];
  readonly primaryIdentifier: 'cnic';
  /** Which fields tell one record of a subject from another; empty for one record a subject. */
  readonly recordKey: readonly string[];
  /** The field retention counts from; null to count from the import. */
  readonly eventDate: string | null;
  readonly retentionMonths: number;
  /** `YYYY-MM-DD`. */
  readonly reviewDate: string;
  readonly fields: readonly Field[];
};

/** The names of a declaration's field groups, in the order in which they first appear. */
export function groupNames(declaration: Declaration): readonly string[] {
  return [...new Set(declaration.fields.map((field) => field.group))];
}
