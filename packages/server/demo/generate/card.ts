import type { Person } from './people.ts';
import type { Random } from './random.ts';
import { RandomSource } from './random.ts';
import { drawNamuna, drawText, textWidth } from './strokes.ts';

/** Pixels. */
export const CARD_WIDTH = 640;
export const CARD_HEIGHT = 400;

const INK = '#2b1b4d';
const FAINT = '#7a5f9c';
const ROWS_OF_WAVES = 26;
const TILES_ACROSS = 11;

/**
 * The front of a specimen card as SVG without any text element, so that it needs no font. Its design
 * is this demo's own and follows no country's card; the portrait is a mosaic of nobody.
 */
export function drawCard(person: Person): string {
  const random = new RandomSource(person.cnic, 'card').at(0);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${CARD_WIDTH}" height="${CARD_HEIGHT}" viewBox="0 0 640 400">`,
    '<rect width="640" height="400" fill="#fff6e6"/>',
    drawWaves(random),
    '<rect width="640" height="62" fill="#5b2a86"/><path d="M0 62H640V68H0Z" fill="#f08a24"/>',
    drawText('AMANAT DEMONSTRATION', { x: 24, y: 14, height: 18, pen: 0.16, colour: '#fff6e6' }),
    drawText('NOT AN IDENTITY DOCUMENT', { x: 24, y: 42, height: 10, colour: '#ffd9a8' }),
    drawNamuna({ x: 502, y: 8, height: 46, colour: '#ffd9a8' }),
    drawPortrait(random, { x: 30, y: 92 }),
    drawField('NAME', person.name.english, 96),
    drawField('NUMBER', person.cnic, 162),
    drawField('DATE OF BIRTH', person.dateOfBirth, 228),
    drawField('GENDER', person.gender === 'woman' ? 'F' : 'M', 294),
    drawWatermark(),
    '<rect y="360" width="640" height="40" fill="#f08a24"/>',
    drawText('SYNTHETIC PERSON - NO LEGAL FORCE', {
      x: 24,
      y: 373,
      height: 14,
      pen: 0.16,
      colour: INK,
    }),
    '</svg>',
  ].join('');
}

function drawField(label: string, value: string, y: number): string {
  const height = Math.min(20, (20 * 350) / textWidth(value.length, 20));
  return (
    drawText(label, { x: 262, y, height: 9, colour: FAINT }) +
    drawText(value, { x: 262, y: y + 20, height, pen: 0.15, colour: INK })
  );
}

/** Crossing waves under everything: as busy as a printed card, so that the file is as large as a scan. */
function drawWaves(random: Random): string {
  const waves: string[] = [];
  for (let row = 0; row < ROWS_OF_WAVES; row += 1) {
    const base = 60 + row * 13;
    const swing = 6 + random.below(16);
    const hue = 265 + random.below(110);
    waves.push(
      `<path d="M-20 ${base}q40 ${-swing} 80 0t80 0t80 0t80 0t80 0t80 0t80 0t80 0t80 0" fill="none" ` +
        `stroke="hsl(${hue % 360} 60% 72%)" stroke-width="1.4" transform="rotate(${random.below(13) - 6} 320 230)"/>`,
    );
  }
  return waves.join('');
}

/** A mosaic in a hexagon with two plain shapes for head and shoulders. */
function drawPortrait(random: Random, at: { readonly x: number; readonly y: number }): string {
  const hue = random.below(360);
  const tiles: string[] = [];
  for (let row = 0; row < TILES_ACROSS + 1; row += 1) {
    for (let column = 0; column < TILES_ACROSS; column += 1) {
      const light = 62 + random.below(28);
      const turn = (hue + random.below(50)) % 360;
      tiles.push(
        `<rect x="${column * 18}" y="${row * 20}" width="18" height="20" fill="hsl(${turn} 55% ${light}%)"/>`,
      );
    }
  }
  const opposite = (hue + 180) % 360;
  const head = 34 + random.below(14);
  const shoulders = 66 + random.below(24);
  return (
    `<clipPath id="frame"><path d="M99 0L198 58V182L99 240L0 182V58Z"/></clipPath>` +
    `<g transform="translate(${at.x} ${at.y})"><g clip-path="url(#frame)">${tiles.join('')}` +
    `<ellipse cx="99" cy="240" rx="${shoulders}" ry="88" fill="hsl(${opposite} 35% 38%)"/>` +
    `<ellipse cx="99" cy="104" rx="${head}" ry="${head + 8}" fill="hsl(${opposite} 30% 52%)"/></g>` +
    `<path d="M99 0L198 58V182L99 240L0 182V58Z" fill="none" stroke="#5b2a86" stroke-width="5"/></g>`
  );
}

function drawWatermark(): string {
  const mark = drawText('SPECIMEN', { x: 0, y: 0, height: 74, pen: 0.17, colour: '#c4172c' });
  const namuna = drawNamuna({ x: 190, y: 92, height: 92, pen: 0.12, colour: '#c4172c' });
  return `<g opacity=".3" transform="translate(64 262) rotate(-18)">${mark}${namuna}</g>`;
}
