import type { CST } from 'yaml';
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, Parser } from 'yaml';

/** The largest YAML file that is read, in bytes. */
export const YAML_BYTES_MAX = 256 * 1024;
/** How deeply a file's maps and lists may nest. */
export const YAML_DEPTH_MAX = 16;
/** How many tokens of syntax a file may hold; it bounds the work before a tree is built. */
const TOKENS_MAX = 200_000;

/** Plain data as JSON knows it: what a file of ours can say. */
export type PlainValue =
  | string
  | number
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [member: string]: PlainValue };

/** Why a file was not read. */
export type YamlCode =
  | 'too-large'
  | 'not-utf8'
  | 'syntax'
  | 'too-deep'
  | 'alias'
  | 'tag'
  | 'duplicate-key'
  | 'key-not-text'
  | 'many-documents'
  | 'empty';

/** A refused file: the code, the line (1-based, 0 where none applies) and what was expected. */
export interface YamlRefusal {
  readonly ok: false;
  readonly code: YamlCode;
  readonly line: number;
  readonly expected: string;
}

const expectations: Record<YamlCode, string> = {
  'too-large': `at most ${YAML_BYTES_MAX} bytes and ${TOKENS_MAX} tokens`,
  'not-utf8': 'text in UTF-8',
  syntax: 'well-formed YAML 1.2',
  'too-deep': `at most ${YAML_DEPTH_MAX} levels of nesting`,
  alias: 'no anchors and no aliases: write the value out where it is used',
  tag: 'no tags and no directives',
  'duplicate-key': 'each member once',
  'key-not-text': 'members named by plain text',
  'many-documents': 'one document',
  empty: 'a document',
};

/**
 * Reads one YAML 1.2 (core schema) document into plain data, or says why not. Anchors, aliases,
 * tags, directives and duplicate keys are refused, as are files beyond {@link YAML_BYTES_MAX} and
 * {@link YAML_DEPTH_MAX}; so what comes out is never larger than what went in. Never throws for any
 * input. Messages never hold the file's text.
 */
export function readYaml(
  input: Uint8Array,
): { readonly ok: true; readonly value: PlainValue } | YamlRefusal {
  if (input.length > YAML_BYTES_MAX) return refuse('too-large', 0);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(input);
  } catch {
    return refuse('not-utf8', 0);
  }
  const lineAt = (offset: number): number => countLines(text, offset);

  const tokens = parseTokens(text);
  if (tokens === null) return refuse('too-deep', 0);
  const early = inspectTokens(tokens);
  if (early !== null) return refuse(early.code, lineAt(early.offset));

  const documents = [];
  // The library compares each key with every other of its map; that each is there once is seen to in toPlain.
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    uniqueKeys: false,
    strict: true,
  });
  for (const document of composer.compose(tokens)) documents.push(document);
  if (documents.length > 1) return refuse('many-documents', 0);
  const document = documents[0];
  if (document === undefined || document.contents === null) return refuse('empty', 0);
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined) {
    return refuse('syntax', lineAt(fault.pos[0]));
  }
  try {
    return { ok: true, value: toPlain(document.contents, 0) };
  } catch (error) {
    if (error instanceof PlainFault) return refuse(error.code, lineAt(error.offset));
    throw error;
  }
}

function refuse(code: YamlCode, line: number): YamlRefusal {
  return { ok: false, code, line, expected: expectations[code] };
}

function countLines(text: string, offset: number): number {
  let line = 1;
  let at = text.indexOf('\n');
  while (at !== -1 && at < offset) {
    line++;
    at = text.indexOf('\n', at + 1);
  }
  return line;
}

/**
 * Parses into tokens, which the library does without recursion, and stops where its stack grows
 * beyond any document of ours: null. Composing recurses, so nesting has to be bounded before it.
 */
function parseTokens(text: string): readonly CST.Token[] | null {
  const tokens: CST.Token[] = [];
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > 2 * YAML_DEPTH_MAX + 4) return null;
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}

interface Found {
  readonly code: YamlCode;
  readonly offset: number;
}

/** Finds what is refused by its syntax alone: aliases, anchors, tags, directives. */
function inspectTokens(tokens: readonly CST.Token[]): Found | null {
  const queue: CST.Token[] = [...tokens];
  let seen = 0;
  for (let token = queue.pop(); token !== undefined; token = queue.pop()) {
    if (++seen > TOKENS_MAX) return { code: 'too-large', offset: 0 };
    const offset = 'offset' in token ? token.offset : 0;
    if (token.type === 'alias') return { code: 'alias', offset };
    if (token.type === 'directive') return { code: 'tag', offset };
    if (token.type === 'document') {
      const found = inspectProperties(token.start);
      if (found !== null) return found;
      if (token.value) queue.push(token.value);
    } else if ('items' in token) {
      for (const entry of token.items) {
        if (++seen > TOKENS_MAX) return { code: 'too-large', offset };
        const separators = 'sep' in entry ? entry.sep : undefined;
        const found = inspectProperties(entry.start) ?? inspectProperties(separators);
        if (found !== null) return found;
        if ('key' in entry && entry.key) queue.push(entry.key);
        if ('value' in entry && entry.value) queue.push(entry.value);
      }
    }
  }
  return null;
}

function inspectProperties(parts: readonly CST.SourceToken[] | null | undefined): Found | null {
  for (const part of parts ?? []) {
    if (part.type === 'anchor') return { code: 'alias', offset: part.offset };
    if (part.type === 'tag') return { code: 'tag', offset: part.offset };
  }
  return null;
}

class PlainFault extends Error {
  override readonly name = 'PlainFault';
  readonly code: YamlCode;
  readonly offset: number;
  constructor(code: YamlCode, offset: number) {
    super(code);
    this.code = code;
    this.offset = offset;
  }
}

/** Turns a composed tree into plain data and holds it to the exact bound on nesting. */
function toPlain(node: unknown, depth: number): PlainValue {
  if (isAlias(node)) throw new PlainFault('alias', node.range?.[0] ?? 0);
  if ((isSeq(node) || isMap(node)) && depth >= YAML_DEPTH_MAX) throw new PlainFault('too-deep', 0);
  if (isSeq(node)) return node.items.map((item) => toPlain(item, depth + 1));
  if (isMap(node)) {
    // No prototype: a member named __proto__ is then a member like any other, and refused as unknown.
    const plain: Record<string, PlainValue> = Object.create(null);
    for (const pair of node.items) {
      const offset = isScalar(pair.key) ? (pair.key.range?.[0] ?? 0) : 0;
      if (!isScalar(pair.key) || typeof pair.key.value !== 'string') {
        throw new PlainFault('key-not-text', offset);
      }
      const key = pair.key.value;
      if (Object.hasOwn(plain, key)) throw new PlainFault('duplicate-key', offset);
      plain[key] = pair.value === null ? null : toPlain(pair.value, depth + 1);
    }
    return plain;
  }
  if (node === null) return null;
  if (isScalar(node)) {
    const value = node.value;
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number') return value;
    if (typeof value === 'bigint') return Number(value);
  }
  throw new PlainFault('syntax', 0);
}
