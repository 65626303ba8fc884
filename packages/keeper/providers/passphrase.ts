import type { KeyObject } from 'node:crypto';
import { argon2Sync, randomBytes } from 'node:crypto';
import { base64, fromBase64, utf8 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import { open, SEAL_NONCE_BYTES, seal, secretKey } from '@amanat/core/keys';
import type { DrawnRoot, PassphrasePlace, Root, RootPlace, RootProvider } from './root.ts';
import { RootError, rootInMemory } from './root.ts';

/** What stretching a passphrase costs: KiB of memory, and passes over it. */
export interface Argon2Cost {
  readonly memory: number;
  readonly passes: number;
}

/** RFC 9106, second recommended option. */
const COST: Argon2Cost = { memory: 65_536, passes: 3 };
const PARALLELISM = 4;
const AAD = utf8('amanat/v1 root');
/** Two while one takes the other's place. */
const LINES_MAX = 2;

/**
 * A root key that stands in keeper.db, wrapped under a passphrase: for trials. Whoever has that file and the passphrase
 * has every record of a store that falls into their hands; production keeps its root key elsewhere.
 * @param read the passphrase's file; while one passphrase takes another's place it has two lines, of which either opens
 */
export function passphraseProvider(read: () => Buffer): RootProvider {
  return {
    async unlock(place: RootPlace): Promise<Root> {
      if (place.provider !== 'passphrase') throw new RootError('root is not under a passphrase');
      for (const passphrase of linesOf(read())) {
        const key = unlock(place, passphrase);
        passphrase.fill(0);
        if (key !== null) return rootInMemory(key, randomBytes);
      }
      throw new RootError('root key does not unlock: wrong passphrase or damaged file');
    },
  };
}

/** Draws a root key under a passphrase: the last line of its file. */
export function drawUnderPassphrase(file: Buffer, cost: Argon2Cost = COST): DrawnRoot {
  const passphrase = linesOf(file).at(-1);
  if (passphrase === undefined) throw new RootError('there is no passphrase');
  const salt = randomBytes(16);
  const bytes = randomBytes(32);
  const wrapped = seal(stretch(passphrase, salt, cost), bytes, AAD, randomBytes(SEAL_NONCE_BYTES));
  const root = rootInMemory(secretKey(bytes), randomBytes);
  bytes.fill(0);
  passphrase.fill(0);
  const place: PassphrasePlace = {
    provider: 'passphrase',
    kdf: 'argon2id',
    memory: cost.memory,
    passes: cost.passes,
    salt: base64(salt),
    wrapped: base64(wrapped),
  };
  return { place, root };
}

function unlock(place: PassphrasePlace, passphrase: Buffer): KeyObject | null {
  try {
    const wrapped = fromBase64(place.wrapped);
    const bytes = open(stretch(passphrase, fromBase64(place.salt), place), wrapped, AAD);
    const key = secretKey(bytes);
    bytes.fill(0);
    return key;
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw new RootError('root key does not unlock: damaged file', { cause: error });
  }
}

/** The passphrases in a file, which is wiped. */
function linesOf(file: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0; at < file.length && lines.length < LINES_MAX; ) {
    const end = file.indexOf(0x0a, at);
    const until = end < 0 ? file.length : end;
    const line = Buffer.from(file.subarray(at, until));
    if (line.length > 0) lines.push(line);
    at = until + 1;
  }
  file.fill(0);
  return lines;
}

function stretch(passphrase: Uint8Array, salt: Uint8Array, cost: Argon2Cost): KeyObject {
  return secretKey(
    argon2Sync('argon2id', {
      message: passphrase,
      nonce: salt,
      memory: cost.memory,
      passes: cost.passes,
      parallelism: PARALLELISM,
      tagLength: 32,
    }),
  );
}
