import { readFileSync } from 'node:fs';
import { base64, fromBase64, fromHex, fromUtf8, hex, utf8 } from '../packages/core/bytes.ts';
import type { Json } from '../packages/core/canonical.ts';
import { canonicalText, parseCanonical, parseCanonicalBytes } from '../packages/core/canonical.ts';
import type { CoreErrorCode } from '../packages/core/errors.ts';
import { CoreError } from '../packages/core/errors.ts';
import type { DocumentType, PublicDocumentType } from '../packages/core/grants/documents.ts';
import {
  personalDocuments,
  publicDocuments,
  readDocument,
  readDocumentOrNull,
  readPublicDocument,
} from '../packages/core/grants/documents.ts';
import { readSelector } from '../packages/core/grants/selectors.ts';
import {
  cosign,
  exportCosigningKey,
  generateCosigningKey,
  importCosigningKey,
  verifyNoteSignature,
} from '../packages/core/keys/cosign.ts';
import {
  generateSealingKey,
  importSealingKey,
  openSealed,
  sealTo,
} from '../packages/core/keys/hpke.ts';
import { open, openOnce, seal, sealOnce, secretKey } from '../packages/core/keys/seal.ts';
import { formatShare, parseShare, splitShares } from '../packages/core/keys/share.ts';
import {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  parsePublicKey,
  sign,
} from '../packages/core/keys/sign.ts';
import { formatCheckpoint, parseCheckpoint } from '../packages/core/log/checkpoint.ts';
import {
  decodeCosignature,
  encodeCosignature,
  openCosignatures,
  openCosignaturesAsync,
  openSignatures,
  openSignaturesAsync,
} from '../packages/core/log/cosignature.ts';
import type { Leaf } from '../packages/core/log/entry.ts';
import {
  encodePersonalLeaf,
  encodePublicLeaf,
  parseLeaf,
  parseLeafOrNull,
} from '../packages/core/log/entry.ts';
import { CompactRange, leafHash } from '../packages/core/log/merkle.ts';
import type { NoteSignature } from '../packages/core/log/note.ts';
import {
  formatNote,
  formatVerifierKey,
  noteKey,
  noteMessage,
  openNote,
  openNoteAsync,
  parseCosignerKey,
  parseKeyOf,
  parseNote,
  parseVerifierKey,
} from '../packages/core/log/note.ts';
import { formatPolicy, parsePolicy } from '../packages/core/log/policy.ts';
import {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  parseTilePath,
  tilePath,
} from '../packages/core/log/tile.ts';
import { formatTlogProof, parseTlogProof } from '../packages/core/log/tlog-proof.ts';
import {
  readKeeperBackup,
  readShredCertificate,
  writeShredCertificate,
} from '../packages/core/shred-certificate.ts';
import { decodeBody, encodeBody, readRecordRead } from '../packages/core/statement.ts';
import { Simulation } from '../packages/core/verify/_simulation.ts';
import { readAnswer } from '../packages/core/verify/answer.ts';
import {
  askForView,
  formatAccessCode,
  parseAccessCode,
  readTypedCode,
} from '../packages/core/verify/ask.ts';
import { makeBundle, verifyBundle } from '../packages/core/verify/bundle.ts';
import { openCheckpoint } from '../packages/core/verify/checkpoint.ts';
import { readLatestEntries } from '../packages/core/verify/entries.ts';
import { verifyHistory } from '../packages/core/verify/history.ts';
import { readInstanceKeys } from '../packages/core/verify/instance.ts';
import { openByWebCrypto, openOnceByWebCrypto } from '../packages/core/verify/open.ts';
import { verifyShredProof } from '../packages/core/verify/shred-proof.ts';
import { readWitnessKeys } from '../packages/core/verify/witnesses.ts';
import { readHead, readView, readViewAsk, writeView, writeViewAsk } from '../packages/core/view.ts';
import type { FuzzedParser, Inputs } from './_fuzz.ts';
import { asBytes, bytesLike, jsonLike, jsonTextLike, mapped, parser, textLike } from './_fuzz.ts';

