import { fromUtf8, utf8 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import type { CosignerKey, NoteKey, NoteKeyType } from './note.ts';
import { formatVerifierKey, parseCosignerKey, parseKeyOf, signerId } from './note.ts';

/** Bytes that a policy may have: more than all its keys need, of the longest kind. */
export const MAX_POLICY_BYTES = 524_288;

/** Lines that a policy may have, empty ones and comments included. */
export const MAX_POLICY_LINES = 2_048;

/** Logs, witnesses, groups that a policy may define, of each; the specification asks for at least 32. */
export const MAX_POLICY_ENTRIES = 64;

const TAB = 0x09;
const NEWLINE = 0x0a;
const NONE = 'none';
const THRESHOLD = /^[1-9][0-9]{0,3}$/;
const SPACE = /[ \t]+/;

/**
 * A policy (C2SP tlog-policy): a checkpoint counts where one of the logs signed it and the quorum has witnessed it.
 * Names and URLs are octets, of which the text has one character each, so that a name is never read in two ways.
 */
export interface Policy {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  /** In the order of their definition: a group's members come before it. */
  readonly groups: readonly PolicyGroup[];
  /** The name of a witness or group, or null where no cosignature is asked for. */
  readonly quorum: string | null;
}

/** A log that is accepted; its key's name is its origin. */
export interface PolicyLog {
  readonly key: NoteKey<1 | 6>;
  readonly url: string | null;
}

/** A witness under the name that this policy has for it. */
export interface PolicyWitness {
  readonly name: string;
  readonly key: CosignerKey;
  readonly url: string | null;
}

/** Has witnessed a checkpoint where at least `threshold` of its members have: witnesses, or groups. */
export interface PolicyGroup {
  readonly name: string;
  readonly threshold: number;
  readonly members: readonly string[];
}

/** Reads a policy file. Throws `bad-policy`, which names the line but none of its content. */
export function parsePolicy(bytes: Uint8Array): Policy {
  if (bytes.length > MAX_POLICY_BYTES) throw new CoreError('bad-policy', 'policy is too long');
  const text = readOctets(bytes);
  if (!text.endsWith('\n')) throw new CoreError('bad-policy', 'policy ends without a newline');
  const lines = text.slice(0, -1).split('\n', MAX_POLICY_LINES + 1);
  if (lines.length > MAX_POLICY_LINES) throw new CoreError('bad-policy', 'policy is too long');
  const draft = new Draft();
  for (const [index, line] of lines.entries()) {
    try {
      draft.read(line);
    } catch (cause) {
      if (!(cause instanceof CoreError)) throw cause;
      throw new CoreError('bad-policy', `line ${index + 1}: ${cause.message}`, { cause });
    }
  }
  return draft.finish();
}

/** Writes a policy file that `parsePolicy` reads as this policy. Throws `bad-policy` where there is none. */
export function formatPolicy(policy: Policy): Uint8Array {
  const lines = [
    ...policy.logs.map(({ key, url }) => ['log', verifierKeyOctets(key), url]),
    ...policy.witnesses.map(({ name, key, url }) => ['witness', name, verifierKeyOctets(key), url]),
    ...policy.groups.map(({ name, threshold, members }) => ['group', name, threshold, ...members]),
    ['quorum', policy.quorum ?? NONE],
  ];
  const text = lines
    .map((items) => `${items.filter((item) => item !== null).join(' ')}\n`)
    .join('');
  const bytes = writeOctets(text);
  const read = parsePolicy(bytes);
  // A name with a space in it, say, would make another line than was meant.
  if (JSON.stringify(shapeOf(read)) !== JSON.stringify(shapeOf(policy)))
    throw new CoreError('bad-policy', 'policy cannot be written');
  return bytes;
}

/** Whether those who cosigned, each as `signerId` of its key, make up the quorum. Ids of others count nothing. */
export function isSatisfied(policy: Policy, cosigners: ReadonlySet<string>): boolean {
  if (policy.quorum === null) return true;
  const witnessed = new Set<string>();
  for (const { name, key } of policy.witnesses) {
    if (cosigners.has(signerId(key))) witnessed.add(name);
  }
  for (const { name, threshold, members } of policy.groups) {
    if (members.filter((member) => witnessed.has(member)).length >= threshold) witnessed.add(name);
  }
  return witnessed.has(policy.quorum);
}

/** A policy as far as its lines have been read. */
class Draft {
  readonly #logs: PolicyLog[] = [];
  readonly #witnesses: PolicyWitness[] = [];
  readonly #groups: PolicyGroup[] = [];
  readonly #names = new Set<string>();
  readonly #members = new Set<string>();
  #quorum: string | null | undefined;

  read(line: string): void {
    const [keyword, ...items] = line.split(SPACE).filter((item) => item !== '');
    if (keyword === undefined || keyword.startsWith('#')) return;
    if (keyword === 'log') this.#readLog(items);
    else if (keyword === 'witness') this.#readWitness(items);
    else if (keyword === 'group') this.#readGroup(items);
    else if (keyword === 'quorum') this.#readQuorum(items);
    else throw new CoreError('bad-policy', 'neither log, witness, group nor quorum');
  }

  finish(): Policy {
    if (this.#quorum === undefined) throw new CoreError('bad-policy', 'policy has no quorum');
    return {
      logs: this.#logs,
      witnesses: this.#witnesses,
      groups: this.#groups,
      quorum: this.#quorum,
    };
  }

  #readLog([key, url, ...more]: readonly string[]): void {
    if (key === undefined || more.length > 0)
      throw new CoreError('bad-policy', 'a log has a key and may have an address');
    const log: PolicyLog = { key: parseKeyOf([1, 6], verifierKeyText(key)), url: url ?? null };
    addKey(this.#logs, log);
  }

  #readWitness([name, key, url, ...more]: readonly string[]): void {
    if (name === undefined || key === undefined || more.length > 0)
      throw new CoreError('bad-policy', 'a witness has a name, a key and may have an address');
    const cosigner = parseCosignerKey(verifierKeyText(key));
    const witness: PolicyWitness = { name, key: cosigner, url: url ?? null };
    addKey(this.#witnesses, witness);
    this.#define(name);
  }

  #readGroup([name, threshold, ...members]: readonly string[]): void {
    if (name === undefined || threshold === undefined || members.length === 0)
      throw new CoreError('bad-policy', 'a group has a name, a threshold and members');
    for (const member of members) {
      if (!this.#names.has(member))
        throw new CoreError('bad-policy', 'a member is not defined on a line before');
      // So that no witness counts twice, by whatever way.
      if (this.#members.has(member))
        throw new CoreError('bad-policy', 'a member stands in a group already');
      this.#members.add(member);
    }
    if (this.#groups.length >= MAX_POLICY_ENTRIES)
      throw new CoreError('bad-policy', 'too many groups');
    this.#define(name);
    this.#groups.push({ name, threshold: toThreshold(threshold, members.length), members });
  }

  #readQuorum([name, ...more]: readonly string[]): void {
    if (name === undefined || more.length > 0)
      throw new CoreError('bad-policy', 'a quorum has one name');
    if (this.#quorum !== undefined) throw new CoreError('bad-policy', 'a second quorum');
    if (name !== NONE && !this.#names.has(name))
      throw new CoreError('bad-policy', 'the quorum is not defined on a line before');
    this.#quorum = name === NONE ? null : name;
  }

  #define(name: string): void {
    if (name === NONE) throw new CoreError('bad-policy', 'none is no name to define');
    if (this.#names.has(name)) throw new CoreError('bad-policy', 'the name is defined already');
    this.#names.add(name);
  }
}

function toThreshold(text: string, members: number): number {
  if (text === 'any') return 1;
  if (text === 'all') return members;
  const threshold = THRESHOLD.test(text) ? Number(text) : Number.NaN;
  if (!(threshold <= members))
    throw new CoreError('bad-policy', 'a threshold is any, all, or a number up to the members');
  return threshold;
}

/** Adds what has a key, unless it is there: with the same public key, or with the name and id of another. */
function addKey<Entry extends { readonly key: NoteKey<NoteKeyType> }>(
  entries: Entry[],
  entry: Entry,
): void {
  if (entries.length >= MAX_POLICY_ENTRIES)
    throw new CoreError('bad-policy', 'too many logs or witnesses');
  const { key } = entry;
  const own = fingerprint(key);
  const isTaken = entries.some(
    ({ key: other }) => fingerprint(other) === own || signerId(other) === signerId(key),
  );
  // Ids have 32 bits: two keys made to share one would count as two by one signature.
  if (isTaken) throw new CoreError('bad-policy', 'the key is there already');
  entries.push(entry);
}

function fingerprint({ publicKey }: NoteKey<NoteKeyType>): string {
  return String.fromCharCode(...publicKey);
}

/** A key's name is UTF-8 where every other name of a policy is octets. */
function verifierKeyText(octets: string): string {
  try {
    return fromUtf8(writeOctets(octets));
  } catch (cause) {
    throw new CoreError('bad-key', 'note key is not utf-8', { cause });
  }
}

function verifierKeyOctets(key: NoteKey<NoteKeyType>): string {
  return String.fromCharCode(...utf8(formatVerifierKey(key)));
}

function readOctets(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const isAllowed = byte >= 0x20 ? byte !== 0x7f : byte === NEWLINE || byte === TAB;
    if (!isAllowed) throw new CoreError('bad-policy', 'policy has a forbidden control character');
    text += String.fromCharCode(byte);
  }
  return text;
}

function writeOctets(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const octet = text.charCodeAt(i);
    if (octet > 0xff) throw new CoreError('bad-policy', 'a name or address is not octets');
    bytes[i] = octet;
  }
  return bytes;
}

/** A policy in plain values, by which two are compared. */
function shapeOf({ logs, witnesses, groups, quorum }: Policy): unknown {
  return [
    logs.map(({ key, url }) => [formatVerifierKey(key), url]),
    witnesses.map(({ name, key, url }) => [name, formatVerifierKey(key), url]),
    groups.map(({ name, threshold, members }) => [name, threshold, members]),
    quorum,
  ];
}
