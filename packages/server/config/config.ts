import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json, JsonObject } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import { origin } from '@amanat/core/grants';
import { parseCosignerKey } from '@amanat/core/log';
import type { Read } from '@amanat/core/shape';
import { boolean, integer, list, nullable, object, oneOf, set, text } from '@amanat/core/shape';

/** The port on the loopback interface where none is asked for. */
export const DEFAULT_PORT = 8420;
const CONFIG_BYTES_MAX = 65_536;
const PROXIES_MAX = 8;
const PATH_MAX = 4_096;
const PUBLIC_WITNESSES_MAX = 8;
/** An IPv4 address of 127.0.0.0/8. */
const LOOPBACK = /^127(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;

const publicWitness = object({
  /** Its verifier key, as C2SP signed-note writes it. */
  key: text(2100),
  /** Where it takes checkpoints (C2SP tlog-witness). */
  url: text(300, /^https?:\/\/[!-~]+$/, 'a URL'),
});

const device = object({
  /** The vendor's PKCS #11 module. */
  module: text(PATH_MAX, /^\//, 'an absolute path'),
  /** The token's label. */
  token: text(32, /^[ -~]+$/, 'printable ASCII'),
  /** The key's id (CKA_ID) in hexadecimal. */
  key: text(64, /^(?:[0-9a-f]{2})+$/, 'bytes in hexadecimal'),
  /** The file with the PIN. */
  pinFile: text(PATH_MAX, /^\//, 'an absolute path'),
});

/** Where a device with the root's key is. */
export type DeviceSettings = Read<typeof device>;

/** A witness that cosigns what is published, and that no read waits for. */
export type PublicWitness = Read<typeof publicWitness>;

const config = object({
  mode: oneOf('demo', 'trial'),
  /** The log's origin, the first line of its checkpoints. */
  origin,
  /** Whether the gateway runs its keeper (for trials), or another user does, perhaps on another day. */
  keeper: oneOf('embedded', 'external'),
  /** The folder of the keeper's second copy, on another disk; null where it has none. */
  standby: nullable(text(PATH_MAX, /^\//, 'an absolute path')),
  /** The device with the root's key; null where it is in none. The gateway runs the process that talks to it beside its keeper. */
  device: nullable(device),
  /** On the loopback interface; whoever is to reach it from outside goes through a proxy that ends TLS. */
  port: integer(1, 65_535),
  /** How often tiles and checkpoint are published; 0: at once. */
  publishSeconds: integer(0, 3_600),
  /** Whether identifiers must be of the synthetic ranges. */
  allowSynthetic: boolean,
  /**
   * Where proxies connect from whose word about their clients' addresses is taken. Nothing else than the loopback
   * interface reaches the port.
   */
  trustedProxy: set(text(15, LOOPBACK, 'a loopback address'), 0, PROXIES_MAX),
  /** Whom published checkpoints are handed on to, aside from the reads. */
  publicWitnesses: list(publicWitness, 0, PUBLIC_WITNESSES_MAX),
});
/** What settings mean that do not have these members. */
const ABSENT = { standby: null, device: null, trustedProxy: [], publicWitnesses: [] };

/** An instance's settings, DIR/config.json. Secrets are apart from it. */
export type Config = Read<typeof config>;

/** What is wrong with an instance's folder. */
export type ConfigErrorCode = 'no-instance' | 'bad-config' | 'already-served';

/** What reading an instance's settings throws. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly code: ConfigErrorCode;

  constructor(code: ConfigErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether a log may be named so, in the settings and in its genesis alike. */
export function isOrigin(name: string): boolean {
  try {
    return origin(name, 'origin') === name;
  } catch (error) {
    if (error instanceof CoreError) return false;
    throw error;
  }
}

/** Settings of a device as they are typed. @throws ConfigError 'bad-config' */
export function toDeviceSettings(value: {
  readonly [name: string]: string | undefined;
}): DeviceSettings {
  try {
    return device(value as JsonObject, 'device');
  } catch (cause) {
    throw new ConfigError('bad-config', (cause as Error).message, { cause });
  }
}

/**
 * Reads an instance's settings strictly: an unknown or missing one is refused by name.
 * @throws ConfigError 'no-instance', 'bad-config'
 */
export function readConfig(dir: string): Config {
  const found = parse(readText(join(dir, 'config.json')));
  // Made-up people in a store of real ones, or the other way round, would be found out much too late.
  if (found.allowSynthetic !== (found.mode === 'demo')) {
    throw new ConfigError(
      'bad-config',
      'config.json: allowSynthetic is for the mode demo, and only there',
    );
  }
  return found;
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new ConfigError('no-instance', 'there is no instance here: config.json cannot be read', {
      cause,
    });
  }
  if (bytes.length > CONFIG_BYTES_MAX)
    throw new ConfigError('bad-config', 'config.json is too long');
  return bytes.toString('utf8');
}

function parse(source: string): Config {
  try {
    const found = JSON.parse(source) as Json;
    const read = config(isObject(found) ? { ...ABSENT, ...found } : found, '');
    for (const { key } of read.publicWitnesses) parseCosignerKey(key);
    return read;
  } catch (cause) {
    const why = cause instanceof SyntaxError ? 'not json' : (cause as Error).message;
    throw new ConfigError('bad-config', `config.json: ${why}`, { cause });
  }
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