const NOW = Date.UTC(2026, 10, 23, 9, 30);

/** Whether an error is core's, with one of these codes. */
export function core(...codes: readonly CoreErrorCode[]): (error: Error) => boolean {
  return (error) => error instanceof CoreError && codes.includes(error.code);
}

/** The one form of a value, or null where it has none. */
function canonical(value: unknown): string | null {
  try {
    return canonicalText(value as Json);
  } catch {
    return null;
  }
}

/** Inputs that are documents in their one form, or nearly. */
export function documentLike(...valid: readonly unknown[]): Inputs<string> {
  return jsonTextLike(canonical, ...valid);
}

function vectors<T>(name: string): readonly T[] {
  const path = new URL(`../vectors/${name}.json`, import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { readonly valid: readonly T[] }).valid;
}

/** A document of every type, as the vectors have them. */
export const documents = vectors<{ readonly type: DocumentType; readonly document: string }>(
  'documents',
);

/** The values of the vectors' documents of some types. */
export function documentsOf(...types: readonly DocumentType[]): readonly object[] {
  return documents
    .filter(({ type }) => types.includes(type))
    .map(({ document }) => JSON.parse(document) as object);
}

const HEX32 = 'ab'.repeat(32);
const HEX16 = 'cd'.repeat(16);
const SHARE = {
  isRehearsal: false,
  ceremony: 'cd'.repeat(8),
  index: 2,
  threshold: 2,
  count: 3,
  value: new Uint8Array(32).fill(9),
};
const RECORD = {
  holding: 'sim-registrations',
  record: HEX16,
  import: 7,
  row: 3,
  expiryMonth: '2029-01',
  groups: [{ group: 'identity', nonce: HEX16, sha256: HEX32 }],
};
const SELECTOR = { type: 'cnic', value: '0123412345671', salt: HEX16 };
const VIEW = {
  type: 'view',
  subjects: [
    {
      head: 'head',
      signature: 'signature',
      protected: false,
      alias: false,
      undelivered: [1],
      first: 1,
      bodyKeys: 'AAAA',
      opened: [{ number: 3, delivered: true, bodyKeys: 'AAAA' }],
    },
  ],
} as const;
const PERIOD = { holding: 'sim-registrations', month: '2031-01' };
const CERTIFICATE = {
  type: 'shred-certificate',
  kind: 'person',
  holding: null,
  month: null,
  index: 7,
  leaf: HEX32,
  generation: 2,
  destroyed: NOW,
  time: NOW,
  backups: [{ id: HEX32, time: NOW, keepUntil: NOW }],
};
const HEAD = {
  type: 'head',
  session: HEX32,
  subject: HEX16,
  controller: 'demo-telecom',
  number: 3,
  chain: HEX32,
  size: 12,
  root: HEX32,
  time: NOW,
};

function encodeLeaf(leaf: Leaf): Uint8Array {
  return leaf.kind === 'public' ? encodePublicLeaf(leaf) : encodePersonalLeaf(leaf);
}

