import { hex } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { Signed } from '@amanat/core/grants';
import { documentHash, readDocument, TWO_PERSON_TYPES } from '@amanat/core/grants';
import { instancePaths } from '../config/paths.ts';
import { decodeSigned } from '../log/log.ts';
import { createSqliteLogStore } from '../log/store-sqlite.ts';
import { StorageError } from '../storage/errors.ts';
import { openDatabaseForReading } from '../storage/sqlite.ts';
import type { Api } from './client.ts';
import type { Call, Outcome } from './command.ts';
import { CliError, wrongUsage } from './errors.ts';
import { readText, writePrivate } from './files.ts';
import { openApi } from './instance.ts';
import { readSigningKey, signDocument } from './keys.ts';
import type { OptionSet } from './options.ts';

/** Documents that take two administrators, those about a person among them. */
const SIGNED_TYPES = [...TWO_PERSON_TYPES, 'protection', 'erasure'] as const;
export type SignedType = (typeof SIGNED_TYPES)[number];

const EXPIRY_ANNOUNCED_SECONDS = 7 * 86_400;
/**
 * What waits otherwise than for the activation delay, in seconds: a revocation waits for nothing, who is protected or
 * erased is so at once, a glass is broken in need, and a tree has one key; a month expires seven days after that was announced.
 */
const WAITS_SECONDS: ReadonlyMap<SignedType, number> = new Map([
  ['revocation', 0],
  ['protection', 0],
  ['erasure', 0],
  ['broken-glass', 0],
  ['log-key', 0],
  ['root-rotation', 0],
  ['generation-rotation', 0],
  ['expiry-announced', EXPIRY_ANNOUNCED_SECONDS],
]);
/** Documents about a person have routes of their own. */
const PERSONAL_PATHS: ReadonlyMap<SignedType, string> = new Map([
  ['protection', '/v1/protections'],
  ['erasure', '/v1/erasures'],
]);
const HALF = 'half-signed';

/** Options of every command that two administrators sign. */
export const SIGNING_OPTIONS: OptionSet = {
  as: { value: 'KEY', help: 'an administrator’s private key file', many: true },
  out: { value: 'FILE', help: 'where to write what one administrator has signed' },
};

/** What follows such a command's summary in its help. */
export const SIGNING_ABOUT =
  'Two administrators sign. With --as given twice it is signed and entered at once; given once, a half-signed file ' +
  'is written, which the other administrator completes with this same command, that file, and --as.';

/** A document that one administrator has signed. */
interface HalfSigned extends Signed {
  readonly type: typeof HALF;
}

/** The path of a half-signed file among a command's words, or null where the word is something else. */
export async function findHalfSigned(path: string | undefined): Promise<string | null> {
  if (path === undefined || !path.endsWith('.json')) return null;
  const text = await readText(path);
  return text.includes(`"${HALF}"`) ? path : null;
}

/**
 * Has one or two administrators sign a document, and enters it once both have.
 * @param half a half-signed file to complete, or null to begin.
 * @param make the document's text, made once the gateway can be asked.
 * @param entered what is done once it is entered, and what is said of that.
 * @throws CliError
 */
export async function signByAdministrators(
  call: Call,
  type: SignedType,
  half: string | null,
  make: (api: Api) => Promise<string>,
  entered: (api: Api, index: number) => Promise<readonly string[]> = async () => [],
): Promise<Outcome> {
  const keyPaths = call.arguments.requiredTexts('as');
  if (keyPaths.length > 2)
    throw wrongUsage('--as is given at most twice: there are two administrators');
  if (half !== null && keyPaths.length !== 1) {
    throw wrongUsage('a half-signed file lacks one signature: give --as once');
  }
  await using api = await openApi(call);
  const begun =
    half === null ? { document: await make(api), signatures: [] } : await readHalf(half, type);
  const administrators = pinnedAdministrators(call.dir);
  const signed = await addSignatures(begun, keyPaths, administrators);
  if (signed.signatures.length < 2) {
    return writeHalf(call, type, signed, { isKnown: administrators !== null });
  }
  return await submit(api, type, signed, entered);
}

/**
 * Adds signatures of different keys.
 * @param administrators the only keys that may sign; null where they are not known here.
 * @throws CliError 'refused' where one key would sign twice, or is no administrator's
 */
