import { spawn } from 'node:child_process';
import type { DeviceRefusal } from './protocol.ts';

const TOOL = 'pkcs11-tool';
const OUTPUT_BYTES_MAX = 1_048_576;
const TOKENS_MAX = 256;
const KEYS_MAX = 4_096;
const NEWLINE = 0x0a;
const VALUE = Buffer.from('  VALUE:');

/** Refused, with nothing that the tool said but the name of PKCS #11's own error. */
export class ToolError extends Error {
  override name = 'ToolError';
  readonly code: DeviceRefusal;

  constructor(code: DeviceRefusal, detail = '') {
    super(detail === '' ? code : `${code} (${detail})`);
    this.code = code;
  }
}

/** A token, as `pkcs11-tool --list-token-slots` shows it. */
export interface Token {
  readonly label: string;
  readonly serial: string;
  readonly flags: readonly string[];
}

/** A secret key, as `pkcs11-tool --list-objects` shows it. */
export interface SecretKey {
  readonly id: string;
  readonly access: readonly string[];
}

/** What the tool's errors mean, the first that is found. */
const MEANINGS: readonly (readonly [RegExp, DeviceRefusal])[] = [
  [/Failed to load pkcs11 module/, 'module-missing'],
  [/CKR_PIN_LOCKED/, 'pin-locked'],
  [/CKR_PIN_(INCORRECT|INVALID|LEN_RANGE|EXPIRED)/, 'wrong-pin'],
  [
    /No slot with token named|CKR_(TOKEN_NOT_PRESENT|TOKEN_NOT_RECOGNIZED|DEVICE_REMOVED)/,
    'token-absent',
  ],
  [/Could not find key of type/, 'key-missing'],
  [
    /CKR_(MECHANISM_INVALID|KEY_TYPE_INCONSISTENT|KEY_FUNCTION_NOT_PERMITTED)|not supported/,
    'mechanism-missing',
  ],
];

/**
 * Runs OpenSC's pkcs11-tool, the one program that loads the module. A PIN is handed on in the environment of that process
 * alone, for as long as it runs: on its command line everybody on the machine could read it.
 * @throws ToolError
 */
export async function runTool(
  words: readonly string[],
  options: {
    readonly module: string;
    readonly signal: AbortSignal;
    readonly pin?: string;
    readonly input?: Uint8Array;
  },
): Promise<Buffer> {
  const { module, signal, pin, input } = options;
  const login = pin === undefined ? [] : ['--login', '--pin', 'env:AMANAT_PIN'];
  const child = spawn(TOOL, ['--module', module, ...login, ...words], {
    env: { ...process.env, ...(pin === undefined ? {} : { AMANAT_PIN: pin }) },
    stdio: ['pipe', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  });
  // A tool that refuses before it reads breaks the pipe.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [said, complained] = [collect(child.stdout), collect(child.stderr)];
  const failed = await new Promise<NodeJS.ErrnoException | boolean>((resolve) => {
    child.once('error', resolve);
    child.once('close', (code) => resolve(code !== 0));
  });
  const output = said();
  if (failed === false && output !== null) return output;
  output?.fill(0);
  if (signal.aborted) throw new ToolError('device-silent');
  if (typeof failed === 'object') throw new ToolError('tool-missing');
  const words_ = complained()?.toString('latin1') ?? '';
  const [, meaning] = MEANINGS.find(([pattern]) => pattern.test(words_)) ?? [];
  throw new ToolError(meaning ?? 'device-failed', /CKR_[A-Z0-9_]{1,60}/.exec(words_)?.[0]);
}

/** Gathers what a process writes. Gives null where that is more than is taken. */
function collect(stream: NodeJS.ReadableStream): () => Buffer | null {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= OUTPUT_BYTES_MAX) chunks.push(chunk);
  });
  return () => {
    const all = bytes <= OUTPUT_BYTES_MAX ? Buffer.concat(chunks) : null;
    for (const chunk of chunks) chunk.fill(0);
    return all;
  };
}

/** The tokens that `pkcs11-tool --list-token-slots` shows. What is not in its form is passed by. */
export function readTokens(output: Uint8Array): readonly Token[] {
  return blocksOf(output, /^Slot \d+ /, TOKENS_MAX).map((lines) => ({
    label: memberOf(lines, 'token label'),
    serial: memberOf(lines, 'serial num'),
    flags: listOf(memberOf(lines, 'token flags')),
  }));
}

/** The secret keys that `pkcs11-tool --list-objects --type secrkey` shows, but not the value of one that it can show. */
export function readSecretKeys(output: Uint8Array): readonly SecretKey[] {
  return blocksOf(output, /^Secret Key Object; /, KEYS_MAX).map((lines) => ({
    id: memberOf(lines, 'ID').toLowerCase(),
    access: listOf(memberOf(lines, 'Access')),
  }));
}

/** Lines that follow a heading, up to the next line that is not indented. A key's value is never made a string. */
function blocksOf(output: Uint8Array, heading: RegExp, most: number): string[][] {
  const bytes = Buffer.from(output.buffer, output.byteOffset, output.length);
  const blocks: string[][] = [];
  let isInside = false;
  for (let at = 0; at < bytes.length && blocks.length <= most; ) {
    const found = bytes.indexOf(NEWLINE, at);
    const end = found < 0 ? bytes.length : found;
    const line = bytes.subarray(at, end);
    at = end + 1;
    if (line.subarray(0, VALUE.length).equals(VALUE)) continue;
    const text = line.toString('latin1');
    if (!text.startsWith(' ')) {
      isInside = heading.test(text);
      if (isInside) blocks.push([]);
    } else if (isInside) blocks.at(-1)?.push(text);
  }
  return blocks.slice(0, most);
}

function memberOf(lines: readonly string[], name: string): string {
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon >= 0 && line.slice(0, colon).trim() === name) return line.slice(colon + 1).trim();
  }
  return '';
}

function listOf(text: string): readonly string[] {
  return text.split(',').map((each) => each.trim());
}