/** core/log: every form is strict, and what is read is written as it was. */
function logParsers(): readonly FuzzedParser[] {
  const leaves = vectors<{ readonly leaf: string }>('leaves')
    .map(({ leaf }) => fromHex(leaf))
    .filter(({ length }) => length < 4_000);
  const notes = vectors<{ readonly note: string; readonly keys: readonly string[] }>('notes')
    .filter(({ note }) => note.length < 4_000)
    .slice(0, 12);
  const [first] = notes;
  if (first === undefined) throw new Error('the vectors have no notes');
  const keys = first.keys.map(parseVerifierKey);
  const paths = vectors<{ readonly path: string }>('tile-paths').map(({ path }) => path);
  const hashes = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte));
  const log = (name: string, file: string) => ({ file: `packages/core/log/${file}.ts`, name });
  return [
    parser({
      file: 'packages/core/keys/share.ts',
      name: 'parseShare',
      inputs: textLike(formatShare(SHARE), `# words\n${formatShare(SHARE)}`),
      parse: parseShare,
      throws: core('bad-share'),
      rewrite: formatShare,
    }),
    parser({
      file: 'packages/core/keys/share.ts',
      name: 'splitShares',
      inputs: textLike(`# two\n${formatShare(SHARE)}\n${formatShare(SHARE)}`, '# none\n \n'),
      parse: splitShares,
      rewrite: (shares) => shares.join('\n'),
    }),
    parser({
      ...log('parseTilePath', 'tile'),
      inputs: textLike(...paths),
      parse: parseTilePath,
      throws: core('bad-tile'),
      write: tilePath,
    }),
    parser({
      ...log('decodeTile', 'tile'),
      inputs: bytesLike(encodeTile(hashes)),
      parse: (bytes) => decodeTile(bytes, 3),
      throws: core('bad-tile'),
      write: encodeTile,
    }),
    parser({
      ...log('decodeEntryBundle', 'tile'),
      inputs: bytesLike(encodeEntryBundle([utf8('one'), utf8(''), utf8('three')])),
      parse: (bytes) => decodeEntryBundle(bytes, 3),
      throws: core('bad-tile'),
      write: encodeEntryBundle,
    }),
    parser({
      ...log('parseCheckpoint', 'checkpoint'),
      inputs: textLike(...vectors<{ readonly text: string }>('checkpoints').map((v) => v.text)),
      parse: parseCheckpoint,
      throws: core('bad-checkpoint'),
      write: (checkpoint) =>
        checkpoint.extensions.length > 0 ? null : formatCheckpoint(checkpoint),
    }),
    parser({
      ...log('parseLeaf', 'entry'),
      inputs: bytesLike(...leaves),
      parse: parseLeaf,
      throws: core('bad-entry'),
      write: encodeLeaf,
    }),
    parser({
      ...log('parseLeafOrNull', 'entry'),
      inputs: bytesLike(...leaves),
      parse: parseLeafOrNull,
      refusal: (leaf) => (leaf === null ? 'no leaf' : null),
      write: (leaf) => (leaf === null ? null : encodeLeaf(leaf)),
    }),
    parser({
      ...log('parseVerifierKey', 'note'),
      inputs: textLike(...first.keys),
      parse: parseVerifierKey,
      throws: core('bad-key'),
      write: formatVerifierKey,
    }),
    parser({
      ...log('parseNote', 'note'),
      inputs: textLike(...notes.map(({ note }) => note)),
      parse: parseNote,
      throws: core('bad-note'),
      write: ({ text, signatures }) => formatNote(text, signatures),
    }),
    parser({
      ...log('openNote', 'note'),
      inputs: textLike(first.note),
      parse: (note) => openNote(note, keys, () => true),
      throws: core('bad-note'),
    }),
    parser({
      ...log('openNoteAsync', 'note'),
      inputs: textLike(first.note),
      parse: (note) => openNoteAsync(note, keys, async () => true),
      throws: core('bad-note'),
    }),
    parser({
      ...log('CompactRange.from', 'merkle'),
      inputs: mapped(bytesLike(Buffer.concat([Buffer.of(7), ...hashes])), (bytes) => ({
        size: bytes[0] ?? 0,
        hashes: Array.from({ length: Math.ceil((bytes.length - 1) / 32) || 0 }, (_, i) =>
          bytes.subarray(1 + 32 * i, 33 + 32 * i),
        ),
      })),
      parse: ({ size, hashes }) => CompactRange.from(size, hashes),
      throws: core('bad-proof'),
      write: (range) => ({ size: range.size, hashes: [...range.hashes()] as Uint8Array[] }),
    }),
  ];
}

/** A log's checkpoint that two witnesses cosigned, one with each kind of key, and a policy that asks for both. */
export const witnessed = makeWitnessed();

