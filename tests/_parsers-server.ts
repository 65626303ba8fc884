import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { base64, utf8 } from '../packages/core/bytes.ts';
import type { Json } from '../packages/core/canonical.ts';
import { canonicalText } from '../packages/core/canonical.ts';
import { exportSigningKey, generateSigningKey } from '../packages/core/keys/sign.ts';
import { encodePublicLeaf } from '../packages/core/log/entry.ts';
import { formatVerifierKey } from '../packages/core/log/note.ts';
import { parsePolicy } from '../packages/core/log/policy.ts';
import { encodeEntryBundle, TILE_WIDTH } from '../packages/core/log/tile.ts';
import { Appointed, readAppointed } from '../packages/server/audit/appointed.ts';
import {
  openCheckpoint,
  readCheckpoint,
  readWitnessing,
} from '../packages/server/audit/checkpoint.ts';
import { AuditError } from '../packages/server/audit/errors.ts';
import { bundleHashes } from '../packages/server/audit/hashing.ts';
import { parsePrefix } from '../packages/server/audit/http.ts';
import { noticesOf } from '../packages/server/audit/notices.ts';
import { OrdersSeen, readOrdersSeen } from '../packages/server/audit/orders.ts';
import { readSealsSeen, SealsSeen } from '../packages/server/audit/seals.ts';
import { sourceOf } from '../packages/server/audit/source.ts';
import { loadState, saveState } from '../packages/server/audit/state.ts';
import {
  readCodeBody,
  readErasureBody,
  readProtectionBody,
  readSealedAsk,
} from '../packages/server/citizen/body.ts';
import { parseAgency } from '../packages/server/cli/agency-file.ts';
import { readManifest } from '../packages/server/cli/backup-set.ts';
import { readShare } from '../packages/server/cli/ceremony.ts';
import { readDeclaration } from '../packages/server/cli/declaration-file.ts';
import { CliError } from '../packages/server/cli/errors.ts';
import { parseGrants } from '../packages/server/cli/grants-file.ts';
import { readKeys } from '../packages/server/cli/history-words.ts';
import { readTerms } from '../packages/server/cli/holdings.ts';
import { readIdentifiers } from '../packages/server/cli/identifiers.ts';
import { readEnrolment, readSigningKey } from '../packages/server/cli/keys.ts';
import {
  LOG_OPTIONS,
  readLogKey as readKeyOfLog,
  readPlace,
  readPolicy,
} from '../packages/server/cli/log-place.ts';
import { parseArguments } from '../packages/server/cli/options.ts';
import { parseSealRules } from '../packages/server/cli/seal-rules-file.ts';
import { readYamlFile } from '../packages/server/cli/yaml-file.ts';
import { ConfigError, readConfig } from '../packages/server/config/config.ts';
import { readAnnouncement, toMapping } from '../packages/server/custody/announcement.ts';
import { decodeSealed, encodeSealed } from '../packages/server/custody/blob.ts';
import { CustodyError } from '../packages/server/custody/errors.ts';
import { declarationOf, gather, inChunks } from '../packages/server/custody/rows/_sample.ts';
import { readCardName } from '../packages/server/custody/rows/card-name.ts';
import type { TextValue } from '../packages/server/custody/rows/codes.ts';
import { parseDate, parseDateTime } from '../packages/server/custody/rows/dates.ts';
import { encodings } from '../packages/server/custody/rows/encoding.ts';
import { parseField } from '../packages/server/custody/rows/fields.ts';
import { decodeFrames, encodeFrames, FrameError } from '../packages/server/custody/rows/frames.ts';
import { decodeGroup, encodeGroup } from '../packages/server/custody/rows/group.ts';
import {
  parseCnic,
  parseImei,
  parseImsi,
  parseMsisdn,
} from '../packages/server/custody/rows/identifiers.ts';
import { readImages } from '../packages/server/custody/rows/images.ts';
import { inspectJpeg } from '../packages/server/custody/rows/jpeg.ts';
import { readJsonObject } from '../packages/server/custody/rows/json-object.ts';
import { parseMapping } from '../packages/server/custody/rows/mapping.ts';
import { readTable } from '../packages/server/custody/rows/table.ts';
import {
  sheetXml,
  workbook,
  workbookParts,
  zip,
} from '../packages/server/custody/rows/xlsx/_workbook.ts';
import { WorkbookError } from '../packages/server/custody/rows/xlsx/errors.ts';
import { readXml } from '../packages/server/custody/rows/xlsx/xml.ts';
import { readDrawn } from '../packages/server/custody/seal.ts';
import { readRequestBody } from '../packages/server/disclosure/body.ts';
import { parseDeclaration, parseDeclarationFile } from '../packages/server/holdings/parse.ts';
import { readShipped, shippedHoldings } from '../packages/server/holdings/shipped.ts';
import type { PlainValue } from '../packages/server/holdings/yaml.ts';
import { readYaml } from '../packages/server/holdings/yaml.ts';
import { readLogKey } from '../packages/server/log/key.ts';
import { decodeSigned, encodeSigned } from '../packages/server/log/signed.ts';
import { readExtensionBody } from '../packages/server/seals/body.ts';
import { WitnessError } from '../packages/server/witness/errors.ts';
import { createWitnessFolder, openWitnessFolder } from '../packages/server/witness/folder.ts';
import { readAddCheckpoint } from '../packages/server/witness/request.ts';
import type { FuzzedParser } from './_fuzz.ts';
import {
  asBytes,
  bytesLike,
  jsonLike,
  jsonTextLike,
  mapped,
  parser,
  textLike,
  unstrained,
} from './_fuzz.ts';
import { core, documentLike, documents, documentsOf, witnessed } from './_parsers-core.ts';

