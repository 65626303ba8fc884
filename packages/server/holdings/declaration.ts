import type { Declaration, DeclaredField } from '@amanat/core/grants';

/** The type of a declared field: what is read into it, and how it is normalised. */
export type FieldType = DeclaredField['type'];

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
] as const satisfies readonly FieldType[];

/** The names of a declaration's field groups, in the order in which they first appear. */
export function groupNames({ fields }: Pick<Declaration, 'fields'>): readonly string[] {
  return [...new Set(fields.map(({ group }) => group))];
}
