import { randomBytes } from 'node:crypto';
import { createConnection } from 'node:net';
import { equal, fromHex, hex } from '@amanat/core/bytes';
import type { Json } from '@amanat/core/canonical';
import { encodeNames, open, SEAL_NONCE_BYTES, seal, secretKey } from '@amanat/core/keys';
import { object, oneOf } from '@amanat/core/shape';
import type { DeviceQuestion, DeviceRefusal } from '../device/protocol.ts';
import { DEVICE_WAIT_MS_MAX, deviceKey, deviceRefusals, MAC_BYTES } from '../device/protocol.ts';
import type { Frame } from '../frame.ts';
import { encodeFrame, FrameReader } from '../frame.ts';
import type { DevicePlace, DrawnRoot, Root } from './root.ts';
import { RootError } from './root.ts';

const SALT_BYTES = 32;

/** Why the root's key in a device cannot be had. */
export type DeviceCode =
  | DeviceRefusal
  /** Nobody is behind the socket, or went away before the answer. */
  | 'device-unreachable'
  /** What came is no answer. */
  | 'device-garbled'
  /** The device's key is not the one under which this root was drawn. */
  | 'another-key';

/** The device's key cannot be had, or is not the root's. */
export class DeviceError extends RootError {
  override name = 'DeviceError';
  readonly code: DeviceCode;

  constructor(code: DeviceCode, options?: ErrorOptions) {
    super(`the root’s device cannot be used: ${code}`, options);
    this.code = code;
  }
}

const answers = {
  describe: object({ device: deviceKey }),
  mac: object({ mac: oneOf('done') }),
  refused: object({ refused: oneOf(...deviceRefusals) }),
};

/** The process that talks to the device (device/main.ts), by its socket. The device's key never comes out of it. */
export class Device {
  readonly #path: string;
  readonly #waitMs: number;

  constructor(path: string, waitMs: number = DEVICE_WAIT_MS_MAX) {
    this.#path = path;
    this.#waitMs = waitMs;
  }

  /** Which key it is, after the device's process has looked whether it can leave the device. @throws DeviceError */
  async describe(): Promise<{ readonly token: string; readonly key: string }> {
    const { json } = await this.#ask('describe');
    return readDeviceAnswer('describe', json).device;
  }

  /** HMAC-SHA-256 of a message, by the device's key. @throws DeviceError */
  async mac(message: Uint8Array): Promise<Buffer> {
    const { json, attachment } = await this.#ask('mac', message);
    readDeviceAnswer('mac', json);
    if (attachment.length !== MAC_BYTES) throw new DeviceError('device-garbled');
    return attachment;
  }

  /** One connection for each question: whoever answers may have been started again since the last. */
  #ask(ask: DeviceQuestion, message?: Uint8Array): Promise<Frame> {
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    const socket = createConnection({ path: this.#path });
    const reader = new FrameReader();
    const timer = setTimeout(() => reject(new DeviceError('device-silent')), this.#waitMs);
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk)) resolve(frame);
      } catch (cause) {
        reject(new DeviceError('device-garbled', { cause }));
      }
    });
    socket.on('error', (cause) => reject(new DeviceError('device-unreachable', { cause })));
    socket.on('close', () => reject(new DeviceError('device-unreachable')));
    socket.write(encodeFrame({ ask }, message));
    return promise.finally(() => {
      clearTimeout(timer);
      socket.destroy();
    });
  }
}

/** What the device's process answered. @throws DeviceError, which is also how it refuses */
export function readDeviceAnswer<N extends 'describe' | 'mac'>(name: N, json: unknown) {
  let refused: DeviceRefusal | null = null;
  try {
    if (typeof json !== 'object' || json === null || !('refused' in json)) {
      return answers[name](json as Json, '') as ReturnType<(typeof answers)[N]>;
    }
    refused = answers.refused(json as Json, '').refused;
  } catch (cause) {
    throw new DeviceError('device-garbled', { cause });
  }
  throw new DeviceError(refused);
}

/** Draws a root under the device's key. Nothing is made in the device. @throws DeviceError */
export async function drawInDevice(device: Device): Promise<DrawnRoot> {
  const { token, key } = await device.describe();
  const salt = randomBytes(SALT_BYTES);
  const check = await device.mac(checkMessage(salt));
  const place: DevicePlace = { provider: 'pkcs11', token, key, salt: hex(salt), check: hex(check) };
  return { place, root: rootInDevice(device, salt) };
}

/** The root of this place, if the device's key is the one that it was drawn under. @throws DeviceError */
export async function unlockInDevice(device: Device, place: DevicePlace): Promise<Root> {
  const salt = fromHex(place.salt);
  const check = await device.mac(checkMessage(salt));
  if (!equal(check, fromHex(place.check))) throw new DeviceError('another-key');
  return rootInDevice(device, salt);
}

/**
 * Each text has a key of its own, which the device gives for the root's salt, what the text is about and the nonce under
 * which it is sealed: a device need be able to do nothing but HMAC, and nobody has it give keys for texts to come. That
 * key is in memory while the text is wrapped or opened; the device's own never is.
 */
function rootInDevice(device: Device, salt: Uint8Array): Root {
  const keyOf = async (about: Uint8Array, nonce: Uint8Array) => {
    const bytes = await device.mac(encodeNames('amanat/v1 root in a device', salt, about, nonce));
    const key = secretKey(bytes);
    bytes.fill(0);
    return key;
  };
  return {
    wrap: async (bytes, about) => {
      const nonce = randomBytes(SEAL_NONCE_BYTES);
      return seal(await keyOf(about, nonce), bytes, about, nonce);
    },
    unwrap: async (wrapped, about) =>
      open(await keyOf(about, wrapped.subarray(0, SEAL_NONCE_BYTES)), wrapped, about),
  };
}

function checkMessage(salt: Uint8Array): Uint8Array {
  return encodeNames('amanat/v1 root in a device, check', salt);
}
