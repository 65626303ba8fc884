import { utf8 } from '../packages/core/bytes.ts';
import type { Json, JsonObject } from '../packages/core/canonical.ts';
import { canonicalText } from '../packages/core/canonical.ts';
import { generateSealingKey, importSealingKey, sealTo } from '../packages/core/keys/hpke.ts';
import { seal, secretKey } from '../packages/core/keys/seal.ts';
import { VIEW_INFO } from '../packages/core/view.ts';
import { parseBackups } from '../packages/keeper/backups.ts';
import { ceremonyReaders } from '../packages/keeper/ceremony.ts';
import { readSecretKeys, readTokens } from '../packages/keeper/device/tool.ts';
import { DraftSeal } from '../packages/keeper/draft-seal.ts';
import { packDrawRows, unpackDrawnRows, unpackDrawRows } from '../packages/keeper/draw-rows.ts';
import { evidenceKey, openEvidence } from '../packages/keeper/evidence.ts';
import {
  encodeFrame,
  FrameError,
  FrameReader,
  packLeaves,
  unpackLeaves,
} from '../packages/keeper/frame.ts';
import { readAsked, readers } from '../packages/keeper/messages.ts';
import { joinPrepared, splitPrepared } from '../packages/keeper/prepared.ts';
import type { DrawRow, Prepared } from '../packages/keeper/protocol.ts';
import { DeviceError, readDeviceAnswer } from '../packages/keeper/providers/pkcs11.ts';
import type { RootPlace } from '../packages/keeper/providers/root.ts';
import { formatRootPlace, readRootPlace } from '../packages/keeper/providers/root.ts';
import { openView } from '../packages/keeper/view-sessions.ts';
import type { FuzzedParser } from './_fuzz.ts';
import { bytesLike, jsonLike, mapped, parser, textLike } from './_fuzz.ts';
import { core } from './_parsers-core.ts';

const HEX32 = 'ab'.repeat(32);
const HEX16 = 'cd'.repeat(16);
const isFrameError = (error: Error) => error instanceof FrameError;

const SIGNED = { document: '{}', signatures: [{ key: HEX16, signature: 'AAAA' }] };
const REQUEST = {
  kind: 'request',
  signed: SIGNED,
  selectors: [{ type: 'cnic', value: '0123412345671', salt: HEX16 }],
  approval: null,
};
const RECORD = {
  holding: 'sim-registrations',
  record: HEX16,
  import: 7,
  row: 3,
  expiryMonth: '2029-01',
  groups: [{ group: 'identity', nonce: HEX16, sha256: HEX32 }],
};

const DRAW_ROW: DrawRow = {
  row: 2,
  primary: { type: 'cnic', value: '0123412345671' },
  secondary: [{ type: 'msisdn', value: '+923980000001' }],
  recordKey: new Uint8Array(32),
  digest: new Uint8Array(32),
  eventDate: '2026-01-01',
};

const BACKUP = JSON.stringify({ id: HEX32, time: 1, keepUntil: null });

/** A message of each name as a gateway sends it. */
const MESSAGES: Readonly<Record<keyof typeof readers, Json>> = {
  draw: { import: 1, rows: 1 },
  resolve: { asks: [REQUEST] },
  prepare: { lookUps: [{ id: 1, records: [RECORD], abandoned: false }] },
  commit: { checkpoint: 'note', leaves: 0, wanted: [1] },
  view: { ask: 1 },
  seals: {},
  shred: { from: 0 },
  status: {},
};

/** The messages of a ceremony. */
const CEREMONY_MESSAGES: Readonly<Record<keyof typeof ceremonyReaders, readonly Json[]>> = {
  status: [{}],
  share: [{}],
  draw: [
    { provider: 'shares', threshold: 2, count: 3, rehearsal: false },
    { provider: 'passphrase' },
    { provider: 'pkcs11' },
  ],
  adopt: [{ root: HEX32 }],
};
const ROOT_PLACES: readonly RootPlace[] = [
  { provider: 'shares', ceremony: 'cd'.repeat(8), threshold: 2, commitments: [HEX32, HEX32] },
  { provider: 'pkcs11', token: '250880afe483dc1e', key: '01', salt: HEX32, check: HEX32 },
  { provider: 'passphrase', kdf: 'argon2id', memory: 8, passes: 1, salt: 'AAAA', wrapped: 'AAAA' },
];

