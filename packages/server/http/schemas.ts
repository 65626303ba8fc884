import { Type } from '@sinclair/typebox';

/** A text, or null. */
export const nullableText = Type.Union([Type.String(), Type.Null()]);

/** A text in the two languages of the pages. */
export const titleSchema = Type.Object({ en: Type.String(), ur: Type.String() });

/** How an organisation is reached. */
export const contactSchema = Type.Object({
  email: Type.String(),
  phone: nullableText,
  address: nullableText,
});