const HEX16 = 'cd'.repeat(16);
const HEX32 = 'ab'.repeat(32);
const NOW = Date.UTC(2026, 10, 23, 9, 30);
/** One whole JPEG of 24 by 16 grey pixels, but for tables: start, frame, scan with a stuffed byte, end. */
const SMALL_JPEG = 'ffd8' + 'ffc0000b080010001801011100' + 'ffda0008010100003f0012ff0034' + 'ffd9';
const isCliError = (error: Error) => error instanceof CliError;
const isCustodyError = (error: Error) => error instanceof CustodyError;
const isDocument = core('bad-document');
const asJson = (value: unknown) => JSON.stringify(value);
const demo = (path: string) =>
  readFileSync(new URL(`../packages/server/demo/${path}`, import.meta.url));

/** What a value's parser says where it gives a code. */
const code = (value: unknown) => (typeof value === 'string' ? value : null);

/** Files of one folder that is gone when the tests are. */
class Scratch {
  readonly folder = mkdtempSync(join(tmpdir(), 'amanat-fuzz-'));

  constructor() {
    process.once('exit', () => rmSync(this.folder, { recursive: true }));
  }

  /** The path of a file with this content, its owner's alone. */
  write(name: string, content: string | Uint8Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }
}

/** custody/rows: values, rows, files. */
async function rowParsers(): Promise<readonly FuzzedParser[]> {
  const rows = (name: string, file: string) => ({
    file: `packages/server/custody/rows/${file}.ts`,
    name,
  });
  const sims = declarationOf('sim-registrations');
  const cards = declarationOf('identity-card-images');
  const normal = (value: TextValue | string) =>
    typeof value === 'string' ? null : value.normalised;
  const same = (parse: (text: string) => TextValue | string) => ({
    parse: (text: string) => {
      const found = parse(text);
      return typeof found === 'string' ? found : found.normalised;
    },
    refusal: (found: string) => (/^[a-z-]+$/.test(found) ? found : null),
  });
  const identifiers = {
    parseCnic: [parseCnic, ['01234-1234567-1', '0123412345671', '۰۱۲۳۴-۱۲۳۴۵۶۷-۱']],
    parseMsisdn: [
      parseMsisdn,
      ['0398-0000001', '+92 398 0000001', '00923980000001', '۰۳۹۸ ۰۰۰۰۰۰۱'],
    ],
    parseImsi: [parseImsi, ['001010123456789']],
    parseImei: [parseImei, ['001010000000008', '00 101000 000000 8']],
  } as const;
  const csv = [
    `${sims.fields.map(({ name }) => name).join(',')}\n${sims.fields.map(() => '"x ""y"" z"').join(',')}\n\n`,
    `${sims.fields.map(({ name }) => name).join(';')}\r\n${sims.fields.map(() => 'x').join(';')}\r\n"\n`,
  ];
  const simRow = [
    '01234-1234567-1',
    'نام',
    'x "y"',
    '0398 1230001',
    '001010123456789',
    'Bay Telecom',
    '2026-01-02',
    'verified',
  ];
  const simHeading = sims.fields.map(({ name }) => name);
  const jsonLines = [
    `${JSON.stringify(Object.fromEntries(simHeading.map((name, at) => [name, simRow[at]])))}\n\r\n{ "cnic" : 1e3, "name":null, "name":{"a":["}"]}}\r`,
    `\ufeff{"cnic":"\\ud800","msisdn":923981230001,"address":true}\n[1]\n{}`,
  ];
  const table = [
    simHeading,
    simRow,
    simHeading.map(() => ({ xml: '<c s="1"><v>46024.5</v></c>' })),
    simHeading.map(() => ({ xml: '<c t="s"><v>0</v></c>' })),
  ];
  const book = workbookParts(
    { Sheet1: sheetXml(table), Other: '<sheetData/>' },
    { shared: ['x'], formats: ['yyyy-mm-dd hh:mm'] },
  );
  const readSims = async (bytes: Uint8Array, encoding: (typeof encodings)[number] = 'utf-8') => {
    const opened = await readTable(inChunks(bytes, 97), sims, {
      identifiers: 'synthetic',
      encoding,
    });
    return opened.ok ? gather(opened.batches) : opened;
  };
  const jpeg = Buffer.from(SMALL_JPEG, 'hex');
  const files = [
    { name: '01234-1234567-1.front.jpg', size: jpeg.length, content: [jpeg] },
    { name: 'علی.jpg', size: 3, content: [Buffer.from('abc')] },
  ];
  const framed = Buffer.concat(await Array.fromAsync(encodeFrames(files)));
  const group = encodeGroup([
    { name: 'cnic', value: { recorded: '01234-1234567-1', normalised: '0123412345671' } },
    { name: 'name', value: { recorded: 'نام', normalised: 'نام' } },
    { name: 'image', value: { bytes: Buffer.from('bytes') } },
    { name: 'none', value: null },
  ]);
  const fields = [...sims.fields, ...cards.fields, ...declarationOf('travel-history').fields];
  const types = new Map(fields.map((field) => [field.type, field]));
  return [
    parser({
      file: 'packages/server/cli/ceremony.ts',
      name: 'readShare',
      inputs: textLike(
        '1 0400 28T5 CY4T QKFF 5Q\n2 0810 6007 1RAH R8SA R9\n3 64W3 YHJD AHDP 4TBG JD\n4 EXZ8 B34K KAGT HBXP D8\n5 QQ2C QMPS ABWP 8JM0 TK',
      ),
      parse: readShare,
      throws: (error) => error instanceof CliError && error.reason === 'bad-share',
    }),
    ...Object.entries(identifiers).map(([name, [parse, valid]]) =>
      parser({
        ...rows(name, 'identifiers'),
        inputs: textLike(...valid),
        ...same((text) => parse(text, 'synthetic')),
        rewrite: (found) => found,
      }),
    ),
    parser({
      ...rows('parseDate', 'dates'),
      inputs: textLike('2026-02-28', '28-02-2026', '1/2/2026', '۲۰۲۶-۰۲-۲۸'),
      ...same(parseDate),
      rewrite: (found) => found,
    }),
    parser({
      ...rows('parseDateTime', 'dates'),
      inputs: textLike('2026-02-28 10:20', '2026-02-28T10:20:30+05:00', '28/02/2026 10:20:30.5Z'),
      ...same(parseDateTime),
      rewrite: (found) => found,
    }),
    parser({
      ...rows('parseField', 'fields'),
      inputs: textLike(
        'x',
        '12',
        '2026-01-01',
        '01234-1234567-1',
        'verified',
        '-007',
        'a  b\u0301',
      ),
      parse: (text) =>
        [...types.values()].map((field) => {
          const found = parseField(field, text, 'synthetic');
          return found === null || typeof found === 'string' ? found : normal(found);
        }),
      refusal: (found) => (found.every((each) => each === null) ? '' : null),
    }),
    parser({
      ...rows('readCardName', 'card-name'),
      inputs: textLike(...files.map(({ name }) => name), '0123412345671.back.jpeg'),
      parse: (name) => readCardName(name, 'synthetic'),
      refusal: code,
    }),
    parser({
      ...rows('parseMapping', 'mapping'),
      inputs: jsonLike({ 'Identity No': 'cnic', Remarks: null }),
      parse: parseMapping,
      refusal: (found) => (found.ok ? null : `${found.path} ${found.expected}`),
    }),
    ...encodings.map((encoding) =>
      parser({
        ...rows(`readTable, as ${encoding}`, 'table'),
        inputs: bytesLike(...[...csv, ...jsonLines].map((text) => encoded(text, encoding))),
        parse: (bytes) => readSims(bytes, encoding),
        // A refused file may name its headings, of which digits are masked; rejections hold no value.
        refusal: (found) => ('code' in found ? JSON.stringify(found) : null),
      }),
    ),
    parser({
      ...rows('readTable, as a workbook', 'table'),
      inputs: bytesLike(workbook(table), zip(book, { method: 'stored', comment: 'x' })),
      parse: readSims,
      refusal: (found) => ('code' in found ? JSON.stringify(found) : null),
    }),
    ...Object.keys(book).map((part) =>
      parser({
        ...rows(`readTable, as a workbook with another ${part}`, 'table'),
        inputs: bytesLike(Buffer.from(book[part] as string)),
        parse: (bytes) => readSims(zip({ ...book, [part]: bytes })),
        refusal: (found) => ('code' in found ? JSON.stringify(found) : null),
      }),
    ),
    parser({
      file: 'packages/server/custody/rows/xlsx/xml.ts',
      name: 'readXml',
      inputs: bytesLike(...Object.values(book).map((xml) => Buffer.from(xml))),
      parse: async (bytes) => {
        const told: unknown[] = [];
        const handler = {
          open: (name: string, attributes: ReadonlyMap<string, string>) =>
            void told.push([name, ...attributes]),
          close: (name: string) => void told.push(name),
          text: (text: string) => void told.push(text),
        };
        for await (const _ of readXml(inChunks(bytes, 97), handler));
        return told;
      },
      throws: (error) => error instanceof WorkbookError,
    }),
    parser({
      ...rows('readJsonObject', 'json-object'),
      inputs: textLike(...jsonLines.flatMap((text) => text.split('\n'))),
      parse: readJsonObject,
      refusal: (found) => (found === null ? '' : null),
    }),
    parser({
      ...rows('decodeFrames', 'frames'),
      inputs: bytesLike(framed),
      parse: async (bytes) => {
        const found: { name: string; size: number; content: Uint8Array[] }[] = [];
        for await (const { name, size, content } of decodeFrames(inChunks(bytes, 61))) {
          found.push({ name, size, content: await Array.fromAsync(content) });
        }
        return Buffer.concat(await Array.fromAsync(encodeFrames(found)));
      },
      throws: (error) => error instanceof FrameError,
      write: (written) => written,
    }),
    parser({
      ...rows('readImages', 'images'),
      inputs: bytesLike(framed),
      parse: async (bytes) => {
        const opened = readImages(decodeFrames(inChunks(bytes, 61)), cards, {
          identifiers: 'synthetic',
        });
        return opened.ok ? gather(opened.batches) : opened;
      },
      throws: (error) => error instanceof FrameError,
    }),
    parser({
      ...rows('inspectJpeg', 'jpeg'),
      inputs: bytesLike(jpeg),
      parse: inspectJpeg,
      refusal: code,
    }),
    parser({
      ...rows('decodeGroup', 'group'),
      inputs: bytesLike(group),
      parse: decodeGroup,
      refusal: (found) => (found === null ? '' : null),
      write: (found) => (found === null ? null : encodeGroup(found)),
    }),
  ];
}

