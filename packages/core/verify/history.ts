import { equal, fromBase64, fromHex, hex } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import { signingInput } from '../grants/documents.ts';
import type { Checkpoint, TileReader } from '../log/index.ts';
import {
  encodePersonalLeaf,
  leafHash,
  verifyChain,
  verifyConsistency,
  verifyInclusion,
} from '../log/index.ts';
import type { Statement } from '../statement.ts';
import { leafOf } from '../statement.ts';
import type { Head, SubjectView, View } from '../view.ts';
import { readHead, VIEW_ENTRIES_MAX } from '../view.ts';
import type { AnswerEntry, HistoryAnswer } from './answer.ts';
import { readAnswer } from './answer.ts';
import type { ViewSession } from './ask.ts';
import { sessionHash } from './ask.ts';
import type { OpenedBody } from './bodies.ts';
import { openBodies, openSealed, orNull } from './bodies.ts';
import { openCheckpoint } from './checkpoint.ts';
import type { Check, CheckFailure, FailedAt } from './checks.ts';
import { CheckList } from './checks.ts';
import type { LeafProof, ProofSource } from './proofs.ts';
import { proofsFromTiles } from './proofs.ts';
import { verifyByWebCrypto } from './signature.ts';
import type { Witnessed, WitnessKeys } from './witnesses.ts';
import { checkWitnesses } from './witnesses.ts';

/** How far a head's time may be from this device's clock. */
export const HEAD_AGE_MAX_MS = 5 * 60_000;

/** The keys by which a history is judged. Who takes them from the gateway that is judged must know that. */
export interface InstanceKeys {
  /** The log's verifier key, as C2SP signed-note writes it; its name is the log's origin. */
  readonly logKey: string;
  /** The keeper's, `ed25519:…` or `p256:…`. */
  readonly keeperKey: string;
  /** Who has to cosign the log; null: it is not yet witnessed. */
  readonly witnesses: WitnessKeys | null;
}

/** One entry about her, as far as it could be read. */
export interface ReadEntry {
  readonly number: number;
  readonly index: number;
  /** null where it did not open. */
  readonly statement: Statement | null;
  /** Whether it has passed every check that is about it alone. */
  readonly sound: boolean;
  /** Whether the keys of what it names were ever given out, on the keeper's word. */
  readonly delivered: boolean;
  /** Base64, as it came. */
  readonly body: string;
  /** In hexadecimal; null where nothing came to be proven. */
  readonly commitment: string | null;
  readonly leafHash: string | null;
  readonly proof: readonly string[] | null;
}

/** One entry of her chain. */
export interface VerifiedEntry extends ReadEntry {
  /** What it opened, that was withheld from her until then: the look-up, and then what withheld it for longer. */
  readonly withheld: readonly ReadEntry[];
}

/** A chain about her at one controller: her own, or that of a number of hers. */
export interface VerifiedChain {
  readonly controller: string;
  readonly subject: string;
  /** Whether it is a number's own, from before the number was bound to her, on the keeper's word. */
  readonly alias: boolean;
  /** Entries there are, by the keeper's head, and the time up to which that is all. */
  readonly number: number;
  readonly completeTo: number;
  readonly protected: boolean;
  /** The tree that the keeper had followed to, and, in hexadecimal, how the checkpoint's tree begins with it. */
  readonly treeSize: number;
  readonly consistency: readonly string[] | null;
  /** In order of number. */
  readonly entries: readonly VerifiedEntry[];
}

/** What was proven from; what a bundle holds. */
export interface HistoryMaterial {
  readonly answer: HistoryAnswer;
  readonly view: View;
  /** Base64 of the session's ephemeral key. */
  readonly enc: string;
  readonly keys: InstanceKeys;
}

