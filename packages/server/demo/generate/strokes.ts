/**
 * Letters as strokes of a pen, because a fresh machine may have no font at all and a card must look
 * the same everywhere. Each is an SVG path in a box 4 wide and 6 high, drawn for this file.
 */
const STROKES: Readonly<Record<string, string>> = {
  A: 'M0 6L2 0L4 6M.7 4H3.3',
  B: 'M0 0V6H2.5A1.5 1.5 0 0 0 2.5 3H0M2.2 3A1.5 1.5 0 0 0 2.2 0H0',
  C: 'M3.8 1.2A2 2 0 0 0 0 2V4A2 2 0 0 0 3.8 4.8',
  D: 'M0 0V6H1.5A2.5 2.5 0 0 0 4 3.5V2.5A2.5 2.5 0 0 0 1.5 0Z',
  E: 'M4 0H0V6H4M0 3H3',
  F: 'M4 0H0V6M0 3H3',
  G: 'M3.8 1.2A2 2 0 0 0 0 2V4A2 2 0 0 0 4 4V3.3H2.3',
  H: 'M0 0V6M4 0V6M0 3H4',
  I: 'M1 0H3M2 0V6M1 6H3',
  J: 'M4 0V4A2 2 0 0 1 0 4',
  K: 'M0 0V6M4 0L0 3.6M1.4 2.4L4 6',
  L: 'M0 0V6H4',
  M: 'M0 6V0L2 3.4L4 0V6',
  N: 'M0 6V0L4 6V0',
  O: 'M0 2A2 2 0 0 1 4 2V4A2 2 0 0 1 0 4Z',
  P: 'M0 6V0H2.4A1.6 1.6 0 0 1 2.4 3.2H0',
  Q: 'M0 2A2 2 0 0 1 4 2V4A2 2 0 0 1 0 4ZM2.4 4.2L4 6',
  R: 'M0 6V0H2.4A1.6 1.6 0 0 1 2.4 3.2H0M2 3.2L4 6',
  S: 'M3.8 1.2A1.9 1.5 0 0 0 2.2 0H1.6A1.5 1.5 0 0 0 1.6 3H2.4A1.5 1.5 0 0 1 2.4 6H1.8A1.9 1.5 0 0 1 .2 4.8',
  T: 'M0 0H4M2 0V6',
  U: 'M0 0V4A2 2 0 0 0 4 4V0',
  V: 'M0 0L2 6L4 0',
  W: 'M0 0L1 6L2 2L3 6L4 0',
  X: 'M0 0L4 6M4 0L0 6',
  Y: 'M0 0L2 3L4 0M2 3V6',
  Z: 'M0 0H4L0 6H4',
  '0': 'M0 2A2 2 0 0 1 4 2V4A2 2 0 0 1 0 4ZM1.4 4L2.6 2',
  '1': 'M.8 1.2L2 0V6M.8 6H3.2',
  '2': 'M.1 1.7A1.95 1.7 0 0 1 4 1.7C4 3 0 4.6 0 6H4',
  '3': 'M0 0H4L1.8 2.5A1.75 1.75 0 1 1 .1 4.9',
  '4': 'M3 6V0L0 4.2H4',
  '5': 'M3.8 0H.5L.2 2.7C1.8 1.7 4 2.3 4 4.1A1.95 1.9 0 0 1 .1 4.9',
  '6': 'M3.4 .2C1.2 .8 0 2.4 0 4.1A2 1.9 0 1 0 .3 3.1',
  '7': 'M0 0H4L1.4 6',
  '8': 'M2 0A1.6 1.45 0 1 1 2 2.9A1.6 1.45 0 1 1 2 0M2 2.9A1.9 1.55 0 1 1 2 6A1.9 1.55 0 1 1 2 2.9',
  '9': 'M.6 5.8C2.8 5.2 4 3.6 4 1.9A2 1.9 0 1 0 3.7 2.9',
  '-': 'M.8 3H3.2',
  ' ': '',
};

const BOX_HEIGHT = 6;
const ADVANCE = 5.4;

/** The word نمونہ (sample), joined as written, in a box 40 wide and 16 high: its letters from the right, then the dots. */
const NAMUNA =
  'M39.5 5V8.6Q39.5 10 38 10H20.4M33 10A3 3.9 0 0 0 27 10' +
  'M22 10H20.4A2.4 2.4 0 1 1 22.8 7.6V10C22.8 13 20 14.6 16.5 14.6' +
  'M14 5V8.6Q14 10 12.5 10H6.2L5.4 4.4C2.6 5.6 .9 7.6 1 9C1.1 10.8 4.4 11.2 6.2 10' +
  'M39 1.4V1.5M13.6 1.4V1.5';

export interface Line {
  readonly x: number;
  readonly y: number;
  /** Height of a capital, in the picture's units. */
  readonly height: number;
  /** Pen width, as a share of the height. */
  readonly pen?: number;
  readonly colour: string;
}

/**
 * A line of capitals, digits, hyphens and spaces as SVG, its upper left corner at x, y. Small letters
 * become capitals; any other character is a blank.
 */
export function drawText(text: string, line: Line): string {
  const scale = line.height / BOX_HEIGHT;
  const letters = Array.from(text.toUpperCase(), (letter, nth) => {
    const path = STROKES[letter];
    return path ? `<path transform="translate(${(nth * ADVANCE).toFixed(1)} 0)" d="${path}"/>` : '';
  });
  return drawGroup(letters.join(''), { ...line, scale, penWidth: (line.pen ?? 0.14) * BOX_HEIGHT });
}

/** The width that drawText takes for a text of this many characters. */
export function textWidth(length: number, height: number): number {
  return ((length * ADVANCE - (ADVANCE - 4)) * height) / BOX_HEIGHT;
}

/** The word نمونہ as SVG, 2.5 times as wide as high. */
export function drawNamuna(line: Line): string {
  const scale = line.height / 16;
  return drawGroup(`<path d="${NAMUNA}"/>`, { ...line, scale, penWidth: (line.pen ?? 0.1) * 16 });
}

interface Pen {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
  readonly penWidth: number;
  readonly colour: string;
}

function drawGroup(paths: string, pen: Pen): string {
  return (
    `<g transform="translate(${pen.x} ${pen.y}) scale(${pen.scale.toFixed(4)})" fill="none" stroke="${pen.colour}" ` +
    `stroke-width="${pen.penWidth.toFixed(3)}" stroke-linecap="round" stroke-linejoin="round">${paths}</g>`
  );
}
