import { utf8 } from './bytes.ts';
import { canonicalBytes, parseCanonicalBytes } from './canonical.ts';
import type { Read } from './shape.ts';
import { boolean, hexText, integer, list, object, oneOf, slug, text, time } from './shape.ts';
import { SEAL_EXTENSIONS_MAX } from './statement.ts';

/** HPKE info of what a browser seals to the keeper. */
export const VIEW_INFO = utf8('amanat/v1 view');
/** HPKE export label of the key under which the keeper answers (as RFC 9458 does). */
export const VIEW_ANSWER = 'amanat/v1 view answer';

/** Most chains that one view shows. */
export const VIEW_SUBJECTS_MAX = 256;

/** Most entries that one view covers of one subject. */
export const VIEW_ENTRIES_MAX = 20_000;

const viewAsk = object({
  type: oneOf('view'),
  /** The access code, 16 bytes in hexadecimal; it crosses the gateway only sealed. */
  code: hexText(16),
  /** So that a captured ask cannot be sent again later. */
  time,
});

/** What her browser seals to the keeper. */
export type ViewAsk = Read<typeof viewAsk>;

/** @throws CoreError 'bad-document' or 'bad-encoding' */
export function readViewAsk(bytes: Uint8Array): ViewAsk {
  return viewAsk(parseCanonicalBytes(bytes), '');
}

/** The bytes of a view ask. */
export function writeViewAsk(ask: ViewAsk): Uint8Array {
  return canonicalBytes(ask);
}

const head = object({
  type: oneOf('head'),
  /** SHA-256 of the browser's ephemeral key (the HPKE enc): no head can be replayed to another session. */
  session: hexText(32),
  subject: hexText(16),
  controller: slug,
  /** Entries on her chain, and the chain's hash after the last. */
  number: integer(0),
  chain: hexText(32),
  /** The tree that the keeper has followed to. */
  size: integer(0),
  root: hexText(32),
  time,
});

/** What the keeper signs of a chain. */
export type Head = Read<typeof head>;

/** @throws CoreError 'bad-document' or 'bad-encoding' */
export function readHead(document: string): Head {
  return head(parseCanonicalBytes(utf8(document)), '');
}

const subjectView = object({
  /** The signed head's exact text, and the keeper's signature over it (see signingInput). */
  head: text(2000),
  signature: text(88),
  protected: boolean,
  /** Whether it is the chain of a number that was nobody's until it was bound to her: what was asked by it before. */
  alias: boolean,
  /** Numbers of entries whose keys were never given to the gateway. */
  undelivered: list(integer(1), 0, VIEW_ENTRIES_MAX),
  /** Number of the first entry shown; 1 unless the chain is longer than a view. */
  first: integer(1),
  /** Base64 of the entries' body keys, 32 bytes each, from `first` on. */
  bodyKeys: text(VIEW_ENTRIES_MAX * 44),
  /** What was sealed, by the numbers of the entries that opened it. */
  opened: list(
    object({
      /** The opening's number. */
      number: integer(1),
      /** Whether the keys of what was named were ever given out. */
      delivered: boolean,
      /** Base64 of the sealed entries' body keys, 32 bytes each, in the order in which the opening cites them. */
      bodyKeys: text((1 + SEAL_EXTENSIONS_MAX) * 44),
    }),
    0,
    VIEW_ENTRIES_MAX,
  ),
});

const view = object({ type: oneOf('view'), subjects: list(subjectView, 1, VIEW_SUBJECTS_MAX) });

/** What the keeper seals back: her chain at each controller, and those of her aliases. */
export type View = Read<typeof view>;
export type SubjectView = View['subjects'][number];

/** @throws CoreError 'bad-document' or 'bad-encoding' */
export function readView(bytes: Uint8Array): View {
  return view(parseCanonicalBytes(bytes), '');
}

/** The bytes of a view, after the same checks that reading it makes. @throws CoreError 'bad-document' */
export function writeView(value: View): Uint8Array {
  return canonicalBytes(view(value, ''));
}

/** Additional data of a body as it is kept: whose, and which. */
export function bodyAad(subject: string, number: number): Uint8Array {
  return utf8(`amanat/v1 body ${subject} ${number}`);
}

/** The same of one that is sealed: its number is among those sealed about her. */
export function sealedBodyAad(subject: string, number: number): Uint8Array {
  return utf8(`amanat/v1 sealed body ${subject} ${number}`);
}
