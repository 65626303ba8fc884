import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Call } from '../cli/command.ts';
import type { ShippedHolding } from '../holdings/holdings.ts';
import { writeBorderCrossings, writeSimRegistrations } from './generate/csv-files.ts';
import { writeIdentityCards } from './generate/identity-cards.ts';
import type { People } from './generate/people.ts';

/** How many people have an identity card's image. */
export const CARDS_MAX = 200;
/** Every so many rows one is wrong on purpose. */
const DIRTY_EVERY = 211;

/** What was written for one holding: a file, or a folder of them. */
export interface InputFile {
  readonly holding: ShippedHolding;
  readonly path: string;
  readonly rows: number;
}

/** Writes the files that the importers would have: registrations, crossings, and the first people's cards. */
export async function writeInputFiles(
  folder: string,
  people: People,
  { progress, signal }: Pick<Call, 'progress' | 'signal'>,
): Promise<readonly InputFile[]> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const cards = Math.min(CARDS_MAX, people.count);
  const paths = {
    sims: join(folder, 'sim-registrations.csv'),
    crossings: join(folder, 'border-crossings.csv'),
    cards: join(folder, 'identity-cards'),
  };
  const simProgress = progress('writing SIM registrations', 'rows');
  const sims = await writeSimRegistrations(paths.sims, people, {
    dirtyEvery: DIRTY_EVERY,
    onProgress: (rows) => {
      signal.throwIfAborted();
      simProgress.at(rows);
    },
  });
  const crossingProgress = progress('writing border crossings', 'rows');
  const crossings = await writeBorderCrossings(paths.crossings, people, {
    dirtyEvery: DIRTY_EVERY,
    onProgress: (rows) => {
      signal.throwIfAborted();
      crossingProgress.at(rows);
    },
  });
  const cardProgress = progress('drawing identity cards', 'cards');
  await writeIdentityCards(paths.cards, people.slice(0, cards), {
    onProgress: (drawn) => {
      signal.throwIfAborted();
      cardProgress.at(drawn, cards);
    },
  });
  simProgress.end(sims.rows);
  crossingProgress.end(crossings.rows);
  cardProgress.end(cards);
  return [
    { holding: 'sim-registrations', path: paths.sims, rows: sims.rows },
    { holding: 'travel-history', path: paths.crossings, rows: crossings.rows },
    { holding: 'identity-card-images', path: paths.cards, rows: cards },
  ];
}
