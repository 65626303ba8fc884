import type { KeyObject } from 'node:crypto';
import { hex, utf8 } from '@amanat/core/bytes';
import { canonicalText, parseCanonical } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import { open, SEAL_NONCE_BYTES, SHARES_MAX, seal } from '@amanat/core/keys';
import type { Read } from '@amanat/core/shape';
import { hexText, integer, list, object, oneOf, text } from '@amanat/core/shape';
import { deviceKeyId, deviceText } from '../device/protocol.ts';
import { sha256 } from '../hash.ts';

/** An unlocked root: it wraps the keeper's generations, and nothing else. Its key may stay in a device. */
export interface Root {
  /** Gives nonce ‖ ciphertext ‖ tag: 60 bytes for a key of 32. @throws DeviceError where a device fails */
  wrap(key: Uint8Array, about: Uint8Array): Promise<Uint8Array>;
  /** @throws CoreError 'bad-ciphertext'; DeviceError where a device fails */
  unwrap(wrapped: Uint8Array, about: Uint8Array): Promise<Buffer>;
}

/** Where the root's key comes from. */
export interface RootProvider {
  /** May take as long as people take to come. @throws RootError */
  unlock(place: RootPlace): Promise<Root>;
}

/** The root cannot be had: a wrong passphrase, a device that is not there, or what describes it is damaged. */
export class RootError extends Error {
  override name = 'RootError';
}

const passphrase = object({
  provider: oneOf('passphrase'),
  kdf: oneOf('argon2id'),
  /** Argon2's cost: KiB of memory, and passes over it. */
  memory: integer(8, 4_194_304),
  passes: integer(1, 100),
  salt: text(24),
  /** The root key under the stretched passphrase. */
  wrapped: text(80),
});

const shares = object({
  provider: oneOf('shares'),
  ceremony: hexText(8),
  threshold: integer(2, SHARES_MAX),
  /** Of each share, in order: see shareCommitment. */
  commitments: list(hexText(32), 2, SHARES_MAX),
});

const pkcs11 = object({
  provider: oneOf('pkcs11'),
  /** For people's eyes: the serial number of the token on which it was drawn, and the key's CKA_ID there. */
  token: deviceText,
  key: deviceKeyId,
  /** Which of the device's values are this root's. */
  salt: hexText(32),
  /** What the device's key has to give for the salt: by it another key is told, wherever it is. */
  check: hexText(32),
});

const places = { passphrase, shares, pkcs11 };

/** The kinds of provider. */
export type RootKind = keyof typeof places;
/** Where a root's key is to be had, as it stands in keeper.db: nothing that opens without what is elsewhere. */
export type RootPlace = { [K in RootKind]: Read<(typeof places)[K]> }[RootKind];
export type PassphrasePlace = Read<typeof passphrase>;
export type SharesPlace = Read<typeof shares>;
export type DevicePlace = Read<typeof pkcs11>;

/** A root that was drawn, and where its key is to be had. */
export interface DrawnRoot {
  readonly place: RootPlace;
  readonly root: Root;
}

/** @throws CoreError 'bad-document' */
export function readRootPlace(source: string): RootPlace {
  const value = parseCanonical(source);
  const kind = oneOf('passphrase', 'shares', 'pkcs11')(value.provider, 'provider');
  const place = places[kind](value, '');
  if (place.provider === 'shares' && place.threshold > place.commitments.length) {
    throw new CoreError('bad-document', 'threshold: expected no more than there are shares');
  }
  return place;
}

/** Its one text. */
export function formatRootPlace(place: RootPlace): string {
  return canonicalText(place);
}

/** By what administrators name a root, 32 bytes in hexadecimal: SHA-256 of `amanat/v1 root\n` ‖ its text. */
export function rootId(place: RootPlace): string {
  return hex(sha256(utf8(`amanat/v1 root\n${formatRootPlace(place)}`)));
}

/** A root whose key is in this process's memory. */
export function rootInMemory(key: KeyObject, random: (bytes: number) => Uint8Array): Root {
  return {
    wrap: async (bytes, about) => seal(key, bytes, about, random(SEAL_NONCE_BYTES)),
    unwrap: async (wrapped, about) => open(key, wrapped, about),
  };
}
