import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(
  process.env.AMANAT_VECTORS ??
    fileURLToPath(new URL('../../../../shared/vectors', import.meta.url)),
  'wycheproof',
);

/** Why the tests that need the shared vectors are skipped, or false where they are at hand. */
export const skip = existsSync(folder) ? false : 'the shared wycheproof vectors are absent';

/** One case; every other member is a string in hexadecimal. */
export interface Case {
  readonly tcId: number;
  readonly comment: string;
  readonly result: 'valid' | 'invalid' | 'acceptable';
}

/** The groups of one file. */
export function readGroups<G extends { readonly tests: readonly Case[] }>(
  name: string,
): readonly G[] {
  const file = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as {
    readonly testGroups: readonly G[];
  };
  return file.testGroups;
}
