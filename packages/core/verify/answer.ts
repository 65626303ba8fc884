import type { JsonObject } from '../canonical.ts';
import { CoreError } from '../errors.ts';
import type { Read } from '../shape.ts';
import { hexText, integer, list, object, slug, text } from '../shape.ts';
import { VIEW_ENTRIES_MAX, VIEW_SUBJECTS_MAX } from '../view.ts';

/** Characters of a sealed body in base64: 4,096 records in one statement fit. */
const BODY_CHARACTERS_MAX = 4 * 1024 * 1024;

const entry = object({
  /** Its place, from 1: on the subject's chain, or among what is sealed about her. */
  number: integer(1),
  /** Its leaf's place in the log. */
  index: integer(0),
  /** Base64 of the sealed body. */
  body: text(BODY_CHARACTERS_MAX),
});

const subject = object({
  subject: hexText(16),
  controller: slug,
  entries: list(entry, 0, VIEW_ENTRIES_MAX),
  /** What was sealed and is opened. */
  sealed: list(entry, 0, VIEW_ENTRIES_MAX),
});

const answer = object({
  /** Base64; see ViewSession.open. */
  view: text(48 * 1024 * 1024),
  checkpoint: text(131_072),
  subjects: list(subject, 0, VIEW_SUBJECTS_MAX),
});

/** The part of the gateway's answer that proofs are made of. What else it says is the gateway's word. */
export type HistoryAnswer = Read<typeof answer>;
export type AnswerEntry = Read<typeof entry>;

/**
 * Reads the provable part of an answer; members that it does not know are left out, so that answers can grow.
 * @throws CoreError 'bad-document'
 */
export function readAnswer(source: unknown): HistoryAnswer {
  const { view, checkpoint, subjects } = asObject(source);
  if (!Array.isArray(subjects)) throw new CoreError('bad-document', 'subjects: expected a list');
  const known = subjects.slice(0, VIEW_SUBJECTS_MAX + 1).map((each: unknown) => {
    const { subject: id, controller, entries, sealed } = asObject(each);
    return { subject: id, controller, entries, sealed };
  });
  return answer({ view, checkpoint, subjects: known } as JsonObject, '');
}

function asObject(value: unknown): { readonly [member: string]: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CoreError('bad-document', 'expected an object');
  }
  return value as { readonly [member: string]: unknown };
}
