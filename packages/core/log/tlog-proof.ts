import { base64, fromBase64 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import type { ParsedCheckpoint } from './checkpoint.ts';
import { parseCheckpoint } from './checkpoint.ts';
import type { Cosignature, SignatureVerifier } from './cosignature.ts';
import { openSignaturesAsync } from './cosignature.ts';
import { HASH_LENGTH, isTreeSize, MAX_PROOF_HASHES, verifyInclusion } from './merkle.ts';
import type { NoteKeyType } from './note.ts';
import { MAX_NOTE_LENGTH, parseNote, signerId } from './note.ts';
import type { Policy } from './policy.ts';
import { isSatisfied } from './policy.ts';

/** Bytes of extra data that a proof may carry. */
export const MAX_TLOG_PROOF_EXTRA_BYTES = 65_536;

const HEADER = 'c2sp.org/tlog-proof@v1';
const EXTRA = 'extra ';
const INDEX = /^index (0|[1-9][0-9]{0,15})$/;
const HASH_TEXT_LENGTH = 44;

/** Characters of all that stands before the checkpoint. */
const MAX_HEAD_LENGTH =
  128 + MAX_PROOF_HASHES * (HASH_TEXT_LENGTH + 1) + Math.ceil(MAX_TLOG_PROOF_EXTRA_BYTES / 3) * 4;

/** That an entry stands in a log, to be checked without network (C2SP tlog-proof). Believed only once verified. */
export interface TlogProof {
  /** The application's own, which nothing authenticates; null where there is none. */
  readonly extra: Uint8Array | null;
  /** Where the entry stands, from 0. */
  readonly index: number;
  /** From the leaf's sibling up to the root's child. */
  readonly hashes: readonly Uint8Array[];
  /** The signed note, with its cosignatures, as the log gave it. */
  readonly checkpoint: string;
}

/** Who vouches for a proof, and of what. */
export interface VerifiedTlogProof {
  readonly checkpoint: ParsedCheckpoint;
  /** Of every witness of the policy that cosigned, more than the quorum's perhaps. */
  readonly cosignatures: readonly Cosignature[];
}

/**
 * Reads a proof and verifies nothing. Throws `bad-proof`; `bad-note` and `bad-checkpoint` where what it ends with is
 * no signed checkpoint.
 */
export function parseTlogProof(text: string): TlogProof {
  if (text.length > MAX_HEAD_LENGTH + MAX_NOTE_LENGTH)
    throw new CoreError('bad-proof', 'proof is too long');
  const end = text.indexOf('\n\n');
  if (end < 0 || end > MAX_HEAD_LENGTH) throw new CoreError('bad-proof', 'proof has no checkpoint');
  const [header, ...lines] = text.slice(0, end).split('\n');
  if (header !== HEADER) throw new CoreError('bad-proof', 'not a proof of version 1');
  const extra = lines[0]?.startsWith(EXTRA) ? readExtra(lines.shift() as string) : null;
  const index = Number(INDEX.exec(lines.shift() ?? '')?.[1] ?? Number.NaN);
  if (!isTreeSize(index)) throw new CoreError('bad-proof', 'proof has no proper index');
  if (lines.length > MAX_PROOF_HASHES)
    throw new CoreError('bad-proof', 'proof has too many hashes');
  const checkpoint = text.slice(end + 2);
  parseCheckpoint(parseNote(checkpoint).text);
  return { extra, index, hashes: lines.map(readHash), checkpoint };
}

/** Writes a proof that `parseTlogProof` reads as this one. Throws `bad-proof`, `bad-note`, `bad-checkpoint`. */
export function formatTlogProof({ extra, index, hashes, checkpoint }: TlogProof): string {
  if (extra !== null && (extra.length === 0 || extra.length > MAX_TLOG_PROOF_EXTRA_BYTES))
    throw new CoreError('bad-proof', 'extra data are absent, or 1 to 65,536 bytes');
  const lines = [
    HEADER,
    ...(extra === null ? [] : [`${EXTRA}${base64(extra)}`]),
    `index ${index}`,
    ...hashes.map(base64),
  ];
  const text = `${lines.join('\n')}\n\n${checkpoint}`;
  parseTlogProof(text);
  return text;
}

/**
 * Checks a proof for an entry's leaf hash, which the application computes: a log of the policy signed the checkpoint
 * whose origin is the name of its key, the quorum cosigned it, and the entry is in its tree. Throws `bad-note` for a
 * bad signature of a known key, `bad-proof` for whatever else does not hold; what `verify` throws passes.
 */
export async function verifyTlogProof(
  { index, hashes, checkpoint: note }: TlogProof,
  {
    leafHash,
    policy,
    verify,
  }: {
    readonly leafHash: Uint8Array;
    readonly policy: Policy;
    readonly verify: SignatureVerifier<NoteKeyType, boolean | Promise<boolean>>;
  },
): Promise<VerifiedTlogProof> {
  const checkpoint = parseCheckpoint(parseNote(note).text);
  const logs = policy.logs.map(({ key }) => key).filter(({ name }) => name === checkpoint.origin);
  if ((await openSignaturesAsync(note, logs, verify)).length === 0)
    throw new CoreError('bad-proof', 'no log of the policy signed the checkpoint');
  const witnesses = policy.witnesses.map(({ key }) => key);
  const cosignatures = await openSignaturesAsync(note, witnesses, verify);
  if (!isSatisfied(policy, new Set(cosignatures.map(({ key }) => signerId(key)))))
    throw new CoreError('bad-proof', 'checkpoint is not cosigned by the quorum');
  const { size, root } = checkpoint;
  if (!verifyInclusion({ index, size, leafHash, proof: hashes, root }))
    throw new CoreError('bad-proof', 'entry is not in the tree');
  return { checkpoint, cosignatures };
}

function readExtra(line: string): Uint8Array {
  const extra = decode(line.slice(EXTRA.length));
  if (extra.length === 0 || extra.length > MAX_TLOG_PROOF_EXTRA_BYTES)
    throw new CoreError('bad-proof', 'proof has no proper extra data');
  return extra;
}

function readHash(line: string): Uint8Array {
  const hash = decode(line);
  if (hash.length !== HASH_LENGTH) throw new CoreError('bad-proof', 'proof has a malformed hash');
  return hash;
}

function decode(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw new CoreError('bad-proof', 'proof has malformed base64', { cause });
  }
}
