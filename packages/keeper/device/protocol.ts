import type { Reader } from '@amanat/core/shape';
import { object, text } from '@amanat/core/shape';

/**
 * What the keeper asks of the process beside it that alone talks to the device with the root's key. A connection to its
 * Unix socket carries one question and its answer, a frame each (frame.ts):
 *
 *   {"ask":"describe"}           {"device":{token, key}}         whose key it is, once it was looked at
 *   {"ask":"mac"} ‖ message      {"mac":"done"} ‖ 32 bytes       HMAC-SHA-256 by the device's key
 *                                {"refused":CODE}
 */
export type DeviceQuestion = 'describe' | 'mac';

/** Most bytes of a message. */
export const DEVICE_MESSAGE_BYTES_MAX = 1_024;
export const MAC_BYTES = 32;
/** How long the device may take for a question, and how long the keeper waits for the answer. */
export const DEVICE_MS_MAX = 8_000;
export const DEVICE_WAIT_MS_MAX = 9_000;

/** Why the device's key cannot be had, as its process says. */
export const deviceRefusals = [
  'unknown-question',
  'tool-missing',
  'module-missing',
  'token-absent',
  'pin-missing',
  'wrong-pin',
  /** A wrong PIN was tried on the token, by whomever: nothing tries another before somebody has logged in by hand. */
  'pin-tried',
  'pin-locked',
  'key-missing',
  'key-extractable',
  'mechanism-missing',
  'device-silent',
  'device-failed',
] as const;
export type DeviceRefusal = (typeof deviceRefusals)[number];

/** A token's serial number, as PKCS #11 has it. */
export const deviceText: Reader<string> = text(32, /^[ -~]+$/, 'printable ASCII');
/** A key's CKA_ID, in hexadecimal. */
export const deviceKeyId: Reader<string> = text(64, /^(?:[0-9a-f]{2})+$/, 'bytes in hexadecimal');

/** Whose key it is. */
export const deviceKey = object({ token: deviceText, key: deviceKeyId });
