import type { Reader } from '@amanat/core/shape';
import { hexText, list, object, text } from '@amanat/core/shape';
import { Type } from '@sinclair/typebox';

const KEY_ID_BYTES = 16;
/** Base64 of 64 bytes. */
const SIGNATURE_CHARS_MAX = 88;

/** For routes whose bodies are judged by their one strict reader: the schema describes them and checks nothing. */
export const UNJUDGED = { validatorCompiler: () => () => true };

/** The members of a signed document, for a body's schema. */
export const signedMembers = {
  document: Type.String({ description: 'The document, in its canonical form (RFC 8785).' }),
  signatures: Type.Array(
    Type.Object({ key: Type.String(), signature: Type.String() }, { additionalProperties: false }),
  ),
};

/** The schema of a body that is a signed document. */
export const signedSchema = Type.Object(signedMembers, { additionalProperties: false });

const signature = object({ key: hexText(KEY_ID_BYTES), signature: text(SIGNATURE_CHARS_MAX) });

/** The readers of a signed document's members, for a body's strict reader. */
export function signedReaders(bounds: {
  readonly charsMax: number;
  readonly signaturesMin: number;
  readonly signaturesMax: number;
}) {
  return {
    document: text(bounds.charsMax),
    signatures: list(signature, bounds.signaturesMin, bounds.signaturesMax),
  } satisfies Record<string, Reader<unknown>>;
}
