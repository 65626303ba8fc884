import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DEVICE_MS_MAX, MAC_BYTES } from './protocol.ts';
import type { Token } from './tool.ts';
import { readSecretKeys, readTokens, runTool, ToolError } from './tool.ts';

const PIN_BYTES_MAX = 256;
const ID_OF_A_KEY = /^(?:[0-9a-f]{2})+$/;

/** Where the root's key is, and by which PIN. */
export interface TokenPlace {
  /** The vendor's PKCS #11 module, an absolute path. */
  readonly module: string;
  /** The token's label. */
  readonly token: string;
  /** The key's CKA_ID, in hexadecimal. */
  readonly key: string;
  /** A file that holds the PIN and nothing else. */
  readonly pinFile: string;
}

/** A token with the root's key, to which nothing but HMAC is ever given to do. */
export class RootToken {
  readonly #place: TokenPlace;
  /** The digest of a PIN that the token did not take: it is not given a second time, or the token locks itself. */
  #wrong: Buffer | null = null;

  constructor(place: TokenPlace) {
    if (!ID_OF_A_KEY.test(place.key)) throw new Error('--key is an id in hexadecimal');
    this.#place = place;
  }

  /** Whose key it is, once it was looked at. @throws ToolError */
  async describe(): Promise<{ readonly token: string; readonly key: string }> {
    const { serial } = await this.#requireKey(AbortSignal.timeout(DEVICE_MS_MAX));
    return { token: serial, key: this.#place.key };
  }

  /** HMAC-SHA-256 of a message, by a key that was looked at before. @throws ToolError */
  async mac(message: Uint8Array): Promise<Buffer> {
    const signal = AbortSignal.timeout(DEVICE_MS_MAX);
    await this.#requireKey(signal);
    const words = ['--sign', '--mechanism', 'SHA256-HMAC', '--id', this.#place.key];
    const mac = await this.#loggedIn(words, signal, message);
    if (mac.length !== MAC_BYTES) throw new ToolError('device-failed');
    return mac;
  }

  /** The key is there, once, and has never been able to leave the device. @throws ToolError */
  async #requireKey(signal: AbortSignal): Promise<Token> {
    const token = await this.#requireToken(signal);
    const listed = await this.#loggedIn(['--list-objects', '--type', 'secrkey'], signal);
    const keys = readSecretKeys(listed).filter(({ id }) => id === this.#place.key);
    listed.fill(0);
    const [key, another] = keys;
    if (key === undefined || another !== undefined) throw new ToolError('key-missing');
    const is = (word: string) => key.access.includes(word);
    // What was ever extractable, or came from outside, somebody may have a copy of.
    const wasAlwaysInside = is('always sensitive') && is('never extractable');
    if (!is('sensitive') || is('extractable') || !wasAlwaysInside) {
      throw new ToolError('key-extractable');
    }
    return token;
  }

  /** The token is there, once, and takes a PIN. No PIN is given for it to say so. @throws ToolError */
  async #requireToken(signal: AbortSignal): Promise<Token> {
    const { module } = this.#place;
    const tokens = readTokens(await runTool(['--list-token-slots'], { module, signal })).filter(
      ({ label }) => label === this.#place.token,
    );
    const [token, another] = tokens;
    if (token === undefined || another !== undefined) throw new ToolError('token-absent');
    if (token.flags.includes('user PIN locked')) throw new ToolError('pin-locked');
    if (token.flags.includes('user PIN count low') || token.flags.includes('final user PIN try')) {
      throw new ToolError('pin-tried');
    }
    return token;
  }

  async #loggedIn(
    words: readonly string[],
    signal: AbortSignal,
    input?: Uint8Array,
  ): Promise<Buffer> {
    const { module, token } = this.#place;
    const pin = this.#readPin();
    const digest = createHash('sha256').update(pin).digest();
    if (this.#wrong?.equals(digest)) throw new ToolError('wrong-pin');
    try {
      const of = ['--token-label', token];
      return await runTool([...of, ...words], { module, signal, pin, ...(input && { input }) });
    } catch (error) {
      if (error instanceof ToolError && error.code === 'wrong-pin') this.#wrong = digest;
      throw error;
    }
  }

  #readPin(): string {
    let pin: string;
    try {
      pin = readFileSync(this.#place.pinFile, 'utf8').replace(/\n$/, '');
    } catch {
      throw new ToolError('pin-missing');
    }
    if (pin === '' || pin.length > PIN_BYTES_MAX || /[\0\n]/.test(pin)) {
      throw new ToolError('pin-missing');
    }
    return pin;
  }
}