/** The outcome: every check by name, and what was read. Only where `verified` is true may anyone say so. */
export interface Verification {
  readonly verified: boolean;
  readonly checks: readonly Check[];
  readonly checkpoint: {
    readonly origin: string;
    readonly size: number;
    readonly root: string;
  } | null;
  /** Who has cosigned the checkpoint; null: nobody has to yet, or there is no checkpoint. */
  readonly witnessed: Witnessed | null;
  readonly chains: readonly VerifiedChain[];
  /** null where the answer or the view did not read. */
  readonly material: HistoryMaterial | null;
}

/**
 * Opens and checks the answer to one asking: that it is authentic, and that nothing was left out. Computed here,
 * from the tiles, the chains and the checkpoint; the gateway's word is taken for nothing. Never throws, whatever the
 * answer and the tiles hold: what does not fit is a failed check.
 * @param tiles the log's hash tiles; what it throws is 'unavailable'.
 * @param now milliseconds since 1970, by this device.
 */
export async function verifyHistory({
  answer: source,
  session,
  keys,
  tiles,
  now,
}: {
  readonly answer: unknown;
  readonly session: ViewSession;
  readonly keys: InstanceKeys;
  readonly tiles: TileReader;
  readonly now: number;
}): Promise<Verification> {
  let material: HistoryMaterial | null = null;
  try {
    const answer = readAnswer(source);
    const view = await session.open(answer.view);
    material = { answer, view, enc: session.enc, keys };
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
  }
  const isFresh = (time: number) => Math.abs(now - time) <= HEAD_AGE_MAX_MS;
  return checkHistory(material, keys, proofsFromTiles(tiles), isFresh);
}

/** The checks themselves, for a live answer and a bundle alike. Never throws. */
export async function checkHistory(
  material: HistoryMaterial | null,
  { logKey, witnesses }: InstanceKeys,
  proofs: ProofSource,
  isFresh: (time: number) => boolean,
): Promise<Verification> {
  const checks = new CheckList(witnesses === null ? ['witnessed'] : []);
  const chains: VerifiedChain[] = [];
  let checkpoint: Checkpoint | null = null;
  let witnessed: Witnessed | null = null;
  if (checks.note('view-opens', material !== null) && material !== null) {
    const opened = await openCheckpoint(material.answer.checkpoint, logKey);
    const reason = opened.signature === 'unsupported' ? opened.signature : 'wrong';
    checks.note('checkpoint-signature', opened.signature === 'ok', { reason });
    checkpoint = opened.checkpoint;
    if (checkpoint !== null && witnesses !== null) {
      witnessed = await checkWitnesses(material.answer.checkpoint, witnesses);
      const { outcome } = witnessed;
      checks.note('witnessed', outcome === 'ok', outcome === 'ok' ? {} : { reason: outcome });
    }
    for (const subject of material.view.subjects) {
      const chain = await checkChain(checks, material, checkpoint, subject, proofs, isFresh);
      if (chain !== null) chains.push(chain);
    }
    checkNobodyElse(checks, material.answer, chains);
  }
  const results = checks.results();
  return {
    verified: results.every((check) => check.state === 'ok'),
    checks: results,
    checkpoint: checkpoint && {
      origin: checkpoint.origin,
      size: checkpoint.size,
      root: hex(checkpoint.root),
    },
    witnessed,
    chains,
    material,
  };
}