/** A text in an encoding that a file may be declared to be in, as far as it can be. */
function encoded(text: string, encoding: (typeof encodings)[number]): Uint8Array {
  if (encoding === 'utf-8') return Buffer.from(text);
  if (encoding === 'utf-16le') return Buffer.from(text, 'utf16le');
  if (encoding === 'utf-16be') return Buffer.from(text, 'utf16le').swap16();
  return Buffer.from(text, 'latin1');
}

/** custody beside the rows, and the log. */
function custodyParsers(scratch: Scratch): readonly FuzzedParser[] {
  const custody = (name: string, file: string) => ({
    file: `packages/server/custody/${file}.ts`,
    name,
  });
  const [begun] = documentsOf('import-begun') as readonly (object & { readonly time: number })[];
  const signatures = [{ key: HEX16, signature: Buffer.alloc(64, 1).toString('base64') }];
  const announcement = {
    signed: { document: canonicalText({ ...begun, time: NOW } as never), signatures },
    salt: HEX32,
    mapping: { 'Identity No': 'cnic' },
    encoding: 'utf-8',
    sheet: null,
  };
  const sealedVersion = {
    nonce: Buffer.alloc(16, 1),
    ciphertexts: [1, 2].map((byte) => Buffer.alloc(20, byte)),
  };
  const drawn = Buffer.alloc(124);
  drawn.writeUInt32BE(1);
  const key = generateSigningKey('ed25519');
  return [
    parser({
      ...custody('readAnnouncement', 'announcement'),
      inputs: mapped(jsonLike(announcement), (value) => ({
        ...announcement,
        ...asAnnouncement(value),
      })),
      parse: (ask) => readAnnouncement(ask, NOW),
      throws: isCustodyError,
    }),
    parser({
      ...custody('readAnnouncement, of any document', 'announcement'),
      inputs: documentLike({ ...begun, time: NOW }),
      parse: (document) =>
        readAnnouncement({ ...announcement, signed: { document, signatures } }, NOW),
      throws: isCustodyError,
    }),
    parser({
      ...custody('toMapping', 'announcement'),
      inputs: jsonLike({ 'Identity No': 'cnic', Remarks: null }),
      parse: toMapping,
      throws: isCustodyError,
    }),
    parser({
      ...custody('decodeSealed', 'blob'),
      inputs: bytesLike(encodeSealed(sealedVersion)),
      parse: (bytes) => decodeSealed(bytes, 2),
      throws: isCustodyError,
      write: encodeSealed,
    }),
    parser({
      ...custody('readDrawn', 'seal'),
      inputs: jsonLike([{ row: 2, refused: 'date-ahead' }]),
      parse: (refused) =>
        readDrawn(
          [
            { row: 1, groups: [] },
            { row: 2, groups: [] },
          ],
          refused as never,
          drawn,
          1,
        ),
      throws: isCustodyError,
    }),
    parser({
      file: 'packages/server/log/signed.ts',
      name: 'decodeSigned',
      inputs: bytesLike(
        encodePublicLeaf({
          document: documents[0]?.document ?? '{}',
          signatures: [{ key: HEX16, signature: new Uint8Array(64) }],
        }),
      ),
      parse: decodeSigned,
      refusal: (found) => (found === null ? '' : null),
      write: (found) => (found === null ? null : encodeSigned(found)),
    }),
    parser({
      file: 'packages/server/log/key.ts',
      name: 'readLogKey',
      inputs: textLike(exportSigningKey(key), exportSigningKey(generateSigningKey('p256'))),
      parse: (pem) => {
        scratch.write('log-key.pem', pem);
        return readLogKey(scratch.folder, 'log.example').verifierKey;
      },
      throws: (error) =>
        core('bad-key')(error) || /^the log’s key is not (a key|ed25519)$/.test(error.message),
    }),
  ];
}

