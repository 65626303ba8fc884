import { fromUtf8, utf8 } from './bytes.ts';
import { CoreError } from './errors.ts';

/** What a signed document may be made of: no fractions, so that every language prints it alike. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [member: string]: Json };

/** A JSON object as it came, before a reader has looked at its members. */
export type JsonObject = { readonly [member: string]: Json };

const DEPTH_MAX = 12;

/**
 * The one encoding of a value: RFC 8785 (JCS), restricted to safe integers.
 * @throws CoreError 'bad-document' for a fraction, an unsafe integer, a lone surrogate or too deep a nesting.
 */
export function canonicalText(value: Json): string {
  // The engine writes strings and safe integers as RFC 8785 does; only the order of members is ours to mind.
  return isInOrder(value, 0) ? JSON.stringify(value) : write(value);
}

/** {@link canonicalText} as UTF-8 bytes. */
export function canonicalBytes(value: Json): Uint8Array {
  return utf8(canonicalText(value));
}

/** Whether every object has its members in order. @throws CoreError 'bad-document' for what no document holds */
function isInOrder(value: Json, depth: number): boolean {
  if (depth > DEPTH_MAX) throw new CoreError('bad-document', 'document is nested too deeply');
  if (typeof value === 'string') {
    if (!value.isWellFormed())
      throw new CoreError('bad-document', 'document holds a lone surrogate');
    return true;
  }
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      throw new CoreError('bad-document', 'document holds a number that is not a safe integer');
    }
    return true;
  }
  if (value === null || typeof value === 'boolean') return true;
  // All of it is looked at, in order or not: what no document holds is refused wherever it stands.
  let inOrder = true;
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) inOrder = isInOrder(item, depth + 1) && inOrder;
    return inOrder;
  }
  const names = Object.keys(value);
  for (const name of names) {
    if (!name.isWellFormed())
      throw new CoreError('bad-document', 'document holds a lone surrogate');
    inOrder = isInOrder((value as JsonObject)[name] as Json, depth + 1) && inOrder;
  }
  return inOrder && isSorted(names);
}

/** Writes what {@link isInOrder} has looked at. */
function write(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${write((value as JsonObject)[name] as Json)}`);
  return `{${members.join(',')}}`;
}

function isSorted(names: readonly string[]): boolean {
  for (let at = 1; at < names.length; at++) {
    if ((names[at - 1] as string) > (names[at] as string)) return false;
  }
  return true;
}

/**
 * Parses a document that must be an object in its one encoding. Because the text must equal what
 * {@link canonicalText} writes, duplicate members, white space and other spellings are refused with it.
 * @throws CoreError 'bad-document'
 */
export function parseCanonical(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CoreError('bad-document', 'document is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CoreError('bad-document', 'document is not an object');
  }
  if (canonicalText(value as Json) !== text) {
    throw new CoreError('bad-document', 'document is not in its canonical form (RFC 8785)');
  }
  return value as JsonObject;
}

/** {@link parseCanonical} for UTF-8 bytes. */
export function parseCanonicalBytes(bytes: Uint8Array): JsonObject {
  return parseCanonical(fromUtf8(bytes));
}