function makeWitnessed() {
  const signing = generateSigningKey('ed25519');
  const raw = fromBase64(signing.public.text.slice('ed25519:'.length));
  const log = noteKey('log.example', raw);
  const witnesses = (['ed25519', 'ml-dsa-44'] as const).map((kind) =>
    generateCosigningKey(kind, `witness.example/${kind}`),
  );
  const range = CompactRange.empty();
  for (const leaf of ['one', 'two', 'three']) range.append(leafHash(utf8(leaf)));
  const text = formatCheckpoint({ origin: log.name, size: range.size, root: range.root() });
  const signed: NoteSignature = { key: log, signature: sign(signing, noteMessage(text)) };
  const note = (seconds: number) =>
    formatNote(text, [signed, ...witnesses.map((key) => cosign(key, text, seconds))]);
  const lines = [
    `log ${formatVerifierKey(log)} https://log.example/`,
    ...witnesses.map((key, i) => `witness w${i} ${formatVerifierKey(key.public)}`),
    'group both all w0 w1',
    '# as few as one',
    'quorum both',
    '',
  ];
  return {
    log,
    range,
    witnesses,
    text,
    /** The log's signature alone, and the note with the cosignatures of now, of no time and of the last there is. */
    notes: [
      formatNote(text, [signed]),
      note(Math.floor(NOW / 1000)),
      note(0),
      note(Number.MAX_SAFE_INTEGER),
    ],
    policy: lines.join('\n'),
  };
}

/** core/log: what witnesses add to it. */
function witnessParsers(): readonly FuzzedParser[] {
  const { log, witnesses, text, notes, policy } = witnessed;
  const cosigners = witnesses.map((key) => key.public);
  const [ed25519, mlDsa44] = cosigners.map(formatVerifierKey) as [string, string];
  const logKey = formatVerifierKey(log);
  const all = [log, ...cosigners];
  const near = textLike(...notes);
  const isNote = core('bad-note', 'bad-checkpoint');
  /** What was opened makes a note that opens to the same. */
  const again = (found: readonly NoteSignature[], note: string) =>
    found.length === 0 ? null : formatNote(parseNote(note).text, found);
  const [first] = notes as [string];
  const hashes = [1, 2].map((byte) => new Uint8Array(32).fill(byte));
  const proof = { extra: null, index: 1, hashes, checkpoint: first };
  const of = (name: string, file: string) => ({ file: `packages/core/log/${file}.ts`, name });
  return [
    parser({
      ...of('parseCosignerKey', 'note'),
      inputs: textLike(ed25519, mlDsa44, logKey),
      parse: parseCosignerKey,
      throws: core('bad-key'),
      write: formatVerifierKey,
    }),
    parser({
      ...of('parseKeyOf', 'note'),
      inputs: textLike(logKey, mlDsa44, ed25519),
      parse: (key) => parseKeyOf([1, 6], key),
      throws: core('bad-key'),
      write: formatVerifierKey,
    }),
    ...witnesses.map((key, i) =>
      parser({
        ...of(`decodeCosignature, of type ${key.public.type}`, 'cosignature'),
        inputs: bytesLike(cosign(key, text, i).signature),
        parse: (bytes) => decodeCosignature(key.public, bytes),
        throws: core('bad-note'),
        write: ({ timeSeconds, signature }) => encodeCosignature(timeSeconds, signature),
      }),
    ),
    parser({
      ...of('openCosignatures', 'cosignature'),
      inputs: near,
      parse: (note) => openCosignatures(note, cosigners, verifyNoteSignature),
      throws: isNote,
      rewrite: again,
    }),
    // Whoever verifies nothing, too, is given what every other check has passed.
    parser({
      ...of('openCosignatures, by whoever believes all', 'cosignature'),
      inputs: near,
      parse: (note) => openCosignatures(note, cosigners, () => true),
      throws: isNote,
      rewrite: again,
    }),
    parser({
      ...of('openCosignaturesAsync', 'cosignature'),
      inputs: near,
      parse: (note) => openCosignaturesAsync(note, cosigners, async () => true),
      throws: isNote,
      rewrite: again,
    }),
    parser({
      ...of('openSignatures', 'cosignature'),
      inputs: near,
      parse: (note) => openSignatures(note, all, verifyNoteSignature),
      throws: isNote,
      rewrite: again,
    }),
    parser({
      ...of('openSignaturesAsync', 'cosignature'),
      inputs: near,
      parse: (note) => openSignaturesAsync(note, all, async () => true),
      throws: isNote,
      rewrite: again,
    }),
    parser({
      ...of('parsePolicy', 'policy'),
      inputs: asBytes(
        textLike(policy, 'quorum none\n', `witness w ${ed25519} u\ngroup g any w\nquorum g\n`),
      ),
      parse: parsePolicy,
      throws: core('bad-policy'),
      rewrite: formatPolicy,
    }),
    parser({
      ...of('parseTlogProof', 'tlog-proof'),
      inputs: textLike(
        formatTlogProof(proof),
        formatTlogProof({ ...proof, extra: utf8('extra'), index: 0, hashes: [] }),
      ),
      parse: parseTlogProof,
      throws: core('bad-proof', 'bad-note', 'bad-checkpoint'),
      write: formatTlogProof,
    }),
    parser({
      ...of('parseTlogProof, of any index', 'tlog-proof'),
      inputs: mapped(
        textLike('0', '7', '10'),
        (index) => `c2sp.org/tlog-proof@v1\nindex ${index}\n\n${first}`,
      ),
      parse: parseTlogProof,
      throws: core('bad-proof', 'bad-note', 'bad-checkpoint'),
      write: formatTlogProof,
    }),
  ];
}

