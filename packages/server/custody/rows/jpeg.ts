import type { ImageCode } from './codes.ts';

/** The largest image file, in bytes. */
export const IMAGE_BYTES_MAX = 5_000_000;
/** The most pixels an image may have. */
const IMAGE_PIXELS_MAX = 20_000_000;
/** The most segments and scans that are walked through. */
const SEGMENTS_MAX = 4_096;

/** What a JPEG's frame header says. */
export interface JpegInfo {
  readonly width: number;
  readonly height: number;
  /** 1 for grey, 3 for colour, 4 for CMYK. */
  readonly components: number;
}

/**
 * Checks that bytes are one whole JPEG (ITU-T T.81, annex B) without decoding a pixel: start and
 * end markers, segments that follow one another, one baseline or progressive frame of 8 bits a
 * sample within {@link IMAGE_PIXELS_MAX}, at least one scan, and nothing after the end. Entropy-coded
 * data are walked over, not decoded: that the picture shows anything is not promised.
 */
export function inspectJpeg(bytes: Uint8Array): JpegInfo | ImageCode {
  if (bytes.length > IMAGE_BYTES_MAX) return 'image-too-large';
  if (bytes.length < 2 || bytes[0] !== 0xff || bytes[1] !== 0xd8) return 'not-a-jpeg';
  let at = 2;
  let frame: JpegInfo | null = null;
  let scans = 0;
  for (let segments = 0; segments < SEGMENTS_MAX; segments++) {
    if (at + 2 > bytes.length) return 'jpeg-truncated';
    if (bytes[at] !== 0xff) return 'jpeg-malformed';
    // Any number of fill bytes may precede a marker.
    while (bytes[at + 1] === 0xff) at++;
    const marker = bytes[at + 1];
    if (marker === undefined) return 'jpeg-truncated';
    at += 2;
    if (marker === 0xd9) {
      if (frame === null || scans === 0) return 'jpeg-malformed';
      return at === bytes.length ? frame : 'jpeg-trailing-bytes';
    }
    // Markers that stand alone have no business between segments (TEM, RSTn, a second SOI, 00).
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8)) return 'jpeg-malformed';
    const length = readUint16(bytes, at);
    if (length === null || at + length > bytes.length) return 'jpeg-truncated';
    if (length < 2) return 'jpeg-malformed';
    if (isFrame(marker)) {
      if (frame !== null) return 'jpeg-malformed';
      const read = readFrame(bytes, at, length, marker);
      if (typeof read === 'string') return read;
      frame = read;
    }
    at += length;
    if (marker === 0xda) {
      if (frame === null) return 'jpeg-malformed';
      scans++;
      at = afterScan(bytes, at);
    }
  }
  return 'jpeg-malformed';
}

/** C0 to CF, save the tables DHT (C4) and DAC (CC) and the reserved JPG (C8). */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function readFrame(
  bytes: Uint8Array,
  at: number,
  length: number,
  marker: number,
): JpegInfo | ImageCode {
  // Baseline, extended and progressive Huffman: what browsers show.
  if (marker > 0xc2) return 'jpeg-unsupported';
  if (length < 8) return 'jpeg-malformed';
  const precision = bytes[at + 2];
  const height = readUint16(bytes, at + 3) ?? 0;
  const width = readUint16(bytes, at + 5) ?? 0;
  const components = bytes[at + 7] ?? 0;
  if (length !== 8 + 3 * components) return 'jpeg-malformed';
  if (precision !== 8 || ![1, 3, 4].includes(components)) return 'jpeg-unsupported';
  if (width === 0 || height === 0 || width * height > IMAGE_PIXELS_MAX) return 'jpeg-dimensions';
  return { width, height, components };
}

/** Walks over entropy-coded data to the next marker that is neither stuffing nor a restart. */
function afterScan(bytes: Uint8Array, start: number): number {
  let at = bytes.indexOf(0xff, start);
  while (at !== -1) {
    const next = bytes[at + 1];
    if (next === undefined) return bytes.length;
    if (next !== 0 && !(next >= 0xd0 && next <= 0xd7)) return at;
    at = bytes.indexOf(0xff, at + 2);
  }
  return bytes.length;
}

function readUint16(bytes: Uint8Array, at: number): number | null {
  const high = bytes[at];
  const low = bytes[at + 1];
  return high === undefined || low === undefined ? null : high * 256 + low;
}
