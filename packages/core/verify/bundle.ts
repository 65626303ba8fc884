import { fromHex, fromUtf8, utf8 } from '../bytes.ts';
import type { Json } from '../canonical.ts';
import { CoreError } from '../errors.ts';
import type { Read } from '../shape.ts';
import { hexText, integer, list, object, oneOf, slug, text, time } from '../shape.ts';
import { readView, VIEW_ENTRIES_MAX, VIEW_SUBJECTS_MAX, writeView } from '../view.ts';
import type { AnswerEntry } from './answer.ts';
import type { HistoryMaterial, InstanceKeys, ReadEntry, Verification } from './history.ts';
import { checkHistory, HEAD_AGE_MAX_MS } from './history.ts';
import type { LeafProof, ProofSource } from './proofs.ts';
import { witnessKeysOrNull } from './witnesses.ts';

/** Characters of a bundle: 20,000 look-ups in a log of a thousand million come to about half of it. */
export const BUNDLE_CHARACTERS_MAX = 128 * 1024 * 1024;

const FORMAT = 'amanat/v1 history bundle';
const BODY_CHARACTERS_MAX = 4 * 1024 * 1024;

const provenEntry = object({
  number: integer(1),
  index: integer(0),
  body: text(BODY_CHARACTERS_MAX),
  leafHash: hexText(32),
  proof: list(hexText(32), 0, 54),
});

const bundle = object({
  type: oneOf(FORMAT),
  /** When it was made, by the clock of the device that made it. */
  made: time,
  keys: object({ logKey: text(512), keeperKey: text(128), witnesses: witnessKeysOrNull }),
  enc: text(88),
  checkpoint: text(131_072),
  /** The keeper's opened view, as canonical JSON: heads, signatures, body keys. */
  view: text(64 * 1024 * 1024),
  /** How the checkpoint's tree begins with the keeper's, by the size of the keeper's. */
  consistency: list(object({ size: integer(0), proof: list(hexText(32), 0, 54) }), 0, 32),
  subjects: list(
    object({
      subject: hexText(16),
      controller: slug,
      entries: list(provenEntry, 0, VIEW_ENTRIES_MAX),
      /** What was sealed and is opened. */
      sealed: list(provenEntry, 0, VIEW_ENTRIES_MAX),
    }),
    0,
    VIEW_SUBJECTS_MAX,
  ),
});

type Bundle = Read<typeof bundle>;

/** What checking a bundle gave. */
export interface BundleVerification extends Verification {
  readonly made: number;
  /** The keys it says it was made under: of use only to compare with those known from elsewhere. */
  readonly claimedKeys: InstanceKeys;
}

/**
 * One file with everything by which her history is checked again elsewhere, without network: the answer, the opened
 * view, the checkpoint and an inclusion proof for each entry. It holds her history in the clear. It can be made of
 * a history that failed its checks too, as evidence; entries to which no proof came are left out of it.
 * @throws CoreError 'out-of-range' where it would be too large.
 */
export function makeBundle(
  { material, chains }: Verification & { readonly material: HistoryMaterial },
  made: number,
): string {
  const consistency = new Map<number, readonly string[]>();
  for (const { treeSize, consistency: proof } of chains) {
    if (proof !== null) consistency.set(treeSize, proof);
  }
  const entriesOf = new Map(chains.map((chain) => [chain.subject, chain.entries]));
  const value: Bundle = {
    type: FORMAT,
    made,
    keys: keysOf(material.keys),
    enc: material.enc,
    checkpoint: material.answer.checkpoint,
    view: fromUtf8(writeView(material.view)),
    consistency: [...consistency].map(([size, proof]) => ({ size, proof })),
    subjects: material.answer.subjects.map(({ subject, controller }) => ({
      subject,
      controller,
      entries: provenOf(entriesOf.get(subject) ?? []),
      sealed: provenOf((entriesOf.get(subject) ?? []).flatMap(({ withheld }) => withheld)),
    })),
  };
  const written = JSON.stringify(value);
  if (written.length > BUNDLE_CHARACTERS_MAX) {
    throw new CoreError('out-of-range', 'history is too long for one bundle');
  }
  return written;
}

/**
 * Checks a bundle against keys that are known from elsewhere: the same checks as in the browser, but that a head need
 * not be of this minute, only not of the future. What it shows is complete to each head's time. Which look-ups were
 * never answered stands in the view, which nobody signed: of that the bundle is no proof.
 * @param pinned null takes the bundle's own keys: it then shows only that the bundle agrees with itself.
 * @throws CoreError 'bad-document' where the file is no bundle; whatever a bundle holds is a failed check.
 */
export async function verifyBundle(
  file: string,
  pinned: InstanceKeys | null,
  now: number,
): Promise<BundleVerification> {
  const found = readBundle(file);
  const keys = pinned ?? found.keys;
  const { checkpoint, enc } = found;
  const unproven = ({ number, index, body }: AnswerEntry) => ({ number, index, body });
  const subjects = found.subjects.map(({ subject, controller, entries, sealed }) => ({
    subject,
    controller,
    entries: entries.map(unproven),
    sealed: sealed.map(unproven),
  }));
  const view = readViewText(found.view);
  const material = view && { answer: { view: '', checkpoint, subjects }, view, enc, keys };
  const notOfTheFuture = (head: number) => head <= now + HEAD_AGE_MAX_MS;
  const verification = await checkHistory(material, keys, proofsOf(found), notOfTheFuture);
  return { ...verification, made: found.made, claimedKeys: found.keys };
}

function provenOf(entries: readonly ReadEntry[]): Bundle['subjects'][number]['entries'] {
  return entries.flatMap(({ number, index, body, leafHash, proof }) =>
    leafHash === null || proof === null ? [] : [{ number, index, body, leafHash, proof }],
  );
}

/** The keys as a file has them: without what else an instance says of itself. */
export function keysOf({ logKey, keeperKey, witnesses }: InstanceKeys): InstanceKeys {
  const told = witnesses && { keys: witnesses.keys, quorum: witnesses.quorum };
  return { logKey, keeperKey, witnesses: told };
}

function readBundle(file: string): Bundle {
  if (file.length > BUNDLE_CHARACTERS_MAX) {
    throw new CoreError('bad-document', 'bundle is too long');
  }
  let source: unknown;
  try {
    source = JSON.parse(file);
  } catch {
    throw new CoreError('bad-document', 'bundle is not JSON');
  }
  return bundle(source as Json, '');
}

function readViewText(written: string): HistoryMaterial['view'] | null {
  try {
    return readView(utf8(written));
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}

/** A bundle's proofs, by the leaf's index. */
function proofsOf({ subjects, consistency }: Bundle): ProofSource {
  const byIndex = new Map<number, LeafProof>();
  for (const { index, leafHash, proof } of subjects.flatMap((each) => [
    ...each.entries,
    ...each.sealed,
  ])) {
    byIndex.set(index, { leafHash: fromHex(leafHash), proof: proof.map(fromHex) });
  }
  return {
    async prove(indices) {
      return indices.map((index) => byIndex.get(index) ?? 'missing');
    },
    async connect(oldSize) {
      const found = consistency.find(({ size }) => size === oldSize);
      return found?.proof.map(fromHex) ?? 'missing';
    },
  };
}