/** The members of an announcement that have the types its route's schema has checked. */
function asAnnouncement(value: unknown): object {
  const { salt, mapping, encoding, sheet } = (value ?? {}) as Record<string, unknown>;
  return {
    ...(typeof salt === 'string' ? { salt } : {}),
    ...(mapping === undefined ? {} : { mapping }),
    ...(typeof encoding === 'string' ? { encoding } : {}),
    ...(typeof sheet === 'string' ? { sheet } : {}),
  };
}

/** Bodies of requests, whose documents are documents in their one form. */
function bodyParsers(): readonly FuzzedParser[] {
  const signatures = [{ key: HEX16, signature: Buffer.alloc(64, 1).toString('base64') }];
  const textOf = (type: string) => documents.find((each) => each.type === type)?.document ?? '{}';
  const request = textOf('request');
  const { count } = (JSON.parse(request) as { selectors: { count: number } }).selectors;
  const selectors = Array.from({ length: count }, () => ({
    type: 'cnic',
    value: '0123412345671',
    salt: HEX16,
  }));
  const approval = { document: textOf('approval'), signatures };
  const citizen = { file: 'packages/server/citizen/body.ts' };
  const [second] = signatures;
  return [
    parser({
      file: 'packages/server/disclosure/body.ts',
      name: 'readRequestBody',
      inputs: jsonLike(
        { document: request, signatures, selectors, approval: null },
        { document: request, signatures, selectors, approval },
      ),
      parse: readRequestBody,
      throws: isDocument,
    }),
    parser({
      file: 'packages/server/seals/body.ts',
      name: 'readExtensionBody',
      inputs: jsonLike({ document: textOf('seal-extension'), signatures, approval }),
      parse: readExtensionBody,
      throws: isDocument,
    }),
    parser({
      ...citizen,
      name: 'readCodeBody',
      inputs: jsonLike({ document: textOf('code'), signatures }),
      parse: readCodeBody,
      throws: isDocument,
    }),
    parser({
      ...citizen,
      name: 'readProtectionBody',
      inputs: jsonLike({ document: textOf('protection'), signatures: [...signatures, second] }),
      parse: readProtectionBody,
      throws: isDocument,
    }),
    parser({
      ...citizen,
      name: 'readErasureBody',
      inputs: jsonLike({ document: textOf('erasure'), signatures: [...signatures, second] }),
      parse: readErasureBody,
      throws: isDocument,
    }),
    parser({
      ...citizen,
      name: 'readSealedAsk',
      inputs: jsonLike({ enc: `${'A'.repeat(87)}=`, ciphertext: 'AAAA' }),
      parse: readSealedAsk,
      throws: isDocument,
    }),
  ];
}

