/** What a member's value is, as it was written: a string's text, a number's digits, or what it is instead. */
export type MemberValue =
  | { readonly kind: 'text' | 'number'; readonly text: string }
  | { readonly kind: 'null' | 'nested' };

/** A member of an object. */
export type Member = readonly [name: string, value: MemberValue];

const NULL: MemberValue = { kind: 'null' };
const NESTED: MemberValue = { kind: 'nested' };
const space = /[ \t\n\r]*/y;
const scalar = /[^,}\s]+/y;

/**
 * Reads one JSON object, RFC 8259, into its members in their order, those that are there twice included, which
 * `JSON.parse` would drop, and with numbers as they were written, which it would round. Null where it is none.
 */
export function readJsonObject(text: string): readonly Member[] | null {
  try {
    // From here on the form is known to be good, so that the walk below needs to look for nothing but ends.
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  } catch {
    return null;
  }
  const members: Member[] = [];
  let at = text.indexOf('{') + 1;
  for (;;) {
    at = skipSpace(text, at);
    if (text[at] === '}') return members;
    if (text[at] === ',') at = skipSpace(text, at + 1);
    const nameEnd = stringEnd(text, at);
    const name = readString(text.slice(at, nameEnd));
    at = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const end = valueEnd(text, at);
    members.push([name, readValue(text.slice(at, end))]);
    at = end;
  }
}

function readValue(raw: string): MemberValue {
  switch (raw[0]) {
    case '"':
      return { kind: 'text', text: readString(raw) };
    case '{':
    case '[':
      return NESTED;
    case 'n':
      return NULL;
    case 't':
    case 'f':
      return { kind: 'text', text: raw };
    default:
      return { kind: 'number', text: raw };
  }
}

function readString(quoted: string): string {
  return quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
}

/** The offset behind the string that begins at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const close = text.indexOf('"', at);
    let slashes = 0;
    while (text[close - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return close + 1;
    at = close + 1;
  }
}

/** The offset behind the value that begins at `start`. */
function valueEnd(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return stringEnd(text, start);
  if (first !== '{' && first !== '[') {
    scalar.lastIndex = start;
    scalar.test(text);
    return scalar.lastIndex;
  }
  let depth = 0;
  for (let at = start; ; ) {
    const next = text[at];
    if (next === '"') {
      at = stringEnd(text, at);
      continue;
    }
    if (next === '{' || next === '[') depth++;
    if ((next === '}' || next === ']') && --depth === 0) return at + 1;
    at++;
  }
}

function skipSpace(text: string, at: number): number {
  space.lastIndex = at;
  space.test(text);
  return space.lastIndex;
}