export async function addSignatures(
  begun: Signed,
  keyPaths: readonly string[],
  administrators: readonly string[] | null,
): Promise<Signed> {
  const signatures = [...begun.signatures];
  for (const path of keyPaths) {
    const key = await readSigningKey(path);
    if (administrators?.includes(key.public.text) === false) {
      throw new CliError('refused', 'the key is no administrator’s of this instance', {
        reason: 'not-two-administrators',
        remedy: 'sign with the keys of the two administrators that init pinned',
      });
    }
    if (signatures.some((each) => each.key === key.public.id)) {
      throw new CliError('refused', 'one administrator has signed this twice', {
        reason: 'not-two-administrators',
        remedy: 'the other administrator’s key is needed: one person alone changes nothing',
      });
    }
    signatures.push(signDocument(key, begun.document));
  }
  return { document: begun.document, signatures };
}

/** The administrators' public keys from the log's first entry; null where the store cannot be read from here. */
function pinnedAdministrators(dir: string): readonly string[] | null {
  try {
    const database = openDatabaseForReading(instancePaths(dir).database);
    try {
      const [first] = createSqliteLogStore(database).leaves(0, 1);
      const signed = first === undefined ? null : decodeSigned(first);
      return signed === null ? null : readDocument(signed.document, 'genesis').administrators;
    } finally {
      database.close();
    }
  } catch (error) {
    // Somebody else's store to read, or a damaged one: the gateway is the judge then.
    if (error instanceof StorageError || error instanceof CoreError) return null;
    throw error;
  }
}

async function readHalf(path: string, type: SignedType): Promise<Signed> {
  let half: HalfSigned;
  try {
    half = JSON.parse(await readText(path)) as HalfSigned;
    readDocument(half.document, ...SIGNED_TYPES);
    if (half.type !== HALF || half.signatures.length !== 1) throw new Error('not half-signed');
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError('failed', `${path} is no half-signed document`, { cause });
  }
  const found = readDocument(half.document, ...SIGNED_TYPES).type;
  if (found !== type) {
    throw new CliError('refused', `${path} holds another kind of document: ${found}`, {
      remedy: 'complete it with the command that began it',
    });
  }
  return { document: half.document, signatures: half.signatures };
}

function writeHalf(
  call: Call,
  type: SignedType,
  signed: Signed,
  { isKnown }: { readonly isKnown: boolean },
): Outcome {
  const path = call.arguments.text('out') ?? `${type}.half.json`;
  const half: HalfSigned = { type: HALF, ...signed };
  writePrivate(path, `${JSON.stringify(half)}\n`, { replace: false });
  const hash = hex(documentHash(signed.document));
  return {
    json: { submitted: false, type, half: path, hash },
    lines: [
      `Signed by one ${isKnown ? 'administrator' : 'key'}: ${path}`,
      'Nothing is changed yet. The other administrator completes it with this same command,',
      `that file, and --as. The document’s hash, to be compared by voice: ${hash.slice(0, 16)}`,
    ],
  };
}

/** Where it stands: a public document in one place, one about a person once at each controller concerned. */
interface Submitted {
  readonly index?: number;
  readonly entries?: readonly { readonly index: number }[];
}

async function submit(
  api: Api,
  type: SignedType,
  signed: Signed,
  entered: (api: Api, index: number) => Promise<readonly string[]>,
): Promise<Outcome> {
  const path = PERSONAL_PATHS.get(type) ?? '/v1/documents';
  const { body } = await api.post<Submitted>(path, signed);
  const index = body.index ?? body.entries?.[0]?.index ?? null;
  const more = index === null ? [] : await entered(api, index);
  const { activationSeconds } = await api.get<{ readonly activationSeconds: number }>(
    '/v1/instance',
  );
  const waits = WAITS_SECONDS.get(type) ?? activationSeconds;
  return {
    json: { submitted: true, type, index, activeInSeconds: waits },
    lines: [
      `Entered${index === null ? '' : ` in the log as leaf ${index}`}: ${type}.`,
      describeWait(type, waits),
      ...more,
    ],
  };
}

function describeWait(type: SignedType, seconds: number): string {
  // Entered, neither is done yet.
  if (type === 'root-rotation') return 'It is in force once the keeper adopts it.';
  if (type === 'generation-rotation')
    return 'It is in force once the keeper has wrapped every key.';
  return seconds === 0 ? 'It is in force.' : `It is in force in ${describeSeconds(seconds)}.`;
}

function describeSeconds(seconds: number): string {
  if (seconds < 120) return `${seconds} seconds`;
  if (seconds >= 2 * 86_400) return `${Math.round(seconds / 86_400)} days`;
  return seconds < 7200
    ? `${Math.round(seconds / 60)} minutes`
    : `${Math.round(seconds / 3600)} hours`;
}
