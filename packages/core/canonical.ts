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
  return write(value, 0);
}

/** {@link canonicalText} as UTF-8 bytes. */
export function canonicalBytes(value: Json): Uint8Array {
  return utf8(canonicalText(value));
}

function write(value: Json, depth: number): string {
  if (depth > DEPTH_MAX) throw new CoreError('bad-document', 'document is nested too deeply');
  if (typeof value === 'string') {
    if (!value.isWellFormed())
      throw new CoreError('bad-document', 'document holds a lone surrogate');
    return JSON.stringify(value);
  }
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      throw new CoreError('bad-document', 'document holds a number that is not a safe integer');
    }
    return String(value);
  }
  if (value === null || typeof value === 'boolean') return String(value);
  return Array.isArray(value)
    ? writeArray(value as readonly Json[], depth)
    : writeObject(value as JsonObject, depth);
}

function writeArray(items: readonly Json[], depth: number): string {
  let text = '[';
  for (const [at, item] of items.entries()) {
    if (at > 0) text += ',';
    text += write(item, depth + 1);
  }
  return `${text}]`;
}

// Built by appending, and sorted only where it is not in order: half the time of map, sort and join.
function writeObject(object: JsonObject, depth: number): string {
  const names = Object.keys(object);
  if (!isSorted(names)) names.sort();
  let text = '{';
  for (const [at, name] of names.entries()) {
    if (at > 0) text += ',';
    text += `${write(name, depth)}:${write(object[name] as Json, depth + 1)}`;
  }
  return `${text}}`;
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
