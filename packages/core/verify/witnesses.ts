import { hex } from '../bytes.ts';
import type { Json } from '../canonical.ts';
import { CoreError } from '../errors.ts';
import type { CosignerKey, NoteKey } from '../log/index.ts';
import { openSignaturesAsync, parseCosignerKey, parseNote, signerId } from '../log/index.ts';
import type { Read, Reader } from '../shape.ts';
import { integer, list, object, text } from '../shape.ts';
import type { CheckFailure } from './checks.ts';
import { verifyNoteByWebCrypto } from './signature.ts';

/** Witnesses that a log has at most. */
const WITNESSES_MAX = 16;

const witnessKeys = object({
  /** Each witness's verifier key, as C2SP signed-note writes it. */
  keys: list(text(2_100), 1, WITNESSES_MAX),
  /** How many of them have to cosign. */
  quorum: integer(1, WITNESSES_MAX),
});

/** The witnesses by whom a checkpoint is judged. */
export type WitnessKeys = Read<typeof witnessKeys>;

/** Witnesses or null; what was written before there were any says nothing of them, which is null too. */
export const witnessKeysOrNull: Reader<WitnessKeys | null> = (value, path) =>
  value === undefined || value === null ? null : witnessKeys(value, path);

/** A witness whose cosignature verified. */
export interface Cosigner {
  readonly name: string;
  /** The time that it signed with, a POSIX timestamp, on its word. */
  readonly timeSeconds: number;
}

/** What a checkpoint's cosignatures came to. */
export interface Witnessed {
  readonly outcome: 'ok' | CheckFailure;
  /** In the order of the keys, each once; none where the outcome is 'wrong'. */
  readonly cosigners: readonly Cosigner[];
  readonly quorum: number;
  /** How many witnesses there are. */
  readonly count: number;
}

/**
 * Reads witnesses out of an object that may say more of them, and their keys.
 * @throws CoreError 'bad-document' or 'bad-key'; also where one stands there twice, who would count twice
 */
export function readWitnessKeys(source: unknown): WitnessKeys {
  const { keys, quorum } = (source ?? {}) as { readonly [member: string]: Json };
  const found = witnessKeys({ keys, quorum } as Json, '');
  parseKeys(found);
  return found;
}

/**
 * Whether the quorum of these witnesses has cosigned the checkpoint: every cosignature of theirs must verify. Whether
 * the log signed is not asked. Keys of ML-DSA-44, which WebCrypto does not have everywhere, count for nobody; where
 * they would have made up the quorum the outcome is 'unsupported'. Never throws.
 *
 * No age is asked of a cosignature. What is cosigned is a tree that has grown from the one of the keeper's fresh head,
 * which holds the sign-in of this very session: nobody can have cosigned it before, whatever time the witness wrote.
 */
export async function checkWitnesses(note: string, witnesses: WitnessKeys): Promise<Witnessed> {
  const { quorum } = witnesses;
  let isUnsupported = false;
  try {
    const { ed25519, others } = parseKeys(readWitnessKeys(witnesses));
    const count = ed25519.length + others.length;
    const cosigned = await openSignaturesAsync(note, ed25519, async (...signed) => {
      const verdict = await verifyNoteByWebCrypto(...signed);
      isUnsupported ||= verdict === 'unsupported';
      return verdict === 'ok';
    });
    const cosigners = cosigned.map(({ key, timeSeconds }) => ({ name: key.name, timeSeconds }));
    if (cosigners.length >= quorum) return { outcome: 'ok', cosigners, quorum, count };
    const signers = new Set(parseNote(note).signatures.map(({ key }) => signerId(key)));
    const unchecked = others.filter((key) => signers.has(signerId(key))).length;
    const outcome = cosigners.length + unchecked >= quorum ? 'unsupported' : 'missing';
    return { outcome, cosigners, quorum, count };
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    const outcome = isUnsupported ? 'unsupported' : 'wrong';
    return { outcome, cosigners: [], quorum, count: witnesses.keys?.length ?? 0 };
  }
}

function parseKeys({ keys: texts, quorum }: WitnessKeys) {
  const keys = texts.map(parseCosignerKey);
  // One witness under two names would count twice.
  const told = new Set(keys.flatMap((key) => [signerId(key), hex(key.publicKey)]));
  if (told.size !== 2 * keys.length || quorum > keys.length) {
    throw new CoreError('bad-document', 'witnesses: one stands there twice, or they are too few');
  }
  const isEd25519 = (key: CosignerKey): key is NoteKey<4> => key.type === 4;
  return { ed25519: keys.filter(isEd25519), others: keys.filter((key) => !isEd25519(key)) };
}
