import type { KeyObject } from 'node:crypto';
import { argon2Sync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { base64, fromBase64, utf8 } from '@amanat/core/bytes';
import { canonicalText, parseCanonical } from '@amanat/core/canonical';
import { open, SEAL_NONCE_BYTES, seal, secretKey } from '@amanat/core/keys';
import type { RootKeyProvider } from './root-key.ts';
import { RootKeyError } from './root-key.ts';

/** What stretching a passphrase costs: KiB of memory, and passes over it. */
export interface Argon2Cost {
  readonly memory: number;
  readonly passes: number;
}

/** RFC 9106, second recommended option. */
const COST: Argon2Cost = { memory: 65_536, passes: 3 };
const PARALLELISM = 4;
const AAD = utf8('amanat/v1 root');

/**
 * A root key in a file, wrapped under a passphrase: for trials. Whoever has the file and the passphrase
 * has every record of a store that falls into their hands; production keeps its root key elsewhere.
 */
export function passphraseFile(path: string, passphrase: Uint8Array): RootKeyProvider {
  return {
    unlock(): KeyObject {
      try {
        const file = parseCanonical(readFileSync(path, 'utf8').trimEnd());
        const salt = fromBase64(String(file.salt));
        const wrapped = fromBase64(String(file.wrapped));
        const cost = { memory: Number(file.memory), passes: Number(file.passes) };
        return secretKey(open(stretch(passphrase, salt, cost), wrapped, AAD));
      } catch (cause) {
        throw new RootKeyError('root key does not unlock: wrong passphrase or damaged file', {
          cause,
        });
      }
    },
  };
}

/** Draws a root key and writes its file, readable by its owner alone. Refuses to overwrite one. */
export function createPassphraseFile(
  path: string,
  passphrase: Uint8Array,
  cost: Argon2Cost = COST,
): RootKeyProvider {
  if (existsSync(path)) throw new RootKeyError('a root key file is there already');
  const salt = randomBytes(16);
  const root = randomBytes(32);
  const wrapped = seal(stretch(passphrase, salt, cost), root, AAD, randomBytes(SEAL_NONCE_BYTES));
  root.fill(0);
  const text = canonicalText({
    kdf: 'argon2id',
    memory: cost.memory,
    passes: cost.passes,
    salt: base64(salt),
    wrapped: base64(wrapped),
  });
  writeFileSync(path, `${text}\n`, { mode: 0o600, flag: 'wx', flush: true });
  return passphraseFile(path, passphrase);
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