/** core itself and core/grants: one form of JSON, and shapes. */
function documentParsers(): readonly FuzzedParser[] {
  const values = documents.map(({ document }) => JSON.parse(document) as unknown);
  const all = documentLike(...values);
  const statement = {
    type: 'statement',
    kind: 'disclosure',
    controller: 'demo-telecom',
    subject: HEX16,
    number: 1,
    time: NOW,
    agency: 'demo-police',
    officer: HEX16,
    approved: null,
    purpose: 'https://w3id.org/dpv#ServiceRegistration',
    legalBasis: 'https://w3id.org/dpv#LegalObligation',
    refusal: null,
    seal: { ground: 'https://w3id.org/dpv#LegalObligation', until: '2027-01-31' },
    seals: [{ index: 3, number: 1, leafHash: HEX32 }],
    token: null,
    reads: [{ holding: 'sim-registrations', groups: ['identity'] }],
    records: [RECORD],
    evidence: HEX32,
  };
  const body = Buffer.concat([new Uint8Array(32), utf8(canonicalText(statement))]);
  const types = { ...publicDocuments, ...personalDocuments };
  const grants = { file: 'packages/core/grants/documents.ts' };
  const view = { file: 'packages/core/view.ts' };
  const isDocument = core('bad-document');
  return [
    parser({
      file: 'packages/core/canonical.ts',
      name: 'parseCanonical',
      inputs: all,
      parse: parseCanonical,
      throws: isDocument,
      write: canonicalText,
    }),
    parser({
      file: 'packages/core/canonical.ts',
      name: 'parseCanonicalBytes',
      inputs: asBytes(all),
      parse: parseCanonicalBytes,
      throws: core('bad-document', 'bad-encoding'),
      write: (value) => utf8(canonicalText(value)),
    }),
    parser({
      ...grants,
      name: 'readDocument',
      inputs: all,
      parse: (text) => readDocument(text, ...(Object.keys(types) as DocumentType[])),
      throws: isDocument,
      write: (value) => canonicalText(value as unknown as Json),
    }),
    parser({
      ...grants,
      name: 'readDocumentOrNull',
      inputs: all,
      parse: (text) => readDocumentOrNull(text, ...(Object.keys(types) as DocumentType[])),
      refusal: (value) => (value === null ? 'no document' : null),
      write: (value) => (value === null ? null : canonicalText(value as unknown as Json)),
    }),
    parser({
      ...grants,
      name: 'readPublicDocument',
      inputs: documentLike(
        ...documentsOf(...(Object.keys(publicDocuments) as PublicDocumentType[])),
      ),
      parse: readPublicDocument,
      throws: isDocument,
      write: (value) => canonicalText(value as unknown as Json),
    }),
    parser({
      file: 'packages/core/grants/selectors.ts',
      name: 'readSelector',
      inputs: jsonLike(SELECTOR),
      parse: (value) => readSelector(value as Json, ''),
      throws: isDocument,
    }),
    parser({
      file: 'packages/core/shred-certificate.ts',
      name: 'readShredCertificate',
      inputs: documentLike(CERTIFICATE, { ...CERTIFICATE, kind: 'period', ...PERIOD }),
      parse: readShredCertificate,
      throws: core('bad-document', 'bad-encoding'),
      write: writeShredCertificate,
    }),
    parser({
      file: 'packages/core/shred-certificate.ts',
      name: 'readKeeperBackup',
      inputs: jsonLike(CERTIFICATE.backups[0] as Json),
      parse: (value) => readKeeperBackup(value as Json, ''),
      throws: isDocument,
    }),
    parser({
      file: 'packages/core/statement.ts',
      name: 'readRecordRead',
      inputs: jsonLike(RECORD),
      parse: (value) => readRecordRead(value as Json, ''),
      throws: isDocument,
    }),
    parser({
      file: 'packages/core/statement.ts',
      name: 'decodeBody',
      inputs: bytesLike(body),
      parse: decodeBody,
      throws: core('bad-document', 'bad-encoding'),
      write: (value, bytes) => encodeBody(bytes.subarray(0, 32), value),
    }),
    parser({
      ...view,
      name: 'readViewAsk',
      inputs: asBytes(documentLike({ type: 'view', code: HEX16, time: NOW })),
      parse: readViewAsk,
      throws: core('bad-document', 'bad-encoding'),
      write: writeViewAsk,
    }),
    parser({
      ...view,
      name: 'readHead',
      inputs: documentLike(HEAD),
      parse: readHead,
      throws: core('bad-document', 'bad-encoding'),
      write: canonicalText,
    }),
    parser({
      ...view,
      name: 'readView',
      inputs: asBytes(documentLike(VIEW)),
      parse: readView,
      throws: core('bad-document', 'bad-encoding'),
      write: writeView,
    }),
    parser({
      file: 'packages/core/bytes.ts',
      name: 'fromUtf8',
      inputs: asBytes(textLike('نام, and\u{1f600}')),
      parse: fromUtf8,
      throws: core('bad-encoding'),
      write: utf8,
    }),
    parser({
      file: 'packages/core/bytes.ts',
      name: 'fromHex',
      inputs: textLike('00ff', HEX16, ''),
      parse: fromHex,
      throws: core('bad-encoding'),
      write: hex,
    }),
    parser({
      file: 'packages/core/bytes.ts',
      name: 'fromBase64',
      inputs: textLike('AAAA', 'AA==', '+/8=', ''),
      parse: fromBase64,
      throws: core('bad-encoding'),
      write: base64,
    }),
  ];
}