async function checkChain(
  checks: CheckList,
  { answer, enc, keys }: HistoryMaterial,
  checkpoint: Checkpoint | null,
  view: SubjectView,
  proofs: ProofSource,
  isFresh: (time: number) => boolean,
): Promise<VerifiedChain | null> {
  const head = orNull(() => readHead(view.head));
  if (head === null) {
    checks.note('head-signature', false);
    return null;
  }
  const { controller } = head;
  const at = { controller, subject: head.subject };
  const signature = orNull(() => fromBase64(view.signature)) ?? new Uint8Array(0);
  const verdict = await verifyByWebCrypto(keys.keeperKey, signingInput(view.head), signature);
  const reason = verdict === 'unsupported' ? verdict : 'wrong';
  checks.note('head-signature', verdict === 'ok', { reason, ...at });
  const encBytes = orNull(() => fromBase64(enc)) ?? new Uint8Array(0);
  checks.note('head-session', head.session === sessionHash(encBytes), at);
  checks.note('head-fresh', isFresh(head.time), at);
  const consistency = await checkTree(checks, head, checkpoint, proofs);

  const subject = answer.subjects.find((each) => each.subject === head.subject);
  // What was entered after the head is not hers to read yet; the next head counts it.
  const entries = (subject?.entries ?? [])
    .filter((entry) => entry.number <= head.number)
    .toSorted((a, b) => a.number - b.number);
  checkNumbers(checks, head, view, subject?.controller === controller, entries);
  const bodies = await openBodies(checks, head, view, entries);
  const proven = await proveLeaves(checks, head, checkpoint, entries, proofs);
  // A chain of no entries has nothing that could fail these.
  for (const id of ['bodies-open', 'commitments', 'inclusion'] as const) checks.note(id, true);
  if (checkpoint === null) checks.skip('commitments', 'inclusion', 'chain');
  const undelivered = new Set(view.undelivered);
  const sealed = await openSealed(checks, head, view, subject?.sealed ?? [], bodies);
  const cited = [...sealed.values()].flat();
  const places = await proveLeaves(checks, head, checkpoint, cited, proofs);
  const provenAt = new Map(cited.map((each, i) => [each, places[i]]));
  const links: { index: number; leafHash: Uint8Array }[] = [];
  const read = entries.map((entry, i): VerifiedEntry => {
    const body = bodies[i] ?? null;
    const { found, included } = proven[i] ?? { found: null, included: false };
    if (found !== null) links.push({ index: entry.index, leafHash: found.leafHash });
    const committed = checkCommitment(checks, head, entry, body, found);
    const opened = view.opened.find((each) => each.number === entry.number);
    const withheld = (sealed.get(entry.number) ?? []).map((each): ReadEntry => {
      const { found: at, included: stands } = provenAt.get(each) ?? {
        found: null,
        included: false,
      };
      const fits = checkCommitment(checks, head, entry, each.opened, at, each.leafHash);
      const isDelivered = opened?.delivered === true;
      return readEntry(each, each.opened, at, { sound: stands && fits, delivered: isDelivered });
    });
    const delivered = !undelivered.has(entry.number);
    return {
      ...readEntry(entry, body, found, { sound: included && committed, delivered }),
      withheld,
    };
  });
  const claim = { subject: fromHex(head.subject), count: head.number, head: fromHex(head.chain) };
  if (checkpoint !== null) checks.note('chain', verifyChain({ ...claim, links }), at);
  return {
    controller,
    subject: head.subject,
    alias: view.alias,
    number: head.number,
    completeTo: head.time,
    protected: view.protected,
    treeSize: head.size,
    consistency: consistency?.map(hex) ?? null,
    entries: read,
  };
}

function readEntry(
  { number, index, body }: AnswerEntry,
  opened: OpenedBody | null,
  found: LeafProof | null,
  { sound, delivered }: Pick<ReadEntry, 'sound' | 'delivered'>,
): ReadEntry {
  return {
    number,
    index,
    statement: opened?.statement ?? null,
    sound: opened !== null && sound,
    delivered: opened?.statement.kind !== 'undelivered' && delivered,
    body,
    commitment: opened && hex(opened.commitment),
    leafHash: found && hex(found.leafHash),
    proof: found?.proof.map(hex) ?? null,
  };
}

