import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { drawCard } from './card.ts';
import type { Person } from './people.ts';

/** Cards drawn at a time: sharp keeps one decoded picture for each. */
const CARDS_AT_ONCE = 4;
const JPEG_QUALITY = 76;

export interface CardOptions {
  /** Told the cards so far. */
  readonly onProgress?: (cards: number) => void;
}

export interface CardsWritten {
  readonly cards: number;
  readonly sizeBytes: number;
}

/**
 * Writes each person's specimen card to `dir` (made where absent) as `<cnic>.front.jpg`, a JPEG of
 * 640×400 pixels. Each file appears whole or not at all.
 */
export async function writeIdentityCards(
  dir: string,
  people: Iterable<Person>,
  options: CardOptions = {},
): Promise<CardsWritten> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  let cards = 0;
  let sizeBytes = 0;
  for (const batch of batches(people)) {
    const sizes = await Promise.all(batch.map((person) => writeCard(dir, person)));
    cards += sizes.length;
    sizeBytes += sizes.reduce((sum, size) => sum + size, 0);
    options.onProgress?.(cards);
  }
  return { cards, sizeBytes };
}

async function writeCard(dir: string, person: Person): Promise<number> {
  const path = join(dir, `${person.cnic}.front.jpg`);
  const jpeg = await sharp(Buffer.from(drawCard(person)))
    .jpeg({ quality: JPEG_QUALITY })
    .toBuffer();
  await writeFile(`${path}.part`, jpeg, { mode: 0o600 });
  await rename(`${path}.part`, path);
  return jpeg.length;
}

function* batches(people: Iterable<Person>): Generator<Person[]> {
  let batch: Person[] = [];
  for (const person of people) {
    batch.push(person);
    if (batch.length === CARDS_AT_ONCE) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}
