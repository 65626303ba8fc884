import type { Json } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import { readSelector, SUBJECTS_MAX } from '@amanat/core/grants';
import { MAX_NOTE_LENGTH } from '@amanat/core/log';
import { boolean, hexText, integer, list, nullable, object, oneOf, text } from '@amanat/core/shape';
import { readRecordRead } from '@amanat/core/statement';
import type { Asked, Messages } from './protocol.ts';
import { BATCH_MAX } from './protocol.ts';

const DOCUMENT_CHARACTERS_MAX = 65_535;
const RECORDS_MAX = 4096;

const signed = object({
  document: text(DOCUMENT_CHARACTERS_MAX),
  signatures: list(object({ key: hexText(16), signature: text(88) }), 1, 4),
});

const kinds = {
  request: object({
    kind: oneOf('request'),
    signed,
    selectors: list(readSelector, 1, SUBJECTS_MAX),
    approval: nullable(signed),
  }),
  'seal-extension': object({ kind: oneOf('seal-extension'), signed, approval: nullable(signed) }),
  code: object({ kind: oneOf('code'), signed }),
  protection: object({ kind: oneOf('protection'), signed }),
  erasure: object({ kind: oneOf('erasure'), signed }),
  view: object({ kind: oneOf('view'), enc: text(88), ciphertext: text(1024) }),
};

/** Reads one ask strictly. @throws CoreError 'bad-document' */
export function readAsked(value: Json): Asked {
  if (typeof value !== 'object' || value === null || !('kind' in value)) {
    throw new CoreError('bad-document', 'ask: expected an object');
  }
  const kind = oneOf(
    'request',
    'seal-extension',
    'code',
    'protection',
    'erasure',
    'view',
  )(value.kind, 'kind');
  return kinds[kind](value, '');
}

/** Readers of what each message holds. Asks and records are read one by one, so that one bad one harms no other. */
export const readers = {
  draw: object({ import: integer(0), rows: integer(1, BATCH_MAX) }),
  resolve: object({ asks: list((value) => value as Json, 1, BATCH_MAX) }),
  prepare: object({
    lookUps: list(
      object({
        id: integer(1),
        records: list((value, path) => readRecordRead(value, path), 0, RECORDS_MAX),
        abandoned: boolean,
      }),
      1,
      BATCH_MAX,
    ),
  }),
  commit: object({
    checkpoint: nullable(text(MAX_NOTE_LENGTH)),
    leaves: integer(0, BATCH_MAX),
    wanted: list(integer(1), 0, BATCH_MAX),
  }),
  view: object({ ask: integer(1) }),
  seals: object({}),
  shred: object({ from: integer(0) }),
  status: object({}),
} satisfies { [N in keyof Messages]: unknown };