const TOKENS = `Available slots:
Slot 0 (0x1): slot
  token label        : amanat
  token flags        : login required, token initialized
  serial num         : 250880afe483dc1e
`;
const SECRET_KEYS = `Secret Key Object; Generic secret length 32
  VALUE:      00ff
  label:      root
  ID:         01
  Access:     sensitive, always sensitive, never extractable, local
`;

/** Every parser of packages/keeper. */
export async function keeperParsers(): Promise<readonly FuzzedParser[]> {
  const leaves = [utf8('one'), utf8(''), utf8('three')];
  const viewKey = new Uint8Array(32).fill(9);
  const text = utf8(canonicalText({ type: 'evidence' }));
  const hash = new Uint8Array(32).fill(0xab);
  const sealed = seal(evidenceKey(viewKey, hash), text, hash, new Uint8Array(12));
  const pair = await generateSealingKey();
  const sealing = await importSealingKey(pair.publicKey, pair.pkcs8);
  const { enc, ciphertext } = await sealTo(pair.publicKey, VIEW_INFO, utf8('code'));
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const view = { kind: 'view' as const, enc: base64(enc), ciphertext: base64(ciphertext) };
  const entry = { id: 1, kind: 'miss', subject: HEX16, number: 1 } as const;
  const joined = joinPrepared([
    { ...entry, leaf: utf8('leaf'), body: utf8('body'), evidence: null },
    { ...entry, leaf: utf8('leaf'), body: utf8('body'), evidence: utf8('evidence') },
    { id: 2, refused: 'too-late' },
  ]);
  const prepared = { lookUps: joined.answer.lookUps as readonly Prepared[] };
  const drafts = new DraftSeal(secretKey(viewKey), (bytes) => new Uint8Array(bytes));
  return [
    parser({
      file: 'packages/keeper/draft-seal.ts',
      name: 'DraftSeal.open',
      inputs: bytesLike(
        drafts.seal(1, { purpose: 'p' }, hash),
        drafts.seal(2, { purpose: 'p' }, null),
      ),
      parse: (bytes) => drafts.open(1, bytes, hash),
      throws: core('bad-ciphertext'),
      write: (draft) => drafts.seal(1, draft as object, hash),
    }),
    parser({
      file: 'packages/keeper/backups.ts',
      name: 'parseBackups',
      inputs: textLike(`${BACKUP}\n`, `${BACKUP}\n\n${BACKUP}\n`, ''),
      parse: parseBackups,
      throws: core('bad-document'),
    }),
    parser({
      file: 'packages/keeper/draw-rows.ts',
      name: 'unpackDrawRows',
      inputs: bytesLike(packDrawRows([DRAW_ROW])),
      parse: (bytes) => unpackDrawRows(Buffer.from(bytes), 1),
      throws: (error) => isFrameError(error) || core('bad-document')(error),
      write: packDrawRows,
    }),
    parser({
      file: 'packages/keeper/draw-rows.ts',
      name: 'unpackDrawnRows',
      inputs: bytesLike(new Uint8Array(124), new Uint8Array(248)),
      parse: (bytes) => unpackDrawnRows(Buffer.from(bytes), 1),
      throws: isFrameError,
    }),
    parser({
      file: 'packages/keeper/frame.ts',
      name: 'unpackLeaves',
      inputs: bytesLike(packLeaves(leaves)),
      parse: (bytes) => unpackLeaves(Buffer.from(bytes), 3),
      throws: isFrameError,
      write: packLeaves,
    }),
    parser({
      file: 'packages/keeper/frame.ts',
      name: 'FrameReader',
      inputs: bytesLike(
        encodeFrame({ id: 1, name: 'status', body: {} }, utf8('bytes')),
        encodeFrame(null),
      ),
      parse: (bytes) => [...new FrameReader().push(Buffer.from(bytes))],
      throws: isFrameError,
    }),
    parser({
      file: 'packages/keeper/evidence.ts',
      name: 'openEvidence',
      inputs: bytesLike(sealed),
      parse: (bytes) => openEvidence(viewKey, 'ab'.repeat(32), bytes),
      throws: core('bad-ciphertext', 'bad-document', 'bad-encoding'),
    }),
    parser({
      file: 'packages/keeper/prepared.ts',
      name: 'splitPrepared',
      inputs: jsonLike([4, 4, null]),
      // The answer is the keeper's own; what may be wrong are the lengths.
      parse: (lengths) => {
        const bytes = (Array.isArray(lengths) ? lengths : [lengths]) as never;
        return splitPrepared({ lookUps: [{ ...entry, bytes }] }, Buffer.from('leafbody'));
      },
      throws: isFrameError,
    }),
    parser({
      file: 'packages/keeper/prepared.ts',
      name: 'splitPrepared, of any bytes',
      inputs: bytesLike(joined.attachment),
      parse: (bytes) => splitPrepared(prepared, Buffer.from(bytes)),
      throws: isFrameError,
      write: (lookUps) => joinPrepared(lookUps).attachment,
    }),
    parser({
      file: 'packages/keeper/view-sessions.ts',
      name: 'openView',
      inputs: mapped(jsonLike(view), (value) => ({
        ...view,
        ...Object.fromEntries(
          Object.entries(value ?? {}).filter(([, member]) => typeof member === 'string'),
        ),
      })),
      parse: (asked) => openView(sealing, asked),
    }),
    parser({
      file: 'packages/keeper/messages.ts',
      name: 'readAsked',
      inputs: jsonLike(
        REQUEST,
        { kind: 'seal-extension', signed: SIGNED, approval: SIGNED },
        { kind: 'code', signed: SIGNED },
        { kind: 'protection', signed: SIGNED },
        view,
      ),
      parse: (value) => readAsked(value as Json),
      throws: core('bad-document'),
    }),
    ...(Object.keys(ceremonyReaders) as (keyof typeof ceremonyReaders)[]).map((name) =>
      parser({
        file: 'packages/keeper/ceremony.ts',
        name: `ceremonyReaders.${name}`,
        inputs: jsonLike(...CEREMONY_MESSAGES[name]),
        parse: (value) => ceremonyReaders[name](value as JsonObject, ''),
        throws: core('bad-document'),
      }),
    ),
    parser({
      file: 'packages/keeper/providers/root.ts',
      name: 'readRootPlace',
      inputs: textLike(...ROOT_PLACES.map((place) => canonicalText(place))),
      parse: readRootPlace,
      throws: core('bad-document', 'bad-encoding'),
      write: formatRootPlace,
    }),
    parser({
      file: 'packages/keeper/device/tool.ts',
      name: 'readTokens',
      inputs: bytesLike(utf8(TOKENS)),
      parse: readTokens,
    }),
    parser({
      file: 'packages/keeper/device/tool.ts',
      name: 'readSecretKeys',
      inputs: bytesLike(utf8(SECRET_KEYS)),
      parse: readSecretKeys,
    }),
    parser({
      file: 'packages/keeper/providers/pkcs11.ts',
      name: 'readDeviceAnswer',
      inputs: jsonLike(
        { device: { token: '250880afe483dc1e', key: '01' } },
        { refused: 'wrong-pin' },
      ),
      parse: (value) => readDeviceAnswer('describe', value),
      throws: (error) => error instanceof DeviceError,
    }),
    ...(Object.keys(readers) as (keyof typeof readers)[]).map((name) =>
      parser({
        file: 'packages/keeper/messages.ts',
        name: `readers.${name}`,
        inputs: jsonLike(MESSAGES[name]),
        parse: (value) => readers[name](value as Json, ''),
        throws: core('bad-document'),
      }),
    ),
  ];
}
