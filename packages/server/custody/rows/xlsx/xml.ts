import { toUtf8 } from '../encoding.ts';
import { broken } from './errors.ts';

/** The longest tag, comment, instruction or stretch of CDATA, in characters. */
const TOKEN_CHARS_MAX = 64 * 1024;
/** The longest reference to a character: `&#x10ffff;`. */
const REFERENCE_CHARS_MAX = 12;
/** How deep elements stand in one another. */
const DEPTH_MAX = 64;

/** What is told of a document, in its order. Names are local names: which prefix a writer chose does not count. */
export interface XmlHandler {
  open(name: string, attributes: Attributes): void;
  close(name: string): void;
  /** A stretch of text; one text may come in several. */
  text?(text: string): void;
}

/** An element's attributes, by their names as they are written. */
export type Attributes = ReadonlyMap<string, string>;

const openTag = /<([^\s/>"'=<!?&]+)((?:\s+[^\s=<>"'/]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;
const closeTag = /<\/([^\s/>"'=<!?&]+)\s*>/y;
const attribute = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const reference = /&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(amp|lt|gt|quot|apos));|&/g;
const otherEncoding = /\sencoding\s*=\s*["'](?!utf-?(?:8|16)["'])/i;
const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};
const NO_ATTRIBUTES: Attributes = new Map();

/**
 * Reads a part as XML 1.0 (UTF-8 or UTF-16), as far as machines write it. Gives way after each piece, for whoever wants
 * to take what was told so far. A document type is refused: nothing is declared, and nothing fetched.
 * @throws WorkbookError where it is not well-formed, or a token is longer than its bound
 */
export async function* readXml(
  bytes: AsyncIterable<Uint8Array>,
  handler: XmlHandler,
): AsyncGenerator<void, void, undefined> {
  const tokens = new Tokens(handler);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const decode = (piece: Uint8Array | null): string => {
    try {
      return piece === null ? decoder.decode() : decoder.decode(piece, { stream: true });
    } catch (cause) {
      throw broken(cause);
    }
  };
  for await (const piece of toUtf8(bytes)) {
    tokens.push(decode(piece));
    yield;
  }
  tokens.push(decode(null));
  tokens.end();
  yield;
}

/** Cuts text into tags and texts. */
class Tokens {
  readonly #handler: XmlHandler;
  readonly #names: string[] = [];
  #pending = '';
  #hasRoot = false;

  constructor(handler: XmlHandler) {
    this.#handler = handler;
  }

  push(chunk: string): void {
    const text = this.#pending + chunk;
    let at = 0;
    while (at < text.length) {
      const next = text[at] === '<' ? this.#markup(text, at) : this.#characters(text, at);
      if (next === at) break;
      at = next;
    }
    this.#pending = text.slice(at);
    if (this.#pending.length > TOKEN_CHARS_MAX) throw broken();
  }

  end(): void {
    if (this.#pending.trim() !== '' || this.#names.length > 0 || !this.#hasRoot) throw broken();
  }

  /** Reads text from `at`; where its end may be still to come, up to there. */
  #characters(text: string, at: number): number {
    let end = text.indexOf('<', at);
    if (end === -1) {
      end = text.length;
      const last = text.lastIndexOf('&');
      if (last >= at && end - last < REFERENCE_CHARS_MAX && !text.includes(';', last)) end = last;
      else if (text[end - 1] === '\r') end--;
    }
    if (end > at) this.#tell(decodeText(text.slice(at, end)));
    return end;
  }

  #tell(text: string): void {
    if (this.#names.length > 0) this.#handler.text?.(text);
    else if (text.trim() !== '') throw broken();
  }

  /** Reads what begins with `<` at `at`; gives `at` where its end is still to come. */
  #markup(text: string, at: number): number {
    const sign = text[at + 1];
    if (sign === '?') {
      const end = text.indexOf('?>', at);
      if (end !== -1 && otherEncoding.test(text.slice(at, end))) throw broken();
      return end === -1 ? at : end + 2;
    }
    if (sign === '!') return this.#special(text, at);
    if (sign === '/') {
      closeTag.lastIndex = at;
      const name = closeTag.exec(text)?.[1];
      if (name === undefined) return at;
      if (this.#names.pop() !== name) throw broken();
      this.#handler.close(localName(name));
      return closeTag.lastIndex;
    }
    openTag.lastIndex = at;
    const found = openTag.exec(text);
    if (found === null) return at;
    const name = found[1] as string;
    const end = openTag.lastIndex;
    if (this.#names.length === 0 && this.#hasRoot) throw broken();
    if (this.#names.length === DEPTH_MAX) throw broken();
    this.#hasRoot = true;
    this.#handler.open(localName(name), readAttributes(found[2] as string));
    if (found[3] === '/') this.#handler.close(localName(name));
    else this.#names.push(name);
    return end;
  }

  #special(text: string, at: number): number {
    if (text.startsWith('<!--', at)) {
      const end = text.indexOf('-->', at + 4);
      return end === -1 ? at : end + 3;
    }
    if (text.startsWith('<![CDATA[', at)) {
      const end = text.indexOf(']]>', at);
      if (end === -1) return at;
      this.#tell(text.slice(at + 9, end).replace(/\r\n?/g, '\n'));
      return end + 3;
    }
    // Too short to tell, or a document type, of which nothing good comes.
    if ('<![CDATA['.startsWith(text.slice(at)) || '<!--'.startsWith(text.slice(at))) return at;
    throw broken();
  }
}

function readAttributes(text: string): Attributes {
  if (text === '') return NO_ATTRIBUTES;
  const attributes = new Map<string, string>();
  attribute.lastIndex = 0;
  for (;;) {
    const found = attribute.exec(text);
    if (found === null) return attributes;
    const name = found[1] as string;
    if (attributes.has(name)) throw broken();
    attributes.set(name, decodeText(found[2] ?? found[3] ?? ''));
  }
}

/** A text with its references replaced and its line ends made LF. */
function decodeText(raw: string): string {
  const text = raw.includes('\r') ? raw.replace(/\r\n?/g, '\n') : raw;
  if (!text.includes('&')) return text;
  return text.replace(reference, (_, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return NAMED[name] as string;
    const code = hex === undefined ? Number.parseInt(decimal ?? '', 10) : Number.parseInt(hex, 16);
    const isCharacter = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    if (!isCharacter) throw broken();
    return String.fromCodePoint(code);
  });
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}