/** core/keys: what is sealed under one key, and keys themselves. */
async function keyParsers(): Promise<readonly FuzzedParser[]> {
  const raw = new Uint8Array(32).fill(7);
  const key = secretKey(raw);
  const aad = utf8('aad');
  const sealedOnce = sealOnce(key, utf8('plaintext'), aad);
  const sealed = seal(key, utf8('plaintext'), aad, new Uint8Array(12));
  const pair = await generateSealingKey();
  const recipient = await importSealingKey(pair.publicKey, pair.pkcs8);
  const { enc, ciphertext } = await sealTo(pair.publicKey, aad, utf8('plaintext'));
  const kinds = ['ed25519', 'p256'] as const;
  const signing = kinds.map(generateSigningKey);
  const [pem] = witnessed.witnesses.map(exportCosigningKey) as [string];
  const isCiphertext = core('bad-ciphertext');
  const keys = (name: string, file: string) => ({ file: `packages/core/keys/${file}.ts`, name });
  return [
    parser({
      ...keys('openOnce', 'seal'),
      inputs: bytesLike(sealedOnce),
      parse: (bytes) => openOnce(key, bytes, aad),
      throws: isCiphertext,
      write: (plaintext) => sealOnce(key, plaintext, aad),
    }),
    parser({
      ...keys('open', 'seal'),
      inputs: bytesLike(sealed),
      parse: (bytes) => open(key, bytes, aad),
      throws: isCiphertext,
      write: (plaintext) => seal(key, plaintext, aad, new Uint8Array(12)),
    }),
    parser({
      ...keys('openOnceByWebCrypto', '../verify/open'),
      file: 'packages/core/verify/open.ts',
      inputs: bytesLike(sealedOnce),
      parse: (bytes) => openOnceByWebCrypto(raw, bytes, aad),
      throws: isCiphertext,
    }),
    parser({
      file: 'packages/core/verify/open.ts',
      name: 'openByWebCrypto',
      inputs: bytesLike(sealed),
      parse: (bytes) => openByWebCrypto(raw, bytes, aad),
      throws: isCiphertext,
    }),
    parser({
      ...keys('openSealed', 'hpke'),
      inputs: mapped(bytesLike(Buffer.concat([enc, ciphertext])), (bytes) => ({
        enc: bytes.subarray(0, 65),
        ciphertext: bytes.subarray(65),
      })),
      parse: (message) => openSealed(recipient, aad, message),
      throws: core('bad-key', 'bad-ciphertext'),
    }),
    parser({
      ...keys('parsePublicKey', 'sign'),
      inputs: textLike(...signing.map((each) => each.public.text)),
      parse: parsePublicKey,
      throws: core('bad-key'),
      write: ({ text }) => text,
    }),
    parser({
      ...keys('importSigningKey', 'sign'),
      inputs: textLike(...signing.map(exportSigningKey)),
      parse: (pem) => importSigningKey(pem).public.text,
      throws: core('bad-key'),
      // A key that is taken has a public half that is taken.
      refusal: (text) => {
        parsePublicKey(text);
        return null;
      },
    }),
    parser({
      ...keys('importCosigningKey', 'cosign'),
      inputs: textLike(...witnessed.witnesses.map(exportCosigningKey)),
      parse: (pem) => formatVerifierKey(importCosigningKey(pem, 'witness.example').public),
      throws: core('bad-key'),
      refusal: (text) => {
        parseCosignerKey(text);
        return null;
      },
    }),
    parser({
      ...keys('importCosigningKey, of any name', 'cosign'),
      inputs: textLike('witness.example/w', 'گواہ'),
      parse: (name) => formatVerifierKey(importCosigningKey(pem, name).public),
      throws: core('bad-key'),
      write: (text) => parseCosignerKey(text).name,
    }),
  ];
}