/** Holdings, and the files and words that commands are given. */
function fileParsers(scratch: Scratch): readonly FuzzedParser[] {
  const shipped = shippedHoldings.map(readShipped);
  const yaml = [...shipped, demo('grants.yaml'), demo('agencies/demo-police.yaml')];
  const plainOf = (bytes: Uint8Array): unknown => {
    const read = readYaml(bytes);
    if (!read.ok) throw new Error('a shipped file is refused');
    return JSON.parse(JSON.stringify(read.value)) as unknown;
  };
  const cli = (name: string, file: string) => ({ file: `packages/server/cli/${file}.ts`, name });
  const holdings = (name: string, file: string) => ({
    file: `packages/server/holdings/${file}.ts`,
    name,
  });
  const problems = (found: ReturnType<typeof parseDeclaration>) =>
    found.ok ? null : JSON.stringify(found.problems);
  const asYaml = unstrained(asBytes(jsonTextLike(asJson, ...shipped.map(plainOf))));
  const key = generateSigningKey('p256');
  const enrolment = {
    type: 'enrolment',
    key: key.public.text,
    role: 'officer',
    person: 'o-1',
    agency: 'demo-police',
    line: 'one',
  };
  const config = {
    mode: 'demo',
    origin: 'log.example/log',
    keeper: 'embedded',
    port: 8420,
    publishSeconds: 600,
    allowSynthetic: true,
  };
  const manifest = {
    type: 'amanat-backup',
    id: 'ab'.repeat(32),
    part: 'keeper',
    origin: 'log.example/log',
    time: 1_764_154_980_123,
    files: { 'keeper.db': 'ab'.repeat(32), 'config.json': 'cd'.repeat(32) },
  };
  const options = {
    as: { value: 'KEY', help: '', many: true },
    port: { value: 'N', help: '' },
    quick: { help: '' },
  };
  const argv = [
    ['--as', 'a.pem', '--port=1', 'word', '--quick'],
    ['--', '--as'],
  ];
  return [
    parser({
      ...holdings('readYaml', 'yaml'),
      inputs: bytesLike(...yaml),
      parse: readYaml,
      refusal: (found) => (found.ok ? null : JSON.stringify(found)),
      rewrite: (found) => (found.ok ? Buffer.from(writeYaml(found.value)) : null),
    }),
    parser({
      ...holdings('parseDeclarationFile', 'parse'),
      inputs: unstrained(bytesLike(...shipped)),
      parse: parseDeclarationFile,
      refusal: problems,
    }),
    parser({
      ...holdings('parseDeclaration', 'parse'),
      inputs: jsonLike(...shipped.map(plainOf)),
      parse: parseDeclaration,
      refusal: problems,
    }),
    parser({
      ...cli('readDeclaration', 'declaration-file'),
      inputs: asYaml,
      parse: readDeclaration,
      throws: isCliError,
    }),
    parser({
      ...cli('parseGrants', 'grants-file'),
      inputs: jsonLike(plainOf(demo('grants.yaml'))),
      parse: (value) => parseGrants(value as PlainValue),
      throws: isCliError,
    }),
    parser({
      ...cli('parseSealRules', 'seal-rules-file'),
      inputs: jsonLike(
        plainOf(readFileSync(new URL('../docs/examples/seal-rules.yaml', import.meta.url))),
      ),
      parse: (value) => parseSealRules(value as PlainValue),
      throws: isCliError,
    }),
    parser({
      ...cli('parseAgency', 'agency-file'),
      inputs: jsonLike(plainOf(demo('agencies/demo-police.yaml'))),
      parse: (value) => parseAgency(value as PlainValue),
      throws: isCliError,
    }),
    parser({
      ...cli('readYamlFile', 'yaml-file'),
      inputs: unstrained(bytesLike(...yaml)),
      parse: (bytes) => readYamlFile(scratch.write('file.yaml', bytes)),
      throws: isCliError,
    }),
    parser({
      ...cli('readIdentifiers', 'identifiers'),
      inputs: textLike('cnic:01234-1234567-1\n\nmsisdn: 0398-0000001\n', 'cnic:۰۱۲۳۴۱۲۳۴۵۶۷۱'),
      parse: (text) => readIdentifiers(text, 'synthetic'),
      throws: isCliError,
      rewrite: (found) => found.map(({ type, value }) => `${type}:${value}`).join('\n'),
    }),
    parser({
      ...cli('readSigningKey', 'keys'),
      inputs: textLike(exportSigningKey(key)),
      parse: async (pem) => (await readSigningKey(scratch.write('key.pem', pem))).public.text,
      throws: isCliError,
    }),
    parser({
      ...cli('readEnrolment', 'keys'),
      inputs: jsonTextLike(asJson, enrolment),
      parse: (text) => readEnrolment(scratch.write('key.request.json', text)),
      throws: isCliError,
    }),
    parser({
      ...cli('readKeys', 'history-words'),
      inputs: jsonTextLike(asJson, { logKey: 'log', keeperKey: key.public.text }),
      parse: (text) => readKeys(scratch.write('keys.json', text)),
      throws: isCliError,
    }),
    parser({
      ...cli('readManifest', 'backup-set'),
      inputs: jsonTextLike(asJson, manifest),
      parse: (text) => {
        scratch.write('backup.json', text);
        return readManifest(scratch.folder);
      },
      throws: isCliError,
    }),
    parser({
      ...cli('parseArguments', 'options'),
      inputs: mapped(jsonLike(...argv), (value) =>
        (Array.isArray(value) ? value : [value]).filter((each) => typeof each === 'string'),
      ),
      parse: (words) => parseArguments(words, options),
      throws: isCliError,
    }),
    parser({
      file: 'packages/server/config/config.ts',
      name: 'readConfig',
      inputs: jsonTextLike(asJson, config),
      parse: (text) => {
        scratch.write('config.json', text);
        return readConfig(scratch.folder);
      },
      throws: (error) => error instanceof ConfigError && error.code === 'bad-config',
      rewrite: asJson,
    }),
  ];
}