/** That the log's signed tree is the one the keeper followed, or has grown from it. Gives the proof that came. */
async function checkTree(
  checks: CheckList,
  { controller, subject, size, root }: Head,
  checkpoint: Checkpoint | null,
  proofs: ProofSource,
): Promise<readonly Uint8Array[] | null> {
  if (checkpoint === null) {
    checks.skip('head-checkpoint');
    return null;
  }
  const proof = size > checkpoint.size ? 'missing' : await proofs.connect(size, checkpoint.size);
  if (typeof proof === 'string') {
    checks.note('head-checkpoint', false, { reason: proof, controller, subject });
    return null;
  }
  const connected = verifyConsistency({
    oldSize: size,
    newSize: checkpoint.size,
    oldRoot: fromHex(root),
    newRoot: checkpoint.root,
    proof,
  });
  checks.note('head-checkpoint', connected, { controller, subject });
  return proof;
}

/** That the entries are 1 to the head's number, each once. */
function checkNumbers(
  checks: CheckList,
  head: Head,
  view: SubjectView,
  present: boolean,
  entries: readonly AnswerEntry[],
): void {
  const { controller, subject } = head;
  const at = { controller, subject };
  // A chain longer than one view covers cannot be told to be complete, and so is not.
  const bounded = view.first === 1 && head.number <= VIEW_ENTRIES_MAX;
  const whole = bounded && (present || head.number === 0);
  if (!checks.note('numbers', whole, { ...at, reason: 'missing' })) return;
  const known = new Set(entries.map((entry) => entry.number));
  for (let number = 1; number <= head.number; number++) {
    checks.note('numbers', known.has(number), { ...at, reason: 'missing', number });
  }
  checks.note('numbers', known.size === entries.length, at);
}

/**
 * That the statement is the one that the log's leaf commits to: the leaf's bytes follow from it alone.
 * @param cited the leaf hash that an opening cites, where it is of one that was sealed
 */
function checkCommitment(
  checks: CheckList,
  { controller, subject }: Head,
  { number }: AnswerEntry,
  body: OpenedBody | null,
  found: LeafProof | null,
  cited: Uint8Array | null = found?.leafHash ?? null,
): boolean {
  if (body === null || found === null) {
    checks.skip('commitments');
    return false;
  }
  const leaf = leafHash(encodePersonalLeaf(leafOf(body.statement, body.commitment)));
  const committed = equal(leaf, found.leafHash) && cited !== null && equal(leaf, cited);
  return checks.note('commitments', committed, { controller, subject, number });
}

async function proveLeaves(
  checks: CheckList,
  { controller, subject }: Head,
  checkpoint: Checkpoint | null,
  entries: readonly AnswerEntry[],
  proofs: ProofSource,
): Promise<readonly { readonly found: LeafProof | null; readonly included: boolean }[]> {
  if (checkpoint === null) return entries.map(() => ({ found: null, included: false }));
  const { size, root } = checkpoint;
  const inTree = entries.filter((entry) => entry.index < size);
  const found = await proofs.prove(
    inTree.map((entry) => entry.index),
    size,
  );
  const byEntry = new Map(inTree.map((entry, i) => [entry, found[i]]));
  return entries.map((entry) => {
    const proof: LeafProof | CheckFailure = byEntry.get(entry) ?? 'wrong';
    const at: Partial<FailedAt> = { controller, subject, number: entry.number };
    if (typeof proof === 'string') {
      checks.note('inclusion', false, { ...at, reason: proof });
      return { found: null, included: false };
    }
    const included = verifyInclusion({ ...proof, index: entry.index, size, root });
    return { found: proof, included: checks.note('inclusion', included, at) };
  });
}

/** That the gateway has added no chain for which the keeper signed no head. */
function checkNobodyElse(
  checks: CheckList,
  answer: HistoryAnswer,
  chains: readonly VerifiedChain[],
): void {
  const headed = new Set(chains.map((chain) => chain.subject));
  for (const { subject, controller } of answer.subjects) {
    if (!headed.has(subject))
      checks.note('head-signature', false, { reason: 'missing', controller, subject });
  }
  const subjects = new Set(answer.subjects.map((each) => each.subject));
  if (subjects.size !== answer.subjects.length) checks.note('numbers', false);
}
