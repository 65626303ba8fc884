import { CoreError } from './errors.ts';

const encoder = new TextEncoder();
// ignoreBOM keeps a byte order mark in the text, so that decoding and encoding are inverse.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);
const BASE64_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const NOT_A_DIGIT = 255;
const BASE64_VALUES = valuesOf(BASE64_ALPHABET);
const HEX_VALUES = valuesOf('0123456789abcdef');

function valuesOf(alphabet: string): Uint8Array {
  const values = new Uint8Array(128).fill(NOT_A_DIGIT);
  for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
  return values;
}

/** UTF-8 of a string. Throws `bad-encoding` for a lone surrogate, which would otherwise silently become U+FFFD. */
export function utf8(text: string): Uint8Array {
  if (!text.isWellFormed()) throw new CoreError('bad-encoding', 'text holds a lone surrogate');
  return encoder.encode(text);
}

/** The string of valid UTF-8, a byte order mark kept. Throws `bad-encoding` otherwise. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new CoreError('bad-encoding', 'bytes are not valid utf-8', { cause });
  }
}

/** Lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += HEX[bytes[i] as number];
  return text;
}

/** The bytes of lower-case hexadecimal. Throws `bad-encoding` for anything else, upper case included. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0) throw new CoreError('bad-encoding', 'hexadecimal has an odd length');
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = hexValue(text, 2 * i) * 16 + hexValue(text, 2 * i + 1);
  }
  return bytes;
}

function hexValue(text: string, at: number): number {
  const value = HEX_VALUES[text.charCodeAt(at)] ?? NOT_A_DIGIT;
  if (value === NOT_A_DIGIT)
    throw new CoreError('bad-encoding', 'hexadecimal has a wrong character');
  return value;
}

/** Standard base64 with padding (RFC 4648, section 4). */
export function base64(bytes: Uint8Array): string {
  let text = '';
  let i = 0;
  for (; i + 2 < bytes.length; i += 3) {
    const group =
      ((bytes[i] as number) << 16) | ((bytes[i + 1] as number) << 8) | (bytes[i + 2] as number);
    text += digit(group >> 18) + digit(group >> 12) + digit(group >> 6) + digit(group);
  }
  if (bytes.length - i === 1) {
    const group = (bytes[i] as number) << 16;
    text += `${digit(group >> 18)}${digit(group >> 12)}==`;
  } else if (bytes.length - i === 2) {
    const group = ((bytes[i] as number) << 16) | ((bytes[i + 1] as number) << 8);
    text += `${digit(group >> 18)}${digit(group >> 12)}${digit(group >> 6)}=`;
  }
  return text;
}

function digit(group: number): string {
  return BASE64_ALPHABET[group & 63] as string;
}

/**
 * The bytes of canonical standard base64: padded, no white space, unused bits zero, so that every byte string
 * has exactly one accepted text. Throws `bad-encoding` otherwise.
 */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw new CoreError('bad-encoding', 'base64 is not padded');
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  const digits = text.length - padding;
  let group = 0;
  let at = 0;
  for (let i = 0; i < digits; i++) {
    const value = BASE64_VALUES[text.charCodeAt(i)] ?? NOT_A_DIGIT;
    if (value === NOT_A_DIGIT) throw new CoreError('bad-encoding', 'base64 has a wrong character');
    group = ((group << 6) | value) & 0xffffff;
    const place = i % 4;
    // The digits 2, 3 and 4 of a group each complete one byte.
    if (place > 0) bytes[at++] = group >> (6 - 2 * place);
  }
  const unused = padding === 2 ? 15 : padding === 1 ? 3 : 0;
  if ((group & unused) !== 0) throw new CoreError('bad-encoding', 'base64 is not canonical');
  return bytes;
}

/** The parts one after another, in fresh memory. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A safe integer from 0 as eight bytes, big endian. Throws `out-of-range`. */
export function uint64(value: number): Uint8Array {
  requireInteger(value, Number.MAX_SAFE_INTEGER);
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(value / 2 ** 32));
  view.setUint32(4, value % 2 ** 32);
  return bytes;
}

/** An integer of 0 to 2^32 − 1 as four bytes, big endian. Throws `out-of-range`. */
export function uint32(value: number): Uint8Array {
  requireInteger(value, 0xffffffff);
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** An integer of 0 to 65,535 as two bytes, big endian. Throws `out-of-range`. */
export function uint16(value: number): Uint8Array {
  requireInteger(value, 0xffff);
  return Uint8Array.of(value >>> 8, value);
}

function requireInteger(value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new CoreError('out-of-range', 'number does not fit its encoding');
  }
}

/** Whether two byte strings are the same. Looks at every byte wherever the first difference is. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}