/** Plain data as YAML, of which JSON is a part, but for the numbers that JSON has not. */
function writeYaml(value: PlainValue): string {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return Number.isNaN(value) ? '.nan' : value < 0 ? '-.inf' : '.inf';
  }
  if (Object.is(value, -0)) return '-0.0';
  if (Array.isArray(value)) return `[${value.map(writeYaml).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value);
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}: ${writeYaml(each)}`).join(', ')}}`;
}

/** What a witness reads: what is submitted to it, and its own folder. */
function witnessParsers(scratch: Scratch): readonly FuzzedParser[] {
  const [note] = witnessed.notes as [string];
  const hash = base64(new Uint8Array(32).fill(1));
  const bodies = [`old 0\n\n${note}`, `old 1\n${hash}\n${hash}\n\n${note}`];
  const kinds = ['ed25519', 'ml-dsa-44'] as const;
  const name = 'witness.example/w';
  /** A witness's folder of which one file is replaced again and again. */
  const opened = (file: string) => {
    const dir = join(scratch.folder, `witness-${file}`);
    createWitnessFolder(dir, { name, kinds });
    const path = join(dir, file);
    return {
      valid: readFileSync(path, 'utf8'),
      parse: (content: string | Uint8Array) => {
        writeFileSync(path, content);
        const { keys, logs } = openWitnessFolder(dir);
        return [...keys.map((key) => key.public), ...logs].map(formatVerifierKey);
      },
      throws: (error: Error) => error instanceof WitnessError,
    };
  };
  const settings = opened('witness.json');
  const logs = opened('logs.policy');
  const folder = { file: 'packages/server/witness/folder.ts' };
  return [
    parser({
      file: 'packages/server/witness/request.ts',
      name: 'readAddCheckpoint',
      inputs: bytesLike(...bodies.map(utf8)),
      parse: readAddCheckpoint,
      refusal: (found) => (found === null ? '' : null),
      write: (found) =>
        found === null
          ? null
          : utf8([`old ${found.oldSize}`, ...found.proof.map(base64), '', found.note].join('\n')),
    }),
    parser({
      ...folder,
      name: 'openWitnessFolder, by any settings',
      inputs: jsonTextLike(asJson, JSON.parse(settings.valid)),
      parse: settings.parse,
      throws: settings.throws,
    }),
    parser({
      ...folder,
      name: 'openWitnessFolder, with any policy',
      inputs: bytesLike(utf8(logs.valid), utf8(witnessed.policy)),
      parse: logs.parse,
      throws: logs.throws,
    }),
    ...kinds.map((kind) => {
      const { valid, parse, throws } = opened(`${kind}.pem`);
      return parser({
        ...folder,
        name: `openWitnessFolder, with any ${kind} key`,
        inputs: textLike(valid),
        parse,
        throws,
      });
    }),
  ];
}

/** What an audit reads: a log that may lie, its own state, and what its commands are given. */
function auditParsers(scratch: Scratch): readonly FuzzedParser[] {
  const { log, range, notes, policy: policyText } = witnessed;
  const policy = parsePolicy(utf8(policyText));
  const audit = (name: string, file: string) => ({
    file: `packages/server/audit/${file}.ts`,
    name,
  });
  const cli = (name: string, file: string) => ({ file: `packages/server/cli/${file}.ts`, name });
  const near = textLike(...notes);
  const isAuditError = (error: Error) => error instanceof AuditError;
  const state = {
    format: 'amanat-audit/v5',
    key: formatVerifierKey(log),
    checkpoint: notes[1],
    hashes: range.hashes().map(base64),
    leaves: { personal: 1, public: 2, unknown: 0 },
    changed: NOW,
    appointed: {
      genesis: null,
      latestHour: NOW,
      brokenUntil: 0,
      appointments: [],
      logKeys: [],
    },
    seals: { keeper: null, uncounted: [], seals: [] },
    orders: { leaves: [] },
  };
  const seals = {
    keeper: null,
    uncounted: [{ index: 3, month: '2027-01' }],
    seals: [{ index: 3, month: '2027-01', claims: [{ at: 9, month: '2027-02' }] }],
  };
  const textOf = (type: string) => documents.find((each) => each.type === type)?.document ?? '{}';
  const times = { takenAfter: NOW, firstHour: NOW, takenBy: null };
  const appointed = {
    genesis: textOf('genesis'),
    latestHour: NOW,
    brokenUntil: 0,
    appointments: [{ document: textOf('witnesses'), ...times }],
    logKeys: [],
  };
  const leavesOfNote = encodeEntryBundle([
    encodePublicLeaf({ document: textOf('genesis'), signatures: [] }),
    utf8(`amanat/v1 person 2026-11-23T09Z ${'A'.repeat(43)}=\n`),
    utf8(`amanat/v1 sealed 2026-11-23T09Z ${'A'.repeat(43)}= 2027-01\n`),
    utf8(`amanat/v1 opened 2026-11-23T09Z ${'A'.repeat(43)}= 2\n`),
    encodePublicLeaf({ document: textOf('seals-counted'), signatures: [] }),
    encodePublicLeaf({ document: textOf('witnesses'), signatures: [] }),
    encodePublicLeaf({ document: textOf('carried-out'), signatures: [] }),
  ]);
  const bundle = encodeEntryBundle(
    Array.from({ length: TILE_WIDTH }, (_, i) => utf8(`leaf ${i % 2}`)),
  );
  const declaration = {
    purposes: ['https://w3id.org/dpv#ServiceRegistration', 'amanat:CaseWork'],
    legalBases: ['https://w3id.org/dpv#LegalObligation'],
  };
  return [
    parser({
      ...audit('readAppointed', 'appointed'),
      inputs: jsonLike(appointed),
      parse: (value) => Appointed.from(readAppointed(value as Json, '')).keep(),
      throws: core('bad-document', 'bad-key'),
    }),
    parser({
      ...audit('noticesOf', 'appointed'),
      inputs: bytesLike(leavesOfNote),
      parse: (bytes) => {
        const found = new Appointed();
        found.take(noticesOf(bytes, { first: 0, old: 0 }), { origin: log.name, now: NOW });
        return found.keep();
      },
    }),
    parser({
      ...audit('readOrdersSeen', 'orders'),
      inputs: jsonLike({
        leaves: ['genesis', 'root-rotation', 'carried-out'].map((type) =>
          base64(encodePublicLeaf({ document: textOf(type), signatures: [] })),
        ),
      }),
      parse: (value) => OrdersSeen.from(readOrdersSeen(value as Json, '')).keep(),
      throws: core('bad-document', 'bad-encoding'),
    }),
    parser({
      ...audit('readSealsSeen', 'seals'),
      inputs: jsonLike(seals),
      parse: (value) => SealsSeen.from(readSealsSeen(value as Json, '')).keep(),
      throws: core('bad-document', 'bad-key'),
    }),
    parser({
      ...audit('noticesOf', 'seals'),
      inputs: bytesLike(leavesOfNote),
      parse: (bytes) => {
        const found = new SealsSeen();
        found.take(noticesOf(bytes, { first: 0, old: 0 }), log.name);
        return [found.keep(), found.count(NOW)];
      },
    }),
    parser({
      ...audit('openCheckpoint', 'checkpoint'),
      inputs: near,
      parse: (note) => openCheckpoint(note, log),
      throws: core('bad-note', 'bad-checkpoint'),
      rewrite: ({ note }) => note,
    }),
    parser({
      ...audit('readCheckpoint', 'checkpoint'),
      inputs: asBytes(near),
      parse: (bytes) =>
        readCheckpoint({ readCheckpoint: async () => bytes, read: async () => null }, log),
      throws: isAuditError,
      write: ({ note }) => utf8(note),
    }),
    parser({
      ...audit('readWitnessing', 'checkpoint'),
      inputs: near,
      parse: (note) => {
        const found = readWitnessing(
          { origin: log.name, size: 3, root: range.root(), note },
          policy,
        );
        // It is shown as a date.
        return { ...found, date: found.time === null ? null : new Date(found.time).toISOString() };
      },
      throws: isAuditError,
    }),
    parser({
      ...audit('loadState', 'state'),
      inputs: jsonTextLike(asJson, state),
      parse: async (text) => {
        const path = scratch.write('state.json', text);
        const loaded = await loadState(path, log);
        if (loaded === null) throw new Error('the state is not there');
        await saveState(path, log, loaded);
        const again = await loadState(path, log);
        return { text: readFileSync(path, 'utf8'), changed: again?.changed };
      },
      throws: isAuditError,
      rewrite: ({ text }) => text,
    }),
    parser({
      ...audit('sourceOf', 'source'),
      inputs: bytesLike(bundle),
      // The partial file is gone: the full one's beginning stands for it.
      parse: (bytes) =>
        sourceOf({ read: async (path) => (path.includes('.p/') ? null : bytes) }).read({
          level: 'entries',
          index: 0,
          width: 3,
        }),
    }),
    parser({
      ...audit('bundleHashes', 'hashing'),
      inputs: bytesLike(bundle),
      parse: (bytes) => bundleHashes(bytes, { width: TILE_WIDTH, old: 2 }),
      refusal: (found) => (found === null ? '' : null),
    }),
    parser({
      ...audit('parsePrefix', 'http'),
      inputs: textLike('https://log.example/log', 'http://127.0.0.1:8420/', 'https://[::1]/a/'),
      parse: (text) => parsePrefix(text).href,
      throws: (error) => error instanceof TypeError,
      rewrite: (href) => href,
    }),
    parser({
      ...cli('readPlace', 'log-place'),
      inputs: textLike('https://log.example/log', scratch.folder, 'x'.repeat(5_000), '\0'),
      parse: (word) => {
        const place = readPlace(word);
        return 'prefix' in place ? place.prefix.href : place.directory;
      },
      throws: isCliError,
      rewrite: (place) => place,
    }),
    parser({
      ...cli('readLogKey', 'log-place'),
      inputs: textLike(formatVerifierKey(log)),
      parse: (key) => readKeyOfLog(parseArguments([`--key=${key}`], LOG_OPTIONS)),
      throws: isCliError,
      write: formatVerifierKey,
    }),
    parser({
      ...cli('readPolicy', 'log-place'),
      inputs: bytesLike(utf8(policyText)),
      parse: (bytes) => readPolicy(scratch.write('log.policy', bytes), log),
      throws: isCliError,
    }),
    parser({
      ...cli('readTerms', 'holdings'),
      inputs: textLike('ServiceRegistration', 'CaseWork', ...declaration.purposes),
      parse: (purpose) => {
        const words = [`--purpose=${purpose}`, '--legal-basis=LegalObligation'];
        const options = {
          purpose: { value: 'P', help: '' },
          'legal-basis': { value: 'L', help: '' },
        };
        return readTerms(parseArguments(words, options), [declaration as never]);
      },
      throws: isCliError,
      rewrite: (found) => found.purpose,
    }),
  ];
}

/** Every parser of packages/server. */
export async function serverParsers(): Promise<readonly FuzzedParser[]> {
  const scratch = new Scratch();
  return [
    ...(await rowParsers()),
    ...custodyParsers(scratch),
    ...bodyParsers(),
    ...fileParsers(scratch),
    ...witnessParsers(scratch),
    ...auditParsers(scratch),
  ];
}