/** core/verify: what a browser reads of a gateway that may lie, and what a person types. */
async function verifyParsers(): Promise<readonly FuzzedParser[]> {
  const simulation = await Simulation.create();
  simulation.addNoise(20, NOW - 3_600_000);
  simulation.addEntry('demo-telecom', { kind: 'disclosure', time: NOW - 7_200_000 });
  simulation.addEntry('demo-border', { kind: 'miss', time: NOW - 3_600_000 });
  const session = await askForView(simulation.code, simulation.keeperSealingKey, NOW);
  const answer = await simulation.answer(session, { now: NOW });
  if (typeof answer !== 'object') throw new Error('the simulation gives no answer');
  const keys = simulation.keys;
  const cosigners = ['a', 'b', 'c'].map((name) =>
    formatVerifierKey(generateCosigningKey('ed25519', `witness.example/${name}`).public),
  );
  const witnesses = { keys: cosigners, quorum: 2 };
  const tiles = { readTile: async (position: never) => simulation.tile(position) };
  const verification = await verifyHistory({ answer, session, keys, tiles, now: NOW });
  if (verification.material === null) throw new Error('the simulated answer does not open');
  const bundle = makeBundle({ ...verification, material: verification.material }, NOW);
  const code = formatAccessCode(simulation.code);
  const bundles = encodeEntryBundle(
    Array.from({ length: 3 }, (_, i) =>
      encodePersonalLeaf({
        kind: 'person',
        hour: '2026-11-23T08Z',
        commitment: new Uint8Array(32).fill(i),
      }),
    ),
  );
  const verify = (name: string, file: string) => ({
    file: `packages/core/verify/${file}.ts`,
    name,
  });
  const typed = textLike(code, simulation.code, '۰۱۲۳ abcd', 'OIl0-0000');
  const shredProof = {
    type: 'amanat/v1 shred proof',
    keys: { ...keys, witnesses: null },
    checkpoint: answer.checkpoint,
    certificate: canonicalText(CERTIFICATE),
    signature: 'AAAA',
    leaf: 'AAAA',
    proof: [HEX32],
  };
  return [
    parser({
      ...verify('readTypedCode', 'ask'),
      inputs: typed,
      parse: readTypedCode,
      rewrite: (digits) => digits,
    }),
    parser({
      ...verify('parseAccessCode', 'ask'),
      inputs: typed,
      parse: parseAccessCode,
      rewrite: (digits) => (digits === null ? null : formatAccessCode(digits)),
    }),
    parser({
      ...verify('openCheckpoint', 'checkpoint'),
      inputs: textLike(answer.checkpoint),
      parse: (note) => openCheckpoint(note, keys.logKey),
    }),
    parser({
      ...verify('openCheckpoint, by any key', 'checkpoint'),
      inputs: textLike(keys.logKey),
      parse: (key) => openCheckpoint(answer.checkpoint, key),
    }),
    parser({
      ...verify('readLatestEntries', 'entries'),
      inputs: bytesLike(bundles),
      parse: (bytes) =>
        readLatestEntries({ read: async () => bytes, size: 3, before: 3, count: 3 }),
      throws: core('bad-tile'),
    }),
    parser({
      ...verify('readInstanceKeys', 'instance'),
      inputs: jsonLike({ ...keys, witnesses }, { ...keys, witnesses: null }, keys),
      parse: readInstanceKeys,
      throws: core('bad-document', 'bad-key'),
    }),
    parser({
      ...verify('readWitnessKeys', 'witnesses'),
      inputs: jsonLike(witnesses),
      parse: readWitnessKeys,
      throws: core('bad-document', 'bad-key'),
    }),
    parser({
      ...verify('readAnswer', 'answer'),
      inputs: jsonLike(answer),
      parse: readAnswer,
      throws: core('bad-document'),
    }),
    parser({
      ...verify('verifyHistory', 'history'),
      inputs: jsonLike(answer),
      parse: (changed) =>
        verifyHistory({ answer: changed as never, session, keys, tiles, now: NOW }),
    }),
    parser({
      ...verify('verifyBundle', 'bundle'),
      inputs: jsonTextLike((value) => JSON.stringify(value), JSON.parse(bundle)),
      parse: (file) => verifyBundle(file, keys, NOW),
      throws: core('bad-document'),
    }),
    parser({
      ...verify('verifyShredProof', 'shred-proof'),
      inputs: jsonTextLike((value) => JSON.stringify(value), shredProof),
      parse: (file) => verifyShredProof(file, null, NOW),
      throws: core('bad-document'),
    }),
  ];
}

/** Every parser of packages/core. */
export async function coreParsers(): Promise<readonly FuzzedParser[]> {
  return [
    ...logParsers(),
    ...witnessParsers(),
    ...documentParsers(),
    ...(await keyParsers()),
    ...(await verifyParsers()),
  ];
}
